"""Which stretches of a passage can be quoted as an answer, and which only name its subject."""

import re
from collections.abc import Iterable, Iterator

from isoflop.augment.sentences import Span, sentences, stripped
from isoflop.documents import Passage
from isoflop.questions import Citation
from isoflop.search.chunk import embedded_text
from isoflop.search.read.kinds import SHEETS, kind_of_name

# ruff: noqa: RUF001 - the typographer's marks are meant

MOST_CHARACTERS = 600  # of a quote; a longer sentence is cut into pieces
TITLE_CHARACTERS = 100  # a longer line is no title
# No list item, no entry ("Telephone: 12"), no table row.
TITLE = re.compile(r"(?![-*+•]\s|\(?\w{1,3}[.)]\s)[^:|\t\n]*[\w)]")
BLANK_LINE = re.compile(r"[ \t]*\n[ \t]*\n\s*\S")
TABLE_RULE = re.compile(r"[ \t]*\n[ \t]*\|?[ :|+-]*--[ :|+-]*$", re.MULTILINE)
ROWS = re.compile(r"(?:\n[^\n|]*\|[^\n]*)*")
FIRST_ROWS = re.compile(r"(?:[^\n|]*\|[^\n]*\n?)+")
CLAUSE_END = re.compile(r"[;:,)\]–—|]\s")
WORD_END = re.compile(r"\s")
WORD = re.compile(r"[^\W_]+")


def quotable(passage: Passage) -> list[Span]:
    """The sentences of a passage that can answer something, in order.

    Left out are headings, titles, heads of tables, rules and questions: they are near to a
    question without answering it. A sentence too long to quote is cut into pieces at its clauses.

    Returns:
        (start, stop) in the passage's text.
    """
    text, sayings = passage.text, {(), *map(_words, _headings(passage))}
    return [
        piece
        for start, stop in sentences(text, rows=_is_sheet(passage))
        if text[stop - 1] not in "?？"
        and _words(text[start:stop]) not in sayings
        and not _is_title(text, start, stop)
        for piece in _pieces(text, start, stop)
    ]


def table_heads(passage: Passage, spans: Iterable[Span]) -> list[Span]:
    """For each stretch the head of the table whose row it is; an empty one where it is none.

    A row says little by itself: "| potatoes | 63 |" are kilograms because its head says so.

    Returns:
        (start, stop) in the passage's text; negative, counted back from it, for a head that
        stands among the headings which are embedded before the text.
    """
    return _heads_of_sheet(passage, spans) if _is_sheet(passage) else _ruled(passage, spans)


def columns(citation: Citation) -> str:
    """The names of the columns of the table whose row is quoted; empty where it is no row.

    Empty as well where they are the innermost heading, which stands with the citation anyway.
    """
    passage = citation.passage
    row = (citation.start - passage.start, citation.stop - passage.start)
    ((start, stop),) = table_heads(passage, [row])
    names = passage.text[start:stop].strip("| ") if start >= 0 else ""
    return "" if passage.heading_of(citation.start).endswith(names) else names


def _is_sheet(passage: Passage) -> bool:
    return kind_of_name(passage.document) in SHEETS


def _heads_of_sheet(passage: Passage, spans: Iterable[Span]) -> list[Span]:
    """The names of the columns above each row: a heading within the passage or above it."""
    text = passage.text
    within = [
        (start - passage.start, stripped(text, *_line(text, start - passage.start)))
        for start, headings in passage.inside
        if "|" in headings[-1]
    ]
    above = _above(passage)
    return [
        next((head for place, head in reversed(within) if place <= start), above)
        for start, _ in spans
    ]


def _above(passage: Passage) -> Span:
    """The innermost heading before the embedded text, where it names columns; else nothing."""
    if passage.headings and "|" in passage.headings[-1] and embedded_text(passage) != passage.text:
        return -1 - len(passage.headings[-1]), -1
    return 0, 0


def _line(text: str, start: int) -> Span:
    stop = text.find("\n", start)
    return start, len(text) if stop < 0 else stop


def _ruled(passage: Passage, spans: Iterable[Span]) -> list[Span]:
    """The heads that a rule parts from the rows below, or that a passage inherits for its first."""
    text = passage.text
    tables = []
    for rule in TABLE_RULE.finditer(text):
        head = stripped(text, text.rfind("\n", 0, rule.start()) + 1, rule.start())
        if "|" in text[slice(*head)] and "|" in rule[0]:
            last = ROWS.match(text, rule.end())
            tables.append((head, rule.end(), last.end() if last else rule.end()))
    if begun := FIRST_ROWS.match(text):  # last: a table that begins here has a head of its own
        tables.append((_above(passage), 0, begun.end()))
    return [
        next((head for head, first, last in tables if first <= start < last), (0, 0))
        for start, _ in spans
    ]


def titles(passage: Passage) -> str:
    """What stands above a passage, and titles within it."""
    text = passage.text
    own = [text[start:stop] for start, stop in sentences(text) if _is_title(text, start, stop)]
    return "\n".join([*passage.headings, *own])


def _headings(passage: Passage) -> Iterator[str]:
    """The headings above a passage and within it."""
    yield from passage.headings
    for _, headings in passage.inside:
        yield from headings


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text))


def _is_title(text: str, start: int, stop: int) -> bool:
    """Whether it is a heading, the head of a table, or a short line by itself above more text."""
    if text.startswith("#", start) or ("|" in text[start:stop] and TABLE_RULE.match(text, stop)):
        return True
    before = text[max(0, start - TITLE_CHARACTERS) : start]
    return (
        stop - start <= TITLE_CHARACTERS
        and TITLE.fullmatch(text, start, stop) is not None
        and BLANK_LINE.match(text, stop) is not None
        and (not before.strip() or before.rstrip(" \t").endswith("\n\n"))
    )


def _pieces(text: str, start: int, stop: int) -> Iterator[Span]:
    """The sentence, or its clauses, joined as far as they fit."""
    while stop - start > MOST_CHARACTERS:
        low, high = start + MOST_CHARACTERS // 2, start + MOST_CHARACTERS
        cut = next(
            filter(None, (_last_end(e, text, low, high) for e in (CLAUSE_END, WORD_END))), high
        )
        yield stripped(text, start, cut)
        start = cut
    start, stop = stripped(text, start, stop)
    if start < stop:
        yield start, stop


def _last_end(ends: re.Pattern[str], text: str, low: int, high: int) -> int:
    """The end of the last match between two places; 0 if there is none."""
    return max((match.end() for match in ends.finditer(text, low, high)), default=0)
