"""How a long text is laid out in windows that a model can read, and in what batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel

Integers = NDArray[np.int64]

DEFAULT_WINDOW = 512  # where neither the model's bound nor its training length is known
LOGITS_BYTES = 1 << 27  # of the logits that are held at once
MOST_BATCH = 32
PIECE_CHARACTERS = 1 << 20  # of a text that are encoded at once


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts are read.

    Attributes:
        window: Tokens the model reads at once; None for its bound or training length.
        stride: Tokens by which the window moves, and new tokens scored in each but the first;
            None for the window itself, so that windows do not overlap.
        batch: Windows read together; None for what fits. It changes no figure by more than
            rounding.
        piece: Tokens of a window read at once, the earlier ones being kept in a cache; None for
            what fits. It changes no figure by more than rounding.
    """

    window: int | None = None
    stride: int | None = None
    batch: int | None = None
    piece: int | None = None

    def settled(self, *models: CausalModel) -> "Settled":
        """With nothing left open.

        Raises:
            UsageError: If a number makes no sense or a model cannot read so many tokens.
        """
        bounds = [model.context_tokens for model in models if model.context_tokens is not None]
        window = default_window(*models) if self.window is None else self.window
        stride = window if self.stride is None else self.stride
        if window < 1 or not 1 <= stride <= window:
            raise UsageError(
                f"window={window}, stride={stride}: a window holds at least one token and moves "
                "by at least one and at most its length."
            )
        if bounds and window > min(bounds):
            raise UsageError(
                f"window={window:,} is more than the {min(bounds):,} tokens that "
                f"{models[0].name} reads. Leave out --window, or make it smaller."
            )
        row = 4 * max(model.vocabulary for model in models)
        batch = self.batch or max(1, min(MOST_BATCH, LOGITS_BYTES // (row * window)))
        piece = self.piece or max(1, LOGITS_BYTES // (row * batch))
        return Settled(window, stride, batch, min(piece, window))


@dataclass(frozen=True, slots=True)
class Settled:
    """A `Reading` with nothing left open."""

    window: int
    stride: int
    batch: int
    piece: int


def default_window(*models: CausalModel) -> int:
    """Tokens that all models read at once as they were trained to."""
    lengths = [
        model.context_tokens or getattr(model, "trained_tokens", None) or DEFAULT_WINDOW
        for model in models
    ]
    return min(lengths)


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens to read and those to score.

    Attributes:
        ids: The read tokens and the last scored one, which is not read.
        byte_lengths: Of each.
        fresh: Place in `ids` of the first scored token.
        lead: A first token that cannot be scored stands before it.
        text: Of which text.
    """

    ids: Integers
    byte_lengths: Integers
    fresh: int
    lead: bool
    text: int


def windows(
    model: CausalModel, encoded: Iterable[Integers], settled: Settled, text: int = 0
) -> Iterator[Window]:
    """Windows over one text whose tokens come in parts."""
    begun = model.beginning is not None
    held = np.asarray([[model.beginning], [0]] if begun else [[], []], np.int64)
    full, fresh, lead = settled.window + 1, 1, not begun
    for part in encoded:
        held = np.concatenate([held, part], axis=1)
        while held.shape[1] > full:  # more follow, so this is not the last
            yield Window(held[0, :full], held[1, :full], fresh, lead, text)
            held, fresh, lead = held[:, settled.stride :], full - settled.stride, False
    if held.shape[1] > fresh:
        yield Window(held[0], held[1], fresh, lead, text)
    elif lead and held.shape[1]:
        raise UsageError(
            f"The text is a single token and {model.name} has no token that begins a text, so "
            "nothing of it can be scored. Give a longer text."
        )


def batched(found: Iterable[Window], batch: int) -> Iterator[list[Window]]:
    """Windows in groups of `batch`; the last may be smaller."""
    held: list[Window] = []
    for window in found:
        held.append(window)
        if len(held) == batch:
            yield held
            held = []
    if held:
        yield held


def pieces_of(blocks: Iterable[str], characters: int = PIECE_CHARACTERS) -> Iterator[str]:
    """A text in pieces of at least so many characters, cut before a line end or a space.

    Vocabularies put a space or line end at the beginning of a token, so a cut before one that
    follows a visible character leaves the tokens as they are. A text that is shorter is not cut.

    Args:
        blocks: The text in parts of any length.
        characters: Of a piece, the last one excepted.
    """
    held = ""
    for block in blocks:
        held += block
        while len(held) > characters:
            place = _cut(held, characters)
            if place is None:
                break
            yield held[:place]
            held = held[place:]
    if held:
        yield held


def _cut(text: str, start: int) -> int | None:
    """The first place from `start` where a visible character, a blank and another one meet."""
    for place in range(start, len(text) - 1):
        blank = text[place] in " \n"
        if blank and "!" <= text[place - 1] <= "~" and "!" <= text[place + 1] <= "~":
            return place
    return None
