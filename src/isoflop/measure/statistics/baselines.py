"""What an exam's score is worth nothing below: three ways of answering without reading."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from isoflop.errors import UsageError
from isoflop.measure.statistics.inputs import Floats, same_length
from isoflop.measure.statistics.inputs import weights as weighted

Accepted = str | Collection[str]


def majority(accepted: Sequence[Accepted], weights: ArrayLike | None = None) -> tuple[str, float]:
    """The one answer that would score best if given always, and its accuracy.

    It is chosen with the key in hand, so on few questions it is somewhat better than any constant
    answer would be on new ones.

    Args:
        accepted: For each question its right answer, or all that count as right.
        weights: Of the questions; None for equal ones.

    Raises:
        UsageError: If there are no questions, or a question has no answer.
    """
    shares = _shares(accepted, weights)
    totals: Counter[str] = Counter()
    for answers, share in zip(accepted, shares, strict=True):
        totals.update(dict.fromkeys(_set(answers), float(share)))
    best = max(sorted(totals), key=lambda answer: totals[answer])
    return best, totals[best]


def first_option(
    accepted: Sequence[Accepted],
    choices: Sequence[Sequence[str]],
    weights: ArrayLike | None = None,
) -> float:
    """Accuracy of always giving the first choice.

    Raises:
        UsageError: As `chance`.
    """
    shares = _with_choices(accepted, choices, weights)
    right = [
        offered[0] in _set(answers) for answers, offered in zip(accepted, choices, strict=True)
    ]
    return float(shares @ np.array(right, np.float64))


def chance(
    accepted: Sequence[Accepted],
    choices: Sequence[Sequence[str]],
    weights: ArrayLike | None = None,
) -> float:
    """Expected accuracy of drawing one of the choices, each as likely.

    Args:
        accepted: For each question its right answer, or all that count as right, as in `choices`.
        choices: For each question what may be chosen from.
        weights: Of the questions; None for equal ones.

    Raises:
        UsageError: If lengths differ, or a question offers no choices or none that is right.
    """
    shares = _with_choices(accepted, choices, weights)
    right = [
        sum(choice in _set(answers) for choice in offered) / len(offered)
        for answers, offered in zip(accepted, choices, strict=True)
    ]
    return float(shares @ np.array(right))


def _set(answers: Accepted) -> frozenset[str]:
    return frozenset((answers,) if isinstance(answers, str) else answers)


def _shares(accepted: Sequence[Accepted], weights: ArrayLike | None) -> Floats:
    if not accepted:
        raise UsageError("accepted is empty: there are no questions.")
    for place, answers in enumerate(accepted):
        if not _set(answers):
            raise UsageError(f"accepted: the question at place {place} has no right answer.")
    found = weighted(weights, len(accepted))
    return np.asarray(found / found.sum())


def _with_choices(
    accepted: Sequence[Accepted], choices: Sequence[Sequence[str]], weights: ArrayLike | None
) -> Floats:
    shares = _shares(accepted, weights)
    same_length(len(accepted), choices=choices)
    for place, (answers, offered) in enumerate(zip(accepted, choices, strict=True)):
        if not _set(answers) & frozenset(offered):
            raise UsageError(
                f"choices: none of {list(offered)} at place {place} is accepted, "
                f"which are {sorted(_set(answers))}."
            )
    return shares
