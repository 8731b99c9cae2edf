"""The truth of an index: documents, passages and vectors in one SQLite file.

Every file is kept as a version that was `born` in one generation and may have `died` in another.
A reader sees the versions that live in the published generation, whatever a writer is doing; a
writer adds versions of the next generation bit by bit, and publishes them in one transaction. A
kill therefore leaves the published state, and what was already read and embedded is not lost.
"""

import json
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from isoflop.documents import Passage
from isoflop.search import database

# The passages that a generation holds; :g is its number.
LIVING = """passages JOIN documents ON documents.id = passages.document
    JOIN files ON files.id = documents.file
    AND files.born <= :g AND (files.died IS NULL OR files.died > :g)"""


class FileVersion(NamedTuple):
    """What is known of one file that was read; a tuple, because every update makes them all."""

    id: int
    name: str
    bytes: int
    modified_ns: int
    read_ns: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document about to be stored, with its passages and the key of each one's embedded text."""

    name: str
    source: str
    media_type: str
    sha256: str
    metadata: dict[str, str]
    passages: Sequence[tuple[Passage, bytes]]


class Truth:
    """The SQLite file, opened for reading or, while the index's lock is held, for writing."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Open the truth in `folder`; create it when `write` is set and nothing is there.

        Raises:
            NewerIndex: If a newer isoflop wrote it.
            DamagedIndex: If it is not a database of ours.
            UsageError: If nothing is there to read, or the folder cannot be written.
        """
        self.folder = folder
        self.database = database.connect(folder, write=write)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def transaction(self, kind: str = "IMMEDIATE") -> AbstractContextManager[None]:
        """A transaction: `with truth.transaction(): ...` commits, or rolls back on an error.

        Args:
            kind: "IMMEDIATE" to write, "DEFERRED" to read one state throughout.
        """
        return database.transaction(self.database, kind)

    # meta

    def get(self, key: str, default: str = "") -> str:
        """One value of the index as a whole."""
        row = self.database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else default

    def set(self, **values: str) -> None:
        """Set values of the index as a whole."""
        self.database.executemany("REPLACE INTO meta VALUES (?, ?)", values.items())

    @property
    def generation(self) -> int:
        """The number of the published state; 0 when nothing was ever published."""
        return int(self.get("generation", "0"))

    # writing the next generation

    def next_files(self) -> dict[str, FileVersion]:
        """The files of the generation being written, by name."""
        rows = self.database.execute(
            "SELECT id, name, bytes, modified_ns, read_ns, sha256 FROM files WHERE died IS NULL"
        )
        return {row[1]: FileVersion._make(row) for row in rows}

    def retire(self, files: Iterable[int]) -> None:
        """End these versions with the next generation; unpublished ones vanish at once."""
        following = self.generation + 1
        ids = [(file,) for file in files]
        self.database.executemany(f"DELETE FROM files WHERE id = ? AND born = {following}", ids)
        self.database.executemany(f"UPDATE files SET died = {following} WHERE id = ?", ids)

    def restat(self, file: int, modified_ns: int, bytes: int, read_ns: int) -> None:
        """Note that a touched file still has the same content."""
        self.database.execute(
            "UPDATE files SET modified_ns = ?, bytes = ?, read_ns = ? WHERE id = ?",
            (modified_ns, bytes, read_ns, file),
        )

    def add(
        self,
        version: FileVersion,
        path: str,
        documents: Iterable[DocumentRow],
        refusals: Iterable[tuple[str, str]],
    ) -> None:
        """Store one version of a file, to be published with the next generation."""
        file = self.database.execute(
            "INSERT INTO files (name, path, bytes, modified_ns, read_ns, sha256, born)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                version.name,
                path,
                version.bytes,
                version.modified_ns,
                version.read_ns,
                version.sha256,
                self.generation + 1,
            ),
        ).lastrowid
        self.database.executemany(
            "INSERT INTO refusals VALUES (?, ?, ?)", ((file, *refusal) for refusal in refusals)
        )
        for document in documents:
            row = self.database.execute(
                "INSERT INTO documents (file, name, source, media_type, sha256, metadata)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    file,
                    document.name,
                    document.source,
                    document.media_type,
                    document.sha256,
                    json.dumps(document.metadata, ensure_ascii=False),
                ),
            ).lastrowid
            self.database.executemany(
                "INSERT INTO passages (document, start, stop, page, line, headings, key, text)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        row,
                        p.start,
                        p.stop,
                        p.page,
                        p.line,
                        json.dumps([*p.headings, *p.inside], ensure_ascii=False),
                        key,
                        p.text,
                    )
                    for p, key in document.passages
                ),
            )

    def reuse_vectors(self) -> int:
        """Give passages whose embedded text is already known the vector it has."""
        return self.database.execute(
            "INSERT OR IGNORE INTO vectors SELECT fresh.id, vectors.vector"
            " FROM passages AS fresh JOIN passages AS known ON known.key = fresh.key"
            " JOIN vectors ON vectors.passage = known.id"
            " WHERE fresh.id NOT IN (SELECT passage FROM vectors)"
        ).rowcount

    def unembedded(self, most: int, after: int = 0) -> list[tuple[int, Passage]]:
        """The next passages without a vector, in order."""
        rows = self.database.execute(
            f"SELECT passages.id, {_PASSAGE} FROM passages"
            " JOIN documents ON documents.id = passages.document"
            " LEFT JOIN vectors ON vectors.passage = passages.id"
            " WHERE vectors.passage IS NULL AND passages.id > ? ORDER BY passages.id LIMIT ?",
            (after, most),
        )
        return [(row[0], _passage(row[1:])) for row in rows]

    def count_unembedded(self) -> int:
        """How many passages have no vector yet."""
        return int(
            self.database.execute(
                "SELECT (SELECT count(*) FROM passages) - (SELECT count(*) FROM vectors)"
            ).fetchone()[0]
        )

    def add_vectors(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Store vectors by passage id."""
        self.database.executemany("INSERT INTO vectors VALUES (?, ?)", rows)

    def publish(self, **values: str) -> None:
        """Make the next generation the one that readers see, with these meta values."""
        with self.transaction():
            self.set(generation=str(self.generation + 1), published=str(time.time_ns()), **values)
        # forced to disk, so that a power cut does not bring back a state whose files were removed
        self.database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def has_next(self) -> bool:
        """Whether something waits to be published."""
        following = self.generation + 1
        return bool(
            self.database.execute(
                "SELECT 1 FROM files WHERE born = ? OR died = ? LIMIT 1", (following, following)
            ).fetchone()
        )

    def discard_next(self) -> None:
        """Undo everything that waits to be published."""
        following = self.generation + 1
        self.database.execute("DELETE FROM files WHERE born = ?", (following,))
        self.database.execute("UPDATE files SET died = NULL WHERE died = ?", (following,))

    def dying(self) -> "array[int]":
        """Passages that the next generation will not hold."""
        rows = self.database.execute(
            "SELECT passages.id FROM passages JOIN documents ON documents.id = passages.document"
            " JOIN files ON files.id = documents.file WHERE files.died = ? ORDER BY passages.id",
            (self.generation + 1,),
        )
        return array("q", (row[0] for row in rows))

    def dying_documents(self) -> "array[int]":
        """Documents that the next generation will not hold."""
        rows = self.database.execute(
            "SELECT documents.id FROM documents JOIN files ON files.id = documents.file"
            " WHERE files.died = ? ORDER BY documents.id",
            (self.generation + 1,),
        )
        return array("q", (row[0] for row in rows))

    def bury(self) -> None:
        """Delete what no published generation holds any more, and give back its space."""
        with self.transaction():
            self.database.execute("DELETE FROM files WHERE died <= ?", (self.generation,))
        self.database.execute("PRAGMA incremental_vacuum").fetchall()

    # reading a generation

    def passages(self, ids: Sequence[int], generation: int) -> dict[int, Passage]:
        """The passages of these ids that live in the generation."""
        marks = ",".join(map(str, map(int, ids)))
        rows = self.database.execute(
            f"SELECT passages.id, {_PASSAGE} FROM {LIVING} WHERE passages.id IN ({marks})",
            {"g": generation},
        )
        return {row[0]: _passage(row[1:]) for row in rows}

    def vectors(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Vectors by passage id."""
        marks = ",".join(map(str, map(int, ids)))
        return dict(
            self.database.execute(
                f"SELECT passage, vector FROM vectors WHERE passage IN ({marks})"
            ).fetchall()
        )

    def living_ids(
        self, generation: int, clauses: Sequence[tuple[str, str]] = (), born: int | None = None
    ) -> "array[int]":
        """Ids of a generation's passages, in order; eight bytes each, for there may be millions.

        Args:
            generation: The generation.
            clauses: Columns and the glob patterns they must match; all must hold.
            born: Only passages of files that were added in this generation.
        """
        where = [f"{column} GLOB ?" for column, _ in clauses]
        if born is not None:
            where.append(f"files.born = {int(born)}")
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        living = LIVING.replace(":g", str(int(generation)))
        rows = self.database.execute(
            f"SELECT passages.id FROM {living} {condition} ORDER BY passages.id",
            [pattern for _, pattern in clauses],
        )
        return array("q", (row[0] for row in rows))

    def living_documents(self, generation: int, born: int | None = None) -> "array[int]":
        """Ids of a generation's documents that have passages, in order.

        Args:
            generation: The generation.
            born: Only documents of files that were added in this generation.
        """
        condition = "" if born is None else f"WHERE files.born = {int(born)}"
        living = LIVING.replace(":g", str(int(generation)))
        rows = self.database.execute(
            f"SELECT DISTINCT documents.id FROM {living} {condition} ORDER BY documents.id"
        )
        return array("q", (row[0] for row in rows))

    def documents_of(self, ids: Iterable[int]) -> dict[int, int]:
        """The document of each of these passages."""
        marks = ",".join(map(str, map(int, ids)))
        return dict(
            self.database.execute(
                "SELECT id, document FROM passages INDEXED BY passages_documents"
                f" WHERE id IN ({marks})"
            ).fetchall()
        )

    def document_words(self, ids: Iterable[int]) -> Iterator[tuple[int, str, str]]:
        """Id, name and whole text of documents, for their index of words."""
        for id in ids:
            (name,) = self.database.execute(
                "SELECT name FROM documents WHERE id = ?", (id,)
            ).fetchone()
            rows = self.database.execute(
                "SELECT text FROM passages WHERE document = ? ORDER BY start", (id,)
            )
            yield id, name, "".join(row[0] for row in rows)

    def words_of(self, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        """Id, headings and text of passages, for the index of words."""
        for some in _slices(ids):
            for row in self.database.execute(
                "SELECT id, headings, text FROM passages"
                f" WHERE id IN ({','.join(map(str, some))}) ORDER BY id"
            ):
                yield row[0], " ".join(_headings(row[1])[0]), row[2]

    def vectors_of(self, ids: Sequence[int]) -> Iterator[list[tuple[int, bytes]]]:
        """Blocks of (id, vector) of passages, for the vector file."""
        for some in _slices(ids):
            yield self.database.execute(
                "SELECT passage, vector FROM vectors"
                f" WHERE passage IN ({','.join(map(str, some))}) ORDER BY passage"
            ).fetchall()

    def counts(self, generation: int) -> dict[str, int]:
        """Files, documents, passages and refusals of a generation."""
        alive = "files.born <= :g AND (files.died IS NULL OR files.died > :g)"
        sources = {
            "files": f"files WHERE {alive}",
            "documents": f"documents JOIN files ON files.id = file WHERE {alive}",
            "passages": LIVING,
            "refused": f"refusals JOIN files ON files.id = file WHERE {alive}",
        }
        return {
            name: self.database.execute(
                f"SELECT count(*) FROM {source}", {"g": generation}
            ).fetchone()[0]
            for name, source in sources.items()
        }

    def refusals(self, generation: int) -> list[tuple[str, str]]:
        """Names and reasons of what could not be read."""
        return self.database.execute(
            "SELECT refusals.name, reason FROM refusals JOIN files ON files.id = file"
            " AND files.born <= :g AND (files.died IS NULL OR files.died > :g)"
            " ORDER BY refusals.name, reason",
            {"g": generation},
        ).fetchall()


_PASSAGE = (
    "documents.name, passages.start, passages.stop, passages.text, passages.headings,"
    " passages.page, passages.line"
)


def _passage(row: Sequence[object]) -> Passage:
    name, start, stop, text, headings, page, line = row
    above, inside = _headings(str(headings))
    return Passage(name, start, stop, text, above, page, line, inside)  # type: ignore[arg-type] # rows of our own schema


def _headings(column: str) -> tuple[tuple[str, ...], tuple[tuple[int, tuple[str, ...]], ...]]:
    """The headings above a passage, and those that begin inside it: [offset, headings] each."""
    values = json.loads(column)
    above = tuple(value for value in values if isinstance(value, str))
    inside = ((value[0], tuple(value[1])) for value in values if not isinstance(value, str))
    return above, tuple(inside)


def _slices(ids: Sequence[int], size: int = 4096) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
