"""Whether stated probabilities come true."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.distributions import normal_quantile
from isoflop.measure.statistics.inputs import Floats, between, flags, probabilities, same_length
from isoflop.measure.statistics.proportions import wilson_ends

Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated and observed shares in bins of the stated probability; empty bins are left out.

    Attributes:
        edges: Bounds of all bins, empty ones too, shape (bins + 1,); fewer where ties join bins.
        counts: Answers in each bin, shape (k,).
        stated: Mean stated probability in each, shape (k,).
        observed: Share that came true in each, shape (k,).
        ends: Wilson's interval of each share, shape (2, k).
        expected_calibration_error: Mean of |stated - observed| over answers. It depends on the
            bins, and is above 0 even for perfect forecasts of few answers.
        maximum_calibration_error: The largest of them.
        brier: Mean squared distance of probability and outcome.
        binning: "width" or "mass".
        confidence: Of the intervals.
    """

    edges: Floats
    counts: Floats
    stated: Floats
    observed: Floats
    ends: Floats
    expected_calibration_error: float
    maximum_calibration_error: float
    brier: float
    binning: Binning
    confidence: float


def calibration(
    stated: ArrayLike,
    outcomes: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "width",
    confidence: float = 0.95,
) -> Reliability:
    """How far stated probabilities are from what happened, by bin.

    Args:
        stated: Probability given to each answer, shape (n,).
        outcomes: Whether each came true, shape (n,).
        bins: How many; "width" makes them equally wide, lower edge excluded but for 0.
        binning: "mass" puts about equally many answers in each; equal probabilities stay together.
        confidence: Of the interval in each bin.

    Raises:
        UsageError: If a probability is outside 0 to 1, lengths differ or there are no bins.

    Source:
        Guo et al. 2017, arXiv:1706.04599, equations 3 and 5; Brier 1950, Monthly Weather
        Review 78(1).
    """
    if bins < 1:
        raise UsageError(f"bins={bins}: at least one is needed.")
    given, true = probabilities("stated", stated), flags("outcomes", outcomes)
    same_length(given.size, outcomes=true)
    edges = np.linspace(0, 1, bins + 1)
    if binning == "mass":
        last = -(-given.size * np.arange(1, bins + 1) // bins) - 1  # of each bin, by rank
        edges = np.unique(np.concatenate(([0.0], np.sort(given)[last[:-1]], [1.0])))
    place = np.maximum(np.searchsorted(edges, given, "left") - 1, 0)
    counts, sums, trues = (
        np.bincount(place, of, edges.size - 1).astype(np.float64)
        for of in (np.ones(given.size), given, true)
    )
    kept = counts > 0
    counts, said, observed = counts[kept], sums[kept] / counts[kept], trues[kept] / counts[kept]
    quantile = normal_quantile(0.5 + between("confidence", confidence) / 2)
    return Reliability(
        edges,
        counts,
        said,
        observed,
        np.stack(wilson_ends(observed, counts, quantile)),
        float(counts @ np.abs(said - observed) / given.size),
        float(np.abs(said - observed).max()),
        float(((given - true) ** 2).mean()),
        binning,
        confidence,
    )
