"""Training documents and the forms of record that become one."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from isoflop.errors import IsoflopError
from isoflop.lm.tokenizer import END
from isoflop.search.walk import Found

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz")
FORMS = (
    '{"text": ...}, {"prompt": ..., "completion": ...}, '
    '{"question": ..., "answers": [...]} with "context" or without, '
    '{"messages": [{"role": ..., "content": ...}]} or {"segments": [["text", 0 or 1], ...]}'
)


class Segment(NamedTuple):
    """A stretch of a document.

    Attributes:
        text: Its characters, or the name of a special token.
        counts: Whether its tokens count towards the loss.
        special: Whether it is a special token. Only this makes one; no text does.
    """

    text: str
    counts: bool = True
    special: bool = False


class TrainingDocument(NamedTuple):
    """What the model reads in one piece.

    Attributes:
        id: The path below the folder it was read from; a record adds `#` and its line.
        segments: Its text in parts, each of them encoded alone.
    """

    id: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it but the special tokens."""
        return "".join(segment.text for segment in self.segments if not segment.special)

    @property
    def is_plain(self) -> bool:
        """Whether all of it counts: it is a text and no exercise."""
        return all(segment.counts for segment in self.segments)


def records(found: Found) -> Iterator[TrainingDocument]:
    """The records of a file of JSON lines, one at a time.

    Raises:
        IsoflopError: If a line is no record; the message says which and why.
    """
    opened = gzip.open if found.id.endswith(".gz") else open
    try:
        with opened(found.place, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    segments = _segments(line, f"{found.place}, line {number}")
                    yield TrainingDocument(f"{found.id}#{number}", segments)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise IsoflopError(
            f"{found.place} is not JSON lines in UTF-8 ({error}). Save it as such, or leave it out."
        ) from error
    except OSError as error:
        raise IsoflopError(f"{found.place} cannot be read: {error.strerror}.") from error


def _segments(line: str, where: str) -> tuple[Segment, ...]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise IsoflopError(f"{where}: not JSON ({error}). Each line must be a record.") from error
    segments = segments_of(record)
    if segments is None:
        raise IsoflopError(f"{where}: a record of no known form. Known are {FORMS}.")
    return tuple(part._replace(text=_encodable(part.text)) for part in segments if part.text)


def segments_of(record: Any) -> list[Segment] | None:
    """The segments of a record; None if it has no known form.

    Of a question only the first answer is learned. Of a conversation counts what the assistant
    says, and that it ends.
    """
    match record:
        case {"segments": [*parts]} if all(map(_is_segment, parts)):
            return [Segment(text, bool(counts)) for text, counts in parts]
        case {"prompt": str(prompt), "completion": str(completion)}:
            return [Segment(prompt, False), Segment(completion)]
        case {"question": str(question), "answers": [str(answer), *_]}:
            context = record.get("context")
            if context is None or isinstance(context, str):
                return question_segments(question, answer, context)
        case {"messages": [*messages]} if messages and all(map(_is_message, messages)):
            return conversation_segments(messages)
        case {"text": str(text)}:
            return [Segment(text)]
    return None


def question_segments(question: str, answer: str, context: str | None = None) -> list[Segment]:
    """A question and its answer as a model learns them: the answer counts."""
    before = f"{context}\n\n" if context else ""
    return [Segment(f"{before}Question: {question}\nAnswer:", False), Segment(f" {answer}")]


def conversation_segments(messages: list[dict[str, str]]) -> list[Segment]:
    """A conversation in special tokens, as the tokenizer's chat template writes it.

    The end token of the last message is the one that closes the document.
    """
    segments: list[Segment] = []
    for message in messages:
        said = message["role"] == "assistant"
        if segments:
            segments.append(Segment(END, segments[-1].counts, special=True))
        segments.append(Segment(f"<|{message['role']}|>", False, special=True))
        segments.append(Segment(message["content"], said))
    return segments


def _is_segment(part: Any) -> bool:
    match part:
        case [str(), bool() | 0 | 1]:
            return True
    return False


def _is_message(message: Any) -> bool:
    match message:
        case {"role": "user" | "assistant" | "system", "content": str()}:
            return True
    return False


def _encodable(text: str) -> str:
    """A text with U+FFFD for lone surrogates, which JSON can write and UTF-8 cannot."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
