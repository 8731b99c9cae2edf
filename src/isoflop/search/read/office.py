"""DOCX: paragraphs, headings by style, tables, formulas, footnotes and comments."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

import docx
from docx.document import Document as Docx
from docx.opc.exceptions import OpcError
from lxml import etree  # type: ignore[import-untyped]  # it comes without types

from isoflop.errors import Unreadable
from isoflop.search.read.archive import open_zip
from isoflop.search.read.content import Content, Draft, names_columns

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
OLE_MAGIC = b"\xd0\xcf\x11\xe0"
# What the office libraries raise for files that are damaged; they name no base class.
DAMAGED = (
    OpcError, etree.LxmlError, zipfile.BadZipFile, AttributeError, IndexError, KeyError,
    NotImplementedError, OSError, RuntimeError, TypeError, ValueError, EOFError, zlib.error,
)  # fmt: skip
BROKEN = "is a broken {} file ({}). Open it in its program and save it again."
LOCKED = "is encrypted, or in an old format. Save it without a password as {}."
# The parts of a formula, each with what is written before it.
FORMULAS = {
    f"{MATH}f": (("num", ""), ("den", "/")),
    f"{MATH}rad": (("e", "sqrt"),),
    f"{MATH}sSup": (("e", ""), ("sup", "^")),
    f"{MATH}sSub": (("e", ""), ("sub", "_")),
    f"{MATH}sSubSup": (("e", ""), ("sub", "_"), ("sup", "^")),
}
SPACING = {f"{WORD}tab": "\t", f"{WORD}br": "\n", f"{WORD}cr": "\n", f"{WORD}noBreakHyphen": "-"}


def check_container(data: bytes, kind: str) -> None:
    """Refuse what is encrypted, broken or a bomb before a library unpacks it."""
    if data.startswith(OLE_MAGIC):
        raise Unreadable(LOCKED.format(kind))
    open_zip(data).close()


def read_docx(data: bytes, name: str) -> Content:
    """The body in order, then footnotes and comments.

    Raises:
        Unreadable: If it is broken, encrypted or empty.
    """
    check_container(data, ".docx")
    draft = Draft()
    try:
        document = docx.Document(io.BytesIO(data))
        _Body(document, draft).write()
        properties = document.core_properties
        metadata = {"title": properties.title or "", "author": properties.author or ""}
    except DAMAGED as error:
        raise Unreadable(BROKEN.format("Word", error)) from error
    if not draft.length:
        raise Unreadable("has no text. If it holds pictures of text, run OCR on them first.")
    return draft.content(metadata)


class _Body:
    """A Word document being written into a draft."""

    def __init__(self, document: Docx, draft: Draft):
        self.document = document
        self.draft = draft
        self.levels = dict(_heading_levels(document))
        self.titled = 0  # headings go one deeper once a title stands above them

    def write(self) -> None:
        """The body, then notes and comments."""
        self._blocks(self.document.element.body)
        self._notes("footnotes", "Footnotes", "footnote")
        self._notes("endnotes", "Endnotes", "endnote")
        self._notes("comments", "Comments", "comment")

    def _blocks(self, parent: etree._Element) -> None:
        """Paragraphs and tables in order; the containers around some of them are opened."""
        stack = [parent]
        while stack:
            element = stack.pop()
            if element.tag == f"{WORD}p":
                self._paragraph(element)
            elif element.tag == f"{WORD}tbl":
                rows = list(_rows(element))
                self.draft.table(rows, headed=_is_headed(element, rows))
            elif element is parent or element.tag in (
                f"{WORD}sdt", f"{WORD}sdtContent", f"{WORD}customXml", f"{WORD}ins",
            ):  # fmt: skip
                stack.extend(reversed(element))

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = paragraph_text(paragraph)
        level = self._level(paragraph)
        if level is not None:
            self.draft.heading(text, level + self.titled)
            self.titled = self.titled or int(level == 0)
        elif paragraph.find(f"{WORD}pPr/{WORD}numPr") is not None and text.strip():
            self.draft.item(text)
        else:
            self.draft.paragraph(text)
        for box in paragraph.iter(f"{WORD}txbxContent"):
            if not any(outer.tag == FALLBACK for outer in box.iterancestors()):
                self._blocks(box)

    def _level(self, paragraph: etree._Element) -> int | None:
        """0 for the title, 1 to 9 for a heading, None for text."""
        outline = paragraph.find(f"{WORD}pPr/{WORD}outlineLvl")
        if outline is not None:
            return _outline(outline)
        style = paragraph.find(f"{WORD}pPr/{WORD}pStyle")
        return None if style is None else self.levels.get(style.get(f"{WORD}val", ""))

    def _notes(self, relation: str, heading: str, tag: str) -> None:
        notes = [text for text in self._note_texts(relation, tag) if text]
        if notes:
            self.draft.heading(heading, 1)
            for text in notes:
                self.draft.paragraph(text)

    def _note_texts(self, relation: str, tag: str) -> Iterator[str]:
        for link in self.document.part.rels.values():
            if link.reltype.endswith(f"/{relation}") and not link.is_external:
                parser = etree.XMLParser(resolve_entities=False, no_network=True)
                root = etree.fromstring(link.target_part.blob, parser)
                for note in root.iter(WORD + tag):
                    paragraphs = (paragraph_text(one) for one in note.iter(f"{WORD}p"))
                    yield "\n".join(filter(str.strip, paragraphs)).strip()


def _heading_levels(document: Docx) -> Iterator[tuple[str, int]]:
    """Style id and level of every style that makes a heading, by name or by what it is based on."""
    styles = {
        style.get(f"{WORD}styleId", ""): style
        for style in document.styles.element.iterchildren(f"{WORD}style")
    }
    for identity in styles:
        style, seen = styles.get(identity), 0
        while style is not None and seen < 20:
            level = _style_level(style)
            if level is not None:
                yield identity, level
                break
            based = style.find(f"{WORD}basedOn")
            style = None if based is None else styles.get(based.get(f"{WORD}val", ""))
            seen += 1


def _style_level(style: etree._Element) -> int | None:
    named = style.find(f"{WORD}name")
    name = "" if named is None else named.get(f"{WORD}val", "").lower()
    if name == "title":
        return 0
    if match := re.fullmatch(r"heading ([1-9])", name):
        return int(match[1])
    outline = style.find(f"{WORD}pPr/{WORD}outlineLvl")
    return None if outline is None else _outline(outline)


def _outline(element: etree._Element) -> int | None:
    """Outline levels count from 0; 9 is body text."""
    value = element.get(f"{WORD}val", "")
    return int(value) + 1 if value.isdigit() and int(value) < 9 else None


def _rows(table: etree._Element) -> Iterator[list[str]]:
    for row in table.iterchildren(f"{WORD}tr"):
        yield [
            " ".join(paragraph_text(paragraph) for paragraph in cell.iter(f"{WORD}p"))
            for cell in row.iter(f"{WORD}tc")
        ]


def _is_headed(table: etree._Element, rows: list[list[str]]) -> bool:
    """Whether the first row is set to come back on every page, or names the columns."""
    repeated = table.find(f"{WORD}tr/{WORD}trPr/{WORD}tblHeader") is not None
    return len(rows) > 1 and (repeated or names_columns(rows))


def paragraph_text(paragraph: etree._Element) -> str:
    """The visible text of a paragraph, formulas included, text boxes and deletions not."""
    parts: list[str] = []
    stack = [paragraph]
    while stack:
        element = stack.pop()
        tag = element.tag
        if tag in (f"{WORD}t", f"{MATH}t"):
            parts.append(element.text or "")
        elif tag in SPACING:
            parts.append(SPACING[tag])
        elif tag in FORMULAS:
            parts.append(_formula(element))
        elif tag not in (FALLBACK, f"{WORD}txbxContent", f"{WORD}del", f"{WORD}pPr"):
            stack.extend(reversed(element))
    return "".join(parts)


def _formula(element: etree._Element) -> str:
    """A built-up part of a formula in one line: `a/b`, `x^2`, `sqrt(x)`."""
    parts = []
    for name, before in FORMULAS[element.tag]:
        part = element.find(MATH + name)
        text = "" if part is None else paragraph_text(part)
        parts.append(before + (text if text.isalnum() or len(text) < 2 else f"({text})"))
    return "".join(parts)
