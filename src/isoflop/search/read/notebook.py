"""Jupyter notebooks: what was written, what was run, and the beginning of what it printed."""

from typing import Any

from isoflop.documents import Span
from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.data import parse
from isoflop.search.read.encoding import decode
from isoflop.search.read.markup import read_markdown

MOST_OUTPUT_CHARACTERS = 2000


def read(data: bytes, name: str) -> Content:
    """The cells in order; outputs as text, cut to their beginning, pictures left out.

    Raises:
        Unreadable: If it is not a notebook.
    """
    try:
        notebook = parse(decode(data))
    except ValueError as error:
        raise Unreadable(f"is a broken notebook: {error}. Save it again in Jupyter.") from error
    cells = _cells(notebook)
    if cells is None:
        raise Unreadable("is not a notebook: it has no cells. Save it again in Jupyter.")
    draft = Draft()
    for cell in cells:
        if isinstance(cell, dict):
            _write(cell, draft)
    return draft.content()


def _cells(notebook: Any) -> list[Any] | None:
    """The cells of version 4, or of the first worksheet of version 3."""
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list) and sheets:
        cells = sheets[0].get("cells") if isinstance(sheets[0], dict) else None
    return cells if isinstance(cells, list) else None


def _write(cell: dict[str, Any], draft: Draft) -> None:
    source = _joined(cell.get("source", cell.get("input", "")))
    if cell.get("cell_type") == "markdown":
        inner = read_markdown(source.encode("utf-8", "replace"), "")
        start = draft.length
        draft.paragraph(inner.text)
        shift = start - (len(inner.text) - len(inner.text.lstrip("\n")))
        draft.spans.extend(
            Span(
                max(start, span.start + shift), span.stop + shift, span.kind, span.label, span.level
            )
            for span in inner.spans
        )
    elif cell.get("cell_type") == "code":
        draft.code(source)
        for output in cell.get("outputs", []) if isinstance(cell.get("outputs"), list) else []:
            if isinstance(output, dict):
                draft.paragraph(_output(output))
    else:
        draft.paragraph(source)


def _output(output: dict[str, Any]) -> str:
    """The text of an output, from its beginning."""
    data = output.get("data")
    plain = data.get("text/plain", "") if isinstance(data, dict) else ""
    text = _joined(output.get("text") or plain)
    if output.get("output_type") in ("error", "pyerr"):
        text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    if len(text) > MOST_OUTPUT_CHARACTERS:
        text = text[:MOST_OUTPUT_CHARACTERS].rstrip() + " …"
    return text


def _joined(text: Any) -> str:
    """A string that may be stored as a list of lines."""
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""
