"""Two ways compared on the same questions."""

from collections.abc import Hashable, Sequence
from typing import Literal

from numpy.typing import ArrayLike

from isoflop.measure.statistics.bootstrap import bootstrap
from isoflop.measure.statistics.clustered import mean
from isoflop.measure.statistics.distributions import binomial_tail
from isoflop.measure.statistics.inputs import Floats, flags, numbers, same_length
from isoflop.measure.statistics.interval import Interval

Method = Literal["cr2-t", "bca", "percentile"]


def difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    method: Method = "cr2-t",
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
        method: "cr2-t" as `mean`, or "bca" or "percentile" as `bootstrap`.
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Raises:
        UsageError: If the lengths differ, there is nothing to compare or one cluster only.
    """
    gaps = differences(first, second)
    if method == "cr2-t":
        return mean(gaps, clusters=clusters, weights=weights, confidence=confidence).interval
    return bootstrap(
        gaps,
        clusters=clusters,
        weights=weights,
        confidence=confidence,
        method=method,
        resamples=resamples,
        seed=seed,
    )


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
