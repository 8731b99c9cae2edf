"""Reading what is new into the truth, and embedding it; each step is kept as soon as it is done."""

import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np

from isoflop.bill import Bill
from isoflop.documents import Document
from isoflop.search.chunk import embedded_text, passages
from isoflop.search.encode import Encoder
from isoflop.search.read import Refusal
from isoflop.search.sandbox import Reading
from isoflop.search.truth import DocumentRow, FileVersion, Truth
from isoflop.search.update import Progress, Update
from isoflop.search.walk import Found, printable
from isoflop.settings import setting

COMMIT_PASSAGES = 256  # embedded between two commits: at most this much is lost by a kill
COMMIT_FILES = 64
WINDOW = 4096  # passages sorted by length before they are embedded


class Ingest:
    """Reads files and embeds passages into the next generation of a truth."""

    def __init__(
        self, truth: Truth, encoder: Callable[[], Encoder], progress: Progress, done: Update
    ) -> None:
        self.truth, self.encoder, self.progress, self.done = truth, encoder, progress, done

    def read(self, files: Sequence[tuple[Found, FileVersion | None]]) -> None:
        """Read files, each with its version of before, and store what is in them."""
        most_bytes = int(setting("most_file_bytes").value or 0)
        with Reading(most_bytes=most_bytes) as reading:
            for start in range(0, len(files), COMMIT_FILES):
                with self.truth.transaction():
                    for found, old in files[start : start + COMMIT_FILES]:
                        self._read_one(found, old, reading)
                self.progress("reading", min(start + COMMIT_FILES, len(files)), len(files))

    def _read_one(self, found: Found, old: FileVersion | None, reading: Reading) -> None:
        read_ns = time.time_ns()
        sha256 = _digest(found)
        if old is not None and sha256 is not None and old.sha256 == sha256:
            self.truth.restat(old.id, found.modified_ns, found.bytes, read_ns)
            self.done.unchanged += 1
            return
        documents: list[DocumentRow] = []
        refusals: list[tuple[str, str]] = []
        for result in reading.read(found):
            if isinstance(result, Refusal):
                refusals.append((result.id, result.reason))
            else:
                documents.append(self._row(result))
        version = FileVersion(0, found.id, found.bytes, found.modified_ns, read_ns, sha256)
        if old is not None:
            self.truth.retire([old.id])
        self.truth.add(version, printable(str(found.path)), documents, refusals)
        self.done.added += old is None
        self.done.changed += old is not None

    def _row(self, document: Document) -> DocumentRow:
        encoder = self.encoder()
        cut = passages(document, encoder.token_offsets, most_tokens=encoder.max_tokens)
        return DocumentRow(
            name=document.id,
            source=document.source,
            media_type=document.media_type,
            sha256=document.sha256,
            metadata=dict(document.metadata),
            passages=[(passage, self._key(embedded_text(passage))) for passage in cut],
        )

    def _key(self, text: str) -> bytes:
        """Equal for passages that must have the same vector."""
        content = f"{self.encoder().name}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, digest_size=16).digest()

    def embed(self) -> None:
        """Give every passage a vector: one it had before, or a new one."""
        with self.truth.transaction():
            self.done.reused = self.truth.reuse_vectors()
        total, last = self.truth.count_unembedded(), 0
        while window := self.truth.unembedded(WINDOW, last):
            last = window[-1][0]
            texts = sorted(
                ((embedded_text(p), id) for id, p in window), key=lambda row: len(row[0])
            )
            for start in range(0, len(texts), COMMIT_PASSAGES):
                self._embed_some(texts[start : start + COMMIT_PASSAGES])
                self.progress("embedding", self.done.embedded, total)

    def _embed_some(self, rows: Sequence[tuple[str, int]]) -> None:
        encoded = self.encoder().encode([text for text, _ in rows])
        vectors = encoded.vectors.astype(np.float16)
        with self.truth.transaction():
            self.truth.add_vectors(
                (id, vector.tobytes()) for (_, id), vector in zip(rows, vectors, strict=True)
            )
        self.done.embedded += len(rows)
        self.done.tokens += encoded.tokens
        self.done.work += Bill.measured(flops=encoded.flops, prompt_tokens=encoded.padded_tokens)


def _digest(found: Found) -> str | None:
    """SHA-256 of a file's bytes; None where it is too large to read or cannot be read."""
    if found.bytes > int(setting("most_file_bytes").value or 0):
        return None
    try:
        with found.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # the reader refuses it by name
        return None
