"""When not to answer: the confidence below which an answer loses more than it gains.

A right answer gains 1 and a wrong one loses `wrong`, so one is worth giving where it is right with
a probability of at least wrong / (1 + wrong). A confidence is no such probability until it was
held against answers: where there are questions to choose by, the limit is the one with which
they would have scored best.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

FEWEST = 10  # questions that a limit is chosen by


class Tried(NamedTuple):
    """A question that was answered whatever the confidence.

    Attributes:
        confidence: Of the answer.
        given: Its score.
        kept: What not to answer would have scored.
    """

    confidence: float
    given: float
    kept: float


def break_even(wrong: float) -> float:
    """Probability of being right from which on answering gains more than it loses."""
    return wrong / (1 + wrong)


def best_threshold(tried: Sequence[Tried], usual: float) -> float:
    """The confidence below which not to answer, that gives these questions the best score.

    Args:
        tried: Questions with answers and confidences.
        usual: Taken where there are too few, and preferred among equals as far as can be.
    """
    if len(tried) < FEWEST:
        return usual
    seen = sorted({each.confidence for each in tried})
    between = [(one + other) / 2 for one, other in pairwise(seen)]
    candidates = [usual, 0.0, *between, (1 + seen[-1]) / 2]
    return max(candidates, key=lambda limit: (round(_score(tried, limit), 9), -abs(limit - usual)))


def _score(tried: Sequence[Tried], limit: float) -> float:
    return sum(each.given if each.confidence >= limit else each.kept for each in tried)
