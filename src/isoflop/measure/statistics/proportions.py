"""Shares of right answers."""

import math

import numpy as np

from isoflop.errors import UsageError
from isoflop.measure.statistics.distributions import normal_quantile
from isoflop.measure.statistics.inputs import Floats, between
from isoflop.measure.statistics.interval import Interval


def wilson(successes: float, n: float, confidence: float = 0.95) -> Interval:
    """Interval of a proportion; it never leaves 0 to 1 and is not empty at either end.

    Args:
        successes: How many of the n; a fraction where n is an effective sample size.
        n: Independent trials, at least 1.
        confidence: Share of such intervals that cover the truth.

    Raises:
        UsageError: If n is below 1 or successes is outside 0..n.

    Source:
        Wilson 1927, JASA 22(158).
    """
    if not (n >= 1 and 0 <= successes <= n and math.isfinite(n)):
        raise UsageError(f"successes={successes} of n={n} is not a proportion.")
    z = normal_quantile(0.5 + between("confidence", confidence) / 2)
    share = successes / n
    low, high = wilson_ends(np.array([share]), np.array([float(n)]), z)
    return Interval(share, float(low[0]), float(high[0]), confidence, "wilson")


def wilson_ends(shares: Floats, n: Floats, quantile: float) -> tuple[Floats, Floats]:
    """Both ends of Wilson's interval for many proportions at once.

    Args:
        shares: Proportions, shape (k,).
        n: Trials of each, shape (k,).
        quantile: Normal or Student's quantile of the upper end.
    """
    spread = quantile * quantile / n
    centre = (shares + spread / 2) / (1 + spread)
    half = quantile / (1 + spread) * np.sqrt(shares * (1 - shares) / n + spread / (4 * n))
    return np.clip(centre - half, 0, shares), np.clip(centre + half, shares, 1)
