"""What readers make: text with spans, and the draft in which it is put together."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from isoflop.documents import NOTHING, Span

# Soft hyphens, zero-width spaces and joiners of words, invisible operators: words with them are
# not found. The joiners of letters (U+200C, U+200D) stay, for scripts that need them.
INVISIBLE = re.compile("[\u00ad\u200b\u2060-\u2064\ufeff]")
# Characters that cannot be stored or shown: NUL, and halves of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader made of one file.

    Attributes:
        text: The text. Every character of it can be stored; lines end in a newline only.
        spans: Headings, tables, code and pages, by start.
        metadata: Title, author, date, where the file says so.
        remarks: What could not be read though the rest was; each is reported.
        members: Files inside this file (attachments), by name.
    """

    text: str
    spans: tuple[Span, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    remarks: tuple[str, ...] = ()
    members: tuple[tuple[str, bytes], ...] = ()


def storable(text: str) -> str:
    """The same text, as long, with the replacement character where one cannot be stored."""
    return UNSTORABLE.sub("\ufffd", text)


def one_line(text: str, most: int = 300) -> str:
    """White space folded to single spaces, cut to `most` characters: fit for a label."""
    folded = " ".join(text[: 4 * most].split())
    return folded if len(folded) <= most else folded[: most - 1].rstrip() + "…"


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table can be trusted to name its columns.

    Programs mark the first row of every new table as its head, and many tables are lists of
    "name | value". So there must be two rows below it; its cells (but the corner) must be words,
    each only once; and there must be three columns, or figures in the second.
    """
    first, *others = rows or [[]]
    names = first if all(first[:1]) else first[1:]
    return (
        len(first) > 1
        and len(others) > 1
        and len(set(names)) == len(names)
        and all(any(map(str.isalpha, name)) for name in names)
        and (len(first) > 2 or all(any(map(str.isdigit, cell)) for cell in _second(others)))
    )


def _second(rows: Sequence[Sequence[str]]) -> list[str]:
    """The second cells of rows, but for those left empty."""
    return [row[1] for row in rows if len(row) > 1 and row[1].strip()] or [""]


@dataclass(slots=True)
class Draft:
    """A text in the making: blocks are added at its end, and their spans are remembered."""

    parts: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    length: int = 0
    in_list: bool = False

    def write(self, text: str) -> None:
        """Add text as it is, but for its line ends and what cannot be stored."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = INVISIBLE.sub("", storable(text))
        self.parts.append(text)
        self.length += len(text)

    def paragraph(self, text: str) -> None:
        """Add a block and a blank line after it."""
        text = text.strip("\n")
        if text.strip():
            self._leave_list()
            self.write(text)
            self.write("\n\n")

    def item(self, text: str) -> None:
        """Add an item of a list, on the line after the item before it."""
        if text.strip():
            self.write(f"- {text.strip()}\n")
            self.in_list = True

    def heading(self, text: str, level: int, label: str = "") -> None:
        """Add a heading on a line of its own."""
        text = one_line(text, 2000)
        if text:
            self._leave_list()
            start = self.length
            self.write(text)
            self._mark(start, "heading", storable(label or one_line(text)), max(1, level))
            self.write("\n\n")

    def code(self, text: str) -> None:
        """Add lines whose white space matters."""
        text = text.strip("\r\n")
        if text.strip():
            self._leave_list()
            start = self.length
            self.write(text)
            self._mark(start, "code")
            self.write("\n\n")

    def table(self, rows: Iterable[Sequence[str]], *, headed: bool = False) -> None:
        """Add rows, a line each, their cells apart by ` | `; rows without text are left out.

        Args:
            rows: Cells of each.
            headed: Whether the first row names the columns: a rule as in Markdown follows it.
        """
        self._leave_list()
        start = self.length
        for row in rows:
            cells = [" ".join(cell.split()) for cell in row]
            if any(cells):
                rule = headed and self.length == start and len(cells) > 1
                self.write(" | ".join(cells).rstrip(" |") + "\n")
                if rule:
                    self.write(" | ".join(["---"] * len(cells)) + "\n")
        if self.length > start:
            self._mark(start, "table", stop=self.length - 1)
            self.write("\n")

    @contextmanager
    def page(self, number: int) -> Iterator[None]:
        """Everything added inside belongs to one page; a page without text leaves no span."""
        self._leave_list()
        start = self.length
        yield
        if self.length > start:
            self._mark(start, "page", str(number))

    def content(
        self,
        metadata: Mapping[str, str] = NOTHING,
        remarks: Iterable[str] = (),
        members: Iterable[tuple[str, bytes]] = (),
    ) -> Content:
        """The finished text; a page or section comes before what begins with it."""
        spans = sorted(self.spans, key=lambda span: (span.start, -span.stop))
        named = {key: storable(one_line(value)) for key, value in metadata.items() if value.strip()}
        return Content("".join(self.parts), tuple(spans), named, tuple(remarks), tuple(members))

    def _leave_list(self) -> None:
        if self.in_list:
            self.in_list = False
            self.write("\n")

    def _mark(
        self, start: int, kind: str, label: str = "", level: int = 0, stop: int | None = None
    ) -> None:
        self.spans.append(Span(start, self.length if stop is None else stop, kind, label, level))  # type: ignore[arg-type]  # the four kinds, by name
