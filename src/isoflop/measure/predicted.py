"""How well a text was predicted: the counts that perplexity and bits per byte are made of."""

import codecs
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.lm.line_ends import all_carriage_returns, file_has_carriage_returns
from isoflop.measure.statistics.clustered import mean
from isoflop.measure.statistics.interval import Interval

READ_BYTES = 1 << 20
LEAST_BLOCKS = 10  # with fewer, the spread between blocks is a guess itself


@dataclass(slots=True)
class Perplexity:
    """How well a model predicts a text, read in one kind of windows.

    Attributes:
        window: Tokens the model reads at once, or characters of a served one.
        stride: By how much the window moves; equal to `window` where none overlap.
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
        unit: What window and stride count: tokens, or characters where a server has the tokens.
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
    unit: Literal["tokens", "characters"] = "tokens"
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

    def add(self, nats: float, *, tokens: int, bytes: int) -> None:
        """Count the next scored tokens of the text, of so many bytes."""
        self.scored_tokens += tokens
        self.scored_bytes += bytes
        self.nats += nats
        if self.blocks and self._shorter_than_a_window(self.blocks[-1]):
            before = self.blocks.pop()
            nats, tokens, bytes = nats + before[0], tokens + before[1], bytes + before[2]
        self.blocks.append((nats, tokens, bytes))

    def _shorter_than_a_window(self, block: tuple[float, int, int]) -> bool:
        return block[1 if self.unit == "tokens" else 2] < self.window

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "window": self.window,
            "stride": self.stride,
            "unit": self.unit,
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


def lines_end_in_returns(text: str | Path) -> bool:
    """Whether every line of a text, or of a file, ends in a carriage return and a newline."""
    try:
        if isinstance(text, Path):
            return file_has_carriage_returns(text)
    except OSError:  # said when it is read
        return False
    return "\r" in text and all_carriage_returns(text.encode("utf-8", "surrogatepass"))


def parts_of(text: str | Path) -> Iterable[str]:
    """A text in parts: itself, or a file a megabyte at a time; see `blocks`."""
    return blocks(text) if isinstance(text, Path) else [text]


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
