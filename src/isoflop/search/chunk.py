"""Passages: a document cut where its author would have cut it, each piece short enough to embed.

Pages and headings come first; a section that fits stays whole. A longer one is cut after a
paragraph, else after a sentence, a line, a word, a character, whichever comes late enough and
first in that order. Everything is decided by the offsets of the document's tokens, so that the
time is linear in its length whatever it holds.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from isoflop.documents import Document, Passage
from isoflop.search.read.content import one_line

Offsets = Callable[[str], Sequence[tuple[int, int]]]

SPECIAL_TOKENS = 2
HEADING_SHARE = 5  # one token in five, at most, says where a passage stands
SEPARATOR = " > "
# A section or a lead-in shorter than this is not a passage of its own: it joins what follows.
SLIGHT_TOKENS = 24
# Longer than any prose of as many tokens: bounds a passage of padding or of one endless word.
MOST_CHARACTERS_PER_TOKEN = 16
SLICE_CHARACTERS = 1 << 20
MOST_KNOWN = 10_000
# The kinds of file whose title is written for the reader. PDF and office files inherit theirs
# from templates and converters.
TITLED = frozenset({"text/markdown", "text/x-rst", "text/html", "application/epub+zip"})

PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")
SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b[DMS][rt])(?<!\bMrs)(?<!\be\.g)(?<!\bi\.e)(?<!\bcf)(?<!\bvs)(?<!\bNo)"
    r"[.!?…][\"'”’»)\]]{0,4}\s+(?=[^\sa-z])|[。！？][」』”’）]{0,4}\s*"  # noqa: RUF001 - the marks are meant
)
# Where sentences begin in lower case, any stop will do.
STOP = re.compile(r"[.!?…][\"'”’»)\]]{0,4}\s+")  # noqa: RUF001 - the marks are meant
LINE_END = re.compile(r"\n\s*")
WORD_END = re.compile(r"\s+")
THOUGHTS = (PARAGRAPH_END, ITEM, SENTENCE_END)
LINES = (PARAGRAPH_END, LINE_END, WORD_END)
SPACE = re.compile(r"\s*")
MARKS = "#=-~*^\"'`+:._ \t\n"


def passages(document: Document, offsets: Offsets, *, most_tokens: int = 256) -> list[Passage]:
    """The passages of a document, in order; they tile its text.

    White space belongs to the passage before it. A document of white space alone has none.

    Args:
        document: What to cut.
        offsets: First and one past the last character of every token of a text, without special
            tokens. It is asked once about the document (in slices if it is long), and again only
            about passages that had to be cut inside a word.
        most_tokens: Of `embedded_text(passage)`, with two special tokens counted.

    Raises:
        ValueError: If `most_tokens` is below 16: no room is left beside headings.
    """
    if most_tokens < 16:
        raise ValueError(f"{most_tokens=}, but a passage needs at least 16")
    if not document.text.strip():
        return []
    return list(_Cutter(document, offsets, most_tokens).passages())


def embedded_text(passage: Passage) -> str:
    """What is embedded for a passage: where it stands, then its text.

    A heading with which the text itself begins is not said twice.
    """
    above = _above(passage.headings, passage.text)
    return f"{SEPARATOR.join(above)}\n{passage.text}" if above else passage.text


def _above(headings: tuple[str, ...], text: str) -> tuple[str, ...]:
    """The headings that a passage of this text does not begin with."""
    if headings and text[:400].lstrip(MARKS).startswith(headings[-1].rstrip("…").strip(MARKS)):
        return headings[:-1]
    return headings


@dataclass(frozen=True, slots=True)
class _Section:
    """Text below one heading, up to the next heading or page."""

    start: int
    stop: int
    level: int
    headings: tuple[str, ...]
    page: int | None


class _Tokens:
    """Where each token of a text starts, held compactly."""

    def __init__(self, text: str, offsets: Offsets):
        self.length = len(text)
        self.starts = array("I")
        for start, stop in _slices(text):
            found = offsets(text[start:stop])
            self.starts.extend(start + token[0] for token in found)

    def count(self, start: int, stop: int) -> int:
        """How many tokens start in a stretch of the text."""
        return bisect_left(self.starts, stop) - bisect_left(self.starts, start)

    def after(self, start: int, tokens: int) -> int:
        """Where the token starts that is one too many, counting from `start`."""
        number = bisect_left(self.starts, start) + tokens
        return self.starts[number] if number < len(self.starts) else self.length


def _slices(text: str) -> Iterator[tuple[int, int]]:
    """The text in stretches of about a million characters, cut where no token is."""
    start = 0
    while start < len(text):
        stop = start + SLICE_CHARACTERS
        if stop < len(text):
            low = stop - SLICE_CHARACTERS // 16
            cut = max(text.rfind("\n\n", low, stop), text.rfind("\n", low, stop))
            cut = cut if cut > 0 else text.rfind(" ", low, stop)
            stop = cut + 1 if cut > 0 else stop
        yield start, min(stop, len(text))
        start = stop


class _Cutter:
    """One document being cut."""

    def __init__(self, document: Document, offsets: Offsets, most_tokens: int):
        self.document = document
        self.text = document.text
        self.offsets = offsets
        self.most_tokens = most_tokens
        self.tokens = _Tokens(self.text, offsets)
        self.sections = list(_sections(document))
        self.opened = [section.start for section in self.sections]
        self.known: dict[tuple[str, ...], tuple[tuple[str, ...], int]] = {}
        whole = [span for span in document.spans if span.kind in ("table", "code")]
        self.whole_starts = [span.start for span in whole]
        self.whole_stops = [span.stop for span in whole]

    def passages(self) -> Iterator[Passage]:
        """In the order of the text, each with the line it begins on."""
        line, counted = 1, 0
        for start, stop, headings, page in self._stretches():
            line += self.text.count("\n", counted, start)
            counted = start
            text = self.text[start:stop]
            inside = (*self._past_table(start, stop, headings), *self._inside(start, stop))
            yield Passage(self.document.id, start, stop, text, headings, page, line, inside)

    def _past_table(
        self, start: int, stop: int, headings: tuple[str, ...]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Where the table ends within whose rows a passage begins: its columns end there too."""
        block = self._block_around(start)
        if block and block[1] < stop and self._columns(start):
            yield block[1], headings[:-1]

    def _inside(self, start: int, stop: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """The headings that begin within a passage, each with those above it."""
        first = bisect_right(self.opened, start)
        return tuple(
            (section.start, self._measured(section.headings)[0])
            for section in self.sections[first : bisect_left(self.opened, stop)]
            if section.headings
        )

    def _stretches(self) -> Iterator[tuple[int, int, tuple[str, ...], int | None]]:
        """Start, stop, headings and page of every passage."""
        region: list[_Section] = []
        for section in self.sections:
            if region and section.page != region[-1].page:
                yield from self._of_region(region)
                region = []
            region.append(section)
        yield from self._of_region(region)

    def _of_region(
        self, sections: list[_Section]
    ) -> Iterator[tuple[int, int, tuple[str, ...], int | None]]:
        """The passages of one page, or of a document without pages."""
        ends = _subtree_ends(sections)
        number, first = 0, 0  # `first` is earlier than `number` while slight sections wait
        while number < len(sections):
            opening, section = sections[first], sections[number]
            end = ends[number]
            stop = sections[end - 1].stop
            headings, room = self._room(opening.headings, opening.start)
            if self._fits(opening.start, stop, room):
                yield opening.start, stop, headings, opening.page
                number = first = end
                continue
            number += 1
            slight = self.tokens.count(opening.start, section.stop) < SLIGHT_TOKENS
            if slight and number < len(sections):
                continue
            yield from self._of_body(opening, section)
            first = number

    def _of_body(
        self, opening: _Section, section: _Section
    ) -> Iterator[tuple[int, int, tuple[str, ...], int | None]]:
        """A section's own text, with the slight ones that waited before it, cut to size."""
        start, headings = opening.start, opening.headings
        while start < section.stop:
            shown, room = self._room(headings, start)
            stop = self._end(start, section.stop, room)
            yield start, stop, shown, section.page
            start, headings = stop, (*section.headings, *self._columns(stop))

    def _columns(self, position: int) -> tuple[str, ...]:
        """The names of the columns, where a cut divides a table that has them: a heading more."""
        block = self._block_around(position)
        if block is None:
            return ()
        first = self.text.find("\n", *block)
        second = self.text.find("\n", first + 1, position)
        head, rule = self.text[block[0] : first].strip("| \t"), self.text[first:second]
        if first < 0 or second < 0 or "|" not in head or "-" not in rule or rule.strip("|:- \t\n"):
            return ()
        return (one_line(" | ".join(cell.strip() for cell in head.split("|"))),)

    def _room(self, headings: tuple[str, ...], start: int) -> tuple[tuple[str, ...], int]:
        """The headings as they are shown, and the tokens they leave for the text at `start`."""
        shown, _ = self._measured(headings)
        above = _above(shown, self.text[start : start + 400])
        _, tokens = self._measured(above)
        return shown, self.most_tokens - SPECIAL_TOKENS - tokens

    def _measured(self, headings: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        """Headings cut to their share of the tokens, and how many they take."""
        if not headings:
            return (), 0
        if headings not in self.known:
            if len(self.known) >= MOST_KNOWN:  # records by the million have a heading each
                self.known.clear()
            most = self.most_tokens // HEADING_SHARE
            shown, tokens = headings, len(self.offsets(SEPARATOR.join(headings)))
            if tokens > most:
                shown = self._shortened(headings, most)
                tokens = len(self.offsets(SEPARATOR.join(shown)))
            self.known[headings] = (shown, tokens)
        return self.known[headings]

    def _shortened(self, headings: tuple[str, ...], most: int) -> tuple[str, ...]:
        """As many of the innermost headings as can be told apart, each cut to an equal share."""
        kept = headings[-max(1, most // 4) :]
        share = most // len(kept) - 1
        shown = []
        for heading in kept:
            found = self.offsets(heading)
            cut = len(found) > share
            shown.append(heading[: found[share - 1][0]].rstrip() + "…" if cut else heading)
        return tuple(shown)

    def _fits(self, start: int, stop: int, room: int) -> bool:
        return (
            self.tokens.count(start, stop) <= room
            and stop - start <= room * MOST_CHARACTERS_PER_TOKEN
            and (not self._ragged(start, stop) or self._recounted(start, stop) <= room)
        )

    def _ragged(self, start: int, stop: int) -> bool:
        """Whether a stretch begins or ends inside a word, where tokens must be counted anew."""
        text = self.text
        begins = start > 0 and not text[start - 1].isspace() and not text[start].isspace()
        ends = stop < len(text) and not text[stop - 1].isspace() and not text[stop].isspace()
        return begins or ends

    def _recounted(self, start: int, stop: int) -> int:
        return len(self.offsets(self.text[start:stop]))

    def _end(self, start: int, stop: int, room: int) -> int:
        """Where a passage that begins at `start` ends: at `stop` if it can."""
        if self._fits(start, stop, room):
            return stop
        end = max(self._boundary(start, stop, room), start + 1)
        while self._ragged(start, end) and end - start > 1:
            found = self._recounted(start, end)
            if found <= room:
                break
            end = start + max(1, int((end - start) * 0.9 * room / found))
        return min(stop, _past_space(self.text, end))

    def _boundary(self, start: int, stop: int, room: int) -> int:
        """The best place to cut, such that what is left can be cut into pieces as long."""
        left = self.tokens.count(start, stop)
        pieces = max(2, -(-left // room))
        target = left / pieces
        low = self.tokens.after(start, int(target * 0.6))
        high = self.tokens.after(start, min(room, int(target * 1.25) + 1))
        high = min(high, stop, start + room * MOST_CHARACTERS_PER_TOKEN)
        low = min(low, start + (high - start) * 3 // 5)
        early = start + (low - start) // 2
        cut = (
            _last_end(self.text, low, high, THOUGHTS)
            or _last_end(self.text, early, low, THOUGHTS)
            or _last_end(self.text, low, high, (STOP, *LINES))
            or high
        )
        block = self._block_around(cut)
        return cut if block is None else self._beside(block, start, stop, low, high, room)

    def _block_around(self, position: int) -> tuple[int, int] | None:
        """The table or code block that a cut at `position` would divide."""
        number = bisect_right(self.whole_starts, position - 1) - 1
        if number < 0 or self.whole_stops[number] <= position:
            return None
        return self.whole_starts[number], self.whole_stops[number]

    def _beside(
        self, block: tuple[int, int], start: int, stop: int, low: int, high: int, room: int
    ) -> int:
        """A cut before a block, or after it; between its lines if it is too long itself."""
        begins, ends = max(start, block[0]), min(stop, block[1])
        if (
            self.tokens.count(start, ends) <= room
            and ends - start <= room * MOST_CHARACTERS_PER_TOKEN
        ):
            return ends
        whole = self.tokens.count(begins, ends) <= room
        lead = self.tokens.count(start, begins)
        if begins > start and (begins >= low or (whole and lead >= SLIGHT_TOKENS)):
            return begins
        return _last_end(self.text, max(low, begins), high, LINES) or high


def _past_space(text: str, position: int) -> int:
    """The first character from a position on that is not white space."""
    match = SPACE.match(text, position)
    assert match is not None  # it matches nothing, too
    return match.end()


def _last_end(text: str, low: int, high: int, ends: Sequence["re.Pattern[str]"]) -> int:
    """The last end of the first kind that has one between `low` and `high`; 0 for none."""
    for kind in ends:
        last = max((match.end() for match in kind.finditer(text, low, high)), default=low)
        if last > low:
            return last
    return 0


def _sections(document: Document) -> Iterator[_Section]:
    """The document from heading to heading and from page to page."""
    path: list[tuple[int, str]] = []
    title = document.metadata.get("title", "")
    if title and document.media_type in TITLED and not _has_title(document):
        path.append((0, title))
    marks = [span for span in document.spans if span.kind in ("heading", "page")]
    start, level, page = 0, 0, None
    headings = tuple(label for _, label in path)
    for span in marks:
        begin = _past_space(document.text, span.start)
        if document.text[start:begin].strip():
            yield _Section(start, begin, level, headings, page)
            start = begin
        if span.kind == "page":
            page, level = int(span.label) if span.label.isdigit() else None, 0
        else:
            path = [(outer, label) for outer, label in path if outer < span.level]
            path.append((span.level, span.label))
            level, headings = span.level, tuple(label for _, label in path)
    yield _Section(start, len(document.text), level, headings, page)


def _has_title(document: Document) -> bool:
    first = next((span for span in document.spans if span.kind == "heading"), None)
    return first is not None and first.level == 1


def _subtree_ends(sections: list[_Section]) -> list[int]:
    """For each section, the number of the first later one that is not below it."""
    ends = [len(sections)] * len(sections)
    open_ones: list[int] = []
    for number, section in enumerate(sections):
        while open_ones and (
            sections[open_ones[-1]].level >= section.level or not sections[open_ones[-1]].level
        ):
            ends[open_ones.pop()] = number
        open_ones.append(number)
    return ends
