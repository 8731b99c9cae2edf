"""From files to training documents: read, without duplicates, some of them held out.

Documents are kept in a temporary file, not in memory: of each, only its place and its signature
stay. So a corpus needs about a kilobyte of memory for each document, and disk for its text.
"""

import hashlib
import json
import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from isoflop.errors import IsoflopError, UsageError
from isoflop.search.read import MOST_BYTES, Refusal, media_type
from isoflop.search.read.encoding import BINARY, SAMPLE_BYTES, is_binary
from isoflop.search.sandbox import Reading
from isoflop.search.walk import Found, walk
from isoflop.train.duplicates import NEAR, Sketches
from isoflop.train.records import SUFFIXES, Segment, TrainingDocument, records

HELD_OUT = 0.05
PART_CHARACTERS = 1 << 22
# Where a text may be divided, the best first.
BREAKS = (re.compile(r"\n[ \t]*\n+"), re.compile(r"\n"), re.compile(r"\s"))


class _Row(NamedTuple):
    """A document that is no exact duplicate: where it lies in the temporary file, and what it is.

    Attributes:
        place: Its first byte there.
        digest: Of its words: equal for exact duplicates.
        text_bytes: Of its text in UTF-8.
        is_plain: Whether near duplicates of it are looked for.
    """

    place: int
    digest: bytes
    text_bytes: int
    is_plain: bool


@dataclass
class Corpus:
    """Training documents, the ones held out from them, and what was left out.

    Attributes:
        refusals: Files, or parts of them, that could not be read, each with the reason.
        exact_duplicates: Documents left out because their words are those of an earlier one.
        near_duplicates: Documents left out because their words nearly are.
        text_bytes: Of all documents that are kept, in UTF-8.
        special: Special tokens that their segments name, which the tokenizer must have.
    """

    refusals: list[Refusal] = field(default_factory=list)
    exact_duplicates: int = 0
    near_duplicates: int = 0
    text_bytes: int = 0
    special: set[str] = field(default_factory=set)
    _training: list[int] = field(default_factory=list, repr=False)
    _held_out: list[int] = field(default_factory=list, repr=False)
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self._file.close)

    def training(self) -> Iterator[TrainingDocument]:
        """The documents to learn from, in the order they were read."""
        return map(self._at, self._training)

    def held_out(self) -> Iterator[TrainingDocument]:
        """The documents to measure on, in the order they were read."""
        return map(self._at, self._held_out)

    @property
    def documents(self) -> tuple[int, int]:
        """How many documents there are to learn from, and to measure on."""
        return len(self._training), len(self._held_out)

    def _at(self, place: int) -> TrainingDocument:
        self._file.seek(place)
        id, segments = json.loads(self._file.readline())
        return TrainingDocument(id, tuple(Segment(*segment) for segment in segments))

    def _append(self, document: TrainingDocument) -> int:
        try:
            place = self._file.seek(0, 2)
            self._file.write(json.dumps(document).encode("ascii") + b"\n")
            self._file.flush()
        except OSError as error:
            raise IsoflopError(
                f"The temporary copy of the corpus cannot be written: {error.strerror}. "
                "Free some space, or set TMPDIR to a folder that has it."
            ) from error
        return place


def read_corpus(
    paths: Sequence[Path],
    *,
    held_out: float = HELD_OUT,
    near: float | None = NEAR,
    most_bytes: int = MOST_BYTES,
) -> Corpus:
    """Everything that can be read below some paths, as training documents.

    Args:
        paths: Files and folders. Files of JSON lines hold records, one document each.
        held_out: Share of the documents to measure on, chosen by a hash of their words, so that
            the order of the files and additions to them do not move a document. At least one is
            held out; of a single document, its last part.
        near: Documents whose word 5-grams overlap at least so much (Jaccard) with an earlier
            one's are left out; None to keep them. Records with a prompt are compared exactly
            only: two questions about one long passage are two examples.
        most_bytes: A file larger than this is refused, unless it is plain text or JSON lines:
            those are read in parts, whatever their size.

    Raises:
        UsageError: If a path does not exist or a share is not a share.
        IsoflopError: If a record has no known form, or nothing at all can be read.
    """
    named = ", ".join(map(str, paths))
    return from_documents(_read(paths, most_bytes), held_out=held_out, near=near, named=named)


def from_documents(
    documents: Iterable[TrainingDocument | Refusal],
    *,
    held_out: float = HELD_OUT,
    near: float | None = NEAR,
    named: str = "the documents",
) -> Corpus:
    """The corpus of some documents; arguments and errors as for `read_corpus`."""
    if not 0 <= held_out < 1:
        raise UsageError(f"held_out={held_out} is not a share from 0 up to 1.")
    corpus = Corpus()
    sketches = None if near is None else Sketches()
    rows = _distinct(documents, corpus, sketches)
    if not rows:
        raise IsoflopError(_nothing(named, corpus.refusals))
    if sketches and near is not None:
        kept = _without_near_duplicates(rows, corpus, sketches, near)
        corpus.near_duplicates = len(rows) - len(kept)
        rows = kept
    corpus.text_bytes = sum(row.text_bytes for row in rows)
    _divide(corpus, rows, held_out)
    return corpus


def normalised(text: str) -> str:
    """A text without what does not make it another: case, and how much space is between words."""
    return " ".join(text.casefold().split())


def _distinct(
    documents: Iterable[TrainingDocument | Refusal], corpus: Corpus, sketches: Sketches | None
) -> list[_Row]:
    """Put documents into the corpus, but for refusals and exact duplicates; sketch plain ones."""
    rows: dict[bytes, _Row] = {}
    for document in documents:
        if isinstance(document, Refusal):
            corpus.refusals.append(document)
            continue
        text = document.text
        words = normalised(text)
        if not words:
            corpus.refusals.append(Refusal(document.id, "is empty."))
            continue
        plain = document.is_plain
        # the same words with another part to learn are another exercise
        roles = "" if plain else repr([(len(s.text), s.counts) for s in document.segments])
        digest = hashlib.blake2b(f"{roles}{words}".encode(), digest_size=16).digest()
        if digest in rows:
            corpus.exact_duplicates += 1
            continue
        corpus.special |= {segment.text for segment in document.segments if segment.special}
        rows[digest] = _Row(corpus._append(document), digest, len(text.encode()), plain)
        if plain and sketches:
            sketches.add(words)
    return list(rows.values())


def _without_near_duplicates(
    rows: Sequence[_Row], corpus: Corpus, sketches: Sketches, near: float
) -> list[_Row]:
    plain = [place for place, row in enumerate(rows) if row.is_plain]

    def text(number: int) -> str:
        return normalised(corpus._at(rows[plain[number]].place).text)

    gone = {plain[number] for number in sketches.near_duplicates(text, near)}
    return [row for place, row in enumerate(rows) if place not in gone]


def _divide(corpus: Corpus, rows: Sequence[_Row], share: float) -> None:
    """Choose what is held out."""
    if share == 0:
        corpus._training = [row.place for row in rows]
        return
    if len(rows) == 1:
        first, last = _halves(corpus._at(rows[0].place), share)
        corpus._training, corpus._held_out = [corpus._append(first)], [corpus._append(last)]
        return
    drawn = [int.from_bytes(row.digest[:8], "big") / 2**64 for row in rows]
    held = {place for place, number in enumerate(drawn) if number < share}
    held |= {drawn.index(min(drawn))}
    if len(held) == len(rows):  # something must be left to learn
        held -= {drawn.index(max(drawn))}
    for place, row in enumerate(rows):
        (corpus._held_out if place in held else corpus._training).append(row.place)


def _halves(document: TrainingDocument, share: float) -> tuple[TrainingDocument, TrainingDocument]:
    """A document's beginning, and its last part of about `share` of it, from a paragraph on."""
    text = document.text
    if len(document.segments) > 1 or len(text) < 2:
        raise IsoflopError(
            f"{document.id} is the only document and cannot be divided, so none can be held out. "
            "Give at least two, or hold nothing out."
        )
    cut = _cut(text, round(len(text) * (1 - share)), len(text) * share / 2)
    return (
        TrainingDocument(document.id, (Segment(text[:cut]),)),
        TrainingDocument(f"{document.id}#{cut}", (Segment(text[cut:]),)),
    )


def _cut(text: str, aim: int, most: float) -> int:
    """The best place to divide a text within `most` characters of `aim`: inside it, always."""
    window = range(max(1, round(aim - most)), min(len(text), round(aim + most) + 1))
    for pattern in BREAKS:
        found = pattern.finditer(text, max(0, window.start - 1), window.stop)
        ends = [match.end() for match in found if match.end() in window]
        if ends:
            return min(ends, key=lambda end: abs(end - aim))
    return min(max(1, aim), len(text) - 1)


def _nothing(named: str, refusals: Sequence[Refusal]) -> str:
    reasons = "".join(f"\n  {refusal.id}: {refusal.reason}" for refusal in refusals[:5])
    more = f"\n  and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    return f"There is no text to train on in {named}.{reasons}{more}"


def _read(paths: Sequence[Path], most_bytes: int) -> Iterator[TrainingDocument | Refusal]:
    """What the files below some paths hold, in the order of the paths and their ids."""
    with Reading(most_bytes=most_bytes) as reading:
        for path in paths:
            for found in walk(path):
                if found.id.endswith(SUFFIXES):
                    yield from records(found)
                elif found.bytes > most_bytes and media_type(found.path) == "text/plain":
                    yield from _parts(found)
                else:
                    for document in reading.read(found):
                        if isinstance(document, Refusal):
                            yield document
                        else:
                            yield TrainingDocument(document.id, (Segment(document.text),))


def _parts(found: Found) -> Iterator[TrainingDocument | Refusal]:
    """A large plain text as documents of some four million characters, cut at paragraphs."""
    with found.path.open("rb") as file:
        if is_binary(file.read(SAMPLE_BYTES)):
            yield Refusal(found.id, f"{BINARY}.")
            return
    number, text = 1, ""
    try:
        with found.path.open(encoding="utf-8-sig") as lines:
            while block := lines.read(PART_CHARACTERS):
                text += block
                if len(text) > PART_CHARACTERS:
                    cut = _cut(text, PART_CHARACTERS, PART_CHARACTERS / 4)
                    yield TrainingDocument(f"{found.id}#{number}", (Segment(text[:cut]),))
                    number, text = number + 1, text[cut:]
            yield TrainingDocument(f"{found.id}#{number}", (Segment(text),))
    except UnicodeDecodeError as error:
        reason = f"is no UTF-8 from its part {number} on ({error.reason}). Convert or divide it."
        yield Refusal(found.id, reason)
