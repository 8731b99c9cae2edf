"""From files to training documents: read, without duplicates, some of them held out.

Documents are kept in a temporary file, not in memory: of each, only its place and its signature
stay. So a corpus needs a few hundred bytes of memory for each document, and disk for its text.
"""

import gzip
import hashlib
import json
import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from isoflop.errors import IsoflopError, UsageError
from isoflop.search.read import MOST_BYTES, Refusal
from isoflop.search.sandbox import Reading
from isoflop.search.walk import Found, walk
from isoflop.train.duplicates import NEAR, near_duplicates

HELD_OUT = 0.05
PARAGRAPH = re.compile(r"\n[ \t]*\n+")
RECORD_FORMS = (
    '{"text": ...}, {"prompt": ..., "completion": ...}, '
    '{"question": ..., "answers": [...]} with "context" or without, '
    '{"messages": [{"role": ..., "content": ...}]} or {"segments": [["text", 0 or 1], ...]}'
)


class Segment(NamedTuple):
    """A stretch of a document, and whether its tokens count towards the loss."""

    text: str
    counts: bool = True


class TrainingDocument(NamedTuple):
    """What the model reads in one piece.

    Attributes:
        id: The path below the folder it was read from; a record adds `#` and its line.
        segments: Its text in parts.
    """

    id: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(segment.text for segment in self.segments)


class _Row(NamedTuple):
    """Where a document lies in the temporary file, and what is known of it."""

    start: int
    digest: bytes


@dataclass
class Corpus:
    """Training documents, the ones held out from them, and what was left out.

    Attributes:
        refusals: Files, or parts of them, that could not be read, each with the reason.
        exact_duplicates: Documents left out because their words are those of an earlier one.
        near_duplicates: Documents left out because their words nearly are.
        text_bytes: Of text in UTF-8, over all documents that are kept.
    """

    refusals: list[Refusal] = field(default_factory=list)
    exact_duplicates: int = 0
    near_duplicates: int = 0
    text_bytes: int = 0
    _training: list[int] = field(default_factory=list, repr=False)
    _held_out: list[int] = field(default_factory=list, repr=False)
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self._file.close)

    def training(self) -> Iterator[TrainingDocument]:
        """The documents to learn from, in the order they were read."""
        return self._documents(self._training)

    def held_out(self) -> Iterator[TrainingDocument]:
        """The documents to measure on, in the order they were read."""
        return self._documents(self._held_out)

    @property
    def documents(self) -> tuple[int, int]:
        """How many documents there are to learn from, and to measure on."""
        return len(self._training), len(self._held_out)

    def _documents(self, places: Sequence[int]) -> Iterator[TrainingDocument]:
        return (self._at(place) for place in places)

    def _at(self, place: int) -> TrainingDocument:
        self._file.seek(place)
        id, segments = json.loads(self._file.readline())
        return TrainingDocument(id, tuple(Segment(text, bool(counts)) for text, counts in segments))

    def _append(self, document: TrainingDocument) -> int:
        place = self._file.seek(0, 2)
        row = (document.id, [(segment.text, int(segment.counts)) for segment in document.segments])
        self._file.write(json.dumps(row).encode("ascii") + b"\n")
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
        paths: Files and folders.
        held_out: Share of the documents to measure on, chosen by a hash of their words, so that
            the order of the files and additions to them do not move a document. At least one is
            held out; of a single document, its last part.
        near: Documents whose word 5-grams overlap at least so much (Jaccard) with an earlier
            one's are left out; None to keep them. Records with a prompt are compared exactly
            only: two questions about one long passage are two examples.
        most_bytes: A file larger than this is refused, unless it is a list of records.

    Raises:
        UsageError: If a path does not exist or a share is not a share.
        IsoflopError: If a record has no known form, or nothing at all can be read.
    """
    if not 0 <= held_out < 1:
        raise UsageError(f"held_out={held_out} is not a share from 0 up to 1.")
    return from_documents(
        _read(paths, most_bytes), held_out=held_out, near=near, named=", ".join(map(str, paths))
    )


def from_documents(
    documents: Iterable[TrainingDocument | Refusal],
    *,
    held_out: float = HELD_OUT,
    near: float | None = NEAR,
    named: str = "the documents",
) -> Corpus:
    """The corpus of some documents; arguments and errors as for `read_corpus`."""
    corpus = Corpus()
    rows: list[_Row] = []
    plain: list[int] = []
    seen: set[bytes] = set()
    for document in documents:
        if isinstance(document, Refusal):
            corpus.refusals.append(document)
            continue
        words = normalised(document.text)
        if not words:
            corpus.refusals.append(Refusal(document.id, "is empty."))
            continue
        digest = hashlib.blake2b(words.encode(), digest_size=16).digest()
        if digest in seen:
            corpus.exact_duplicates += 1
            continue
        seen.add(digest)
        if all(segment.counts for segment in document.segments):
            plain.append(len(rows))
        rows.append(_Row(corpus._append(document), digest))
        corpus.text_bytes += len(document.text.encode())
    if not rows:
        raise IsoflopError(_nothing(named, corpus.refusals))
    gone: set[int] = set()
    if near is not None:
        text = lambda i: normalised(corpus._at(rows[plain[i]].start).text)  # noqa: E731
        gone = {plain[i] for i in near_duplicates(len(plain), text, near)}
    corpus.near_duplicates = len(gone)
    corpus.text_bytes -= sum(len(corpus._at(rows[i].start).text.encode()) for i in gone)
    _divide(corpus, [row for i, row in enumerate(rows) if i not in gone], held_out)
    return corpus


def normalised(text: str) -> str:
    """A text without what does not make it another: case, and how much space is between words."""
    return " ".join(text.casefold().split())


def _divide(corpus: Corpus, rows: Sequence[_Row], share: float) -> None:
    """Choose what is held out."""
    if share == 0:
        corpus._training = [row.start for row in rows]
        return
    if len(rows) == 1:
        first, last = _halves(corpus._at(rows[0].start), share)
        corpus._training, corpus._held_out = [corpus._append(first)], [corpus._append(last)]
        return
    drawn = [int.from_bytes(row.digest[:8], "big") / 2**64 for row in rows]
    least = min(drawn)
    for row, number in zip(rows, drawn, strict=True):
        chosen = number < share or number == least
        (corpus._held_out if chosen else corpus._training).append(row.start)
    if not corpus._training:
        corpus._training.append(corpus._held_out.pop())


def _halves(document: TrainingDocument, share: float) -> tuple[TrainingDocument, TrainingDocument]:
    """A document's beginning, and its last part of about `share` of it from a paragraph on.

    Without paragraphs it is cut at a line, then at a space, then anywhere.
    """
    if len(document.segments) > 1:
        raise IsoflopError(
            f"{document.id} is the only record, so none can be held out. "
            "Give at least two, or hold nothing out."
        )
    text = document.segments[0].text
    aim = round(len(text) * (1 - share))
    for pattern in (PARAGRAPH, re.compile(r"\n"), re.compile(r"\s")):
        cuts = [match.end() for match in pattern.finditer(text) if 0 < match.end() < len(text)]
        near = [cut for cut in cuts if abs(cut - aim) <= max(1, len(text) * share / 2)]
        if near:
            aim = min(near, key=lambda cut: abs(cut - aim))
            break
    aim = min(max(1, aim), len(text) - 1)
    return (
        TrainingDocument(document.id, (Segment(text[:aim]),)),
        TrainingDocument(f"{document.id}#{aim}", (Segment(text[aim:]),)),
    )


def _nothing(named: str, refusals: Sequence[Refusal]) -> str:
    reasons = "".join(f"\n  {refusal.id}: {refusal.reason}" for refusal in refusals[:5])
    more = f"\n  and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    return f"There is no text to train on in {named}.{reasons}{more}"


def _read(paths: Sequence[Path], most_bytes: int) -> Iterator[TrainingDocument | Refusal]:
    """What the files below some paths hold, in the order of the paths and their ids."""
    with Reading(most_bytes=most_bytes) as reading:
        for path in paths:
            for found in walk(path):
                if found.id.endswith((".jsonl", ".ndjson", ".jsonl.gz")):
                    yield from _records(found)
                    continue
                for document in reading.read(found):
                    if isinstance(document, Refusal):
                        yield document
                    else:
                        yield TrainingDocument(document.id, (Segment(document.text),))


def _records(found: Found) -> Iterator[TrainingDocument]:
    """The records of a file of JSON lines, one at a time."""
    opened = gzip.open if found.id.endswith(".gz") else open
    try:
        with opened(found.place, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield TrainingDocument(
                        f"{found.id}#{number}", _segments(line, f"{found.place}, line {number}")
                    )
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise IsoflopError(f"{found.place} is not JSON lines in UTF-8: {error}.") from error


def _segments(line: str, where: str) -> tuple[Segment, ...]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise IsoflopError(f"{where}: not JSON ({error}). Each line must be a record.") from error
    segments = segments_of(record)
    if segments is None:
        raise IsoflopError(f"{where}: a record of no known form. Known are {RECORD_FORMS}.")
    return tuple(Segment(_encodable(text), counts) for text, counts in segments if text)


def segments_of(record: Any) -> list[Segment] | None:
    """The segments of a record; None if it has no known form.

    Of a question only the first answer is learned. A conversation counts where the assistant
    speaks.
    """
    match record:
        case {"segments": [*parts]} if all(_is_segment(part) for part in parts):
            return [Segment(text, bool(counts)) for text, counts in parts]
        case {"prompt": str(prompt), "completion": str(completion)}:
            return [Segment(prompt, False), Segment(completion)]
        case {"question": str(question), "answers": [str(answer), *_]}:
            return question_segments(question, answer, record.get("context"))
        case {"messages": [*messages]} if messages and all(map(_is_message, messages)):
            return [part for message in messages for part in _message(message)]
        case {"text": str(text)}:
            return [Segment(text)]
    return None


def question_segments(question: str, answer: str, context: str | None = None) -> list[Segment]:
    """A question and its answer as a model learns them: the answer counts."""
    before = f"{context}\n\n" if context else ""
    return [Segment(f"{before}Question: {question}\nAnswer:", False), Segment(f" {answer}")]


def _is_segment(part: Any) -> bool:
    match part:
        case [str(), 0 | 1 | True | False]:
            return True
    return False


def _is_message(message: Any) -> bool:
    match message:
        case {"role": "user" | "assistant" | "system", "content": str()}:
            return True
    return False


def _message(message: dict[str, str]) -> list[Segment]:
    said = message["role"] == "assistant"
    return [Segment(f"{message['role']}: ", False), Segment(message["content"] + "\n", said)]


def _encodable(text: str) -> str:
    """A text with U+FFFD for lone surrogates, which JSON can write and UTF-8 cannot."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
