"""How well a score tells two kinds apart: area under the ROC curve, and its points."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.distributions import normal_quantile, two_sided
from isoflop.measure.statistics.inputs import (
    Flags,
    Floats,
    between,
    groups,
    labels,
    numbers,
    same_length,
)
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.proportions import wilson_ends


@dataclass(frozen=True, slots=True)
class Areas:
    """Two scores of the same cases, compared.

    Attributes:
        first: Area of the first score.
        second: Area of the second.
        difference: first - second.
        p: Two-sided p-value that the areas are equal; None where the scores differ but nothing
            tells how much they vary.
    """

    first: Interval
    second: Interval
    difference: Interval
    p: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A ROC curve: one point per threshold, from "none is called positive" to "all are".

    Attributes:
        thresholds: A case is called positive from this score on, shape (k,); infinity first.
        false_positive_rate: Share of the negatives called positive, shape (k,).
        true_positive_rate: Share of the positives called positive, shape (k,).
        false_positive_ends: Wilson's interval at each threshold, shape (2, k).
        true_positive_ends: The same of the positives, shape (2, k).
        confidence: Of each point alone, not of the whole curve.
    """

    thresholds: Floats
    false_positive_rate: Floats
    true_positive_rate: Floats
    false_positive_ends: Floats
    true_positive_ends: Floats
    confidence: float

    def true_positives_at(self, false_positive_rate: float) -> float:
        """Highest share of positives found with at most so many false alarms."""
        reached = np.searchsorted(self.false_positive_rate, false_positive_rate, "right") - 1
        return float(self.true_positive_rate[reached])


def auroc(
    positive: ArrayLike,
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Area under the ROC curve: how often a positive scores above a negative, ties half.

    The variance is DeLong's, and the interval is symmetric in the log odds, so it stays between
    0 and 1. When the two kinds do not overlap that variance is 0; the open end is then exact for
    as many disjoint pairs as the rarer kind has cases. When all scores are tied nothing is known,
    and the interval is all of 0 to 1.

    Args:
        positive: Whether each case is of the kind that should score high, shape (n,).
        scores: Score of each case, shape (n,); may be infinite.
        clusters: What cases share, of either kind (a prompt, an author); None: nothing.
        confidence: Share of such intervals that cover the truth.

    Raises:
        UsageError: If there are fewer than two of either kind, a score is not a number, or
            lengths differ.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3); Sun and Xu 2014, IEEE Signal
        Processing Letters 21(11), for the ranks; Obuchowski 1997, Biometrics 53(2), for clusters.
    """
    kinds, array = _cases(positive, "scores", scores)
    area, influence = influences(kinds, array)
    return _interval(area, _error(influence, kinds, clusters), kinds, confidence)


def compare_auroc(
    positive: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Areas:
    """Two scores of the same cases by DeLong's paired test.

    Args:
        positive: Whether each case is of the kind that should score high, shape (n,).
        first: One score of each case, shape (n,).
        second: The other score of each case, shape (n,).
        clusters: What cases share; None: nothing.
        confidence: Share of such intervals that cover the truth.

    Raises:
        UsageError: As `auroc`.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3).
    """
    kinds, one = _cases(positive, "first", first)
    _, other = _cases(positive, "second", second)
    found = [influences(kinds, scores) for scores in (one, other)]
    areas = [
        _interval(area, _error(influence, kinds, clusters), kinds, confidence)
        for area, influence in found
    ]
    gap = found[0][0] - found[1][0]
    error = _error(found[0][1] - found[1][1], kinds, clusters)
    if not error:
        p = None if gap else 1.0
        return Areas(areas[0], areas[1], _difference_of_independent(*areas), p)
    half = normal_quantile(0.5 + confidence / 2) * error
    ends = max(-1.0, gap - half), min(1.0, gap + half)
    p = two_sided(gap / error)
    return Areas(areas[0], areas[1], Interval(gap, *ends, confidence, "delong", error), p)


def influences(positive: Flags, scores: Floats) -> tuple[float, Floats]:
    """The area, and how much each case moves it: its placement less the mean, over its count.

    The placement of a positive is the share of the negatives below it, of a negative the share of
    the positives above it, ties half. Ranks among all less ranks among one's own kind give all
    placements in the time of a sort.

    Args:
        positive: Kind of each case, shape (n,).
        scores: Score of each case, shape (n,).
    """
    m = int(positive.sum())
    n = positive.size - m
    among_all = midranks(scores)
    placement = np.empty(scores.size)
    placement[positive] = (among_all[positive] - midranks(scores[positive])) / n
    placement[~positive] = 1 - (among_all[~positive] - midranks(scores[~positive])) / m
    area = float(placement[positive].mean())
    return area, (placement - area) / np.where(positive, m, n)


def midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of their ranks; shape (n,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def roc(positive: ArrayLike, scores: ArrayLike, *, confidence: float = 0.95) -> Curve:
    """Every point of the ROC curve, each with Wilson's intervals of both of its rates.

    Raises:
        UsageError: If one kind is missing, a score is not a number, or lengths differ.
    """
    kinds, array = _cases(positive, "scores", scores, least=1)
    distinct, inverse = np.unique(-array, return_inverse=True)
    quantile = normal_quantile(0.5 + between("confidence", confidence) / 2)

    def rates(kind: Flags) -> tuple[Floats, Floats]:
        called = np.cumsum(np.bincount(inverse[kind], minlength=distinct.size))
        n = float(kind.sum())
        rate = np.concatenate(([0.0], called / n))
        return rate, np.stack(wilson_ends(rate, np.full(rate.size, n), quantile))

    (alarms, alarm_ends), (found, found_ends) = rates(~kinds), rates(kinds)
    thresholds = np.concatenate(([math.inf], -distinct))
    return Curve(thresholds, alarms, found, alarm_ends, found_ends, confidence)


def _cases(
    positive: ArrayLike, name: str, scores: ArrayLike, least: int = 2
) -> tuple[Flags, Floats]:
    kinds, array = labels("positive", positive, least=least), numbers(name, scores, infinite=True)
    same_length(kinds.size, **{name: array})
    return kinds, array


def _error(influence: Floats, kinds: Flags, clusters: Sequence[Hashable] | None) -> float:
    """Standard error of a sum of influences; by kind, or by cluster over both kinds."""
    if clusters is None:
        parts = (influence[kinds], influence[~kinds])
        return math.sqrt(sum(part @ part * part.size / (part.size - 1) for part in parts))
    sums = np.bincount(groups(clusters, kinds.size), influence)
    if sums.size < 2:
        raise UsageError("clusters: all cases share one, so nothing tells how much they vary.")
    return math.sqrt(sums @ sums * sums.size / (sums.size - 1))


def _interval(area: float, error: float, kinds: Flags, confidence: float) -> Interval:
    tail = (1 - between("confidence", confidence)) / 2
    if not error or not 0 < area < 1:
        rarer = int(min(kinds.sum(), (~kinds).sum()))
        open_end = tail ** (1 / rarer)  # P(all pairs right) = area^pairs at most
        low = 0.0 if area < 1 else open_end
        high = 1.0 if area > 0 else 1 - open_end
        method = "tied" if 0 < area < 1 else "disjoint-pairs"
        return Interval(area, low, high, confidence, method, error)
    half = normal_quantile(1 - tail) * error / (area * (1 - area))
    odds = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(-end)) for end in (odds - half, odds + half))
    return Interval(area, low, high, confidence, "delong-logit", error)


def _difference_of_independent(first: Interval, second: Interval) -> Interval:
    """The difference where both variances are 0: from the two intervals, as if independent.

    Source:
        Zou and Donner 2008, Statistics in Medicine 27(10).
    """
    gap = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    ends = max(-1.0, gap - below), min(1.0, gap + above)
    return Interval(gap, *ends, first.confidence, "disjoint-pairs", 0.0)
