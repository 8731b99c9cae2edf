"""isoflop plan equivalents: a run beside homes, cars, flights, brains and childhoods."""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from isoflop import catalog, quantities
from isoflop.cli import options
from isoflop.cli.output import amount, duration, table
from isoflop.cli.plan import show
from isoflop.cli.plan.energy import check
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.energy import Energy, energy
from isoflop.plan.equivalents import Kind, equivalents, run_seconds
from isoflop.plan.training_run import usual_chips
from isoflop.quantities import written

DEFAULT_MFU = "35%"
DEFAULT_CHIP = "h100-sxm"  # where --on does not say


@dataclass(frozen=True, slots=True)
class Run:
    """So many FLOPs computed somewhere."""

    flops: float
    machine: Machine
    utilisation: float
    seconds: float
    energy: Energy
    assumed: bool


@click.command("equivalents")
@click.option("--flops", metavar="N", help="Of a run: its time, energy and CO2e follow.")
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
    known: dict[Kind, Estimate] = {}
    run = None
    if flops is not None:
        run = _run(flops, on, mfu, grid, pue)
        found: list[tuple[Kind, Estimate | None]] = [
            ("joules", run.energy.building),
            ("grams_co2e", run.energy.grams_co2e),
        ]
        known = {kind: figure for kind, figure in found if figure is not None}
    elif on is not None:
        raise UsageError("--on says where FLOPs are computed: give --flops too.")
    known |= _given(spent if kwh is None else f"{kwh} kWh", grams, tokens)
    if run is None and not known:
        raise UsageError("Give --flops, --energy, --kwh, --grams or --tokens.")
    if as_json:
        show.print_figures(_values(run, known))
        return
    if run is not None:
        click.echo(table(("the run", ""), _rows(run)) + "\n")
    rows = [
        (e.name, show.plain(number), e.evidence)
        for kind, figure in known.items()
        for number, e in equivalents(kind, figure.value)
    ]
    click.echo(table(("is as much as", "", "evidence"), rows))
    show.conventions(
        *(
            ["The chips were not given: enough of them for about a month. Say which with --on."]
            if run is not None and run.assumed
            else []
        ),
        "V read in a primary source, S on a secondary page, M recalled and not checked again, A "
        "arithmetic on these. Sources: isoflop plan equivalents --json.",
    )


def _given(spent: str | None, grams: str | None, tokens: str | None) -> dict[Kind, Estimate]:
    """Energy, CO2e and tokens that were given as such."""
    given: dict[Kind, float] = {}
    if spent is not None:
        given["joules"] = quantities.joules(spent)
    if grams is not None:
        given["grams_co2e"] = quantities.count(grams, of="number of grams", units=("grams", "g"))
    if tokens is not None:
        given["tokens"] = quantities.count(tokens, of="number of tokens", units=("tokens",))
    return {kind: Estimate.exact(value, "assumed") for kind, value in given.items()}


def _run(flops: str, on: str | None, mfu: str, grid: str | None, pue: float | None) -> Run:
    """Where and how long it is computed, and what that takes."""
    count = quantities.count(flops, of="number of FLOPs", units=("FLOPs", "FLOP"))
    share = quantities.share(mfu, of="MFU")
    if share > 1:
        raise UsageError(f"--mfu {mfu}: no chip computes more than its peak.")
    where = on or f"{usual_chips(count, catalog.accelerator(DEFAULT_CHIP))}x{DEFAULT_CHIP}"
    machine = catalog.machine(where, grid=grid, power_usage_effectiveness=pue)
    seconds = run_seconds(count, machine, share)
    if seconds is None:
        raise UsageError(f"No peak is known of {machine.accelerator.name}.")
    return Run(count, machine, share, seconds, energy(machine, seconds), assumed=on is None)


def _rows(run: Run) -> list[tuple[str, str]]:
    machine, found = run.machine, run.energy
    chips = f"{machine.count:,} x {machine.accelerator.name}"
    return [
        ("FLOPs", written(run.flops)),
        (f"on {chips} at {run.utilisation:.1%}", _time(run.seconds)),
        (f"energy, PUE {machine.power_usage_effectiveness:g}",
         "-" if found.building is None else show.kilowatt_hours(found.building.value)),
        (f"CO2e on the grid {machine.grid}",
         "-" if found.grams_co2e is None else show.carbon(found.grams_co2e.value)),
    ]  # fmt: skip


def _values(run: Run | None, known: Mapping[Kind, Estimate]) -> dict[str, object]:
    """In SI units, each thing with its source."""
    computed: dict[str, object] = {}
    if run is not None:
        computed = {
            "flops": Estimate.exact(run.flops, "assumed"),
            "chips": run.machine.count,
            "accelerator": run.machine.accelerator.name,
            "utilisation": Estimate.exact(run.utilisation, "assumed"),
            "seconds": Estimate.exact(run.seconds, "assumed"),
            "power_usage_effectiveness": run.machine.power_usage_effectiveness,
            "grid": run.machine.grid,
        }
    things = [
        {"kind": kind, "count": figure * (1 / e.amount), "name": e.name, "source": e.source,
         "date": e.date, "evidence": e.evidence}
        for kind, figure in known.items()
        for _, e in equivalents(kind, figure.value)
    ]  # fmt: skip
    return {**computed, **{str(kind): known[kind] for kind in known}, "equivalents": things}


def _time(seconds: float) -> str:
    if seconds >= 86400:
        return f"{seconds / 86400:,.1f} days"
    return duration(seconds) if seconds >= 60 else amount(seconds, "s")
