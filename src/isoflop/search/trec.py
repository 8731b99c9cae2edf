"""Runs for evaluation: questions from JSON lines, rankings in the six columns of TREC."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.questions import Hit, Way
from isoflop.search.fuse import of_documents

LOGITS: tuple[Way, ...] = ("fused", "reranked")
Search = Callable[[str, int], Sequence[Hit]]


def queries(file: Path) -> list[tuple[str, str]]:
    """Ids and texts of a file of JSON lines with the fields `id` and `text`.

    Raises:
        UsageError: If the file cannot be read, or a line lacks a field or repeats an id.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
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
    id, text = (row.get("id"), row.get("text")) if isinstance(row, dict) else (None, None)
    named = isinstance(id, str | int) and str(id).strip()
    if not named or not isinstance(text, str) or not text.strip():
        raise UsageError(f'{file}, line {number}: expected {{"id": "q1", "text": "..."}}.')
    return str(id), text


def passages(search: Search, query: str, k: int) -> list[tuple[str, float]]:
    """The k best passages, by id."""
    return [(hit.passage.id, hit.score) for hit in search(query, k)]


def documents(search: Search, query: str, k: int, *, of: int) -> list[tuple[str, float]]:
    """The k best of `of` documents, by id, from as many passages as it takes to find k of them.

    Where scores are logits (fused, reranked) those of a document's passages add up; else a
    document scores as its best passage.
    """
    depth = k
    while True:
        hits = search(query, depth)
        rows = [(hit.passage.document, hit.score) for hit in hits]
        found = len({document for document, _ in rows})
        if found >= min(k, of) or len(hits) < depth:
            break
        depth *= 4
    if hits and hits[0].by in LOGITS:
        return of_documents(rows)[:k]
    best: dict[str, float] = {}
    for document, score in rows:
        best.setdefault(document, score)
    return list(best.items())[:k]


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
