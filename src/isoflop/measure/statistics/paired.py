"""Two ways compared on the same questions."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.bootstrap import bootstrap
from isoflop.measure.statistics.clustered import mean
from isoflop.measure.statistics.distributions import binomial_tail, normal_quantile
from isoflop.measure.statistics.inputs import (
    Floats,
    between,
    flags,
    groups,
    numbers,
    same_length,
)
from isoflop.measure.statistics.inputs import weights as weighted
from isoflop.measure.statistics.interval import Interval

Method = Literal["auto", "score", "cr2-t", "bca", "percentile"]
FEW = 4  # below so many questions that differ, a variance estimated from them cannot be trusted
HALVINGS = 50  # of a distance of at most 2: ends to 1e-15


def difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    method: Method = "auto",
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of mean(first) - mean(second), paired by question.

    Args:
        first: Score of each question by one way, shape (n,).
        second: Score of the same questions by the other, shape (n,).
        clusters: What questions share; None: each stands alone.
        weights: Of each question, shape (n,); None: equal.
        confidence: Share of such intervals that cover the truth.
        method: "auto" takes "score" for right and wrong where no cluster or weight is given, and
            otherwise "cr2-t". "score" is Tango's interval. "cr2-t" is that of `mean`; where fewer
            than four questions differ, two imaginary ones are added, one won by each way, and it
            is called "cr2-t+2". "bca" and "percentile" are those of `bootstrap`.
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Raises:
        UsageError: If the lengths differ, there is nothing to compare or one cluster only, or
            "score" is asked of what is not right or wrong, clustered or weighted.

    Source:
        Tango 1998, Statistics in Medicine 17(8); Bonett and Price 2012, Journal of Educational
        and Behavioral Statistics 37(4), for the imaginary questions. Measured coverage:
        docs/explanation/statistics.md.
    """
    gaps = differences(first, second)
    if method in ("bca", "percentile"):
        return bootstrap(
            gaps,
            clusters=clusters,
            weights=weights,
            confidence=confidence,
            method=method,
            resamples=resamples,
            seed=seed,
        )
    plain = clusters is None and weights is None
    right_or_wrong = _right_or_wrong(first) and _right_or_wrong(second)
    if method == "score" and not (plain and right_or_wrong):
        raise UsageError('method="score" needs right or wrong, without clusters and weights.')
    if method == "score" or (method == "auto" and plain and right_or_wrong):
        return _score(gaps, confidence)
    found = mean(gaps, clusters=clusters, weights=weights, confidence=confidence).interval
    if np.count_nonzero(gaps) < FEW:
        low, high = _with_imaginary(gaps, clusters, weights, confidence)
        low, high = min(found.value, low), max(found.value, high)
        return replace(found, low=low, high=high, method="cr2-t+2")
    return found


def differences(first: ArrayLike, second: ArrayLike) -> Floats:
    """first - second, question by question, shape (n,).

    Raises:
        UsageError: If the lengths differ or a value is no number.
    """
    a, b = numbers("first", first), numbers("second", second)
    same_length(a.size, second=b)
    return a - b


def mcnemar(first: ArrayLike, second: ArrayLike, *, mid_p: bool = False) -> float:
    """Exact two-sided p-value that two ways are equally often right on the same questions.

    Only questions on which they differ count. It is valid for independent questions; for
    clustered ones ask whether the interval of `difference` holds 0.

    Args:
        first: Whether the first way was right, shape (n,).
        second: Whether the second way was right on the same questions, shape (n,).
        mid_p: Count half of the observed outcome. Less cautious and closer to the nominal level,
            which it may exceed slightly.

    Raises:
        UsageError: If the lengths differ, or a value is neither true nor false.

    Source:
        McNemar 1947, Psychometrika 12, in the exact binomial form; Fagerland, Lydersen and Laake
        2013, BMC Medical Research Methodology 13:91, for the mid-p.
    """
    a, b = flags("first", first), flags("second", second)
    same_length(a.size, second=b)
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    n, fewer = only_first + only_second, min(only_first, only_second)
    if not n:
        return 1.0
    tail = binomial_tail(fewer, n)
    if mid_p:
        below = binomial_tail(fewer - 1, n) if fewer else 0.0
        tail = (tail + below) / 2
    return min(1.0, 2 * tail)


def _right_or_wrong(values: ArrayLike) -> bool:
    array = np.asarray(values)
    return bool(((array == 0) | (array == 1)).all())


def _score(gaps: Floats, confidence: float) -> Interval:
    """Tango's interval: all differences that the score test does not reject."""
    n = gaps.size
    won, lost = int((gaps > 0).sum()), int((gaps < 0).sum())
    z = normal_quantile(0.5 + between("confidence", confidence) / 2)
    low, high = (-_score_end(lost, won, n, z), _score_end(won, lost, n, z))
    error = float(gaps.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return Interval((won - lost) / n, low, high, confidence, "score", error)


def _score_end(won: int, lost: int, n: int, z: float) -> float:
    """Upper end: the greatest d whose test statistic is at most z."""
    low, high = (won - lost) / n, 1.0
    for _ in range(HALVINGS):
        d = (low + high) / 2
        # q: probability that only the second is right, most likely given a difference of d
        b, c = (2 * n - won + lost) * d - won - lost, -lost * d * (1 - d)
        q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * q + d * (1 - d))
        held = n * d - won + lost <= z * math.sqrt(max(0.0, variance))
        low, high = (d, high) if held else (low, d)
    return low


def _with_imaginary(
    gaps: Floats,
    clusters: Sequence[Hashable] | None,
    weights: ArrayLike | None,
    confidence: float,
) -> tuple[float, float]:
    """Ends of the mean with two questions more, one won by each way, each a cluster."""
    weight = weighted(weights, gaps.size)
    last = int(groups(clusters, gaps.size).max())
    step = max(1.0, float(np.abs(gaps).max()))  # scores from 0 to 1 differ by 1 at most
    found = mean(
        np.append(gaps, [step, -step]),
        clusters=[*groups(clusters, gaps.size).tolist(), last + 1, last + 2],
        weights=np.append(weight, [weight.mean()] * 2),
        confidence=confidence,
    ).interval
    return found.low, found.high
