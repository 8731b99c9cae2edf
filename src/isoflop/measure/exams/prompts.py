"""Prompts compared by what they say: hashes, and the question inside a longer prompt."""

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b

# where the question begins in a prompt with worked examples before it
_BEGINS = re.compile(r"(?:^|\n)[ \t]*(?:Q|Question|Problem|Input)[ \t]*:[ \t]*", re.IGNORECASE)
# where it ends: the last cue for an answer, with what coaxes one
_ENDS = re.compile(r"\n[ \t]*(?:A|Answer|Solution|Output)[ \t]*:[^\n]*\s*\Z", re.IGNORECASE)


def normalised(prompt: str) -> str:
    """The prompt without what copying changes: case, white space, composed characters."""
    if not prompt.isascii():
        prompt = unicodedata.normalize("NFC", prompt)
    return "".join(prompt.casefold().split())


def key(prompt: str) -> bytes:
    """A hash of the normalised prompt, 16 bytes."""
    return blake2b(normalised(prompt).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def readings(prompt: str) -> Iterator[bytes]:
    """Hashes under which a recorded prompt may be known, the most literal one first.

    The whole prompt; without a final cue such as `A: Let's think step by step.`; then what follows
    each `Q:` or `Question:` before that cue, from the last one backwards, because a prompt with
    worked examples ends with the question.
    """
    yield key(prompt)
    end = _ENDS.search(prompt)
    if end:
        prompt = prompt[: end.start()]
        yield key(prompt)
    for begin in reversed(list(_BEGINS.finditer(prompt))):
        yield key(prompt[begin.end() :])
