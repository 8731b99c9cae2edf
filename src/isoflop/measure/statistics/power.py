"""How large a difference so many questions can show."""

import math

from isoflop.errors import UsageError
from isoflop.measure.statistics.distributions import NORMAL, normal_quantile
from isoflop.measure.statistics.inputs import between


def paired_deviation(first: float, second: float, correlation: float = 0.0) -> float:
    """Standard deviation of the difference of right (1) and wrong (0) on one question.

    Args:
        first: Accuracy of one way.
        second: Accuracy of the other.
        correlation: Of their outcomes on the same question; 0 if they err independently.

    Raises:
        UsageError: If a probability is outside 0 to 1, or no two ways have that correlation.
    """
    for name, share in (("first", first), ("second", second)):
        if not 0 <= share <= 1:
            raise UsageError(f"{name}={share} is not from 0 to 1.")
    spread = math.sqrt(first * (1 - first) * second * (1 - second))
    if correlation and not spread:
        raise UsageError(
            f"correlation={correlation}: one way is always right or always wrong, "
            f"with accuracies of {first} and {second}, so it varies with nothing."
        )
    both = first * second + correlation * spread
    least, most = max(0.0, first + second - 1), min(first, second)
    if not least - 1e-12 <= both <= most + 1e-12:
        raise UsageError(
            f"correlation={correlation} cannot be where accuracies are {first} and {second}: "
            f"it lies from {(least - first * second) / spread:.3f} "
            f"to {(most - first * second) / spread:.3f}."
        )
    return math.sqrt(max(0.0, first + second - 2 * both - (first - second) ** 2))


def standard_error(
    deviation: float, questions: float, other_questions: float | None = None
) -> float:
    """Of a mean of paired differences, or of the difference of two separate means.

    Args:
        deviation: Standard deviation, of the paired difference or within each group.
        questions: How many, or how many in the first group; the effective number if clustered.
        other_questions: How many in the second group; None: the same questions, paired.

    Raises:
        UsageError: If a number is below 1 or the deviation is not positive.
    """
    _positive("deviation", deviation)
    for name, n in (("questions", questions), ("other_questions", other_questions)):
        if n is not None and not n >= 1:
            raise UsageError(f"{name}={n}: at least 1 is needed.")
    share = 1 / questions + (1 / other_questions if other_questions else 0)
    return deviation * math.sqrt(share)


def power(difference: float, standard_error: float, level: float = 0.05) -> float:
    """Probability that a two-sided test finds a true difference.

    By the normal distribution: a little high for fewer than about thirty questions or clusters.

    Raises:
        UsageError: If the standard error is not positive, or the level is outside 0 to 1.
    """
    _positive("standard_error", standard_error)
    needed = normal_quantile(1 - between("level", level) / 2)
    z = difference / standard_error
    return NORMAL.cdf(z - needed) + NORMAL.cdf(-z - needed)


def minimum_detectable_effect(
    standard_error: float, level: float = 0.05, power_wanted: float = 0.8
) -> float:
    """The least true difference that a two-sided test finds with the power wanted.

    2.80 standard errors at level 0.05 and power 0.8. A difference below it may be real and will
    mostly go unseen: "not significant" then says little.

    Args:
        standard_error: Of the difference, measured or from `standard_error`.
        level: Of the test; divide it by the number of comparisons (Bonferroni).
        power_wanted: Above the level.

    Raises:
        UsageError: If the power is not between level and 1.
    """
    between("power_wanted", power_wanted, between("level", level))
    _positive("standard_error", standard_error)
    low, high = 0.0, 1.0
    while power(high, 1.0, level) < power_wanted:
        high *= 2
    for _ in range(64):
        middle = (low + high) / 2
        enough = power(middle, 1.0, level) >= power_wanted
        low, high = (low, middle) if enough else (middle, high)
    return high * standard_error


def questions_needed(
    difference: float, deviation: float, level: float = 0.05, power_wanted: float = 0.8
) -> int:
    """How many independent questions show a difference, paired, with the power wanted.

    For two separate groups of equal size it is twice as many in each; for clustered questions,
    times the design effect.

    Raises:
        UsageError: If the difference is 0, or as `minimum_detectable_effect`.
    """
    if not difference:
        raise UsageError("difference=0 is shown by no number of questions.")
    one = minimum_detectable_effect(standard_error(deviation, 1), level, power_wanted)
    return math.ceil((one / difference) ** 2)


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise UsageError(f"{name}={value} is not positive, so there is nothing to test.")
