"""Token shards: a corpus as files of numbers, mapped into memory and checked by their hashes.

The stream is circular. Each document is its tokens behind one end token, which serves it as the
beginning of text and closes the document before; what closes the last is the first token.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import DamagedCheckpoint, IsoflopError, NewerCheckpoint, UsageError
from isoflop.train.records import TrainingDocument

VERSION = 1
INDEX, DOCUMENTS = "index.json", "documents.bin"
SHARD_TOKENS = 1 << 27
BATCH_CHARACTERS = 1 << 22


class Encoder(Protocol):
    """What packing needs of a tokenizer; ours, or another's behind a few lines."""

    vocabulary: int
    end: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; none of them special."""

    def special(self, token: str) -> int:
        """The id of a special token by its name."""

    def to_json(self) -> str:
        """What it is, whole: shards name the hash of it."""


@dataclass(frozen=True)
class Shards:
    """A packed corpus.

    Attributes:
        folder: Where it lies.
        tokens: Number of tokens in the stream, end tokens included.
        text_bytes: Bytes of text that they stand for, in UTF-8.
        vocabulary: Number of tokens of the tokenizer.
        end: Id of the end token.
        tokenizer_sha256: Of the tokenizer's `tokenizer.json`.
        starts: Where each document's end token stands, and `tokens` at last: (documents + 1,).
        masked: Whether some tokens do not count towards the loss.
    """

    folder: Path
    tokens: int
    text_bytes: int
    vocabulary: int
    end: int
    tokenizer_sha256: str
    starts: NDArray[np.int64]
    masked: bool
    _parts: tuple[NDArray[Any], ...]
    _masks: tuple[NDArray[np.uint8], ...]
    _bounds: NDArray[np.int64]

    @property
    def documents(self) -> int:
        """How many."""
        return len(self.starts) - 1

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text for each token of text; end tokens are not counted."""
        return self.text_bytes / max(1, self.tokens - self.documents)

    def read(self, start: int, count: int) -> NDArray[np.int64]:
        """`count` tokens from a place on, around the end of the stream: shape (count,)."""
        return self._gather(self._parts, start, count).astype(np.int64)

    def counts(self, start: int, count: int) -> NDArray[np.bool_]:
        """Whether each of `count` tokens counts, as a target, towards the loss."""
        if not self.masked:
            return np.ones(count, np.bool_)
        return self._gather(self._masks, start, count).astype(np.bool_)

    def _gather(self, parts: Sequence[NDArray[Any]], start: int, count: int) -> NDArray[Any]:
        pieces = []
        start %= self.tokens
        while count > 0:
            part = int(np.searchsorted(self._bounds, start, "right")) - 1
            first = start - int(self._bounds[part])
            piece = parts[part][first : first + count]
            pieces.append(piece)
            count -= len(piece)
            start = (start + len(piece)) % self.tokens
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)

    @classmethod
    def load(cls, folder: Path, verify: bool = True) -> Self:
        """The shards in a folder.

        Args:
            folder: As `pack` wrote it.
            verify: Compare the hash of every file, which reads them all; sizes are always compared.

        Raises:
            UsageError: If there are none.
            DamagedCheckpoint: If a file is absent, damaged or cut short; the message says which.
            NewerCheckpoint: If a newer isoflop wrote them.
        """
        index = _index(folder)
        try:
            for file in index["files"]:
                _check(folder / Path(file["name"]).name, file, verify)
            return cls._of(folder, index)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise _damaged(folder / INDEX, repr(error)) from error

    @classmethod
    def _of(cls, folder: Path, index: dict[str, Any]) -> Self:
        dtype = np.dtype(index["dtype"]).newbyteorder("<")
        rows = index["shards"]
        sizes = [row["tokens"] for row in rows]
        return cls(
            folder=folder,
            tokens=index["tokens"],
            text_bytes=index["text_bytes"],
            vocabulary=index["vocabulary"],
            end=index["end"],
            tokenizer_sha256=index["tokenizer_sha256"],
            starts=np.fromfile(folder / DOCUMENTS, "<i8").astype(np.int64),
            masked=index["masked"],
            _parts=tuple(np.memmap(folder / row["bin"], dtype, "r") for row in rows),
            _masks=tuple(
                np.memmap(folder / row["mask"], np.uint8, "r") for row in rows if "mask" in row
            ),
            _bounds=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        )


def pack(
    documents: Iterable[TrainingDocument],
    tokenizer: Encoder,
    folder: Path,
    *,
    shard_tokens: int = SHARD_TOKENS,
) -> Shards:
    """Tokenize documents into shards, in a temporary folder that is renamed when it is whole.

    Args:
        documents: Read once; may be a generator.
        tokenizer: Any whose ids fit 32 bits; up to 65,536 tokens take 2 bytes each, more take 4.
        folder: Where to; shards that lie there are replaced.
        shard_tokens: Most tokens of one file.

    Raises:
        UsageError: If something else lies at `folder`.
        IsoflopError: If there is no document, or the disk is full.
    """
    if folder.exists() and not (folder / INDEX).is_file() and not _is_empty(folder):
        raise UsageError(f"{folder} holds something else than token shards. Name another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            writer = _Writer(Path(temporary) / "new", tokenizer, shard_tokens)
            for some in _some(documents):
                writer.add(some)
            writer.finish()
            if folder.exists():
                folder.rename(Path(temporary) / "old")
            writer.folder.rename(folder)
    except OSError as error:
        raise IsoflopError(
            f"Token shards could not be written to {folder}: {error.strerror}. "
            "Nothing was kept of them. Free some space or name another folder."
        ) from error
    return Shards.load(folder, verify=False)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


class _Writer:
    """Appends documents to shards and knows, at the end, what the index says."""

    def __init__(self, folder: Path, tokenizer: Encoder, shard_tokens: int) -> None:
        folder.mkdir()
        self.folder, self.tokenizer, self.shard_tokens = folder, tokenizer, shard_tokens
        self.dtype = np.dtype("<u2" if tokenizer.vocabulary <= 1 << 16 else "<u4")
        self.starts: list[int] = []
        self.tokens = self.text_bytes = 0
        self.masked = False
        self.last_counts = True
        self.sizes: list[int] = []
        self.open: tuple[IO[bytes], IO[bytes]] | None = None

    def add(self, documents: Sequence[TrainingDocument]) -> None:
        """Append documents, encoded together."""
        segments = [segment for document in documents for segment in document.segments]
        encoded = iter(self.tokenizer.encode_batch([s.text for s in segments if not s.special]))
        for document in documents:
            ids, mask = [self.tokenizer.end], [self.last_counts]
            for segment in document.segments:
                new = [self.tokenizer.special(segment.text)] if segment.special else next(encoded)
                ids += new
                mask += [segment.counts] * len(new)
                self.last_counts = segment.counts
                self.masked |= not segment.counts
            self.text_bytes += len(document.text.encode())
            self.starts.append(self.tokens)
            self._write(np.array(ids, self.dtype), np.array(mask, np.uint8))

    def _write(self, ids: NDArray[Any], mask: NDArray[np.uint8]) -> None:
        while ids.size:
            if self.open is None or self.sizes[-1] == self.shard_tokens:
                self._next()
            assert self.open is not None
            room = self.shard_tokens - self.sizes[-1]
            self.open[0].write(ids[:room].tobytes())
            self.open[1].write(mask[:room].tobytes())
            written = min(room, ids.size)
            self.sizes[-1] += written
            self.tokens += written
            ids, mask = ids[room:], mask[room:]

    def _next(self) -> None:
        self._close()
        name = f"{len(self.sizes):05}"
        self.open = (
            (self.folder / f"{name}.bin").open("wb"),
            (self.folder / f"{name}.mask").open("wb"),
        )
        self.sizes.append(0)

    def _close(self) -> None:
        for file in self.open or ():
            file.close()
        self.open = None

    def finish(self) -> None:
        """Write the document offsets and the index, which names every file."""
        self._close()
        if not self.starts:
            raise IsoflopError("There is no document to pack.")
        if not self.last_counts:  # the first token closes the last document
            with (self.folder / "00000.mask").open("r+b") as file:
                file.write(b"\0")
        shards: list[dict[str, Any]] = []
        for number, tokens in enumerate(self.sizes):
            row: dict[str, Any] = {"bin": f"{number:05}.bin", "tokens": tokens}
            if self.masked:
                row["mask"] = f"{number:05}.mask"
            else:
                (self.folder / f"{number:05}.mask").unlink()
            shards.append(row)
        np.array([*self.starts, self.tokens], "<i8").tofile(self.folder / DOCUMENTS)
        files = [_described(path) for path in sorted(self.folder.iterdir())]
        index = {
            "version": VERSION,
            "dtype": self.dtype.name,
            "tokens": self.tokens,
            "documents": len(self.starts),
            "document_offsets": DOCUMENTS,
            "text_bytes": self.text_bytes,
            "bytes_per_token": self.text_bytes / max(1, self.tokens - len(self.starts)),
            "vocabulary": self.tokenizer.vocabulary,
            "end": self.tokenizer.end,
            "tokenizer_sha256": hashlib.sha256(self.tokenizer.to_json().encode()).hexdigest(),
            "masked": self.masked,
            "shards": shards,
            "files": files,
        }
        (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def _some(documents: Iterable[TrainingDocument]) -> Iterator[list[TrainingDocument]]:
    """Documents in lists of about four million characters, to be encoded together."""
    some: list[TrainingDocument] = []
    characters = 0
    for document in documents:
        some.append(document)
        characters += sum(len(segment.text) for segment in document.segments)
        if characters >= BATCH_CHARACTERS:
            yield some
            some, characters = [], 0
    if some:
        yield some


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = int(index["version"])
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"There are no token shards at {folder}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, repr(error)) from error
    if version > VERSION:
        raise NewerCheckpoint(
            f"{path} is of version {version}, and this isoflop reads up to {VERSION}. "
            "Update isoflop, or pack the corpus again."
        )
    return index


def _check(path: Path, file: dict[str, Any], verify: bool) -> None:
    if not path.is_file():
        raise DamagedCheckpoint(f"{path} is absent. Pack the corpus again.")
    size = path.stat().st_size
    if size != file["bytes"]:
        raise _damaged(path, f"{size:,} bytes, where its index says {file['bytes']:,}")
    if verify and _described(path)["sha256"] != file["sha256"]:
        raise _damaged(path, "its hash has changed")


def _damaged(path: Path, why: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{path} is damaged: {why}. Pack the corpus again.")
