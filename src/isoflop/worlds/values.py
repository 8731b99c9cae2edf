"""Values of facts: names, words from lists, numbers and dates, all drawn with equal chance."""

from collections.abc import Mapping
from typing import Final

from isoflop.worlds.chance import Chance
from isoflop.worlds.relations import listed

NUMBERS: Final[Mapping[str, tuple[int, int]]] = {  # lowest and highest
    "year": (1880, 1999),
    "old year": (1100, 1879),
    "centimetres": (150, 199),
    "population": (1_000, 99_999),
    "metres": (2, 1_999),
    "staff": (3, 4_999),
    "number": (2, 9_999),
}
DAYS: Final[Mapping[str, int]] = {
    "January": 31, "February": 28, "March": 31, "April": 30, "May": 31, "June": 30,
    "July": 31, "August": 31, "September": 30, "October": 31, "November": 30, "December": 31,
}  # fmt: skip
NAMED = ("town", "person", "firm", "school", "river", "region", "language", "word")


def plain(value: str, chance: Chance) -> str:
    """A value that is no name: from a list, a number or a day of the year.

    Raises:
        KeyError: If there is no such kind of value.
    """
    if value in NUMBERS:
        return spelled(value, chance.between(*NUMBERS[value]))
    if value == "day":
        day = chance.below(sum(DAYS.values()))
        for month, days in DAYS.items():
            if day < days:
                return f"{day + 1} {month}"
            day -= days
    return chance.pick(listed(value))


def spelled(value: str, number: int) -> str:
    """A number as it is written: years and lengths plain, others with thousands apart."""
    return f"{number:,}" if value in ("population", "staff", "number") else str(number)


def possible(value: str) -> int:
    """How many values of a kind there are that is no name."""
    if value in NUMBERS:
        low, high = NUMBERS[value]
        return high - low + 1
    return sum(DAYS.values()) if value == "day" else len(listed(value))
