"""Perplexity and bits per byte of a text, with everything that makes two figures differ."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.line_ends import CarriageReturns, without_returns
from isoflop.measure.likelihood import TokenStream, score_pieces
from isoflop.measure.predicted import Perplexity, lines_end_in_returns, parts_of
from isoflop.measure.windows import Reading, pieces_of


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
    parts = parts_of(text)
    if lines_end_in_returns(text):
        found.carriage_returns = True
        model, parts = CarriageReturns(model), without_returns(parts)
    pieces = pieces_of(parts)
    counted = _count_words(found, pieces)
    fixed = replace(reading, window=settled.window, stride=settled.stride)
    for stream in score_pieces(model, counted, reading=fixed):
        _add(found, stream)
    if not found.scored_bytes:
        raise UsageError("The text has no bytes that a token stands for: nothing to score.")
    return found


def _add(found: Perplexity, stream: TokenStream) -> None:
    scored = stream.scored
    found.tokens += len(stream)
    found.bytes += int(stream.byte_lengths.sum())
    found.bill = found.bill + stream.bill
    found.add(stream.nats, tokens=int(scored.sum()), bytes=int(stream.byte_lengths[scored].sum()))


def _count_words(found: Perplexity, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces as they are, their words counted; no piece ends within a word."""
    for piece in pieces:
        found.words += len(piece.split())
        yield piece
