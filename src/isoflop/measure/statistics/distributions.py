"""Quantiles and tails of three distributions, in the standard library alone."""

import math
from statistics import NormalDist

NORMAL = NormalDist()
SERIES_FROM = 1000.0  # degrees of freedom from which the series is exact to 1e-13


def normal_quantile(probability: float) -> float:
    """Standard normal quantile."""
    return NORMAL.inv_cdf(probability)


def two_sided(z: float) -> float:
    """Probability that a standard normal lies at least as far from 0 as z."""
    return math.erfc(abs(z) / math.sqrt(2))


def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with so many degrees of freedom, not only whole ones.

    Newton's method from the normal quantile: the distribution function is concave above 0, so
    each step stays short of the root and none overshoots.

    Args:
        probability: Strictly between 0 and 1.
        degrees: At least 1; infinite for the normal.

    Source:
        Abramowitz and Stegun 1964, 26.7.5, for many degrees.
    """
    if probability < 0.5:
        return -student_quantile(1 - probability, degrees)
    z = normal_quantile(probability)
    if degrees >= SERIES_FROM:
        return z + _series(z, degrees)
    log_scale = _log_beta(degrees / 2, 0.5) + math.log(degrees) / 2
    t = z
    for _ in range(200):
        density = math.exp(-(degrees + 1) / 2 * math.log1p(t * t / degrees) - log_scale)
        step = (probability - student_cdf(t, degrees)) / density
        t += step
        if abs(step) <= 1e-14 * t:
            break
    return t


def student_cdf(t: float, degrees: float) -> float:
    """Probability that Student's t is at most so large."""
    tail = beta_cdf(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


def binomial_tail(successes: int, n: int) -> float:
    """Probability of at most so many heads in n tosses of a fair coin."""
    return beta_cdf(0.5, n - successes, successes + 1) if successes < n else 1.0


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function.

    The continued fraction converges below the mean; above it the complement is taken.

    Source:
        NIST Digital Library of Mathematical Functions, 8.17.22.
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)) / a
    return front / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1 / (1 + d2 / (1 + ...)) by Lentz's method."""
    above, below, value = 1.0, 0.0, 1.0
    for i in range(1, 100_000):
        m = i // 2
        if i % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / (1 + d * below or 1e-300)
        above = 1 + d / above or 1e-300
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _series(z: float, degrees: float) -> float:
    """How far Student's quantile lies beyond the normal one."""
    square = z * z
    terms = (
        (square + 1) / 4,
        ((5 * square + 16) * square + 3) / 96,
        (((3 * square + 19) * square + 17) * square - 15) / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    return z * sum(term / degrees**power for power, term in enumerate(terms, start=1))
