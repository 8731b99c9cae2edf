"""From logits to the next token: penalties, filters, and a draw that is each row's own."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isoflop.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; by default the most likely one.

    In order: the penalties change logits, the temperature divides them, then top-k, top-p and
    min-p each take tokens away. This is the order of transformers.

    Attributes:
        temperature: 0 for the most likely token, 1 to draw as the model says.
        top_k: Only so many most likely tokens; 0 for all.
        top_p: Only the most likely tokens that together have this probability.
        min_p: Only tokens at least this fraction as likely as the most likely one.
        repetition_penalty: Divides positive and multiplies negative logits of tokens that the
            prompt or the output holds.
        presence_penalty: Taken from the logits of tokens that the output holds.
        frequency_penalty: Taken from them once for each time.
        seed: Of the draws. A row draws with its own generator, so what it writes does not depend
            on the rows beside it.

    Source:
        Keskar et al. 2019 (repetition), arXiv:1909.05858; Fan et al. 2018 (top-k),
        arXiv:1805.04833; Holtzman et al. 2020 (top-p), arXiv:1904.09751; Nguyen et al. 2024
        (min-p), arXiv:2407.01082; presence and frequency as in OpenAI's API reference.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, holds, say in (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k >= 0, "0 (all tokens) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "from 0 to 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0; 1 for none"),
        ):
            if not holds:
                raise UsageError(f"{name}={getattr(self, name)}: it must be {say}.")

    @property
    def penalises(self) -> bool:
        """Whether earlier tokens change the logits."""
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1, 0, 0)


GREEDY = Sampling()


class Sampler:
    """Chooses tokens for a batch, step by step."""

    def __init__(
        self,
        sampling: Sampling,
        prompts: Sequence[Sequence[int]],
        vocabulary: int,
        seeds: Sequence[int],
    ) -> None:
        """One for rows that begin with these prompts.

        Args:
            sampling: How tokens are chosen; its seed is not used.
            prompts: Token ids of each row.
            vocabulary: Width of the logits.
            seeds: Of each row.
        """
        self.sampling = sampling
        self._draws = [random.Random(seed) for seed in seeds]
        if sampling.penalises:
            self._counts = torch.zeros(len(prompts), vocabulary)
            self._seen = torch.zeros(len(prompts), vocabulary, dtype=torch.bool)
            for row, prompt in enumerate(prompts):
                self._seen[row, list(prompt)] = True

    def choose(self, logits: Tensor) -> list[int]:
        """The next token of each row, from logits (B, V); they may be changed in place."""
        s = self.sampling
        if s.penalises:
            logits = penalised(logits, self._counts, self._seen, s)
        chosen = drawn(filtered(logits, s), self._draws) if s.temperature else logits.argmax(-1)
        if s.penalises:
            at = chosen[:, None]
            self._counts.scatter_add_(1, at, torch.ones_like(at, dtype=self._counts.dtype))
            self._seen.scatter_(1, at, True)
        tokens: list[int] = chosen.tolist()
        return tokens

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        self._draws = [self._draws[row] for row in rows]
        if self.sampling.penalises:
            self._counts, self._seen = self._counts[rows], self._seen[rows]


def penalised(logits: Tensor, counts: Tensor, seen: Tensor, sampling: Sampling) -> Tensor:
    """Logits after the penalties.

    Args:
        logits: (B, V).
        counts: How often the output holds each token, (B, V).
        seen: Whether prompt or output hold it, (B, V).
        sampling: The penalties.
    """
    by = sampling.repetition_penalty
    logits = torch.where(seen, torch.where(logits > 0, logits / by, logits * by), logits)
    return logits - sampling.frequency_penalty * counts - sampling.presence_penalty * (counts > 0)


def filtered(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (B, V) over the temperature, -inf where a filter takes a token away."""
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        logits = _nucleus(logits, sampling.top_p)
    if sampling.min_p > 0:
        log_least = logits.max(-1, keepdim=True).values + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < log_least, -torch.inf)
    return logits


def drawn(logits: Tensor, draws: Sequence[random.Random]) -> Tensor:
    """A token of each row (B,), drawn from the softmax of logits (B, V) with its own generator."""
    cumulative = logits.double().softmax(-1).cumsum(-1)
    # in (0, 1], so that a token of probability 0 is never reached
    places = torch.tensor([[1 - draw.random()] for draw in draws], dtype=torch.float64)
    return torch.searchsorted(cumulative, places * cumulative[:, -1:])[:, 0]


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    ordered, order = logits.sort(descending=False)
    unlikely = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    unlikely[..., -1:] = False  # the most likely one stays
    return logits.masked_fill(unlikely.scatter(-1, order, unlikely), -torch.inf)
