"""A 5-gram model with modified Kneser-Ney smoothing: a baseline, and arithmetic one can check."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isoflop.errors import UsageError
from isoflop.lm.model import Message
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.measure.predicted import blocks

ORDER = 5
VOCABULARY = 2048
FALLBACK = (0.5, 1.0, 1.5)  # where a text is too short to estimate discounts, as KenLM has them

Gram = tuple[int, ...]
Floats = NDArray[np.float64]


class NgramModel:
    """Interpolated modified Kneser-Ney over byte-pair tokens; a `CausalModel`.

    With h the n - 1 tokens before, h' without the first of them, and D the discount of a count,

        p(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) p(w | h')

    where gamma(h) is what the discounts took away, so each distribution sums to 1. c counts the
    text in the highest order, and in lower ones the distinct tokens that stand before; the lowest
    order is interpolated with the uniform distribution. An unseen h is skipped.

    Attributes:
        name: `ngram:` and the text.
        tokenizer: Trained on the same text.
        order: Length of the longest n-grams.
        model: Holds the discounted shares, as a network its weights.

    Source:
        Chen and Goodman 1998, An Empirical Study of Smoothing Techniques, Harvard TR-10-98,
        section 3; n-grams at the beginning as in Heafield et al. 2013 (KenLM).
    """

    def __init__(self, path: str | Path) -> None:
        text = "".join(blocks(Path(path)))
        if not text.strip():
            raise UsageError(f"{path} is empty: there is nothing to count.")
        tokenizer = train_tokenizer([text], VOCABULARY)
        self._count(tokenizer, tokenizer.encode(text), ORDER, f"ngram:{path}")

    @classmethod
    def of(
        cls, tokenizer: Tokenizer, tokens: Sequence[int], order: int = ORDER, name: str = "ngram:"
    ) -> Self:
        """One of tokens that are in memory."""
        made = cls.__new__(cls)
        made._count(tokenizer, tokens, order, name)
        return made

    def _count(self, tokenizer: Tokenizer, tokens: Sequence[int], order: int, name: str) -> None:
        self.name, self.tokenizer, self.order = name, tokenizer, order
        sequence = [tokenizer.end, *tokens]
        self._levels: list[dict[Gram, tuple[NDArray[np.intp], Floats, float]]] = []
        for counts in adjusted_counts(sequence, order):
            self._levels.append(_smoothed(counts))
        self.model = torch.nn.Module()
        shares = [of[1] for level in self._levels for of in level.values()]
        self.model.register_buffer("shares", torch.from_numpy(np.concatenate(shares)))

    @property
    def context_tokens(self) -> None:
        """Any number can be read; only the last few matter."""

    @property
    def vocabulary(self) -> int:
        """Width of its logits."""
        return self.tokenizer.vocabulary

    @property
    def parameters(self) -> int:
        """Stored probabilities and back-off weights."""
        return sum(len(of[0]) + 1 for level in self._levels for of in level.values())

    @property
    def beginning(self) -> int:
        """The token between documents."""
        return self.tokenizer.end

    @property
    def end(self) -> int:
        """The token between documents, which it never predicts by count."""
        return self.tokenizer.end

    @property
    def ends(self) -> frozenset[int]:
        """The same."""
        return frozenset({self.end})

    @property
    def accepts_positions(self) -> bool:
        """No: only what stands before counts."""
        return False

    @property
    def dtype(self) -> torch.dtype:
        """Of its logits."""
        return torch.float32

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added."""
        return self.tokenizer.encode(text)

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """It holds no conversation.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{self.name} only counts words and holds no conversation.")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self.tokenizer.decode(ids)

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each id stands for."""
        return self.tokenizer.byte_lengths(ids)

    def forward_flops(self, tokens: int, past: int = 0) -> float:
        """A product and a sum per order and token of the vocabulary."""
        return 2.0 * self.order * self.vocabulary * tokens

    def probabilities(self, before: Sequence[int]) -> Floats:
        """Of every token after those, (V,); they sum to 1 within rounding of doubles."""
        p = np.full(self.vocabulary, 1 / self.vocabulary)
        for length in range(min(len(before), self.order - 1) + 1):
            found = self._levels[length].get(tuple(before[len(before) - length :]))
            if found is None:
                break  # no longer context was seen either
            tokens, shares, left = found
            p *= left
            p[tokens] += shares
        return p

    def new_cache(self, batch: int, most: int) -> list[list[int]]:
        """The last tokens of each sequence, none yet."""
        return [[] for _ in range(batch)]

    def keep_rows(self, cache: list[list[int]], rows: list[int]) -> list[list[int]]:
        """A cache of these rows of a batch, in this order."""
        return [list(cache[row]) for row in rows]

    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: Any = None,
        last: bool = False,
    ) -> Tensor:
        """Log-probabilities after each token; see `CausalModel.logits`.

        Raises:
            UsageError: If a bias is given; nothing is attended to here.
        """
        if bias is not None:
            raise UsageError(f"{self.name} has no attention, so no mask or bias can be put on it.")
        held = self.new_cache(len(tokens), 0) if cache is None else cache
        rows = []
        for before, row in zip(held, tokens.tolist(), strict=True):
            start = len(before)
            before.extend(row)
            ends = (
                range(len(before), len(before) + 1) if last else range(start + 1, len(before) + 1)
            )
            rows.append([self.probabilities(before[max(0, e - self.order + 1) : e]) for e in ends])
            del before[: -self.order]
        return torch.from_numpy(np.log(np.array(rows))).float()


def adjusted_counts(sequence: Sequence[int], order: int) -> list[Counter[Gram]]:
    """Counts of n-grams for n from 1 to `order`: of the text, or of distinct tokens before."""
    raw = [
        Counter(zip(*(sequence[i:] for i in range(n)), strict=False)) for n in range(1, order + 1)
    ]
    adjusted: list[Counter[Gram]] = []
    for n, longer in enumerate(raw[1:], start=1):
        counts: Counter[Gram] = Counter(gram[1:] for gram in longer)
        first = tuple(sequence[:n])
        if n > 1 and len(first) == n:  # nothing ever stands before it
            counts[first] = raw[n - 1][first]
        adjusted.append(counts)
    return [*adjusted, raw[-1]]


def discounts(counts: Iterable[int]) -> tuple[float, float, float]:
    """What is taken from counts of 1, 2, and 3 or more.

    Source:
        Chen and Goodman 1998, equation 26.
    """
    seen = Counter(counts)
    if not all(seen[k] for k in (1, 2, 3, 4)):
        return FALLBACK
    y = seen[1] / (seen[1] + 2 * seen[2])
    found = [k - (k + 1) * y * seen[k + 1] / seen[k] for k in (1, 2, 3)]
    if not all(0 < d <= k for k, d in enumerate(found, start=1)):
        return FALLBACK
    return found[0], found[1], found[2]


def _smoothed(counts: Counter[Gram]) -> dict[Gram, tuple[NDArray[np.intp], Floats, float]]:
    """Of each context: tokens that followed, their discounted shares, and what is left."""
    taken = np.array([0.0, *discounts(counts.values())])
    followers: dict[Gram, list[tuple[int, int]]] = {}
    for gram, count in counts.items():
        followers.setdefault(gram[:-1], []).append((gram[-1], count))
    found = {}
    for context, pairs in followers.items():
        tokens, times = np.array(pairs).T
        lost = taken[np.minimum(times, 3)]
        whole = times.sum()
        found[context] = (tokens.astype(np.intp), (times - lost) / whole, float(lost.sum() / whole))
    return found
