"""Scores, their intervals, and whether one is really better than another."""

import math
import random
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first k, from 0 to 1.

    The gain is the grade itself and the discount log2(rank + 1), as trec_eval's ndcg_cut. With
    nothing relevant the score is 0.

    Args:
        ranked: Ids, best first, each at most once.
        relevant: Grade by id; ids that are absent have grade 0.
        k: Cut-off.

    Source:
        Jaervelin and Kekaelaeinen 2002, ACM TOIS 20(4).
    """
    gains = [relevant.get(id, 0.0) for id in ranked[:k]]
    ideal = sorted(relevant.values(), reverse=True)[:k]
    best = _discounted(ideal)
    return _discounted(gains) / best if best else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion.

    Args:
        successes: How many of the n.
        n: Independent trials.
        confidence: Share of such intervals that cover the truth.

    Raises:
        ValueError: If n is not positive or successes is outside 0..n.

    Source:
        Wilson 1927, JASA 22(158).
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes={successes} of n={n} is not a proportion")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p-value that two ways are equally often right on the same questions.

    Raises:
        ValueError: If the two were not asked the same number of questions.

    Source:
        McNemar 1947, Psychometrika 12; the exact binomial form.
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    n = only_first + only_second
    tail: float = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1)) / 2**n
    return min(1.0, 2 * tail)


def bootstrap_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of mean(first) - mean(second), paired, by resampling questions or clusters.

    Args:
        first: Score of each question by one way.
        second: Score of the same questions by the other.
        clusters: What the questions share; whole clusters are drawn. None: each stands alone.
        confidence: Share of such intervals that cover the truth.
        resamples: Draws.
        seed: Of the draws.

    Raises:
        ValueError: If the lengths differ or there is nothing to compare.

    Source:
        Efron 1979, Annals of Statistics 7(1); the percentile interval.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if not differences:
        raise ValueError("nothing to compare: no questions")
    groups: dict[str, list[float]] = {}
    for place, difference in enumerate(differences):
        groups.setdefault(clusters[place] if clusters else str(place), []).append(difference)
    members = list(groups.values())
    draw = random.Random(seed)
    means = sorted(
        fmean(value for group in draw.choices(members, k=len(members)) for value in group)
        for _ in range(resamples)
    )
    tail = (1 - confidence) / 2
    return means[int(tail * resamples)], means[min(resamples - 1, int((1 - tail) * resamples))]
