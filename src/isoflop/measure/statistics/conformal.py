"""Verdicts whose error rate holds for any score: by rank among known cases."""

import math

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.inputs import Floats, between, numbers


def conformal_p(known: ArrayLike, scores: ArrayLike) -> Floats:
    """For each score, how often a case of the known kind would score as high or higher.

    (1 + known scores as high) / (1 + known scores): at most a share `level` of new cases of the
    known kind get a p-value of `level` or below, whatever the score's distribution, if they are
    exchangeable with the known ones. It is never below 1 / (n + 1). The promise is an average
    over sets of known cases: with one set the rate is about binomial around it.

    Args:
        known: Scores of cases of the known kind (texts by humans), higher being stranger,
            shape (n,). None may have been used to tune the score.
        scores: Scores of new cases, shape (k,).

    Returns:
        p-values, shape (k,).

    Raises:
        UsageError: If there are no known scores, or one is not a number.

    Source:
        Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, chapter 2.
    """
    calibration = np.sort(numbers("known", known, infinite=True))
    asked = numbers("scores", scores, infinite=True)
    as_high = calibration.size - np.searchsorted(calibration, asked, "left")
    return np.asarray((1 + as_high) / (1 + calibration.size))


def conformal_threshold(known: ArrayLike, level: float) -> float:
    """The score above which, strictly, the p-value of `conformal_p` is at most `level`.

    Raises:
        UsageError: If the known cases are too few for so low a level; the message says how many
            are needed.
    """
    calibration = np.sort(numbers("known", known, infinite=True))
    n = calibration.size
    # of the known at most k may be as high; one part in 1e9 of room for levels such as 5 / 100
    k = math.floor(between("level", level) * (n + 1) * (1 + 1e-9)) - 1
    if k < 0:
        raise UsageError(
            f"level={level:g} needs at least {math.ceil(1 / level - 1 - 1e-9)} known scores, and "
            f"there are {n}: no error rate below 1/{n + 1} can be promised."
        )
    return float(calibration[n - 1 - k]) if k < n else -math.inf
