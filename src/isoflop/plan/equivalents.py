"""Energy, carbon and tokens beside things people know: homes, flights, a brain, a childhood."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from isoflop.machine import Machine

Kind = Literal["joules", "grams_co2e", "tokens"]
YEAR = 31556952.0  # seconds of the mean Gregorian year

# 1.3 tokens for an English word: ray-project/llm-numbers, commit 38fac45, 2023-08
TOKENS_PER_WORD = 1.3
BRAIN_WATTS = 20.0
READING_WORDS_PER_MINUTE = 238.0
# A lifetime of reading is two hours a day for seventy years: a definition, not a measurement.
READING_SECONDS_PER_DAY, READING_YEARS = 7200.0, 70
# Directed at a child 1,198 and overheard 600 words an hour, 12.5 hours awake, ten years.
WORDS_HEARD_BY_TEN = (1198 + 600) * 12.5 * 365.2425 * 10


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One thing of a known size.

    Attributes:
        name: In the plural, as it is printed after a number.
        kind: What it is measured in.
        amount: Of one of them: joules, grams of CO2e, or tokens.
        source: Where the figure comes from.
        date: Of the source, ISO, as far as known.
        evidence: "V" read in a primary artefact, "S" a secondary page, "M" recalled and not
            checked again, "A" arithmetic or definition on the others.
    """

    name: str
    kind: Kind
    amount: float
    source: str
    date: str
    evidence: str


KNOWN = (
    Equivalent(
        "years of a US home's electricity", "joules", 10_715 * 3.6e6,
        "US Energy Information Administration, average residential customer of 2020", "2021-10-07",
        "V",
    ),
    Equivalent(
        "years of a brain at 20 W", "joules", BRAIN_WATTS * YEAR,
        "a fifth of 100 W at rest: Attwell and Laughlin 2001; hypertextbook.com", "2001-10", "S",
    ),
    Equivalent(
        "lifetimes of a brain (80 years)", "joules", BRAIN_WATTS * YEAR * 80,
        "the same, for 80 years", "2001-10", "A",
    ),
    Equivalent(
        "tokens read silently by a brain", "joules",
        BRAIN_WATTS / (READING_WORDS_PER_MINUTE * TOKENS_PER_WORD / 60),
        "20 W at 238 words a minute (Brysbaert 2019) of 1.3 tokens", "2019-12", "A",
    ),
    Equivalent(
        "km in an average new car of the EU", "grams_co2e", 133.0,
        "codecarbon b05965e", "2026-08", "V",
    ),
    Equivalent(
        "miles in a US passenger car", "grams_co2e", 409.0,
        "US Environmental Protection Agency, by way of codecarbon b05965e", "2026-08", "V",
    ),
    Equivalent(
        "hours of a 32-inch television", "grams_co2e", 97.0, "codecarbon b05965e", "2026-08", "V"
    ),
    Equivalent(
        "years of a US home, all its energy", "grams_co2e", 8.35e6,
        "160.6 kg a week, codecarbon b05965e", "2026-08", "V",
    ),
    Equivalent(
        "years of a person in the US", "grams_co2e", 13.3e6,
        "International Energy Agency, by way of codecarbon b05965e", "2026-08", "V",
    ),
    Equivalent(
        "passengers across the Atlantic and back", "grams_co2e", 1.6e6,
        "Wynes and Nicholas 2017, as quoted by the Washington Post", "2019-12-12", "S",
    ),
    Equivalent(
        "passengers across the US and back", "grams_co2e", 0.9e6,
        "Strubell et al. 2019, arXiv:1906.02243, table 1", "2019-06-05", "M",
    ),
    Equivalent(
        "children's hearing up to the age of ten", "tokens",
        WORDS_HEARD_BY_TEN * TOKENS_PER_WORD,
        "1,198 words an hour said to a child and 600 overheard (rpubs.com/813488), 12.5 hours "
        "awake; others count 20 to 70 million words rather than 82", "2021-09", "S",
    ),
    Equivalent(
        "days of an adult's talking", "tokens", 16_000 * TOKENS_PER_WORD,
        "Mehl et al. 2007: 16,000 words a day", "2007-07-06", "M",
    ),
    Equivalent(
        "lifetimes of reading (two hours a day, 70 years)", "tokens",
        READING_WORDS_PER_MINUTE / 60 * READING_SECONDS_PER_DAY * 365.2425 * READING_YEARS
        * TOKENS_PER_WORD,
        "Brysbaert 2019, doi:10.1016/j.jml.2019.104047: 238 words a minute", "2019-12", "A",
    ),
)  # fmt: skip


def equivalents(kind: Kind, amount: float) -> Iterator[tuple[float, Equivalent]]:
    """How many of each known thing an amount is.

    Args:
        kind: What is given.
        amount: In joules, grams or tokens.

    Raises:
        ValueError: If the amount is negative.
    """
    if not amount >= 0:
        raise ValueError(f"an amount cannot be negative: {amount}")
    for known in KNOWN:
        if known.kind == kind:
            yield amount / known.amount, known


def run_seconds(flops: float, machine: Machine, utilisation: float) -> float | None:
    """Wall time of so many FLOPs on a machine at this share of its dense half-precision peak.

    Returns:
        None if no peak is known.

    Raises:
        ValueError: If the share is not more than 0 and at most 1.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is a share of at most 1, got {utilisation}")
    for name in ("bf16", "fp16", "fp32"):
        if peak := machine.flops_per_second(name):
            return flops / (peak * utilisation)
    return None
