"""Quantities as people write them: "1.2T", "3.14e23", "$2M", "30 days", "8xH100"."""

import math
import re

from isoflop.errors import UsageError

COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
SECONDS = {
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "week": 604800.0,
    "month": 2629746.0,  # a twelfth of the mean Gregorian year of 365.2425 days
    "year": 31556952.0,
}
MOST_SECONDS = 1e4 * SECONDS["year"]
JOULES = {
    "j": 1.0,
    "kj": 1e3,
    "mj": 1e6,
    "gj": 1e9,
    "tj": 1e12,
    "wh": 3.6e3,
    "kwh": 3.6e6,
    "mwh": 3.6e9,
    "gwh": 3.6e12,
}
_NUMBER = re.compile(
    r"\s*([+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(.*?)\s*", re.IGNORECASE | re.DOTALL
)
_CHIPS = re.compile(
    r"\s*(?:(\d[\d,_]*)\s*(?:x|\*|\u00d7|\s)\s*)?"  # so many of
    r"(?:(?:nvidia|amd|intel|google|apple|geforce)\s+)*"
    r"([a-z][\w.+ -]*?|\d{4}(?:-\w+)?)\s*",  # 4090: some cards go by number
    re.IGNORECASE,
)
MOST_CHIPS = 10_000_000  # the largest clusters planned in 2026 have about a million


def count(text: str, *, of: str = "number", units: tuple[str, ...] = ()) -> float:
    """A positive count: "1.2T", "7B", "140e9", "2 trillion", "1,000".

    B and G are both 10^9. Case does not matter, so "m" is a million.

    Args:
        text: As written.
        of: What is counted, for the message.
        units: Words that may follow, such as "tokens" or "FLOP".

    Raises:
        UsageError: If it is not a positive, finite number; the message shows accepted forms.
    """
    value, rest = _split(text, of, 'such as "7e9", "7B", "1.2T" or "140 billion"')
    unit = rest.lower()
    for word in units:
        if unit.endswith(word.lower()) and (unit != word.lower() or word.lower() not in COUNTS):
            unit = unit.removesuffix(word.lower()).strip()
    factor = COUNTS.get(unit, WORDS.get(unit))
    if factor is None:
        raise UsageError(
            f"{text!r} is not {_a(of)}: {rest!r} is no unit of it. "
            'Write it such as "7e9", "7B", "1.2T" or "140 billion".'
        )
    return _positive(value * factor, text, of)


def seconds(text: str, *, of: str = "time") -> float:
    """A positive time in seconds: "30 days", "20 min", "1.5h", "90" (seconds).

    Raises:
        UsageError: If it is not one.
    """
    value, rest = _split(text, of, 'such as "30 days", "20 min" or "1.5 h"')
    unit = rest.lower().removesuffix(".")
    factor = 1.0 if not unit else SECONDS.get(unit, SECONDS.get(unit.removesuffix("s")))
    if factor is None:
        raise UsageError(
            f"{text!r} is not {_a(of)}: {rest!r} is no unit of time. "
            'Write it such as "30 days", "20 min" or "1.5 h".'
        )
    if value * factor > MOST_SECONDS:
        raise UsageError(f"{text!r} is not {_a(of)} to plan for: it is over ten thousand years.")
    return _positive(value * factor, text, of)


def joules(text: str, *, of: str = "energy") -> float:
    """A positive energy in joules: "449 MWh", "1.3 GJ", "0.24 Wh"; its unit must be written.

    Case does not matter: MWh and MJ are millions.

    Raises:
        UsageError: If it is not one.
    """
    value, rest = _split(text, of, 'such as "449 MWh", "0.24 Wh" or "1.3 GJ"')
    factor = JOULES.get(rest.lower())
    if factor is None:
        wrong = f"{rest!r} is no unit of energy" if rest else "its unit is missing"
        raise UsageError(
            f'{text!r} is not {_a(of)}: {wrong}. Write it such as "449 MWh", "0.24 Wh" or "1.3 GJ".'
        )
    return _positive(value * factor, text, of)


def share(text: str, *, of: str = "share") -> float:
    """A positive share: "43%", "0.43"; a bare number above 3 is per cent ("43").

    More than the whole is read as written ("120%" is 1.2): whether it can be is for the caller.

    Raises:
        UsageError: If it cannot be read.
    """
    value, rest = _split(text, of, 'such as "43%" or "0.43"')
    if rest not in ("", "%"):
        raise UsageError(f'{text!r} is not {_a(of)}. Write it such as "43%" or "0.43".')
    per_cent = rest == "%" or value > 3
    return _positive(value / 100 if per_cent else value, text, of)


def dollars(text: str) -> float:
    """A positive amount of money in US dollars: "$2M", "2e6", "1,500".

    Raises:
        UsageError: If it is not one.
    """
    return count(text.strip().removeprefix("$"), of="price", units=("dollars", "USD"))


def chips(text: str) -> tuple[int, str]:
    """How many of which chip: "8xh100-sxm", "256 A100 80GB", "h100-sxm" (one).

    The name is returned in lower case with hyphens for spaces, and not looked up.

    Raises:
        UsageError: If it cannot be read.
    """
    match = _CHIPS.fullmatch(text)
    if not match:
        raise UsageError(f'{text!r} names no chips. Write "8xh100-sxm" or "256 a100-80gb".')
    number = int((match[1] or "1").replace(",", "").replace("_", ""))
    if number < 1:
        raise UsageError(f"{text!r}: at least one chip is needed.")
    if number > MOST_CHIPS:
        raise UsageError(f"{text!r}: no machine has more than {MOST_CHIPS:,} chips.")
    return number, "-".join(match[2].lower().split())


def rate(text: str, *, of: str = "rate") -> tuple[float, float]:
    """So many in how many seconds: "1000/day" is (1000, 86400); "50" is once, (50, inf).

    Raises:
        UsageError: If it cannot be read.
    """
    number, slash, period = text.partition("/")
    amount = count(number, of=of)
    if not slash:
        return amount, math.inf
    return amount, seconds(f"1 {period}", of=of)


def written(count: float | None, digits: int = 3) -> str:
    """A large count as budgets are written: "3.14e23", "1e22"; unknown is as none."""
    return f"{count or 0:.{digits}g}".replace("e+0", "e").replace("e+", "e")


def _split(text: str, of: str, forms: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(text)
    if not match:
        raise UsageError(f"{text!r} is not {_a(of)}. Write it {forms}.")
    return float(match[1].replace(",", "").replace("_", "")), match[2]


def _a(name: str) -> str:
    """With its article: "an output length"."""
    return f"{'an' if name[0] in 'aeiouM' else 'a'} {name}"  # "an MFU"


def _positive(value: float, text: str, of: str) -> float:
    if not math.isfinite(value):
        raise UsageError(f"{text!r} is not {_a(of)}: it must be finite.")
    if value <= 0:
        raise UsageError(f"{text!r} is not {_a(of)}: it must be more than zero.")
    return value
