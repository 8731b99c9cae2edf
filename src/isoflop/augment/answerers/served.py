"""What is known of a model on a server: its sizes, its tokenizer, and how fast it answers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.augment import cited
from isoflop.augment.answerer import Speed
from isoflop.bill import Bill, total
from isoflop.errors import UsageError
from isoflop.lm.model import Generated, Message

FILE = "tokenizer.json"
# Ends of names that say how a model was tuned, which leaves its sizes as they are.
TUNED = ("-instruct", "-chat", "-it")
TRIAL_TOKENS, TRIAL_WRITTEN = 200, 24
SHORT = [Message("user", "Say yes.")]
LONG = [Message("user", "Say yes. " + "The harbour was dredged. " * (TRIAL_TOKENS // 5))]
MUCH = [Message("user", "Count from one to fifty, in words.")]


def architecture_of(name: str) -> Architecture | None:
    """The sizes of a model by the name it has at a server; None where the catalog has no such name.

    Args:
        name: Such as "qwen3:8b", "meta-llama/Llama-3.1-8B-Instruct" or "qwen3-8b".
    """
    rows = catalog.table("architectures")
    found = next((own for each in _spellings(name) if (own := rows.find(each))), None)
    return None if found is None else catalog.architecture(found)


def _spellings(name: str) -> Iterator[str]:
    """As the catalog may have it: with and without its owner, and what it was tuned for."""
    for each in (name, name.rpartition("/")[2]):
        plain = each.strip().lower().replace(":", "-")
        yield plain
        yield from (plain.removesuffix(end) for end in TUNED if plain.endswith(end))


def counter(path: str) -> Callable[[str], int]:
    """What counts the tokens of a text as the tokenizer in this file does.

    Args:
        path: A `tokenizer.json`, or the folder that holds one.

    Raises:
        UsageError: If there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError(
            f"There is no tokenizer at {file}. Name the {FILE} of the served model, or the folder "
            "that holds it."
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise UsageError(
            f"{file} is no tokenizer ({error}). Name the {FILE} of the served model."
        ) from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def trial(endpoint: Any) -> tuple[Speed, Bill]:
    """How fast a server answers, from four short questions; and what they took, in tokens.

    The first one waits for the connection, and on some servers for the model to be loaded.

    Raises:
        EndpointError: If it cannot be reached, refuses or falls silent.
        Missing: If it wants a key or does not know the model.
    """
    asked = ((SHORT, 1), (SHORT, 1), (LONG, 1), (MUCH, TRIAL_WRITTEN))
    answers = [_timed(endpoint, *each) for each in asked]
    _, (short, call), (long, read), (much, wrote) = answers
    more = max(1.0, _read(long, LONG) - _read(short, SHORT))
    written = max(1.0, (much.output_tokens or TRIAL_WRITTEN) - 1.0)
    speed = Speed(max(0.0, read - call) / more, max(0.0, wrote - call) / written, call)
    return speed, total(made.bill for made, _ in answers)


def _timed(endpoint: Any, messages: list[Message], most: int) -> tuple[Generated, float]:
    start = time.perf_counter()
    made: Generated = endpoint.generate(messages, most_tokens=most)
    return made, time.perf_counter() - start


def _read(made: Generated, messages: list[Message]) -> float:
    """Tokens of a prompt, as the server counted them or else as they are estimated."""
    counted = made.prompt_tokens
    return cited.approximate_tokens(messages) if counted is None else float(counted)
