"""How forecasts are printed: figures with their interval, conventions, JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from isoflop.cli.output import amount, dollars, note, print_json, table
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.quantities import written

HOUR, KILOWATT_HOUR, TONNE = 3600.0, 3.6e6, 1e6

on = click.option(
    "--on", "on", metavar="CHIPS", help="Such as 8xh100-sxm; 'this' for this machine."
)
grid = click.option("--grid", metavar="NAME", help="Electricity grid, such as FR or world.")
pue = click.option("--pue", type=float, help="Energy of the building over the machine's.")
price = click.option("--price", type=float, metavar="DOLLARS", help="Of one chip for one hour.")
plot = click.option(
    "--plot",
    metavar="FILE",
    help="Draw it: FILE ends in .svg, .png or .html (needs isoflop[plot]).",
)

Figure = Estimate | None
Unit = Callable[[float], str]


def unit(name: str) -> Unit:
    """Prints with a prefix: `unit("FLOP")(3.14e23)` is "314,000 EFLOP"."""
    return lambda figure: amount(figure, name)


def per(factor: float, name: str, digits: int = 3) -> Unit:
    """Prints in a fixed unit: `per(HOUR, "h")(7200)` is "2 h"."""
    return lambda figure: f"{_short(figure / factor, digits)} {name}"


hours = per(HOUR, "h")
kilowatt_hours = per(KILOWATT_HOUR, "kWh")
tonnes = per(TONNE, "t")
money: Unit = dollars


def carbon(grams: float) -> str:
    """In tonnes, kilograms or grams: "173 t", "46.3 g"."""
    for factor, name in ((TONNE, "t"), (1e3, "kg")):
        if grams >= factor:
            return per(factor, name)(grams)
    return f"{_short(grams, 3)} g"


def memory(figure: float) -> str:
    """In GiB, or MiB below one: "59.4 GiB", "38.5 MiB"."""
    small = figure < 2**30
    return f"{_short(figure / 2 ** (20 if small else 30), 3)} {'MiB' if small else 'GiB'}"


def unit_of_time(seconds: float) -> str:
    """In hours from an hour on, else minutes or seconds: "33.6 h", "12 min"."""
    if seconds >= HOUR:
        return hours(seconds)
    return per(60, "min")(seconds) if seconds >= 60 else per(1, "s")(seconds)


def plain(figure: float) -> str:
    """A bare number with three digits: 1.33e+12 is "1.33T"."""
    for factor, prefix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(figure) >= factor:
            return f"{_short(figure / factor, 3)}{prefix}"
    return _short(figure, 3)


def flop(figure: float) -> str:
    """Operations as budgets are written: "9.38e22 FLOP"."""
    return f"{written(figure)} FLOP"


def figures(rows: Sequence[tuple[str, Figure, Unit]]) -> str:
    """A table of figures: value, low and high ends, basis; what is unknown is a dash."""
    lines = []
    for name, figure, shown in rows:
        if figure is None:
            lines.append((name, "-", "-", "-", "unknown"))
        elif figure.low == figure.high:
            lines.append((name, shown(figure.value), "", "", figure.basis))
        else:
            ends = (shown(figure.low), shown(figure.high))
            lines.append((name, shown(figure.value), *ends, figure.basis))
    return table(("", "expected", "low", "high", "basis"), lines)


def building(machine: Machine) -> str:
    """The PUE that is assumed, and what 1 leaves out."""
    pue = machine.power_usage_effectiveness
    left_out = "" if pue > 1 else " (no cooling: say --pue, most buildings are at 1.08 to 1.6)"
    return f"PUE {pue:g}{left_out}"


def as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Estimates as low, value, high and basis, however deep; None stays null."""
    return {name: _plain(value) for name, value in figures.items()}


def print_figures(values: Mapping[str, Any]) -> None:
    """One JSON object with every estimate spelled out."""
    print_json(as_json(values))


def conventions(*lines: str) -> None:
    """What the figures assume, on stderr."""
    note("\n" + "\n".join(lines))


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.as_dict()
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _short(value: float, digits: int) -> str:
    if value and abs(value) < 10**-digits:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"
