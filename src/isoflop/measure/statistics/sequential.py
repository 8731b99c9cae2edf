"""Evidence that may be looked at after every question, and acted on at any time.

A gambler who bets on "the first way is better" against fair odds multiplies his capital by
1 + f (x / m - 1) at each question, x being the outcome and m its mean if the two were equal. If
they are, or the first is worse, capital does not grow on average, and reaches 1 / level with
probability `level` at most, whenever one looks (Ville's inequality). The capital is the e-value.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.inputs import Floats, between, numbers
from isoflop.measure.statistics.interval import Interval

# Shares of the capital that are bet, one tenth of it with each. The best share is the margin of
# wins over losses. Even steps needed 3 to 10 % fewer questions than steps by a factor of 2/3.
FRACTIONS = tuple((2 * step + 1) / 20 for step in range(10))
NEAR_ZERO = 1e-9  # rounding of a sum of a million outcomes leaves an exact 0 within this
HALVINGS = 48  # of an interval of width 1: ends to 1e-14


class Bettor:
    """Capital of one who bets that the mean of bounded outcomes is above a limit.

    Attributes:
        outcomes: How many have been seen.
        peak: The highest capital so far, from 1; infinite once the limit is impossible.
    """

    def __init__(self) -> None:
        self.outcomes = 0
        self.peak = 1.0
        self._parts = [1.0] * len(FRACTIONS)

    def update(self, outcome: float, limit: float) -> float:
        """Bet, see the outcome, and return the capital.

        Args:
            outcome: From 0 to 1.
            limit: Its greatest mean under the hypothesis, given all that was seen before.
        """
        self.outcomes += 1
        if limit < -NEAR_ZERO or (limit <= NEAR_ZERO < outcome):
            self._parts = [math.inf] * len(FRACTIONS)
        elif limit > 0:
            gain = outcome / limit - 1
            parts = zip(self._parts, FRACTIONS, strict=True)
            self._parts = [capital * (1 + share * gain) for capital, share in parts]
        capital = math.fsum(self._parts) / len(FRACTIONS)
        self.peak = max(self.peak, capital)
        return capital

    @property
    def p(self) -> float:
        """A p-value that is valid whenever one looks."""
        return 1 / self.peak


def e_values(
    differences: ArrayLike,
    *,
    null: float = 0.0,
    bound: float = 1.0,
    population: int | None = None,
) -> Floats:
    """Evidence after each question that the mean difference is above `null`.

    An e-value of 20 has the error rate of p = 0.05, even if one stops because it was reached.
    Questions must come in random order; those of a cluster count as independent only with
    `population`, where the claim is about these questions and no others.

    Args:
        differences: Score of one way less that of the other on each question, shape (n,).
        null: The mean difference that is to be exceeded.
        bound: No difference is farther from 0; 1 for scores from 0 to 1.
        population: How many questions there are in all, drawn without replacement, if the claim
            is about their mean; None if it is about all questions like these.

    Returns:
        e-values, shape (n,); infinite where the null has become impossible.

    Raises:
        UsageError: If a difference or the null is beyond the bound, or there are more questions
            than the population has.

    Source:
        Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86(1),
        arXiv:2010.09686, sections 4.1, 4.3 and 5.
    """
    outcomes = _outcomes(differences, bound, population)
    return _capitals(outcomes, (between("null", null, -bound, bound) / bound + 1) / 2, population)


def anytime_interval(
    differences: ArrayLike,
    *,
    confidence: float = 0.95,
    bound: float = 1.0,
    population: int | None = None,
) -> Interval:
    """Interval of a mean difference that holds whenever one chooses to stop.

    It holds every mean that neither a bettor on more nor one on less has ever refuted, each at
    half of the level. Wider than `difference`, which holds only if the number of questions was
    fixed beforehand.

    Args:
        differences: Of each question so far, in random order, shape (n,).
        confidence: Probability that the truth is never left out.
        bound: No difference is farther from 0.
        population: As in `e_values`.

    Raises:
        UsageError: As `e_values`.

    Source:
        As `e_values`; the hedged capital process, section 4.4.
    """
    outcomes = _outcomes(differences, bound, population)
    centre, needed = float(outcomes.mean()), 2 / (1 - between("confidence", confidence))
    below = _least_possible(outcomes, needed, population)
    above = 1 - _least_possible(1 - outcomes, needed, population)
    value, low, high = ((2 * end - 1) * bound for end in (centre, below, above))
    return Interval(value, min(low, value), max(high, value), confidence, "betting")


def stopped(
    e_values: ArrayLike, level: float = 0.05, correction: "Correction" = "holm"
) -> list[bool]:
    """Which of several hypotheses fall, given the highest e-value against each so far.

    Valid at any time and however the e-values depend on one another: the chance that a true one
    ever falls is at most `level`. With "none" that is so for each alone.

    Args:
        e_values: Against each hypothesis, shape (k,); may be infinite.
        level: Of all together.
        correction: "holm", "bonferroni" or "none".

    Raises:
        UsageError: If an e-value is negative.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    array = numbers("e_values", e_values, infinite=True)
    if (array < 0).any():
        raise UsageError(f"e_values: {array.min():g} is negative.")
    fallen, remaining = [False] * array.size, array.size
    for place in np.argsort(-array, kind="stable"):
        divisor = {"holm": remaining, "bonferroni": array.size, "none": 1}[correction]
        if array[place] * between("level", level) < divisor:
            break
        fallen[place], remaining = True, remaining - 1
    return fallen


Correction = Literal["holm", "bonferroni", "none"]


def conditional_limit(limit: float, total: float, seen: int, population: int | None) -> float:
    """Mean of the next outcome if the mean of all is `limit`.

    Args:
        limit: Mean of all outcomes under the hypothesis, from 0 to 1.
        total: Sum of those seen.
        seen: How many.
        population: How many there are; None for endlessly many.
    """
    return limit if population is None else (population * limit - total) / (population - seen)


def _outcomes(differences: ArrayLike, bound: float, population: int | None) -> Floats:
    """Differences carried from -bound .. bound to 0 .. 1."""
    array = numbers("differences", differences)
    far = float(np.abs(array).max())
    if not 0 < bound < math.inf or far > bound:
        raise UsageError(f"differences: one is {far:g} from 0; bound={bound:g} allows no more.")
    if population is not None and array.size > population:
        raise UsageError(f"population={population} is fewer than the {array.size} differences.")
    return (array / bound + 1) / 2


def _capitals(outcomes: Floats, limit: float, population: int | None) -> Floats:
    seen = np.arange(outcomes.size)
    limits = np.full(outcomes.size, limit)
    if population is not None:
        before = np.cumsum(outcomes) - outcomes
        limits = (population * limit - before) / (population - seen)
    capital = _capital(np.cumsum(_log_growth(outcomes, limits), axis=0))
    if population == outcomes.size and outcomes.mean() > limit:
        capital[-1] = math.inf  # all are known: nothing is left to doubt
    return capital


def _log_growth(outcomes: Floats, limits: Floats) -> Floats:
    """Logarithm of 1 + f (x / m - 1) for each share f; shape (n, shares).

    Where even outcomes of 0 would exceed the limit the hypothesis is refuted: infinite.
    """
    possible = limits > 0
    odds = np.divide(outcomes, limits, out=np.ones_like(outcomes), where=possible)
    growth = np.log1p(np.array(FRACTIONS) * (odds - 1)[:, None])
    growth[(limits < -NEAR_ZERO) | ((limits <= NEAR_ZERO) & (outcomes > NEAR_ZERO))] = math.inf
    return np.asarray(growth)


def _capital(logarithms: Floats) -> Floats:
    """Mean of the capitals on the last axis; shape (...)."""
    highest = logarithms.max(-1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.exp(highest[..., 0]) * np.exp(logarithms - highest).mean(-1)
    return np.where(np.isinf(highest[..., 0]), math.inf, mean)


def _least_possible(outcomes: Floats, needed: float, population: int | None) -> float:
    """Least mean against which no capital has ever reached what is needed."""
    if population == outcomes.size:
        return float(outcomes.mean())
    low, high = 0.0, float(outcomes.mean())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        refuted = _capitals(outcomes, middle, population).max() >= needed
        low, high = (middle, high) if refuted else (low, middle)
    return low
