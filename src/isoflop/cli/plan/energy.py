"""isoflop plan energy: electricity and CO2e of a machine's hours."""

import math
from dataclasses import replace
from typing import get_args

import click

from isoflop import catalog
from isoflop.cli import options
from isoflop.cli.plan import show
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Accelerator, Machine
from isoflop.plan.energy import Energy, Load, load_share
from isoflop.plan.energy import energy as energy_of
from isoflop.quantities import seconds

MOST_PUE = 5.0  # no building is known above 3
MOST_CHIP_WATTS = 20e3  # a whole wafer draws about as much
MOST_PRICE = 1e5  # dollars an hour


@click.command()
@show.on
@click.option("--hours", metavar="TIME", help='Such as 100 (hours), "30 days" or "20 min".')
@show.grid
@show.pue
@click.option("--watts", type=float, help="Limit of one chip, if the catalog's is not right.")
@click.option(
    "--load",
    type=click.Choice(get_args(Load)),
    default="training",
    show_default=True,
    help="What the chips do.",
)
@click.option("--batch", type=float, default=1.0, help="Sequences at once, for --load decode.")
@click.option("--per-kwh", type=float, metavar="DOLLARS", help="Price of electricity.")
@options.as_json
def energy(
    on: str | None,
    hours: str | None,
    grid: str | None,
    pue: float | None,
    watts: float | None,
    load: Load,
    batch: float,
    per_kwh: float | None,
    as_json: bool,
) -> None:
    """Electricity, CO2e and its price, for so many chips for so long.

    Chips at the power they draw at such work, hosts and network beside them, and the building's
    cooling (PUE); then the carbon of the grid where they stand, and apart from it a share of the
    carbon of making them.
    """
    if on is None or hours is None:
        raise UsageError(
            'Say which chips and how long: --on 64xh100-sxm --hours 100 (or "4 days").'
        )
    check(pue=pue, watts=watts, per_kwh=per_kwh)
    if not 1 <= batch < math.inf:
        raise UsageError(f"--batch {batch:g}: at least one sequence is written at once.")
    machine = catalog.machine(on, grid=grid, power_usage_effectiveness=pue)
    if watts is not None:
        machine = replace(machine, accelerator=_drawing(machine.accelerator, watts))
    found = energy_of(machine, duration(hours), load=load, batch=batch)
    cost = None if per_kwh is None else _times(found.building, per_kwh / show.KILOWATT_HOUR)
    if as_json:
        show.print_figures(_values(found, cost, per_kwh is not None))
    else:
        click.echo(show.figures(_rows(found, cost, per_kwh is not None)))
    _conventions(machine, load, batch)


def check(
    *,
    pue: float | None,
    watts: float | None = None,
    per_kwh: float | None = None,
    price: float | None = None,
) -> None:
    """Refuse what no building, chip or contract has.

    Raises:
        UsageError: Naming the option and what is accepted.
    """
    if pue is not None and not 1 <= pue <= MOST_PUE:
        raise UsageError(
            f"--pue {pue:g}: the building takes at least what its machines take, so PUE is 1 or "
            f"more, and none is known above 3 (most are between 1.08 and 1.6)."
        )
    if watts is not None and not 0 < watts <= MOST_CHIP_WATTS:
        raise UsageError(f"--watts {watts:g}: of one chip, more than 0 and at most 20,000.")
    if per_kwh is not None and not 0 < per_kwh < 10:
        raise UsageError(f"--per-kwh {per_kwh:g}: dollars for one kWh, such as 0.12.")
    if price is not None and not 0 < price < MOST_PRICE:
        raise UsageError(f"--price {price:g}: dollars for one chip and hour, such as 2.5.")


def duration(text: str) -> float:
    """Seconds, where a bare number is hours.

    Raises:
        UsageError: If it is not a positive time.
    """
    try:
        float(text)
    except ValueError:
        return seconds(text)
    return seconds(f"{text} h")


def _drawing(chip: Accelerator, watts: float) -> Accelerator:
    return replace(chip, watts=watts, training_watts=None)


def _times(figure: Estimate | None, factor: float) -> Estimate | None:
    return None if figure is None else figure * factor


def _values(found: Energy, cost: Estimate | None, priced: bool) -> dict[str, object]:
    """In SI units and dollars, and once more in the units people compare."""
    values: dict[str, object] = {
        "joules": found.building,
        "kilowatt_hours": _times(found.building, 1 / show.KILOWATT_HOUR),
        "machine_joules": found.machine,
        "chip_joules": found.chips,
        "grams_co2e": found.grams_co2e,
        "tonnes_co2e": _times(found.grams_co2e, 1 / show.TONNE),
        "embodied_grams_co2e": found.embodied_grams_co2e,
    }
    return values | ({"electricity_dollars": cost} if priced else {})


def _rows(
    found: Energy, cost: Estimate | None, priced: bool
) -> list[tuple[str, show.Figure, show.Unit]]:
    rows: list[tuple[str, show.Figure, show.Unit]] = [
        ("energy, cooling included", found.building, show.kilowatt_hours),
        ("  of it the machine", found.machine, show.kilowatt_hours),
        ("  of it the chips alone", found.chips, show.kilowatt_hours),
        ("CO2e of electricity", found.grams_co2e, show.carbon),
        ("CO2e of making it, a share", found.embodied_grams_co2e, show.carbon),
    ]
    return rows + ([("price of electricity", cost, show.money)] if priced else [])


def _conventions(machine: Machine, load: Load, batch: float) -> None:
    chip = machine.accelerator
    power = (
        f"{chip.training_watts:g} W a chip with its host, as its operator published"
        if chip.training_watts is not None
        else f"limit {chip.watts:g} W, chips at {load_share(load, batch):.0%} of it, hosts at 30 %"
        if chip.watts is not None
        else "its power is not known: give --watts"
    )
    show.conventions(
        f"{machine.count:,} x {chip.name}, {load}: {power}. {show.building(machine)}.",
        f"Grid: {machine.grid}, location-based (what the grid emits, not what was bought); data "
        "sets differ by up to 20 %.",
        "Published figures mostly count chips at their limit, times PUE; the expected value is "
        "near theirs.",
    )
