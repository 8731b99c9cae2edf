"""Lines of a PDF page as they are set: where paragraphs end, and which lines are headings.

PDF knows neither paragraphs nor headings, only glyphs and where they stand. A wider gap than
between most lines ends a paragraph; a short line that is larger or bolder than most text, in a
style that comes back on other pages, is a heading.
"""

import ctypes
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as raw

# pdfium puts this in place of a hyphen and the end of its line, whatever the hyphen was for.
DIVISION = "\ufffe"
PARAGRAPH_GAP = 1.35  # times the usual distance between lines
LARGER = 1.12  # times the height of most text
SMALLER = 0.88  # a bold line of a smaller font than this stands in a table
BOLDER = 100  # more than the weight of most text (400 is regular, 700 bold)
LONGEST_HEADING = 120
RUNNING_SHARE = 0.2  # a line on more pages than this stands in their margin
LEVELS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page.

    Attributes:
        text: Its characters.
        top: Above the foot of the page, in points; None where pdfium cannot tell.
        height: Size of its first letter's font on the page, in points, rounded to halves.
        weight: Of its lightest end, from 100 to 900.
        rows: Printed lines it takes, more than one where a divided word was joined.
    """

    text: str
    top: float | None = None
    height: float = 0.0
    weight: int = 0
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """How most of a document is set, and which styles its headings have.

    Attributes:
        height: Of most characters.
        weight: Of most characters.
        pitch: From one line to the next.
        levels: Level by style, a style being height and whether it is bold.
        running: Lines that come back in the margins.
    """

    height: float
    weight: int
    pitch: float
    levels: dict[tuple[float, bool], int]
    running: frozenset[str]

    def level(self, line: Line) -> int:
        """The level of the heading that a line is, or 0."""
        if line.text.strip() in self.running or not _may_be_heading(line):
            return 0
        return self.levels.get(_style(line, self.height, self.weight), 0)

    def parted(self, line: Line, following: Line) -> bool:
        """Whether a paragraph ends between two lines."""
        if line.top is None or following.top is None:
            return False
        larger = max(line.height, following.height, self.height) / (self.height or 1)
        usual = self.pitch * larger * line.rows
        return line.top - following.top > usual + (PARAGRAPH_GAP - 1) * self.pitch * larger


def lines_of(text_page: pdfium.PdfTextPage) -> list[Line]:
    """The lines of a page, in the order in which pdfium reads them."""
    text: str = text_page.get_text_range(errors="ignore")
    measured = len(text) == text_page.count_chars()  # otherwise positions do not belong together
    found, position = [], 0
    for words in text.split("\r\n"):
        first = position + len(words) - len(words.lstrip())
        last = position + len(words.rstrip()) - 1
        position += len(words) + 2
        if last >= first:
            found.append(_measured(text_page, words, first, last) if measured else Line(words))
    return found


def _measured(page: pdfium.PdfTextPage, words: str, first: int, last: int) -> Line:
    box = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(page.raw, first, ctypes.byref(box)):
        return Line(words)
    weights = [raw.FPDFText_GetFontWeight(page.raw, place) for place in (first, last)]
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(page.raw, first, ctypes.byref(matrix))
    size = raw.FPDFText_GetFontSize(page.raw, first) * math.hypot(matrix.c, matrix.d)
    height = round(2 * size) / 2
    return Line(words, box.top, height, min(weights), 1 + words.count(DIVISION))


def setting(pages: Sequence[Sequence[Line]]) -> Setting:
    """How a document is set, judged by all its lines."""
    heights: Counter[float] = Counter()
    weights: Counter[int] = Counter()
    pitches: Counter[float] = Counter()
    for page in pages:
        for line in page:
            heights[line.height] += len(line.text)
            weights[line.weight] += len(line.text)
        pitches.update(_pitches(page))
    height, weight = _commonest(heights), int(_commonest(weights))
    running = frozenset(_running(pages))
    levels = _levels(pages, height, weight, running)
    return Setting(height, weight, _commonest(pitches) or 1.2 * height, levels, running)


def _pitches(page: Sequence[Line]) -> Iterator[float]:
    """Distances from each line down to the next of its height, rounded to halves."""
    for line, following in pairwise(page):
        if line.top is not None and following.top is not None and line.height == following.height:
            distance = line.top - following.top
            if 0 < distance < 10 * line.height:
                yield round(2 * distance) / 2


def _commonest(counts: "Counter[float] | Counter[int]") -> float:
    return max(counts, key=lambda key: (counts[key], key), default=0)


def _running(pages: Sequence[Sequence[Line]]) -> Iterator[str]:
    on_pages = Counter(text for page in pages for text in {line.text.strip() for line in page})
    most = max(2, RUNNING_SHARE * len(pages))
    return (text for text, count in on_pages.items() if count > most)


def _levels(
    pages: Sequence[Sequence[Line]], height: float, weight: int, running: frozenset[str]
) -> dict[tuple[float, bool], int]:
    """Levels of the styles that headings have: the largest of all, and those on two pages."""
    on_pages: Counter[tuple[float, bool]] = Counter()
    for page in pages:
        on_pages.update(
            {
                _style(line, height, weight)
                for line in page
                if _may_be_heading(line) and line.text.strip() not in running
            }
        )
    standing_out = [
        style
        for style in on_pages
        if style[0] >= LARGER * height or (style[1] and style[0] >= SMALLER * height)
    ]
    largest = max(standing_out, default=None)
    enough = min(2, len(pages))
    kept = sorted(
        (style for style in standing_out if style == largest or on_pages[style] >= enough),
        reverse=True,
    )
    return {style: min(number, LEVELS) for number, style in enumerate(kept, 1)}


def _style(line: Line, height: float, weight: int) -> tuple[float, bool]:
    return line.height, line.weight >= weight + BOLDER


def _may_be_heading(line: Line) -> bool:
    """Short, of words more than of figures, and not the end of a sentence."""
    text = line.text.strip()
    letters = sum(map(str.isalpha, text))
    return (
        line.top is not None
        and 2 < len(text) <= LONGEST_HEADING
        and 2 * letters > len(text)
        and (text[0].isupper() or text[0].isdigit())
        and not text.endswith((".", ",", ";"))
    )
