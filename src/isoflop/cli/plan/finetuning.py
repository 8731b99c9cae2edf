"""isoflop plan finetuning: what adapting a model costs, by each way of doing it."""

import click

from isoflop import catalog
from isoflop.cli import options
from isoflop.cli.plan import show
from isoflop.cli.plan.energy import check as check_energy
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.energy import energy
from isoflop.plan.finetuning import METHODS, RANK, Adapted, Method
from isoflop.plan.finetuning import finetuning as adapted
from isoflop.plan.training_run import as_one_device
from isoflop.quantities import count


@click.command()
@click.argument("model")
@click.option("--tokens", metavar="N", help="Read in all, repetitions counted, such as 10e6.")
@click.option("--method", type=click.Choice(METHODS), default="lora", show_default=True)
@click.option("--rank", default=RANK, show_default=True, help="Of the factors.")
@click.option("--length", default=2048, show_default=True, help="Tokens of a sequence.")
@click.option("--batch", default=16, show_default=True, help="Sequences of a step.")
@show.on
@show.grid
@show.pue
@show.price
@options.as_json
def finetuning(
    model: str,
    tokens: str | None,
    method: Method,
    rank: int,
    length: int,
    batch: int,
    on: str | None,
    grid: str | None,
    pue: float | None,
    price: float | None,
    as_json: bool,
) -> None:
    """FLOPs, memory, hours and dollars of adapting MODEL to so many tokens.

    Full changes every weight; lora trains low-rank factors beside frozen weights; qlora keeps the
    frozen weights in 4 bits.
    """
    if tokens is None or on is None:
        raise UsageError("Say how much and on what: --tokens 10e6 --on 1xh100-sxm.")
    check_energy(pue=pue, price=price)
    if length < 1 or batch < 1:
        raise UsageError("--length and --batch are at least 1.")
    machine = as_one_device(
        catalog.machine(on, grid=grid, power_usage_effectiveness=pue, dollars_per_hour=price)
    )
    found = adapted(
        catalog.architecture(model),
        count(tokens, of="number of tokens", units=("tokens",)),
        machine.accelerator,
        machine.count,
        method=method,
        rank=rank,
        length=length,
        sequences=batch,
    )
    if as_json:
        show.print_figures(_values(found, machine))
    else:
        click.echo(_text(found, machine))
    _conventions(found, machine, length, batch, rank)


def _bill(found: Adapted, machine: Machine) -> Estimate | None:
    each = machine.accelerator.dollars_per_hour
    return None if each is None else found.chip_seconds * (each / show.HOUR)


def _text(found: Adapted, machine: Machine) -> str:
    power = energy(machine, found.seconds)
    rows: list[tuple[str, show.Figure, show.Unit]] = [
        ("compute", Estimate.exact(found.flops), show.unit("FLOP")),
        ("trained parameters", Estimate.exact(found.trained), show.plain),
        ("memory a chip", found.memory.total, show.memory),
        ("time", found.seconds, show.unit_of_time),
        ("chip-hours", found.chip_seconds * (1 / show.HOUR), show.plain),
        ("price of the chips", _bill(found, machine), show.money),
        ("energy, cooling included", power.building, show.kilowatt_hours),
        ("CO2e of electricity", power.grams_co2e, show.carbon),
    ]
    return f"{show.figures(rows)}\n\nlayout: {found.layout}"


def _values(found: Adapted, machine: Machine) -> dict[str, object]:
    power = energy(machine, found.seconds)
    return {
        "method": found.method,
        "flops": Estimate.exact(found.flops),
        "trained_parameters": Estimate.exact(found.trained),
        "frozen_parameters": Estimate.exact(found.frozen),
        "memory_bytes": found.memory.total,
        "seconds": found.seconds,
        "chip_hours": found.chip_seconds * (1 / show.HOUR),
        "dollars": _bill(found, machine),
        "joules": power.building,
        "grams_co2e": power.grams_co2e,
        "layout": str(found.layout),
    }


def _conventions(found: Adapted, machine: Machine, length: int, batch: int, rank: int) -> None:
    counted = {
        "full": "6 FLOP for each matrix parameter and token",
        "lora": f"4 FLOP for each frozen matrix parameter and token, 6 for factors of rank {rank}",
        "qlora": f"4 FLOP for each frozen matrix parameter and token, 6 for factors of rank {rank}"
        "; undoing 4 bits is in the time, not in the FLOPs",
    }[found.method]
    show.conventions(
        f"{counted}, causal attention besides. Sequences of {length:,} tokens, {batch} a step.",
        f"{machine.count} x {machine.accelerator.name}; {show.building(machine)}; "
        f"grid {machine.grid}. Fine-tunings were not among the rows that constants were fitted on.",
    )
