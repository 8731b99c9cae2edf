"""Text with provenance: where it came from, and which characters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's text that means something to the reader of it.

    Attributes:
        start: First character.
        stop: One past the last character.
        kind: "heading" (the text of the heading itself), "table" and "code" (kept whole where
            they fit), "page" (from the page's first character to its last).
        label: The heading's words, or the page's number as printed in the file's page order.
        level: 1 for the outermost heading; 0 for everything else.
    """

    start: int
    stop: int
    kind: Literal["heading", "table", "code", "page"]
    label: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One readable document.

    Attributes:
        id: Its path relative to the folder that was indexed, with `/` between the parts; a member
            of an archive continues the archive's path (`reports.zip/2024/q1.pdf`).
        text: What was read. For plain formats exactly the decoded file, so lines are its lines.
        source: Path or URL it was read from.
        media_type: Such as "text/markdown".
        sha256: Of the bytes, in hexadecimal.
        metadata: Title, author, date, where the file says so.
        spans: Headings, tables, code blocks and pages, by start.
    """

    id: str
    text: str
    source: str
    media_type: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one document, short enough to embed; passages tile their document.

    Attributes:
        document: The document's id.
        start: First character in the document's text.
        stop: One past the last.
        text: `document.text[start:stop]`.
        headings: The headings above it, outermost first.
        page: Page it starts on, from 1; None where the format has no pages.
        line: Line of the document's text it starts on, from 1.
        inside: Headings that begin within it: the character of the document where each does,
            and the headings from there on, outermost first.
    """

    document: str
    start: int
    stop: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int = 1
    inside: tuple[tuple[int, tuple[str, ...]], ...] = ()

    @property
    def id(self) -> str:
        """The document's id and the characters: `notes/plan.md#120-480`."""
        return f"{self.document}#{self.start}-{self.stop}"

    @property
    def heading(self) -> str:
        """The headings in one line, outermost first."""
        return " > ".join(self.headings)

    def heading_of(self, offset: int) -> str:
        """The headings above a character of the document, in one line; `heading` or deeper."""
        above = self.headings
        for start, headings in self.inside:
            if start <= offset:
                above = headings
        return " > ".join(above)

    def line_of(self, offset: int) -> int:
        """Line, from 1, of a character offset into the document's text."""
        return self.line + self.text.count("\n", 0, max(0, offset - self.start))
