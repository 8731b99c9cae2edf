"""Detectors that are sums over one `TokenStream`: none of them reads the text again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from isoflop.augment.sentences import sentences
from isoflop.errors import UsageError, did_you_mean
from isoflop.measure.likelihood import TokenStream

Span = tuple[int, int]
Figure = float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """A text that was read, and where its sentences are.

    Attributes:
        text: After normalisation.
        stream: What one pass said of its tokens.
        parts: Of each sentence its characters and its tokens; together all of the text.
    """

    text: str
    stream: TokenStream
    parts: tuple[tuple[Span, slice], ...]

    @classmethod
    def of(cls, text: str, stream: TokenStream) -> "Scored":
        """With sentences found; a token belongs to the sentence that its last byte is in."""
        starts = [start for start, _ in sentences(text)][1:]
        places, at, before = np.cumsum(stream.byte_lengths), 0, 0
        cuts = [0]
        for start in starts:
            at += len(text[before:start].encode())
            before = start
            cuts.append(int(np.searchsorted(places, at, "right")))
        bounds = pairwise([*cuts, len(stream)])
        spans = pairwise([0, *starts, len(text)])
        return cls(text, stream, tuple((s, slice(*b)) for s, b in zip(spans, bounds, strict=True)))

    def first(self, tokens: int) -> "Scored":
        """Only so many tokens from the beginning; the text itself is kept whole."""
        cut = tuple(
            (span, slice(part.start, min(part.stop, tokens)))
            for span, part in self.parts
            if part.start < tokens
        )
        return Scored(self.text, self.stream[:tokens], cut)

    @property
    def perplexities(self) -> tuple[Figure, ...]:
        """Of each sentence; None where none of its tokens was scored."""
        return tuple(_perplexity(self.stream[part]) for _, part in self.parts)


@dataclass(frozen=True, slots=True)
class Detector:
    """A score of a text.

    Attributes:
        name: Its usual name, hyphenated.
        sign: +1 if machine text scores high, -1 if it scores low, according to its source.
        source: Where it is defined.
        of: The score as published; None where the text has none, such as no second sentence.
    """

    name: str
    sign: int
    source: str
    of: Callable[[Scored], Figure]

    def machine(self, scored: Scored) -> Figure:
        """The score turned so that machine text is expected high."""
        found = self.of(scored)
        return None if found is None else self.sign * found


def likelihood(scored: Scored) -> Figure:
    """Mean log p of the tokens, in nats."""
    return _mean(scored.stream.log_probabilities, scored.stream)


def log_rank(scored: Scored) -> Figure:
    """Minus the mean log of the tokens' ranks."""
    return _mean(-np.log(np.maximum(scored.stream.ranks, 1)), scored.stream)


def rank(scored: Scored) -> Figure:
    """Minus the mean rank of the tokens."""
    return _mean(-scored.stream.ranks.astype(np.float64), scored.stream)


def entropy(scored: Scored) -> Figure:
    """Mean entropy of the predictions, in nats."""
    return _mean(scored.stream.entropies, scored.stream)


def lrr(scored: Scored) -> Figure:
    """Sum of -log p over the sum of log rank; infinite where every token was the likeliest."""
    stream = scored.stream
    ranks = math.fsum(np.log(stream.ranks[stream.scored]))
    if not stream.scored.any():
        return None
    return stream.nats / ranks if ranks else math.inf


def fast_detect_gpt(scored: Scored) -> Figure:
    """How far log p of the text is above its mean under the reference model, in deviations.

    The reference's distribution at each place is the model's own where there is no reference.
    Mean and variance are exact sums over the vocabulary; none where the variance is 0.
    """
    stream = scored.stream
    means = stream.means if stream.cross_means is None else stream.cross_means
    variances = stream.variances if stream.cross_variances is None else stream.cross_variances
    kept = stream.scored
    spread = math.sqrt(math.fsum(variances[kept]))
    excess = math.fsum(stream.log_probabilities[kept]) - math.fsum(means[kept])
    return excess / spread if spread else None


def binoculars(scored: Scored) -> Figure:
    """Mean -log p over the mean cross-entropy of the model under the reference model.

    The reference is the paper's observer and the model its performer. Without a reference it is
    mean log-loss over mean entropy.
    """
    stream = scored.stream
    means = stream.means if stream.cross_means is None else stream.cross_means
    crossed = -math.fsum(means[stream.scored])
    return stream.nats / crossed if crossed > 0 else None


def sentence_perplexity(scored: Scored) -> Figure:
    """Mean perplexity of the sentences."""
    found = [each for each in scored.perplexities if each is not None]
    return float(np.mean(found)) if found else None


def burstiness(scored: Scored) -> Figure:
    """Standard deviation of the sentences' perplexities; none of fewer than two."""
    found = [each for each in scored.perplexities if each is not None]
    return float(np.std(found, ddof=1)) if len(found) > 1 else None


# Signs are those of the sources. Entropy's is DetectGPT's, which found it high more often than
# low in machine text; with other texts and models it may be the other way round.
DETECTORS = {
    detector.name: detector
    for detector in (
        Detector("likelihood", 1, "Gehrmann et al. 2019, arXiv:1906.04043", likelihood),
        Detector("rank", 1, "Gehrmann et al. 2019, arXiv:1906.04043", rank),
        Detector("log-rank", 1, "Mitchell et al. 2023, arXiv:2301.11305", log_rank),
        Detector("entropy", 1, "Mitchell et al. 2023, arXiv:2301.11305", entropy),
        Detector("lrr", 1, "Su et al. 2023, arXiv:2306.05540", lrr),
        Detector("fast-detect-gpt", 1, "Bao et al. 2023, arXiv:2310.05130", fast_detect_gpt),
        Detector("binoculars", -1, "Hans et al. 2024, arXiv:2401.12070", binoculars),
        Detector("sentence-perplexity", -1, "GPTZero, January 2023", sentence_perplexity),
        Detector("burstiness", -1, "GPTZero, January 2023", burstiness),
    )
}
DECIDES = "fast-detect-gpt"  # named before any text is seen: to choose among nine is to tune


def find(name: str) -> Detector:
    """The detector of that name.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    if name not in DETECTORS:
        hint = did_you_mean(name, DETECTORS) or f" Known: {', '.join(DETECTORS)}."
        raise UsageError(f"No detector called {name!r}.{hint}")
    return DETECTORS[name]


def scores(scored: Scored) -> dict[str, Figure]:
    """Every detector's score, as published."""
    return {name: detector.of(scored) for name, detector in DETECTORS.items()}


def _mean(values: np.ndarray, stream: TokenStream) -> Figure:
    kept = values[stream.scored]
    return math.fsum(kept) / len(kept) if len(kept) else None


def _perplexity(stream: TokenStream) -> Figure:
    scored = int(stream.scored.sum())
    return math.exp(stream.nats / scored) if scored else None
