"""What a served model's refusals and failures mean, and what to do next."""

import re
import socket
import ssl
from collections.abc import Callable, Mapping

import httpx

from isoflop.errors import (
    CannotScore,
    EndpointError,
    IsoflopError,
    Missing,
    TooLongThere,
    did_you_mean,
)
from isoflop.lm.wire import Garbled, Refused, one_line

TOO_LONG = re.compile(
    r"context.{0,3}(length|window|size)|maximum context|too many (input )?tokens"
    r"|(prompt|input|request).{0,40}too (long|large)|max_model_len",
    re.IGNORECASE,
)
NO_MODEL = re.compile(
    r"model.{0,80}(not found|not exist|unknown|not supported|not available|no such)"
    r"|(no such|unknown|invalid|no) model",
    re.IGNORECASE,
)
LISTED = 8  # names that a message lists


def explained(
    refused: Refused,
    *,
    model: str,
    base_url: str,
    key_sent: bool,
    key_names: tuple[str, ...],
    tried: int,
    models: Callable[[], list[str]],
) -> IsoflopError:
    """The error to raise for a refusal.

    Args:
        refused: What the server said.
        model: The name it was asked for.
        base_url: Where.
        key_sent: Whether a key was sent.
        key_names: The variables that would have been sent there.
        tried: Attempts made.
        models: Asks the server which models it has.
    """
    status, said = refused.status, refused.said
    heard = f"({status}: {said})" if said else f"({status})"
    if refused.code == "context_length_exceeded" or status == 413 or TOO_LONG.search(said):
        return TooLongThere(
            f"The passages and the question are longer than {model} can read {heard}.\n"
            "  Hand over fewer passages (-k 3) or choose a model with a longer context."
        )
    if status == 401 or (status == 403 and not key_sent):
        return _unwelcome(heard, base_url, key_sent, key_names)
    if status == 404 or (status in (400, 422) and NO_MODEL.search(f"{refused.code} {said}")):
        return _unknown_model(heard, model, base_url, models())
    if 300 <= status < 400:
        return EndpointError(
            f"{base_url} answers with a redirect, which is not followed {heard}.\n"
            "  If you trust the other address, pass it as --base-url."
        )
    return EndpointError(f"{_refused(refused, heard, base_url, tried)}")


def _refused(refused: Refused, heard: str, base_url: str, tried: int) -> str:
    if "quota" in refused.code or refused.status == 402:
        return f"The account at {base_url} has no credit left {heard}.\n  Add credit there."
    if refused.status == 429:
        asked = f", which asks to wait {refused.wait:,.0f} s" if refused.wait else ""
        return (
            f"{base_url} is busy or limits your rate{asked} {heard}; tried {_times(tried)}.\n"
            "  Try again later, or choose another model."
        )
    if refused.status >= 500:
        return (
            f"{base_url} failed {heard}; tried {_times(tried)}.\n"
            "  Its own log says why; try again later, or choose another model."
        )
    return (
        f"{base_url} refused the request {heard}.\n"
        "  Check the model's name and --base-url; the server's words are in the brackets."
    )


def unanswered(error: Exception, base_url: str, *, begun: bool) -> EndpointError:
    """The error to raise when no whole answer came.

    Args:
        error: From the connection, `Garbled`, or `Refused` in the middle of a stream.
        base_url: Where.
        begun: Whether text had begun to arrive, so that asking again would be paid twice.
    """
    if begun:
        reason = "it fell silent" if isinstance(error, httpx.ReadTimeout) else _reason(error)
        reason = f"the server reports {error.said!r}" if isinstance(error, Refused) else reason
        return EndpointError(
            f"The answer from {base_url} is incomplete: {reason}.\n"
            "  It was not asked again, since what was written may be charged. Ask again yourself."
        )
    if isinstance(error, Garbled):
        return EndpointError(
            f"{base_url} answers, but not as a language model: {error}.\n"
            "  Is the address right? It usually ends in /v1."
        )
    if isinstance(error, httpx.ReadTimeout):
        return EndpointError(
            f"{base_url} took the question and said nothing in the time allowed.\n"
            "  Is the model still loading? Try again, hand over fewer passages (-k 3), or choose a "
            "faster model."
        )
    return EndpointError(f"{base_url} cannot be reached: {_reason(error)}.\n  {_remedy(error)}")


def refused_scoring(
    refused: Refused, model: str, base_url: str, models: Callable[[], list[str]]
) -> str:
    """What to say of a refusal to score a text, where it is one.

    Raises:
        EndpointError: If the text is too long.
        Missing: If the model is unknown there.
    """
    heard = f"({refused.status}: {refused.said})" if refused.said else f"({refused.status})"
    if refused.code == "context_length_exceeded" or TOO_LONG.search(refused.said):
        raise EndpointError(
            f"The text is longer than {model} can read {heard}.\n"
            "  Score it in shorter windows, or choose a model with a longer context."
        )
    if refused.status == 404 and (known := models()) and model not in known:
        raise _unknown_model(heard, model, base_url, known)
    return f"it refuses {heard}"


def cannot_score(model: str, base_url: str, seen: Mapping[str, str]) -> CannotScore:
    """The error to raise where a server gives no log-probabilities of a text, or no real ones.

    Args:
        model: The name it was asked for.
        base_url: Where.
        seen: What came, for each way of asking.
    """
    what = "; ".join(f"asked with {way}, {said}" for way, said in seen.items())
    return CannotScore(
        f"The server at {base_url} cannot score text with {model}: {what}.\n"
        "  Serve the model with vLLM, SGLang or llama-cpp-python (logits_all), run it here with\n"
        "  hf:PATH-or-repo, or choose a rule that reads generated answers. Chat services, Ollama,\n"
        "  llama-server and LM Studio do not give log-probabilities of a text that they are sent."
    )


def _remedy(error: Exception) -> str:
    if _cause(error, ConnectionRefusedError):
        return "Is the server running there? Start it, or pass its address as --base-url."
    if _cause(error, socket.gaierror):
        return "Check the host's name in --base-url and your connection."
    if _cause(error, ssl.SSLError):
        return "Does it speak https? If its certificate is your own, name it in SSL_CERT_FILE."
    if isinstance(error, httpx.ProxyError):
        return "Check HTTPS_PROXY, or name the host in NO_PROXY."
    return "Check --base-url and your connection, then try again."


def _reason(error: Exception) -> str:
    if _cause(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if _cause(error, socket.gaierror):
        return "the host's name is not known"
    return one_line(str(error)).rstrip(".") or type(error).__name__


def _cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of this kind is below another."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _unwelcome(heard: str, base_url: str, key_sent: bool, key_names: tuple[str, ...]) -> Missing:
    what = "does not accept the key it was sent" if key_sent else "wants a key and none was sent"
    hint = "" if len(key_names) > 1 else "  (OPENAI_API_KEY is sent to openai.com only.)"
    return Missing(
        f"{base_url} {what} {heard}.\n"
        f"  Set {' or '.join(key_names)} to a key of that service.{hint}"
    )


def _unknown_model(heard: str, model: str, base_url: str, known: list[str]) -> Missing:
    found = f"{base_url} has no model called {model!r} {heard}."
    near = did_you_mean(model, known)
    if near:
        return Missing(f"{found}{near}")
    if known:
        more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
        return Missing(f"{found}\n  It has {', '.join(map(one_line, known[:LISTED]))}{more}.")
    return Missing(
        f"{base_url} does not serve {model!r}, or serves nothing at this address {heard}.\n"
        "  Check the model's name and --base-url, which usually ends in /v1."
    )


def _times(tried: int) -> str:
    return "once" if tried == 1 else f"{tried} times"
