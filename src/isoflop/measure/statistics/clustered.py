"""Means of questions that come in clusters."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.distributions import normal_quantile, student_quantile
from isoflop.measure.statistics.inputs import Floats, between, flags, groups, numbers
from isoflop.measure.statistics.inputs import weights as weighted
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.proportions import wilson_ends

Correction = Literal["cr1", "cr2"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of clustered values, with what its interval is made of.

    Attributes:
        interval: The mean with its standard error and ends.
        questions: How many values.
        clusters: How many clusters; questions that stand alone are one each.
        design_effect: Its variance over that of as many independent, equally weighted questions;
            None when all values are equal.
        effective_questions: So many independent questions would tell as much; None likewise.
        degrees: Degrees of freedom of Student's t.
    """

    interval: Interval
    questions: int
    clusters: int
    design_effect: float | None
    effective_questions: float | None
    degrees: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Weighted sums by cluster.

    Attributes:
        values: Sum of weight x value in each cluster, shape (clusters,).
        weights: Sum of weights, shape (clusters,).
        squares: Sum of squared weights, shape (clusters,).
    """

    values: Floats
    weights: Floats
    squares: Floats

    @property
    def mean(self) -> float:
        """The weighted mean of all values."""
        return float(self.values.sum() / self.weights.sum())


def totals(
    values: Floats, clusters: Sequence[Hashable] | None = None, weights: ArrayLike | None = None
) -> Totals:
    """Weighted sums of values by cluster; clusters without weight are left out.

    Raises:
        UsageError: If lengths differ or a weight is negative.
    """
    weight, group = weighted(weights, values.size), groups(clusters, values.size)
    value, total, square = (
        np.bincount(group, of).astype(np.float64)
        for of in (weight * values, weight, weight * weight)
    )
    kept = total > 0
    return Totals(value[kept], total[kept], square[kept])


def mean(
    values: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    correction: Correction = "cr2",
) -> Mean:
    """A (weighted) mean with an interval that holds where questions share a cluster.

    The variance is the sum over clusters of their squared weighted deviations from the mean.
    "cr1" multiplies it by G / (G - 1) and takes G - 1 degrees of freedom, as statsmodels does.
    "cr2" makes it unbiased for independent values of equal variance, whatever the sizes of the
    clusters, and takes Satterthwaite's degrees of freedom, of which uneven clusters have fewer.

    Args:
        values: Score of each question, shape (n,).
        clusters: What each question shares with others (an article, a page); None: nothing.
        weights: Of each question in the mean, shape (n,); None: equal.
        confidence: Share of such intervals that cover the truth.
        correction: For the few clusters there are.

    Raises:
        UsageError: If there is one cluster only, or a value is no number.

    Source:
        Bell and McCaffrey 2002, Survey Methodology 28(2); Imbens and Kolesar 2016, Review of
        Economics and Statistics 98(4).
    """
    array = numbers("values", values)
    sums = totals(array, clusters, weights)
    error, degrees = _error(sums, correction)
    if array.min() == array.max():
        error = 0.0  # not the rounding error of the mean
    centre = sums.mean
    half = student_quantile(0.5 + between("confidence", confidence) / 2, degrees) * error
    alone = float(array.var(ddof=1)) / array.size
    effect = error**2 / alone if error and alone else None
    return Mean(
        Interval(centre, centre - half, centre + half, confidence, f"{correction}-t", error),
        questions=array.size,
        clusters=sums.values.size,
        design_effect=effect,
        effective_questions=array.size / effect if effect else None,
        degrees=degrees,
    )


def accuracy(
    outcomes: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Mean:
    """A (weighted) share of right answers with Wilson's interval at its effective sample size.

    Without clusters and weights it is Wilson's interval as it is. With them, the number of
    questions is replaced by the number of independent ones that would have the same standard
    error (at most as many as there are), and the normal quantile by Student's. When all answers
    are right, or all wrong, nothing tells how alike the questions of a cluster are; each cluster
    then counts as one question.

    Args:
        outcomes: Whether each answer was right, shape (n,).
        clusters: What each question shares with others; None: nothing.
        weights: Of each question, shape (n,); None: equal.
        confidence: Share of such intervals that cover the truth.

    Raises:
        UsageError: If a value is neither true nor false, or there is one cluster only.

    Source:
        Franco, Little, Louis and Slud 2019, Journal of Survey Statistics and Methodology 7(3).
    """
    right = flags("outcomes", outcomes).astype(np.float64)
    n = right.size
    if clusters is None and weights is None:
        share, size, degrees, error = float(right.mean()), float(n), math.inf, None
        quantile = normal_quantile(0.5 + between("confidence", confidence) / 2)
    else:
        found = mean(right, clusters=clusters, weights=weights, confidence=confidence)
        share, degrees, error = found.interval.value, found.degrees, found.interval.standard_error
        sums = totals(right, clusters, weights).weights
        size = min(n, share * (1 - share) / error**2 if error else sums.sum() ** 2 / (sums @ sums))
        quantile = student_quantile(0.5 + confidence / 2, degrees)
    low, high = wilson_ends(np.array([share]), np.array([size]), quantile)
    return Mean(
        Interval(share, float(low[0]), float(high[0]), confidence, "wilson", error),
        questions=n,
        clusters=n if clusters is None else int(groups(clusters, n).max()) + 1,
        design_effect=n / size,
        effective_questions=size,
        degrees=degrees,
    )


def _error(sums: Totals, correction: Correction) -> tuple[float, float]:
    """Standard error of the mean, and its degrees of freedom."""
    count = sums.values.size
    if count < 2:
        raise UsageError("clusters: all questions share one, so nothing tells how much they vary.")
    whole = float(sums.weights.sum())
    share = sums.weights / whole  # h
    strays = sums.values - share * sums.values.sum()  # S
    if correction == "cr1":
        return math.sqrt(count / (count - 1) * (strays @ strays)) / whole, count - 1.0
    # Cov(S) = V - h v' - v h' + s h h' with V = diag(v) for independent values of variance 1
    v, s = sums.squares, sums.squares.sum()
    own = v - 2 * share * v + s * share * share
    scale = v / own  # A: the expectation of A S^2 is v
    rest = s * share * share - 2 * share * v  # the diagonal without V
    p, q, r = scale @ (share * share), scale @ (v * v), scale @ (share * v)
    across = 2 * p * q + s * s * p * p + 2 * r * r - 4 * s * p * r - (scale * rest) @ (scale * rest)
    degrees = s * s / (v @ v + across)
    return math.sqrt(scale @ (strays * strays)) / whole, max(1.0, float(degrees))
