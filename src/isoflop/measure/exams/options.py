"""Choices written into a prompt: `A. one`, `B: another`, `(C) a third`, each on its line."""

import re
from dataclasses import dataclass

from isoflop.measure.exams.exam import LETTERS

# A letter that begins a line (published prompt files have tabs for line breaks) and its mark.
_OPTION = re.compile(r"(?:^|[\n\t])[ ]*(?:\(([A-Z])\)|([A-Z])[.:)])[ ]+(?=\S)")
# The same within one line, announced: `Answer Choices: (A) one (B) another`.
_ANNOUNCED = re.compile(r"(?:Answer Choices|Choices|Options)[ ]*:[ \n]*(?=\(A\))", re.IGNORECASE)
_INLINE = re.compile(r"\(([A-Z])\)[ ]*")
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
    announced = list(_ANNOUNCED.finditer(prompt))
    if announced:
        inline = _inline(_END.split(prompt[announced[-1].end() :], maxsplit=1)[0])
        if inline:
            return inline
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


def _inline(line: str) -> Options | None:
    """Choices that follow each other in one line, each with its letter in parentheses."""
    marks = list(_INLINE.finditer(line))
    run = 0
    while run < len(marks) and marks[run][1] == LETTERS[run]:
        run += 1
    if run < 2:
        return None
    stops = [mark.start() for mark in marks[1:run]] + [len(line)]
    starts = [mark.end() for mark in marks[:run]]
    texts = (line[a:b].strip() for a, b in zip(starts, stops, strict=True))
    return Options(LETTERS[:run], tuple(texts))
