"""isoflop plan equivalents: a run beside homes, cars, flights, brains and childhoods."""

from typing import Any

import click

from isoflop import catalog, quantities
from isoflop.cli import options
from isoflop.cli.output import amount, duration, print_json, table
from isoflop.cli.plan import show
from isoflop.cli.plan.energy import check
from isoflop.errors import UsageError
from isoflop.plan.energy import energy
from isoflop.plan.equivalents import Kind, equivalents, run_seconds

DEFAULT_MFU = "35%"


@click.command("equivalents")
@click.option("--flops", metavar="N", help="Of a run: with --on, its time, energy and CO2e follow.")
@show.on
@click.option("--mfu", default=DEFAULT_MFU, show_default=True, help="Share of the peak, for --on.")
@click.option("--energy", "spent", metavar="ENERGY", help='Such as "1287 MWh".')
@click.option("--kwh", metavar="N", help="The same in kWh.")
@click.option("--grams", metavar="N", help="Of CO2e: 552e6, 552M.")
@click.option("--tokens", metavar="N", help="Read or trained on: 300e9, 15T.")
@show.grid
@show.pue
@options.as_json
def equivalents_command(
    flops: str | None,
    on: str | None,
    mfu: str,
    spent: str | None,
    kwh: str | None,
    grams: str | None,
    tokens: str | None,
    grid: str | None,
    pue: float | None,
    as_json: bool,
) -> None:
    """A run beside things people know: homes, cars, flights, brains, childhoods.

    Each constant has a source; those recalled and not checked again are marked M.
    """
    check(pue=pue)
    if sum(given is not None for given in (flops, spent, kwh)) > 1:
        raise UsageError("Give one of --flops, --energy and --kwh.")
    known: dict[Kind, float] = {}
    run: list[tuple[str, str]] = []
    if flops is not None:
        run, known = _run(flops, on, mfu, grid, pue)
    elif on is not None:
        raise UsageError("--on says where FLOPs are computed: give --flops too.")
    if spent is not None or kwh is not None:
        known["joules"] = quantities.joules(spent if spent is not None else f"{kwh} kWh")
    if grams is not None:
        known["grams_co2e"] = quantities.count(grams, of="number of grams", units=("grams", "g"))
    if tokens is not None:
        known["tokens"] = quantities.count(tokens, of="number of tokens", units=("tokens",))
    if not known:
        raise UsageError("Give --flops with --on, --energy, --kwh, --grams or --tokens.")
    found = [(kind, *pair) for kind, value in known.items() for pair in equivalents(kind, value)]
    if as_json:
        things = [
            {"kind": kind, "count": count, "name": e.name, "source": e.source, "date": e.date,
             "evidence": e.evidence}
            for kind, count, e in found
        ]  # fmt: skip
        print_json({**{str(kind): value for kind, value in known.items()}, "equivalents": things})
        return
    if run:
        click.echo(table(("the run", ""), run) + "\n")
    rows = [(e.name, show.plain(count), e.evidence) for _, count, e in found]
    click.echo(table(("is as much as", "", "evidence"), rows))
    show.conventions(
        "V read in a primary source, S on a secondary page, M recalled and not checked again, A "
        "arithmetic on these. Sources: isoflop plan equivalents --json."
    )


def _run(
    flops: str, on: str | None, mfu: str, grid: str | None, pue: float | None
) -> tuple[list[tuple[str, str]], dict[Kind, float]]:
    """Time, energy and carbon of a run, as printed and in SI units."""
    if on is None:
        raise UsageError("FLOPs alone have no energy: say where with --on, such as 10000xv100.")
    count = quantities.count(flops, of="number of FLOPs", units=("FLOPs", "FLOP"))
    share = quantities.share(mfu, of="MFU")
    if share > 1:
        raise UsageError(f"--mfu {mfu}: no chip computes more than its peak.")
    machine = catalog.machine(on, grid=grid, power_usage_effectiveness=pue)
    seconds = run_seconds(count, machine, share)
    if seconds is None:
        raise UsageError(f"No peak is known of {machine.accelerator.name}.")
    found = energy(machine, seconds)
    known: dict[Kind, float] = {}
    if found.building is not None:
        known["joules"] = found.building.value
    if found.grams_co2e is not None:
        known["grams_co2e"] = found.grams_co2e.value
    rows: list[tuple[str, Any]] = [
        ("FLOPs", show.scientific(count)),
        (f"on {machine.count:,} x {machine.accelerator.name} at {share:.1%}", _time(seconds)),
        (f"energy, PUE {machine.power_usage_effectiveness:g}",
         "-" if found.building is None else show.kilowatt_hours(found.building.value)),
        (f"CO2e on the grid {machine.grid}",
         "-" if found.grams_co2e is None else show.carbon(found.grams_co2e.value)),
    ]  # fmt: skip
    return rows, known


def _time(seconds: float) -> str:
    if seconds >= 86400:
        return f"{seconds / 86400:,.1f} days"
    return duration(seconds) if seconds >= 60 else amount(seconds, "s")
