"""Forecast again: a way's first answers tell how fast it is, better than a short trial."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from isoflop.bill import FIGURES, Bill

WARM_UP = 5  # answers of a way after which its questions are forecast again
OF_TIME = ("seconds", "joules", "dollars", "grams_co2e")


def again(first: Sequence[Bill], forecast: Bill) -> Bill:
    """A question's bill, with the time, energy and price that the first answers took.

    Where FLOPs are known it is the median rate by the FLOP, times the FLOPs that a question was
    forecast to take, since the first questions may be longer or shorter than the others; at a
    server it is the median answer. It is a median because a first answer waits for libraries, and
    any of them for other work on the machine.

    Args:
        first: Bills of the first answers; at least one.
        forecast: Of a question, as it was before; its tokens and FLOPs stay.
    """
    by_flop = bool(forecast.flops) and all(bill.flops for bill in first)
    found: dict[str, float | None] = {}
    for name in OF_TIME:
        figures = [getattr(bill, name) for bill in first]
        if None in figures:
            found[name] = None
        elif by_flop:
            rates = [figure / bill.flops for figure, bill in zip(figures, first, strict=True)]
            found[name] = median(rates) * (forecast.flops or 0.0)
        else:
            found[name] = median(figures)
    bases = tuple(
        basis if name not in OF_TIME else "forecast"
        for name, basis in zip(FIGURES, forecast.bases, strict=True)
    )
    return replace(forecast, **found, bases=bases)
