"""What every statistic refuses, by name and value, before it computes anything."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isoflop.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def numbers(name: str, values: ArrayLike, *, infinite: bool = False) -> Floats:
    """Finite numbers, shape (n,), n at least 1.

    Args:
        name: What the message calls them.
        values: A sequence of numbers or truth values.
        infinite: Whether plus and minus infinity are allowed, as where only ranks count.

    Raises:
        UsageError: If there are none, or one is no number; the message gives its place.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} are not numbers: {error}.") from error
    if array.ndim != 1:
        raise UsageError(f"{name} have shape {array.shape}; expected one row of numbers.")
    if not array.size:
        raise UsageError(f"{name} are empty: there is nothing to measure.")
    wrong = np.isnan(array) if infinite else ~np.isfinite(array)
    if wrong.any():
        place = int(wrong.argmax())
        raise UsageError(
            f"{name}: {int(wrong.sum())} of {array.size} are not finite numbers, the first is "
            f"{array[place]} at place {place}. Leave those out, or say what they count as."
        )
    return array


def flags(name: str, values: ArrayLike) -> Flags:
    """Truth values, shape (n,): true and false, or 1 and 0.

    Raises:
        UsageError: If there are none, or one is something else.
    """
    array = numbers(name, values)
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        place = int(wrong.argmax())
        raise UsageError(f"{name}: {array[place]:g} at place {place} is neither 1 nor 0.")
    return np.asarray(array == 1)


def labels(name: str, values: ArrayLike, *, least: int = 1) -> Flags:
    """Truth values with at least so many of each kind.

    Raises:
        UsageError: If one kind is missing or too rare.
    """
    array = flags(name, values)
    yes = int(array.sum())
    if min(yes, array.size - yes) < least:
        raise UsageError(
            f"{name}: {yes} positive and {array.size - yes} negative; "
            f"both kinds are needed, at least {least} of each."
        )
    return array


def probabilities(name: str, values: ArrayLike) -> Floats:
    """Numbers from 0 to 1, shape (n,).

    Raises:
        UsageError: If there are none, or one is outside.
    """
    array = numbers(name, values)
    wrong = (array < 0) | (array > 1)
    if wrong.any():
        place = int(wrong.argmax())
        raise UsageError(f"{name}: {array[place]:g} at place {place} is not from 0 to 1.")
    return array


def weights(values: ArrayLike | None, n: int) -> Floats:
    """Weights, shape (n,), none negative, not all zero; ones where none are given.

    Raises:
        UsageError: If their number differs, one is negative or all are zero.
    """
    if values is None:
        return np.ones(n)
    array = numbers("weights", values)
    same_length(n, weights=array)
    if (array < 0).any() or not array.any():
        raise UsageError(f"weights run from {array.min():g} to {array.max():g}; expected above 0.")
    return array


def groups(clusters: Sequence[Hashable] | None, n: int) -> Integers:
    """The number of each one's cluster, from 0, in order of appearance; shape (n,).

    None and "" mean that a question belongs with no other and stands alone.

    Raises:
        UsageError: If there are not n of them.
    """
    if clusters is None:
        return np.arange(n)
    same_length(n, clusters=clusters)
    known: dict[Hashable, int] = {}
    keys = (key if key is not None and key != "" else object() for key in clusters)
    return np.fromiter((known.setdefault(key, len(known)) for key in keys), np.int64, n)


def same_length(n: int, **others: Sequence[Hashable] | NDArray[np.generic]) -> None:
    """Refuse what does not have one value for each of the n.

    Raises:
        UsageError: If a length differs.
    """
    for name, values in others.items():
        if len(values) != n:
            raise UsageError(f"{name}: {len(values)} values for {n}. Are all of the same exam?")


def between(name: str, value: float, low: float = 0.0, high: float = 1.0) -> float:
    """A number strictly between two others.

    Raises:
        UsageError: If it is not.
    """
    if not low < value < high:
        raise UsageError(f"{name}={value} is not between {low:g} and {high:g}.")
    return value
