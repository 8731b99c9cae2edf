"""Runs for evaluation: questions from JSON lines, rankings in the six columns of TREC."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.questions import Hit

Unit = str  # "document" or "passage"
Search = Callable[[str, int], Sequence[Hit]]


def queries(file: Path) -> list[tuple[str, str]]:
    """Ids and texts of a file of JSON lines with the fields `id` and `text`.

    Raises:
        UsageError: If the file cannot be read, or a line lacks a field or repeats an id.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        id, text = _query(file, number, line)
        if id in found:
            raise UsageError(f"{file}, line {number}: the id {id!r} stands there twice.")
        found[id] = text
    if not found:
        raise UsageError(f"{file} holds no queries; one JSON object a line with id and text.")
    return list(found.items())


def _query(file: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{file}, line {number} is not JSON: {error}") from error
    if not isinstance(row, dict) or "id" not in row or not str(row.get("text", "")).strip():
        raise UsageError(f'{file}, line {number}: expected {{"id": "q1", "text": "..."}}.')
    return str(row["id"]), str(row["text"])


def ranked(search: Search, query: str, k: int, unit: Unit) -> list[tuple[str, float]]:
    """The k best passages or documents, by id; a document scores as its best passage.

    Documents are taken from as many passages as it takes to find k of them.
    """
    depth = k
    while True:
        hits = search(query, depth)
        best: dict[str, float] = {}
        for hit in hits:
            best.setdefault(
                hit.passage.id if unit == "passage" else hit.passage.document, hit.score
            )
        if len(best) >= k or len(hits) < depth:
            return list(best.items())[:k]
        depth *= 4


def run_lines(
    query_id: str, rows: Iterable[tuple[str, float]], tag: str = "isoflop"
) -> Iterator[str]:
    """Lines of a TREC run: query, Q0, document, rank, score, tag.

    White space in an id would break the columns and is written as %20.
    """
    for rank, (id, score) in enumerate(rows, start=1):
        yield f"{_column(query_id)} Q0 {_column(id)} {rank} {score:.6f} {tag}"


def _column(id: str) -> str:
    return "%20".join(id.split()) if any(map(str.isspace, id)) else id
