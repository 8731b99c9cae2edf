"""Whether one recording is really better than another on the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from isoflop.errors import UsageError
from isoflop.measure.exams.score import Graded, Score, clusters_of
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.multiple import holm
from isoflop.measure.statistics.paired import difference, mcnemar
from isoflop.measure.statistics.power import minimum_detectable_effect

LEVEL = 0.05
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two recordings on the questions that both answered.

    Attributes:
        first: Name of one.
        second: Name of the other.
        questions: On which they are compared.
        only_first: Questions that only the first has right; None where credits are fractions.
        only_second: Questions that only the second has right.
        difference: Accuracy of the first minus that of the second, paired, clusters heeded.
        bootstrap: The same interval by resampling.
        weighted: The difference with the weights of the questions; None when they are equal.
        mcnemar: Exact p-value of equal accuracy; None where credits are fractions. Clusters are
            not heeded, so where questions share much the interval is to be believed.
        holm: McNemar's p-value corrected for the number of comparisons made together.
        detectable: Least true difference that would be found in 80 of 100 such comparisons, at
            the level 0.05 shared among all; None when the two never differ.
    """

    first: str
    second: str
    questions: int
    only_first: int | None
    only_second: int | None
    difference: Interval
    bootstrap: Interval
    weighted: Interval | None
    mcnemar: float | None
    holm: float | None
    detectable: float | None


def compare(
    scores: Sequence[Score], *, seed: int = 0, confidence: float = 0.95
) -> list[Comparison]:
    """Every two of the recordings.

    Args:
        scores: Of one exam by one rule, at least two.
        seed: Of the bootstrap.
        confidence: Of the intervals.

    Raises:
        UsageError: If there are fewer than two, exams or rules differ, or two have no question in
            common.
    """
    if len(scores) < 2:
        raise UsageError("One recording has nothing to be compared with. Name at least two.")
    pairs = list(combinations(scores, 2))
    found = [_compared(one, other, len(pairs), seed, confidence) for one, other in pairs]
    return _corrected(found)


def _compared(one: Score, other: Score, tests: int, seed: int, confidence: float) -> Comparison:
    common = _common(one, other)
    questions = [graded.question for graded, _ in common]
    first = [graded.credit or 0.0 for graded, _ in common]
    second = [graded.credit or 0.0 for _, graded in common]
    clusters = clusters_of(one.claims, questions)
    weights = [question.weight for question in questions]
    weighted = len(set(weights)) > 1 and sum(weights) > 0
    gap = difference(first, second, clusters=clusters, confidence=confidence)
    whole = set(first) | set(second) <= {0.0, 1.0}
    return Comparison(
        first=one.model,
        second=other.model,
        questions=len(common),
        only_first=sum(a > b for a, b in zip(first, second, strict=True)) if whole else None,
        only_second=sum(b > a for a, b in zip(first, second, strict=True)) if whole else None,
        difference=gap,
        bootstrap=difference(
            first, second, clusters=clusters, confidence=confidence, method="bca", seed=seed
        ),
        weighted=difference(
            first, second, clusters=clusters, weights=weights, confidence=confidence
        )
        if weighted
        else None,
        mcnemar=mcnemar(first, second) if whole else None,
        holm=None,
        detectable=minimum_detectable_effect(gap.standard_error, LEVEL / tests, POWER)
        if gap.standard_error
        else None,
    )


def _common(one: Score, other: Score) -> list[tuple[Graded, Graded]]:
    """Questions that count in both, in the order of the exam."""
    for name in ("exam", "rule"):
        if getattr(one, name) != getattr(other, name):
            raise UsageError(
                f"{one.model} was scored with {name} {getattr(one, name)!r} and {other.model} "
                f"with {getattr(other, name)!r}; only the same can be compared."
            )
    theirs = {graded.question.id: graded for graded in other.scored}
    common = [(mine, theirs[mine.question.id]) for mine in one.scored if mine.question.id in theirs]
    if len(common) < 2:
        raise UsageError(f"{one.model} and {other.model} answered {len(common)} common questions.")
    return common


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """With Holm's correction over those that have a p-value."""
    tested = [one.mcnemar for one in found if one.mcnemar is not None]
    adjusted = iter(holm(tested) if tested else ())
    return [one if one.mcnemar is None else replace(one, holm=next(adjusted)) for one in found]
