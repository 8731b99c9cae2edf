"""Whether scores still tell cases apart: saturation and ties."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isoflop.measure.statistics.auroc import midranks
from isoflop.measure.statistics.inputs import between, labels, numbers, same_length


@dataclass(frozen=True, slots=True)
class Ties:
    """How often scores coincide.

    Attributes:
        cases: How many scores.
        distinct: How many different ones.
        commonest: The score that occurs most often.
        commonest_share: Share of the cases that have it.
        lowest_share: Share of the cases at the lowest score.
        highest_share: Share of the cases at the highest score.
        tied_pairs: Share of pairs of one positive and one negative with equal scores; None
            without kinds. The AUROC counts half of it as won.
        least_auroc: Area if every tie were lost; None without kinds.
        greatest_auroc: Area if every tie were won; None without kinds.
    """

    cases: int
    distinct: int
    commonest: float
    commonest_share: float
    lowest_share: float
    highest_share: float
    tied_pairs: float | None = None
    least_auroc: float | None = None
    greatest_auroc: float | None = None

    def saturated(self, share: float = 0.05) -> bool:
        """Whether more than this share of the cases sit at the lowest or the highest score."""
        return self.cases > 1 and max(self.lowest_share, self.highest_share) > max(
            between("share", share), 1 / self.cases
        )


def ties(scores: ArrayLike, positive: ArrayLike | None = None) -> Ties:
    """Count equal scores, and what they leave open of the AUROC.

    Args:
        scores: Score of each case, shape (n,).
        positive: Kind of each case, shape (n,); None: only the scores are looked at.

    Raises:
        UsageError: If a score is not a number, lengths differ or one kind is missing.
    """
    array = numbers("scores", scores, infinite=True)
    distinct, counts = np.unique(array, return_counts=True)
    shares = counts / array.size
    found = (
        array.size,
        distinct.size,
        float(distinct[shares.argmax()]),
        float(shares.max()),
        float(shares[0]),
        float(shares[-1]),
    )
    if positive is None:
        return Ties(*found)
    kinds = labels("positive", positive)
    same_length(array.size, positive=kinds)
    at = np.searchsorted(distinct, array)
    of_kind = [np.bincount(at[kind], minlength=distinct.size) for kind in (kinds, ~kinds)]
    pairs = float(kinds.sum()) * float((~kinds).sum())
    tied = float(of_kind[0].astype(float) @ of_kind[1]) / pairs
    m = float(kinds.sum())
    area = float((midranks(array)[kinds].sum() - m * (m + 1) / 2) / pairs)
    return Ties(*found, tied, area - tied / 2, area + tied / 2)
