"""What is gained by answering only when sure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isoflop.measure.statistics.inputs import Floats, numbers, same_length


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Mean loss of the answers given, as fewer are given; surest first.

    Attributes:
        thresholds: Answers with at least this confidence are given, shape (k,), falling.
        coverage: Share of questions answered, shape (k,), rising to 1.
        risk: Mean loss of those answered, shape (k,).
        area: Mean risk over all numbers of answers given; equal confidences in random order.
        least_area: What the area would be if confidence ranked the losses perfectly.
    """

    thresholds: Floats
    coverage: Floats
    risk: Floats
    area: float
    least_area: float

    @property
    def excess_area(self) -> float:
        """How much worse than a perfect ranking of the same losses."""
        return self.area - self.least_area

    def risk_at(self, coverage: float) -> float:
        """Risk at the least coverage reached that is at least so large."""
        # half a question of room for coverages such as 0.3
        place = int(np.searchsorted(self.coverage, coverage - 1e-9))
        return float(self.risk[min(place, self.risk.size - 1)])


def risk_coverage(confidence: ArrayLike, losses: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve.

    Args:
        confidence: How sure each answer is, on any scale, shape (n,).
        losses: What each answer costs when given: 1 for a wrong one and 0 for a right one, or
            1 - F1, shape (n,).

    Raises:
        UsageError: If lengths differ, there are no answers or a value is not a number.

    Source:
        El-Yaniv and Wiener 2010, JMLR 11; Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206, for
        the area and its excess.
    """
    sure, lost = numbers("confidence", confidence, infinite=True), numbers("losses", losses)
    same_length(sure.size, losses=lost)
    distinct, inverse, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, lost)
    given, total = np.cumsum(counts), np.cumsum(sums)
    smoothed = np.cumsum(np.repeat(sums / counts, counts))
    answered = np.arange(1, sure.size + 1)
    return RiskCoverage(
        -distinct,
        given / sure.size,
        total / given,
        float((smoothed / answered).mean()),
        float((np.cumsum(np.sort(lost)) / answered).mean()),
    )
