"""Choices written into a prompt: `A. one`, `B: another`, `(C) a third`, each on its line."""

import re
from dataclasses import dataclass

from isoflop.measure.exams.exam import LETTERS

# A letter that begins a line (published prompt files have tabs for line breaks) and its mark.
_OPTION = re.compile(r"(?:^|[\n\t])[ ]*(?:\(([A-Z])\)|([A-Z])[.:)])[ ]+(?=\S)")
_END = re.compile(r"[\n\t]")


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a prompt, in order.

    Attributes:
        letters: "ABC" for three.
        texts: What they say, without the letter.
    """

    letters: str
    texts: tuple[str, ...]


def options_in(prompt: str) -> Options | None:
    """The last run of choices from A on, at least two; None when a prompt lists none."""
    marks = list(_OPTION.finditer(prompt))
    letters = [mark[1] or mark[2] for mark in marks]
    if "A" not in letters:
        return None
    first = len(letters) - 1 - letters[::-1].index("A")
    run = 0
    while first + run < len(letters) and letters[first + run] == LETTERS[run]:
        run += 1
    if run < 2:
        return None
    texts = [_text(prompt, marks[place].end()) for place in range(first, first + run)]
    return Options(LETTERS[:run], tuple(texts))


def _text(prompt: str, start: int) -> str:
    end = _END.search(prompt, start)
    return prompt[start : end.start() if end else len(prompt)].strip()
