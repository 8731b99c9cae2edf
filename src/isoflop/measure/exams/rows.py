"""Rows of a file: JSON, JSON lines or CSV, plain or gzipped, in one encoding.

A file that cannot be read to its end is refused with the line, because a score of the part that
could be read is a score of another exam.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from isoflop.errors import UnusableExam
from isoflop.measure.exams import logs

Row = dict[str, Any]

csv.field_size_limit(2**31 - 1)  # passages and model outputs are longer than the default 128 kB


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file, one at a time; a JSON object that fills the file is one row.

    Raises:
        UnusableExam: If the file is missing, empty, not text, in several encodings, broken off or
            not made of objects; the message names the line.
    """
    if not path.is_file():
        raise UnusableExam(f"There is no file {path}.")
    with _opened(path) as file:
        start = file.read(4096)
        if not start.strip():
            raise UnusableExam(f"{path} is empty.")
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = _decoded(path, start + file.read(), "utf-16")
            yield from _of_text(path, text)
        elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            yield from _json(path, start, file)
        else:
            yield from _of_text(path, _decoded(path, start + file.read(), "utf-8-sig"))


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else path.open("rb")  # type: ignore[return-value]  # GzipFile reads bytes


def _json(path: Path, start: bytes, file: IO[bytes]) -> Iterator[Row]:
    """JSON lines when the first line is a whole object and others follow; else one document."""
    lines = _lines(start, file)
    first = next(line for line in lines if line.strip())
    try:
        row = json.loads(_decoded(path, first, "utf-8-sig"))
    except json.JSONDecodeError:
        yield from _document(path, b"".join(chain([first], lines)))
        return
    if isinstance(row, list):
        yield from _objects(path, row)
        return
    yield _object(path, row, 1)
    yield from _json_lines(path, lines)


def _lines(start: bytes, file: IO[bytes]) -> Iterator[bytes]:
    """Lines of what was read and what follows."""
    head = start.splitlines(keepends=True)
    rest = head.pop() if head and not head[-1].endswith(b"\n") else b""
    yield from head
    if rest:
        yield rest + file.readline()
    yield from file


def _json_lines(path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    number = 1
    for number, line in enumerate(lines, start=2):
        try:
            yield _object(path, json.loads(line), number)
        except UnicodeDecodeError as error:
            raise _mixed(path, number, error) from None
        except json.JSONDecodeError as error:
            if not line.strip():
                continue
            cut = next((later for later in lines if later.strip()), None) is None
            raise _broken(path, number, error, cut) from None


def _document(path: Path, text: bytes) -> Iterator[Row]:
    try:
        value = json.loads(_decoded(path, text, "utf-8-sig"))
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno, error, error.pos >= len(error.doc.rstrip()) - 1) from None
    if isinstance(value, list):
        yield from _objects(path, value)
    else:
        yield _object(path, value, 1)


def _objects(path: Path, values: list[object]) -> Iterator[Row]:
    if not values:
        raise UnusableExam(f"{path} is an empty list.")
    for number, value in enumerate(values, start=1):
        yield _object(path, value, number)


def _of_text(path: Path, text: str) -> Iterator[Row]:
    if text.lstrip()[:1] in ("{", "["):
        yield from _json(path, text.encode(), io.BytesIO())
        return
    if logs.is_log(text):
        yield from logs.rows(text)
        return
    yield from _table(path, text)


def _table(path: Path, text: str) -> Iterator[Row]:
    delimiter = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [name.strip() for name in next(reader)]
        if len(head) < 2:
            raise UnusableExam(
                f"{path} is neither JSON, JSON lines nor a table with a line of column names."
            )
        yield from _under(path, head, reader)
    except csv.Error as error:
        raise UnusableExam(f"{path}, line {reader.line_num}: not CSV: {error}.") from None


def _under(path: Path, head: list[str], reader: Iterator[list[str]]) -> Iterator[Row]:
    """Rows under their column names, or as columns 0, 1, ... of a table without a head."""
    if headless(head):
        yield dict(zip(map(str, range(len(head))), head, strict=True))
        head = list(map(str, range(len(head))))
    for number, cells in enumerate(reader, start=2):
        if len(cells) == len(head):
            yield dict(zip(head, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            raise UnusableExam(
                f"{path}, row {number}: {len(cells)} cells under {len(head)} column names."
            )


def headless(head: list[str]) -> bool:
    """Whether a first line is a question with its choices and letter, as MMLU's tables have it."""
    return len(head) >= 4 and len(head[-1]) == 1 and head[-1] in "ABCDEFGH"[: len(head) - 2]


def _object(path: Path, value: object, number: int) -> Row:
    if isinstance(value, dict):
        return value
    raise UnusableExam(
        f"{path}, entry {number} is {type(value).__name__}, not an object with named fields."
    )


def _decoded(path: Path, text: bytes, encoding: str) -> str:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        raise _mixed(path, text.count(b"\n", 0, error.start) + 1, error) from None


def _mixed(path: Path, line: int, error: UnicodeDecodeError) -> UnusableExam:
    return UnusableExam(
        f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not {error.encoding}, so "
        "the file is in another encoding or in several. Write all of it as UTF-8."
    )


def _broken(path: Path, line: int, error: json.JSONDecodeError, cut: bool) -> UnusableExam:
    if cut:
        return UnusableExam(
            f"{path} breaks off in line {line}, its last: {error.msg}. Fetch the file again, or "
            "remove that line if its answer may be left out."
        )
    return UnusableExam(f"{path}, line {line}, is not JSON: {error.msg}.")
