"""Models by name, `scheme:name`: what runs them is imported only when one is opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isoflop import plugins
from isoflop.errors import UsageError, did_you_mean
from isoflop.settings import setting

MODELS = {
    "openai": "isoflop.lm.endpoint:Endpoint",
    "isoflop": "isoflop.lm.own:OwnModel",
    "hf": "isoflop.lm.huggingface:HuggingFaceModel",
    "ngram": "isoflop.measure.ngram:NgramModel",
}
PROSE = "isoflop:prose"  # the model of English prose that comes with the package
WRITTEN = {
    "openai": "openai:NAME",
    "isoflop": "isoflop:PATH",
    "hf": "hf:PATH-or-repo",
    "ngram": "ngram:TEXT",
}


def open_model(
    name: str, *, needs: Sequence[str] = (), base_url: str | None = None, **options: Any
) -> Any:
    """The model of that name, ready to be asked.

    Annotate what you need of it: `scorer: Scorer = open_model(name, needs=["score"])`. Other
    packages add schemes by an entry point of the group `isoflop.model`, whose object is called
    with what follows the colon.

    Args:
        name: "openai:NAME" for any OpenAI-compatible server, "isoflop:PATH" for a checkpoint of
            our own, "hf:PATH-or-repo" for a causal language model of Hugging Face.
        needs: Methods that will be called on it, such as "generate", "score" or "logits".
        base_url: Address of the server, for `openai:` only; the setting `base_url` by default.
            The limits of such a server are the settings `requests_per_minute` and
            `requests_at_once`.
        options: Passed on to what the scheme opens.

    Returns:
        What the scheme opens: at least one of `Model`, `Scorer` and `CausalModel`.

    Raises:
        UsageError: If the scheme is unknown, nothing follows it, or it cannot do what is needed.
        Missing: If a key, a file or a package is not there.
    """
    scheme, _, rest = name.partition(":")
    opens = plugins.find("model", scheme, MODELS) if rest.strip() else None
    if opens is None:
        raise UsageError(_unknown(name))
    lacks = [method for method in needs if not hasattr(opens, method)]
    if lacks and isinstance(opens, type):
        raise UsageError(_unable(name, scheme, lacks))
    if scheme == "openai":
        options = {**_server(base_url), **options}
    elif base_url is not None:
        raise UsageError(f"{name} is on no server. Leave out --base-url, or name openai:NAME.")
    return opens(rest, **options)


def _server(base_url: str | None) -> dict[str, Any]:
    """Where a served model is, and how fast it may be asked, by the settings in force."""
    return {
        "base_url": setting("base_url", base_url).value or None,
        "requests_per_minute": setting("requests_per_minute").value,
        "at_once": setting("requests_at_once").value,
    }


def _unknown(name: str) -> str:
    scheme, colon, rest = name.partition(":")
    known = plugins.names("model", MODELS)
    written = ", ".join(WRITTEN.get(each, f"{each}:NAME") for each in known)
    if colon and scheme in known:
        return f"No model is named after {scheme + ':'!r}. Write {WRITTEN.get(scheme, scheme)}."
    if not colon and name and Path(name).is_dir():
        return f"A folder is no model yet: write isoflop:{name} or hf:{name}."
    near = did_you_mean(scheme, known, most=1).rstrip("?")
    hint = f"{near}:{rest or 'NAME'}?" if near else ""
    return f"No model called {name!r}.{hint} Models are {written}."


def _unable(name: str, scheme: str, lacks: Sequence[str]) -> str:
    if scheme == "openai":
        return (
            f"{name} runs on a server, which gives no {' and no '.join(lacks)}.\n"
            "  Name a model that runs here: isoflop:PATH or hf:PATH-or-repo."
        )
    return f"{name} has no {' and no '.join(lacks)}, which this needs. Choose another model."
