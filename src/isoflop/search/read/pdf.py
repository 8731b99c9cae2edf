"""PDF: the text layer, page by page."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pypdfium2 as pdfium

from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.layout import DIVISION, Line, Setting, lines_of, setting

# FPDF_GetLastError, and what to do about it.
ENCRYPTED, UNSUPPORTED_LOCK = 4, 5
RUN_OCR = "Run OCR on it first (for example with ocrmypdf)."
MOST_PAGES = 20_000
WORD = re.compile(r"[^\W\d_]+")
DIVIDED = re.compile(rf"({WORD.pattern}){DIVISION}({WORD.pattern})")


def read(data: bytes, name: str) -> Content:
    """The pages that have a text layer; the others are remarked upon.

    Raises:
        Unreadable: If it is encrypted, broken, or no page has a text layer.
    """
    document = _open(data)
    try:
        pages = [_lines(document, number) for number in range(min(len(document), MOST_PAGES))]
        outline = _outline(document)
        metadata = _metadata(document)
    finally:
        document.close()
    draft = Draft()
    words = _words(pages)
    pages = [_mended(lines, words) for lines in pages]
    style = setting(pages)
    for number, lines in enumerate(pages, 1):
        with draft.page(number):
            _write(lines, style, outline.get(number, {}), draft)
    if not draft.length:
        raise Unreadable(f"no page has a text layer: it is a scan or a drawing. {RUN_OCR}")
    silent = [number for number, lines in enumerate(pages, 1) if not lines]
    return draft.content(metadata, list(_remarks(silent)))


def _open(data: bytes) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(data)
        pages = len(document)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in (ENCRYPTED, UNSUPPORTED_LOCK):
            raise Unreadable("is encrypted. Save it without a password, then index it.") from error
        raise Unreadable(
            f"is a broken PDF: {str(error).rstrip('.')}. Repair it or fetch it again."
        ) from error
    if not pages:
        raise Unreadable("is a broken PDF: it has no pages. Repair it or fetch it again.")
    return document


def _lines(document: pdfium.PdfDocument, number: int) -> list[Line]:
    """The lines of a page; none if it cannot be loaded, so that it is named with the silent."""
    try:
        page = document[number]
        text_page = page.get_textpage()
        found = lines_of(text_page)
        text_page.close()
        page.close()
    except pdfium.PdfiumError:
        return []
    return found


def _outline(document: pdfium.PdfDocument) -> dict[int, dict[str, int]]:
    """The bookmarks, as levels by their words, by page."""
    found: dict[int, dict[str, int]] = {}
    for bookmark in document.get_toc(max_depth=6):
        target = bookmark.get_dest()
        page = None if target is None else target.get_index()
        if page is not None:
            found.setdefault(page + 1, {})[_folded(bookmark.get_title())] = bookmark.level + 1
    return found


def _write(lines: list[Line], style: Setting, outline: dict[str, int], draft: Draft) -> None:
    """A page's lines as paragraphs and headings; a bookmark's level goes before a font's."""
    paragraph: list[str] = []
    heading: list[str] = []
    level = 0

    def flush() -> None:
        """End the paragraph and the heading; of the two one is empty."""
        draft.heading(" ".join(heading), level)
        draft.paragraph("\n".join(paragraph))
        paragraph.clear()
        heading.clear()

    for line, before in zip(lines, [None, *lines], strict=False):
        found = outline.get(_folded(line.text), 0) or style.level(line)
        if before is not None and (found != level or style.parted(before, line)):
            flush()
        level = found
        (heading if found else paragraph).append(line.text.strip() if found else line.text)
    flush()


def _folded(text: str) -> str:
    return "".join(text.split()).lower()


def _mended(lines: list[Line], words: set[str]) -> list[Line]:
    """The lines with the words that were divided at a line's end put together again."""

    def joined(match: re.Match[str]) -> str:
        """The hyphen stays where both halves are words of the document and the whole is not."""
        before, after = match[1], match[2]
        compound = before.lower() in words and after.lower() in words
        whole = (before + after).lower() in words
        return f"{before}-{after}" if compound and not whole else before + after

    texts = [DIVIDED.sub(joined, line.text).replace(DIVISION, "-") for line in lines]
    return [replace(line, text=text) for line, text in zip(lines, texts, strict=True)]


def _words(pages: list[list[Line]]) -> set[str]:
    """Every undivided word of a document: they tell `con-firming` from `stock-based`."""
    if not any(DIVISION in line.text for page in pages for line in page):
        return set()
    whole = (DIVIDED.sub(" ", line.text).lower() for page in pages for line in page)
    return {word for text in whole for word in WORD.findall(text)}


def _metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    found = document.get_metadata_dict(skip_empty=True)
    named = {"title": "Title", "author": "Author", "date": "CreationDate"}
    return {ours: found[theirs] for ours, theirs in named.items() if theirs in found}


def _remarks(pages: list[int]) -> Iterator[str]:
    if pages:
        which = "page" if len(pages) == 1 else "pages"
        yield f"{which} {_ranges(pages)}: no text layer, so nothing was read there. {RUN_OCR}"


def _ranges(numbers: list[int]) -> str:
    """`1, 3-5, 9` for [1, 3, 4, 5, 9]."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
