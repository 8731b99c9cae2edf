"""Scores of one answer or one ranking."""

import math
from collections.abc import Mapping, Sequence


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
