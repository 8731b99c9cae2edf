"""Bringing an index up to date: read, embed, rank, publish. Every stage resumes after a kill."""

import errno
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.errors import DamagedIndex, UsageError
from isoflop.lock import cannot_write
from isoflop.meter import measured
from isoflop.plan.price import run_bill
from isoflop.search.database import explained, failing, full
from isoflop.search.dense import Vectors
from isoflop.search.lexical import Words
from isoflop.search.truth import FileVersion, Truth
from isoflop.search.walk import Found, walk

if TYPE_CHECKING:
    from isoflop.search.encode import Encoder
    from isoflop.search.ingest import Ingest

RECIPE = "passages 2"  # a new number when the same file would be cut or stored differently
# Tantivy counts deleted passages in the rarity of words until it merges their segment. When they
# exceed this share of the living, the words are made anew: an index that was updated often then
# ranks nearly as a new one, and a deleted passage costs ten times what adding one does.
MOST_DELETED = 0.1
WORDS = ("words", "documents")  # what is indexed by words: passages, and whole documents
OS_ERROR = re.compile(r"os error (\d+)")
SETTLED_NS = 2_000_000_000  # a file changed this shortly before it was read is looked at again


class Progress(Protocol):
    """Told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Stages are "reading" (files), "embedding" (passages) and "ranking" (passages)."""


@dataclass(slots=True)
class Update:
    """What an update did.

    Attributes:
        added: Files that were not there before.
        changed: Files read again because they changed.
        removed: Files that are gone.
        unchanged: Files left alone.
        embedded: Passages that went through the encoder.
        reused: Passages whose text was known, so that their vector was kept.
        refused: Names and reasons of what could not be read, in the whole index.
        passages: In the whole index.
        tokens: Processed by the encoder, without padding.
        work: FLOPs of the encoder and tokens it processed, padding included.
        bill: What the update took.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    embedded: int = 0
    reused: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    passages: int = 0
    tokens: int = 0
    work: Bill = field(default_factory=Bill)
    bill: Bill = field(default_factory=Bill)


@dataclass(slots=True)
class Work:
    """One update under way, while its lock is held."""

    folder: Path
    roots: tuple[Path, ...]
    encoder_name: str
    encoder: "Callable[[], Encoder]"
    progress: Progress
    truth: Truth
    done: Update = field(default_factory=Update)

    def run(self) -> Update:
        """All stages, in order; nothing is written when nothing changed."""
        with measured() as reading:
            if changes := self._changes():
                self._ingest().read(changes)
            if self._unfinished():
                self._ingest().embed()
                self._publish()
            self.truth.bury()
            self._sweep()
            generation = self.truth.generation
            self.done.passages = self.truth.counts(generation)["passages"]
            self.done.refused = self.truth.refusals(generation)
        self.done.bill = run_bill(
            catalog.this_machine(),
            seconds=reading.seconds,
            joules=reading.joules,
            flops=self.done.work.flops,
            prompt_tokens=self.done.work.prompt_tokens,
        )
        return self.done

    def _ingest(self) -> "Ingest":
        """What reads and embeds; its libraries take longer to load than to find nothing to do."""
        from isoflop.search.ingest import Ingest

        return Ingest(self.truth, self.encoder, self.progress, self.done)

    # what changed

    def _changes(self) -> list[tuple[Found, FileVersion | None]]:
        """Files to read, each with its version of before; those that are gone are retired."""
        self._settle_identity()
        known = self.truth.next_files()
        fresh: list[tuple[Found, FileVersion | None]] = []
        names: set[str] = set()
        for found in self._walk():
            names.add(found.id)
            old = known.get(found.id)
            if old is None or _may_differ(old, found):
                fresh.append((found, old))
            else:
                self.done.unchanged += 1
        gone = [version for name, version in known.items() if name not in names]
        if gone:
            with self.truth.transaction():
                self.truth.retire(version.id for version in gone)
        self.done.removed = len(gone)
        return fresh

    def _walk(self) -> Iterator[Found]:
        """Every file of every root; with several roots their names come first in the id."""
        if len(self.roots) == 1:
            yield from walk(self.roots[0])
            return
        taken: set[str] = set()
        for root in self.roots:
            name = root.name
            while name in taken:
                name += "'"
            taken.add(name)
            for found in walk(root):
                yield found._replace(id=f"{name}/{found.id}")

    def _settle_identity(self) -> None:
        """Forget what another encoder or another recipe made."""
        if self.truth.get("made_by") == self._made_by():
            return
        identity = f"{self.encoder().name}|{RECIPE}"
        truth = self.truth
        with truth.transaction():
            if truth.get("next_identity", identity) != identity:
                truth.discard_next()
                if truth.get("identity") != identity:
                    truth.retire(version.id for version in truth.next_files().values())
            truth.set(next_identity=identity, width=str(self.encoder().width))

    def _made_by(self) -> str:
        """What decides the vectors, as far as it is known without loading the encoder."""
        return f"{version('isoflop')}|{self.encoder_name}|{RECIPE}"

    def _unfinished(self) -> bool:
        """Whether an update was broken off, or a derived file is missing."""
        truth = self.truth
        return (
            truth.has_next()
            or not truth.generation
            or truth.count_unembedded() > 0
            or not self._derived_agree()
        )

    def _derived_agree(self) -> bool:
        """Whether the derived files can be opened and hold as much as the truth."""
        try:
            vectors = Vectors.open(self.folder / self.truth.get("vectors", "-"))
            return len(vectors) == int(self.truth.get("vectors_count", "-1")) and all(
                self._opened_words(kind) is not None for kind in WORDS
            )
        except (DamagedIndex, FileNotFoundError):
            return False

    def _opened_words(self, kind: str) -> Words | None:
        """The published words, if they can be opened and hold as much as they should."""
        folder = self.folder / self.truth.get(kind, "-")
        if not folder.is_dir():
            return None
        try:
            words = Words.open(folder)
        except DamagedIndex:
            return None
        return words if len(words) == int(self.truth.get(f"{kind}_count", "-1")) else None

    # publishing

    def _publish(self) -> None:
        """Make the derived files of the next generation beside the old ones, then point to them."""
        truth, following = self.truth, self.truth.generation + 1
        added = truth.living_ids(following, born=following)
        self.progress("ranking", 0, len(added))
        vectors = self.folder / f"vectors-{following}.i8"
        words = self._write_words(following, added)
        documents = self._write_document_words(following)
        self._write_vectors(vectors, following, added)
        self.progress("ranking", len(added), len(added))
        truth.publish(
            vectors=vectors.name,
            vectors_count=str(len(Vectors.open(vectors))),
            **words,
            **documents,
            encoder=self.encoder_name,
            identity=truth.get("next_identity"),
            made_by=self._made_by(),
            roots=json.dumps([_relative(root, self.folder) for root in self.roots]),
        )

    def _write_words(self, following: int, added: Sequence[int]) -> dict[str, str]:
        """Write the words of the next generation's passages; returns what to publish of them."""
        truth = self.truth
        living, dying = truth.living_ids(following), truth.dying()
        return self._amend_words("words", following, living, added, dying, truth.words_of)

    def _write_document_words(self, following: int) -> dict[str, str]:
        """The same of whole documents."""
        truth = self.truth
        living, dying = truth.living_documents(following), truth.dying_documents()
        added = truth.living_documents(following, born=following)
        return self._amend_words("documents", following, living, added, dying, truth.document_words)

    def _amend_words(
        self,
        kind: str,
        following: int,
        living: Sequence[int],
        added: Sequence[int],
        dying: Sequence[int],
        rows: Callable[[Sequence[int]], Iterator[tuple[int, str, str]]],
    ) -> dict[str, str]:
        """Write an index of words from the published one, or anew if that pays."""
        old, new = self.folder / self.truth.get(kind, "-"), self.folder / f"{kind}-{following}"
        deleted = int(self.truth.get(f"{kind}_deleted", "0")) + len(dying)
        if self._opened_words(kind) is None or deleted > MOST_DELETED * len(living):
            words, added, dying, deleted = Words.create(new), living, living[:0], 0
        else:
            words = Words.create(new, old)
        words.update(rows(added), dying)
        return {kind: new.name, f"{kind}_count": str(len(words)), f"{kind}_deleted": str(deleted)}

    def _write_vectors(self, file: Path, following: int, added: Sequence[int]) -> None:
        truth, old = self.truth, self.folder / self.truth.get("vectors", "-")
        width = int(truth.get("width", "0"))
        if old.is_file() and truth.get("identity") == truth.get("next_identity"):
            try:
                Vectors.amend(old, file, _blocks(truth, added, width), truth.dying())
                return
            except DamagedIndex:
                old.unlink()
        Vectors.write(file, _blocks(truth, truth.living_ids(following), width), width)

    def _sweep(self) -> None:
        """Remove derived files of older generations, and those of an update that was broken off."""
        derived = ("vectors", *WORDS)
        current = {self.truth.get(kind) for kind in derived}
        for path in [path for kind in derived for path in self.folder.glob(f"{kind}-*")]:
            if path.name not in current:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def update(
    folder: Path,
    roots: tuple[Path, ...],
    encoder_name: str,
    encoder: "Callable[[], Encoder]",
    progress: Progress | None,
) -> Update:
    """Bring the index in `folder` up to date; its lock must be held.

    Raises:
        UsageError: If the folder cannot be written or the disk is full; what was committed stays.
    """
    try:
        with closing(Truth(folder, write=True)) as truth:
            return Work(folder, roots, encoder_name, encoder, progress or _silent, truth).run()
    except sqlite3.DatabaseError as error:
        raise explained(error, folder) from error
    except (OSError, ValueError) as error:
        if refusal := _refusal(error, folder):
            raise refusal from error
        raise


def _refusal(error: OSError | ValueError, folder: Path) -> UsageError | None:
    """What to say of an error by which the disk refuses; None if it is another."""
    # Tantivy raises ValueError, with the number in its text
    number = getattr(error, "errno", None) or int((*OS_ERROR.findall(str(error)), 0)[0])
    if number in (errno.ENOSPC, errno.EDQUOT):
        return full(folder)
    if number in (errno.EIO, errno.EFBIG):
        return failing(folder, os.strerror(number))
    ours = str(getattr(error, "filename", None) or folder).startswith(str(folder))
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) and ours:
        return cannot_write(folder, os.strerror(number))
    return None


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _may_differ(old: FileVersion, found: Found) -> bool:
    return (
        old.bytes != found.bytes
        or old.modified_ns != found.modified_ns
        or found.modified_ns > old.read_ns - SETTLED_NS
    )


def _relative(root: Path, folder: Path) -> str:
    """The root as seen from the index, so that both can be moved together."""
    if folder.is_relative_to(root) or folder.parent == root.parent:
        return Path(*[".."] * (len(folder.parts) - len(root.parent.parts)), root.name).as_posix()
    return root.as_posix()


def _blocks(
    truth: Truth, ids: Sequence[int], width: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (ids (n,) int64, vectors (n, width) float16) from the truth."""
    for rows in truth.vectors_of(ids):
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
        yield np.array([id for id, _ in rows], np.int64), vectors.reshape(-1, width)
