"""How good a ranking is: nDCG@10 over documents or passages, and text found within a budget."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from benchmarks.data import Span

BUDGET = 4000  # characters read from the top of a ranking, about a thousand tokens


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain of one question with yes-or-no relevance.

    Source:
        Järvelin and Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques.
    """
    gains = (1 / math.log2(rank + 1) for rank, name in enumerate(ranked[:k], 1) if name in relevant)
    return sum(gains) / ideal(len(relevant), k)


def ideal(relevant: int, k: int = 10) -> float:
    """The discounted gain of a ranking that puts all that is relevant first."""
    return sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant, k) + 1))


def first_of_each(names: Iterable[str]) -> list[str]:
    """Documents in the order in which their best passages were ranked."""
    return list(dict.fromkeys(names))


def answers(piece: Span, references: Iterable[Span]) -> bool:
    """Whether a passage shares at least half of itself, or of a reference, with a reference."""
    return any(
        2 * overlap(piece, reference) >= min(piece[2] - piece[1], reference[2] - reference[1]) > 0
        for reference in references
    )


def overlap(one: Span, other: Span) -> int:
    """Characters two spans share."""
    return max(0, min(one[2], other[2]) - max(one[1], other[1])) if one[0] == other[0] else 0


def piece_ndcg(
    ranked: Sequence[Span], pieces: Iterable[Span], references: Sequence[Span], k: int = 10
) -> float:
    """nDCG of passages; those that could have been found are counted among all the system's."""
    possible = sum(answers(piece, references) for piece in pieces)
    if not possible:
        return 0.0
    gains = (
        1 / math.log2(rank + 1)
        for rank, piece in enumerate(ranked[:k], 1)
        if answers(piece, references)
    )
    return sum(gains) / ideal(possible, k)


def covered(ranked: Iterable[Span], references: Sequence[Span], budget: int = BUDGET) -> float:
    """Share of the references' characters within the first `budget` characters ranked.

    It does not depend on how a system cuts its passages. The passage in which the budget ends is
    read up to there.
    """
    seen: set[tuple[str, int]] = set()
    wanted = {(name, place) for name, start, stop in references for place in range(start, stop)}
    for name, start, stop in ranked:
        end = min(stop, start + budget)
        seen.update((name, place) for place in range(start, end))
        budget -= end - start
        if budget <= 0:
            break
    return len(wanted & seen) / len(wanted)
