"""XLSX, XLS, XLSB and ODS: each sheet a heading, its header row a heading above its rows."""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from isoflop.errors import Unreadable
from isoflop.search.read.archive import open_zip
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.office import BROKEN, LOCKED

ZIP_MAGIC = b"PK\x03\x04"
DAMAGED = (CalamineError, OSError, ValueError, OverflowError)


def read(data: bytes, name: str) -> Content:
    """The cells of every sheet, as they are shown; formulas by their last value.

    Raises:
        Unreadable: If it is broken, encrypted or empty.
    """
    if data.startswith(ZIP_MAGIC):
        open_zip(data).close()
    draft = Draft()
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            for sheet in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(sheet).iter_rows()
                _write(sheet, _shown_rows(rows), draft)
    except PasswordError as error:
        raise Unreadable(LOCKED.format(".xlsx")) from error
    except DAMAGED as error:
        raise Unreadable(BROKEN.format("Excel", error)) from error
    if not draft.length:
        raise Unreadable("has no cells with a value.")
    return draft.content()


def _shown_rows(rows: Any) -> Iterator[list[str]]:
    for row in rows:
        cells = [_shown(cell) for cell in row]
        if any(cells):
            yield cells


def _write(sheet: str, rows: Iterator[list[str]], draft: Draft) -> None:
    first = next(rows, None)
    if first is None:
        return
    draft.heading(sheet, 1)
    if _is_header(first):
        draft.heading(" | ".join(cell for cell in first if cell), 2)
        draft.table(rows)
    else:
        draft.table(_and_then(first, rows))


def _and_then(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _is_header(cells: Sequence[str]) -> bool:
    """Two names of columns or more, none a number."""
    named = [cell for cell in cells if cell]
    return len(named) > 1 and all(any(map(str.isalpha, cell)) for cell in named)


def _shown(cell: Any) -> str:
    """A value as a sheet shows it: 3 for 3.0, a date without midnight."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return " ".join(str(cell).split())
