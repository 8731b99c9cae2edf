"""What a document says of itself: counts of its own tokens, mixed into a model's predictions."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isoflop.measure.windows import Integers

Floats = NDArray[np.float64]

ORDERS = (1, 2, 3, 4, 6)  # tokens of context
COUNTED = 8  # totals up to here have a weight each, larger ones one per power of two
MOST_POWERS = 6
MOST_DISTINCT = 4
# A weight starts as if it had been seen twice and been of no use most of the time; chosen on
# Python Enhancement Proposals, War and Peace and Shakespeare, 25 November 2026.
PRIOR, PRIOR_SEEN = 0.4, 2.0

Context = tuple[int, ...]


class Document:
    """Predictions of a model, interpolated with counts of what followed the same tokens before.

    Order after order, from short to long contexts, q becomes (1 - a) q + a c / n for a context
    that was seen n times. The weight a is shared by contexts of the same order, n and number of
    distinct followers; it is the mean share that the counts had in the tokens that came, which
    is online expectation maximisation. Only sums, products and quotients of doubles are taken,
    in a fixed order, so that a decoder repeats them to the bit.

    Attributes:
        streams: Stretches of the document that are read side by side.
        use: Whether the counts are used; without them predictions stay as they are.

    Source:
        Interpolation with a cache: Kuhn and De Mori 1990, IEEE PAMI 12(6); weights by count as in
        Jelinek and Mercer 1980.
    """

    def __init__(self, streams: int, *, use: bool = True) -> None:
        self.streams, self.use = streams, use
        self._counts: dict[Context, dict[int, int]] = {}
        self._totals: dict[Context, int] = {}
        self._weights: dict[tuple[int, int, int], list[float]] = {}
        self._before: list[Context] = [()] * streams

    def mixed(self, predictions: Floats) -> Floats:
        """The model's predictions (streams, V) with the counts mixed in, in place."""
        if self.use:
            for row, before in zip(predictions, self._before, strict=True):
                for context in self._contexts(before):
                    counts = self._counts[context]
                    seen, used = self._weight(context)
                    row *= 1.0 - used / seen
                    tokens = np.fromiter(counts.keys(), np.intp, len(counts))
                    row[tokens] += (used / seen / self._totals[context]) * np.fromiter(
                        counts.values(), np.float64, len(counts)
                    )
        return predictions

    def learn(self, tokens: Integers, predictions: Floats) -> None:
        """Count the tokens that came, (streams or fewer,), and judge the counts by them.

        Args:
            tokens: Of the first streams; the others have ended.
            predictions: The model's own of those tokens, (streams or fewer,), before mixing.
        """
        if not self.use:
            return
        shares: list[tuple[list[float], float]] = []
        came = list(zip(tokens.tolist(), predictions.tolist(), self._before, strict=False))
        for token, q, before in came:
            for context in self._contexts(before):
                weight = self._weight(context)
                a = weight[1] / weight[0]
                counted = a * (self._counts[context].get(token, 0) / self._totals[context])
                q = (1.0 - a) * q + counted
                shares.append((weight, counted / q))
        for weight, share in shares:
            weight[0] += 1.0
            weight[1] += share
        for stream, (token, _, before) in enumerate(came):
            self._count(before, token)
            self._before[stream] = (*before, token)[-ORDERS[-1] :]

    def _count(self, before: Context, token: int) -> None:
        for order in ORDERS:
            if order <= len(before):
                context = before[-order:]
                counts = self._counts.setdefault(context, {})
                counts[token] = counts.get(token, 0) + 1
                self._totals[context] = self._totals.get(context, 0) + 1

    def _contexts(self, before: Context) -> list[Context]:
        """Those seen before, from short to long; none is missing between two."""
        found = []
        for order in ORDERS:
            if order > len(before) or before[-order:] not in self._totals:
                break
            found.append(before[-order:])
        return found

    def _weight(self, context: Context) -> list[float]:
        """How often counts like these were asked, and the sum of their shares."""
        total = self._totals[context]
        if total > COUNTED:
            total = COUNTED + min((total // COUNTED).bit_length(), MOST_POWERS)
        kind = (len(context), total, min(len(self._counts[context]), MOST_DISTINCT))
        return self._weights.setdefault(kind, [PRIOR_SEEN, PRIOR])


assert all(one < two for one, two in pairwise(ORDERS))
