"""CSV and TSV: their own text, with the header row as the heading above every row."""

import csv
import re

from isoflop.documents import Span
from isoflop.search.read.content import Content, one_line
from isoflop.search.read.encoding import decode

DELIMITERS = ",;\t|"


def read(data: bytes, name: str) -> Content:
    """The decoded file; its header row, if it has one, goes with every passage of it."""
    text = decode(data)
    start = len(text) - len(text.lstrip("\n"))
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    spans = [Span(0, len(text), "table")] if text.strip() else []
    header = _header(text[start : min(stop, start + 10_000)])
    if header and text[stop:].strip():
        spans.append(Span(start, stop, "heading", header, 1))
    return Content(text, tuple(spans))


def _header(line: str) -> str:
    """The names of the columns, or nothing if the first line is a row like any other."""
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", line).count)
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # such as a NUL that was replaced, or a cell over the module's limit
        return ""
    named = len(cells) > 1 and len(set(cells)) == len(cells) and all(map(_is_name, cells))
    return one_line(" | ".join(cells)) if named else ""


def _is_name(cell: str) -> bool:
    return 0 < len(cell) <= 80 and any(character.isalpha() for character in cell)
