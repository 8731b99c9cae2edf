"""PDF: the text layer, page by page."""

import re
from collections.abc import Iterator

import pypdfium2 as pdfium

from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft

# FPDF_GetLastError, and what to do about it.
ENCRYPTED, UNSUPPORTED_LOCK = 4, 5
RUN_OCR = "Run OCR on it first (for example with ocrmypdf)."
MOST_PAGES = 20_000


def read(data: bytes, name: str) -> Content:
    """The pages that have a text layer; the others are remarked upon.

    Raises:
        Unreadable: If it is encrypted, broken, or no page has a text layer.
    """
    document = _open(data)
    try:
        draft, silent = Draft(), []
        for number in range(1, min(len(document), MOST_PAGES) + 1):
            text = _page_text(document, number)
            if text.strip():
                with draft.page(number):
                    draft.paragraph(text)
            else:
                silent.append(number)
        if not draft.length:
            raise Unreadable(f"no page has a text layer: it is a scan or a drawing. {RUN_OCR}")
        metadata = _metadata(document)
    finally:
        document.close()
    return draft.content(metadata, list(_remarks(silent, len(data))))


def _open(data: bytes) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(data)
        pages = len(document)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in (ENCRYPTED, UNSUPPORTED_LOCK):
            raise Unreadable("is encrypted. Save it without a password, then index it.") from error
        raise Unreadable(f"is a broken PDF: {error}. Repair it or fetch it again.") from error
    if not pages:
        raise Unreadable("is a broken PDF: it has no pages. Repair it or fetch it again.")
    return document


def _page_text(document: pdfium.PdfDocument, number: int) -> str:
    try:
        page = document[number - 1]
        text_page = page.get_textpage()
        text: str = text_page.get_text_range(errors="ignore")
        text_page.close()
        page.close()
    except pdfium.PdfiumError:  # a page that cannot be loaded is named with those without text
        return ""
    return _mended(text)


def _mended(text: str) -> str:
    """Lines as they are printed, but words divided at a line's end put together again."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # pdfium marks a hyphen that only divides a word as U+FFFE or U+0002
    text = re.sub("[\ufffe\x02]\n?", "", text)
    return re.sub("[\x00\u00ad]", "", text)


def _metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    found = document.get_metadata_dict(skip_empty=True)
    named = {"title": "Title", "author": "Author", "date": "CreationDate"}
    return {ours: found[theirs] for ours, theirs in named.items() if theirs in found}


def _remarks(pages: list[int], size: int) -> Iterator[str]:
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
