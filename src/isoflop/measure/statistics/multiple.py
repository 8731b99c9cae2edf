"""Several comparisons at once."""

from collections.abc import Sequence

from isoflop.measure.statistics.inputs import probabilities


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that may be held against the level as if each were alone, in the order given.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none is
    below an earlier one. However the tests depend on one another, a false rejection is no more
    likely than the level. Bonferroni's multiplies all by the number of tests and rejects less.

    Raises:
        UsageError: If there are none, or one is outside 0 to 1.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    array = probabilities("p_values", p_values)
    adjusted, highest = [0.0] * array.size, 0.0
    for place, test in enumerate(array.argsort(kind="stable")):
        highest = max(highest, min(1.0, (array.size - place) * float(array[test])))
        adjusted[test] = highest
    return adjusted


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """p-values times their number, at most 1, in the order given.

    Raises:
        UsageError: If there are none, or one is outside 0 to 1.
    """
    array = probabilities("p_values", p_values)
    return [min(1.0, array.size * float(p)) for p in array]
