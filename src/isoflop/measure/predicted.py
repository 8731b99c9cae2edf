"""Perplexity and bits per byte of a text, with everything that makes two figures differ."""

import codecs
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.line_ends import (
    CarriageReturns,
    all_carriage_returns,
    file_has_carriage_returns,
    without_returns,
)
from isoflop.measure.likelihood import TokenStream, score_pieces
from isoflop.measure.statistics.clustered import mean
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.windows import Reading, pieces_of

READ_BYTES = 1 << 20
LEAST_BLOCKS = 10  # with fewer, the spread between blocks is a guess itself


@dataclass(slots=True)
class Perplexity:
    """How well a model predicts a text, read in one kind of windows.

    Attributes:
        window: Tokens the model reads at once.
        stride: Tokens by which the window moves; equal to `window` where none overlap.
        beginning: Whether a token that begins texts stood before the first, so that it has a
            probability; without one the first token is not scored.
        tokens: Of the text.
        scored_tokens: Of them, those with a probability.
        bytes: Of the text.
        scored_bytes: Of the scored tokens.
        words: Stretches of the text without white space.
        nats: Minus the log-probability of all scored tokens.
        blocks: (nats, tokens, bytes) of consecutive stretches of at least a window.
        carriage_returns: Whether all its lines end in a carriage return and a newline, so that
            the returns are certain; see `CarriageReturns`.
        bill: Of the pass.
    """

    window: int
    stride: int
    beginning: bool
    tokens: int = 0
    scored_tokens: int = 0
    bytes: int = 0
    scored_bytes: int = 0
    words: int = 0
    nats: float = 0.0
    blocks: list[tuple[float, int, int]] = field(default_factory=list)
    carriage_returns: bool = False
    bill: Bill = field(default_factory=Bill)

    @property
    def nats_per_token(self) -> float:
        """The mean loss."""
        return self.nats / self.scored_tokens

    @property
    def perplexity(self) -> float:
        """Per token: comparable only between models of the same tokens."""
        return math.exp(self.nats_per_token)

    @property
    def perplexity_per_word(self) -> float | None:
        """Per stretch without white space; None where there is none, or it exceeds a float."""
        return _exponential(self.nats, self.words)

    @property
    def perplexity_per_byte(self) -> float:
        """2 to the power of the bits per byte."""
        return math.exp(self.nats / self.scored_bytes)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between all models; what a perfect coder would need."""
        return self.nats / math.log(2) / self.scored_bytes

    @property
    def interval(self) -> Interval | None:
        """Of the bits per byte, for texts of which this one is a sample; None for a short one.

        The figure of the text itself has no error. The interval tells how far another text of
        the same kind and length may lie; blocks of a window are taken as independent.
        """
        if len(self.blocks) < LEAST_BLOCKS:
            return None
        nats, _, sizes = np.array(self.blocks, np.float64).T
        return mean(nats / math.log(2) / sizes, weights=sizes, correction="cr1").interval

    def add(self, stream: TokenStream) -> None:
        """Count the next tokens of the text."""
        scored = stream.scored
        nats = stream.nats
        tokens, sizes = int(scored.sum()), int(stream.byte_lengths[scored].sum())
        self.tokens += len(stream)
        self.scored_tokens += tokens
        self.bytes += int(stream.byte_lengths.sum())
        self.scored_bytes += sizes
        self.nats += nats
        self.bill = self.bill + stream.bill
        if self.blocks and self.blocks[-1][1] < self.window:
            before = self.blocks.pop()
            nats, tokens, sizes = nats + before[0], tokens + before[1], sizes + before[2]
        self.blocks.append((nats, tokens, sizes))

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "window": self.window,
            "stride": self.stride,
            "prefix": "beginning token" if self.beginning else "none",
            "tokens": self.tokens,
            "scored_tokens": self.scored_tokens,
            "bytes": self.bytes,
            "scored_bytes": self.scored_bytes,
            "words": self.words,
            "line_ends": "crlf" if self.carriage_returns else "as they are",
            "nats": self.nats,
            "nats_per_token": self.nats_per_token,
            "perplexity": self.perplexity,
            "perplexity_per_word": self.perplexity_per_word,
            "perplexity_per_byte": self.perplexity_per_byte,
            "bits_per_byte": self.bits_per_byte,
            "interval": None if (interval := self.interval) is None else interval.as_dict(),
            "bill": self.bill.as_dict(),
        }


def perplexity(
    model: CausalModel, text: str | Path, *, reading: Reading | None = None
) -> Perplexity:
    """Read a text, or a file of any length, and count.

    Args:
        model: Whose probabilities are taken.
        text: A string, or the path of a UTF-8 file.
        reading: Windows and batches; by default windows that do not overlap.

    Raises:
        UsageError: If there is nothing to score, or the file is not text.
    """
    reading = reading or Reading()
    settled = reading.settled(model)
    found = Perplexity(settled.window, settled.stride, model.beginning is not None)
    parts: Iterable[str] = blocks(text) if isinstance(text, Path) else [text]
    if _returns(text):
        found.carriage_returns = True
        model, parts = CarriageReturns(model), without_returns(parts)
    pieces = pieces_of(parts)
    counted = _count_words(found, pieces)
    fixed = replace(reading, window=settled.window, stride=settled.stride)
    for stream in score_pieces(model, counted, reading=fixed):
        found.add(stream)
    if not found.scored_bytes:
        raise UsageError("The text has no bytes that a token stands for: nothing to score.")
    return found


def _returns(text: str | Path) -> bool:
    try:
        if isinstance(text, Path):
            return file_has_carriage_returns(text)
    except OSError:  # said when it is read
        return False
    return "\r" in text and all_carriage_returns(text.encode("utf-8", "surrogatepass"))


def _count_words(found: Perplexity, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces as they are, their words counted; no piece ends within a word."""
    for piece in pieces:
        found.words += len(piece.split())
        yield piece


def blocks(file: Path) -> Iterator[str]:
    """The text of a file, line ends as they are, a megabyte at a time.

    Raises:
        UsageError: If it cannot be read or is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = 0
    try:
        with file.open("rb") as opened:
            while block := opened.read(READ_BYTES):
                yield decoder.decode(block)
                before += len(block)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8 text (near byte {before + error.start:,}: {error.reason}), and "
            "a language model predicts text only. Convert it, for example with iconv."
        ) from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error


def _exponential(nats: float, count: int) -> float | None:
    try:
        return math.exp(nats / count) if count else None
    except OverflowError:
        return None
