"""The SQLite file of an index: its tables, how it is opened, what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isoflop.errors import DamagedIndex, IsoflopError, NewerIndex, UsageError

FORMAT = 1
NAME = "truth.sqlite"

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (            -- one version of one file
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL,
    bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL, read_ns INTEGER NOT NULL,
    sha256 TEXT, born INTEGER NOT NULL, died INTEGER);
CREATE INDEX files_by_name ON files (name);
CREATE TABLE refusals (file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    name TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX refusals_by_file ON refusals (file);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    name TEXT NOT NULL, source TEXT NOT NULL, media_type TEXT NOT NULL, sha256 TEXT NOT NULL,
    metadata TEXT NOT NULL);
CREATE INDEX documents_by_file ON documents (file);
CREATE TABLE passages (         -- an id is never used again, so derived files cannot confuse two
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, page INTEGER, line INTEGER NOT NULL,
    headings TEXT NOT NULL, key BLOB NOT NULL, text TEXT NOT NULL);
CREATE INDEX passages_by_document ON passages (document, start);
CREATE INDEX passages_by_key ON passages (key);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE,
    vector BLOB NOT NULL);
"""


def connect(folder: Path, *, write: bool) -> sqlite3.Connection:
    """The database in `folder`, made when `write` is set and nothing is there.

    Raises:
        NewerIndex: If a newer isoflop wrote it.
        DamagedIndex: If it is not a database of ours.
        UsageError: If nothing is there to read, or the folder cannot be written.
    """
    file = folder / NAME
    if not write and not file.exists():
        raise UsageError(f"No index in {folder}. Make one with: isoflop index PATH")
    try:
        database = _writable(file) if write else _readable(file)
        row = database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except sqlite3.DatabaseError as error:
        raise explained(error, folder) from error
    if int(row[0]) > FORMAT:
        database.close()
        raise NewerIndex(
            f"{folder} was written by a newer isoflop. "
            "Update isoflop, or index into another folder with --into."
        )
    return database


def explained(error: sqlite3.DatabaseError, folder: Path) -> IsoflopError:
    """What an error of SQLite means to a user, and what to do."""
    text = str(error)
    if "full" in text:
        return UsageError(
            f"{folder}: the disk is full. What was indexed before is kept. "
            "Free some space and run the same command again."
        )
    if "unable to open" in text or "readonly" in text:
        return UsageError(
            f"{folder} cannot be opened: {text}. Choose a folder you may write with --into DIR."
        )
    return DamagedIndex(
        f"{folder / NAME} is not a readable index ({text}). "
        f"Remove {folder} and run isoflop index again."
    )


@contextmanager
def transaction(database: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Commit what the block does, or roll it back on an error."""
    database.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _readable(file: Path) -> sqlite3.Connection:
    address = f"{file.absolute().as_uri()}?mode=ro"
    database = _connected(address)
    try:
        database.execute("SELECT 1 FROM meta LIMIT 1")
    except sqlite3.OperationalError:
        # On a read-only disk a write-ahead log cannot be attached; the file itself can be read.
        database.close()
        database = _connected(f"{address}&immutable=1")
        database.execute("SELECT 1 FROM meta LIMIT 1")
    return database


def _writable(file: Path) -> sqlite3.Connection:
    database = _connected(f"{file.absolute().as_uri()}?mode=rwc")
    for setting in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL"):
        database.execute(f"PRAGMA {setting}")
    with transaction(database, "IMMEDIATE"):
        if not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            for statement in SCHEMA.split(";"):
                database.execute(statement)
            database.execute(
                "INSERT INTO meta VALUES ('format', ?), ('generation', '0')", (str(FORMAT),)
            )
    return database


def _connected(address: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=30, check_same_thread=False
    )
    database.execute("PRAGMA foreign_keys = ON")
    return database
