"""The SQLite file of an index: its tables, how it is opened, what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isoflop.errors import DamagedIndex, IndexBusy, IsoflopError, NewerIndex, UsageError

# 1 had no headings inside passages; its rows are read as they are. 2 had no words of documents:
# they are made when it is next updated.
FORMAT = 3
NAME = "truth.sqlite"

# The document of a passage without reading the page its text is on: half the time.
DOCUMENTS_INDEX = "CREATE INDEX IF NOT EXISTS passages_documents ON passages (id, document)"
SCHEMA = f"""
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
    headings TEXT NOT NULL,     -- JSON: those above it, then [start, headings] of each inside it
    key BLOB NOT NULL, text TEXT NOT NULL);
CREATE INDEX passages_by_document ON passages (document, start);
{DOCUMENTS_INDEX};
CREATE INDEX passages_by_key ON passages (key);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE,
    vector BLOB NOT NULL);
INSERT INTO meta VALUES ('format', '{FORMAT}'), ('generation', '0');
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
    if row is None:
        database.close()
        raise explained(sqlite3.DatabaseError("it has no format"), folder)
    if int(row[0]) > FORMAT:
        database.close()
        raise NewerIndex(
            f"{folder} was written by a newer isoflop. Update isoflop (pip install -U isoflop), "
            "or index into another folder with --into DIR."
        )
    if write and int(row[0]) < FORMAT:
        database.execute(DOCUMENTS_INDEX)
        database.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT),))
    return database


def explained(error: sqlite3.DatabaseError, folder: Path) -> IsoflopError:
    """What an error of SQLite means to a user, and what to do."""
    # the low byte is the kind of error; https://sqlite.org/rescode.html, read 2026-11-24
    kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return full(folder)
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return UsageError(
            f"{folder} cannot be opened: {error}. Choose a folder you may write with --into DIR."
        )
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return IndexBusy(f"{folder} is used by another process ({error}). Try again shortly.")
    if kind == sqlite3.SQLITE_IOERR:
        return failing(folder, str(error))
    return DamagedIndex(
        f"{folder / NAME} is not a readable index ({error}). "
        f"Remove {folder} and run isoflop index again."
    )


def full(folder: Path) -> UsageError:
    """What to say when nothing more fits on the disk."""
    return UsageError(
        f"{folder}: the disk is full. What was indexed before is kept. "
        "Free some space and run the same command again."
    )


def failing(folder: Path, reason: str) -> UsageError:
    """What to say when the disk refuses to read or write."""
    return UsageError(
        f"{folder}: the disk refuses ({reason}). What was indexed before is kept. Check the disk "
        "and the limits on file sizes, then run the same command again, or use --into DIR."
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
    except sqlite3.OperationalError as error:
        database.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # On a read-only disk a write-ahead log cannot be attached; the file itself can be read.
        database = _connected(f"{address}&immutable=1")
        database.execute("SELECT 1 FROM meta LIMIT 1")
    return database


def _writable(file: Path) -> sqlite3.Connection:
    if not file.exists():
        _create(file)
    database = _connected(f"{file.absolute().as_uri()}?mode=rw")
    for setting in ("journal_mode = WAL", "synchronous = NORMAL"):
        database.execute(f"PRAGMA {setting}")
    return database


def _create(file: Path) -> None:
    """Put an empty database in place in one step: a kill leaves a whole one or none."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    database = _connected(f"{partial.absolute().as_uri()}?mode=rwc")
    try:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.executescript(f"BEGIN; {SCHEMA} COMMIT")
    finally:
        database.close()
    partial.rename(file)


def _connected(address: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=30, check_same_thread=False
    )
    database.execute("PRAGMA foreign_keys = ON")
    return database
