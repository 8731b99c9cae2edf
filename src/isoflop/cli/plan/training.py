"""isoflop plan training: what a budget trains, how, and what it takes."""

import re
from dataclasses import dataclass, replace
from typing import Any

import click

from isoflop import catalog
from isoflop.cli import options
from isoflop.cli.plan import shapes, show
from isoflop.cli.plan.energy import check as check_energy
from isoflop.cli.plan.training_tables import as_values, conventions, text
from isoflop.errors import UsageError
from isoflop.machine import Machine
from isoflop.plan.budget import How, Planned, with_chip_seconds, with_flops, with_model
from isoflop.plan.flops import parameters as counted
from isoflop.plan.laws import LAWS, law
from isoflop.plan.parallel import Layout
from isoflop.plan.scaling import isoflop, optimum
from isoflop.plan.training import THIS_YEAR
from isoflop.plan.training_memory import OPTIMIZERS
from isoflop.plan.training_run import as_one_device, run_at
from isoflop.quantities import count, dollars, seconds

DEFAULT_CHIP = "h100-sxm"
LEAST_UNIQUE = 1_000_000  # laws say nothing of fewer: the fitted have 1e8 and more
MOST_MINUTES = 100 * 365.25 * 24 * 60
_BUDGET = re.compile(r"\s*(.+?)\s+for\s+(.+?)\s*", re.IGNORECASE | re.DOTALL)
_FORMS = (
    '--budget "256 a100-80gb for 30 days", --flops 1e23, --dollars 2e6, '
    "--params 7e9 --tokens 140e9, --model llama-3.1-8b --tokens 15T or --minutes 20"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is given, of the ways to give a budget."""

    budget: str | None
    flops: str | None
    money: str | None
    parameters: str | None
    model: str | None
    sizes: str | None
    tokens: str | None
    minutes: float | None

    def check(self) -> None:
        """Refuse no budget, two budgets, and halves of one."""
        model = self.parameters or self.model or self.sizes
        ways = [self.budget, self.flops, self.money, model, self.minutes]
        if sum(way is not None for way in ways) != 1:
            raise UsageError(f"Give one budget: {_FORMS}.")
        if sum(bool(way) for way in (self.parameters, self.model, self.sizes)) > 1:
            raise UsageError(
                "--params, --model, --shape all say how large it is. Give one of them."
            )
        if self.tokens and not model:
            raise UsageError(
                "--tokens goes with --params, --model or --shape; else the law chooses them."
            )
        if self.minutes is not None and not 0 < self.minutes < MOST_MINUTES:
            raise UsageError(
                f"--minutes {self.minutes:g}: a time is more than zero, and less than a century."
            )


@click.command()
@click.option("--budget", metavar="CHIPS", help='With a time: "256 a100-80gb for 30 days".')
@click.option("--flops", metavar="N", help="As 6 x parameters x tokens, such as 1e23.")
@click.option("--dollars", "money", metavar="N", help="For the chips, such as 2e6.")
@click.option("--params", metavar="N", help="Size of the model, such as 7e9 or 7B.")
@click.option("--model", metavar="NAME", help="A model of the catalog instead of a size.")
@shapes.written
@click.option("--tokens", metavar="N", help="To train on.  [default: compute-optimal]")
@click.option("--minutes", type=float, metavar="N", help="On this machine.")
@show.on
@click.option("--law", "name", default="epoch", show_default=True, help="Scaling law to follow.")
@click.option("--unique-tokens", metavar="N", help="Different tokens there are; more are repeated.")
@click.option("--length", type=int, default=2048, show_default=True, help="Tokens of a sequence.")
@click.option("--batch", metavar="N", help="Tokens of a step.  [default: grows with the budget]")
@click.option("--vocabulary", type=int, metavar="N", help="Tokens of the tokenizer.")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="What is kept per parameter.")
@click.option("--format", "number_format", metavar="NAME", help="Of products, such as fp8.")
@click.option("--year", type=int, default=THIS_YEAR, show_default=True, help="Of the software.")
@click.option("--layout", "divided", metavar="LAYOUT", help='Such as "t8 p16 v7 z1 m1 full".')
@show.grid
@show.pue
@show.price
@show.plot
@options.as_json
def training(
    budget: str | None,
    flops: str | None,
    money: str | None,
    params: str | None,
    model: str | None,
    written: str | None,
    tokens: str | None,
    minutes: float | None,
    on: str | None,
    name: str,
    unique_tokens: str | None,
    length: int,
    batch: str | None,
    vocabulary: int | None,
    optimizer: Any,
    number_format: str | None,
    year: int,
    divided: str | None,
    grid: str | None,
    pue: float | None,
    price: float | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """The model a budget trains best, its layout on the chips, hours, dollars, energy and CO2e.

    A budget is chips for a time, FLOPs, dollars, a model with its tokens, or minutes on this
    machine. Utilisation is not asked for: it is expected from the chip, the shape, the layout and
    what real runs lose.
    """
    asked = Asked(budget, flops, money, params, model, written, tokens, minutes)
    asked.check()
    law(name)
    check_energy(pue=pue, price=price)
    _check(length=length, vocabulary=vocabulary, year=year)
    chips, time = _split(budget)
    if chips and on:
        raise UsageError("--budget names the chips already. Leave --on out.")
    where = chips or on or ("this" if minutes is not None else DEFAULT_CHIP)
    machine = as_one_device(
        catalog.machine(where, grid=grid, power_usage_effectiveness=pue, dollars_per_hour=price)
    )
    known = bool(chips or minutes is not None or re.match(r"\s*(\d|this)", where))
    how = How(
        machine.accelerator, machine.count if known else None, length, _sequences(batch, length),
        vocabulary, optimizer, number_format, year, _unique(unique_tokens), name,
    )  # fmt: skip
    planned = _laid_out(_planned(asked, how, machine, time), divided, how)
    machine = replace(machine, count=planned.run.chips)
    if plot:
        _draw(plot, planned, how)
    if as_json:
        show.print_figures(as_values(planned, how, machine))
    else:
        click.echo(text(planned, how, machine))
    show.conventions(*conventions(planned, how, machine))


def _unique(tokens: str | None) -> float | None:
    if not tokens:
        return None
    unique = count(tokens, of="number of tokens", units=("tokens",))
    if unique < LEAST_UNIQUE:
        raise UsageError(f"--unique-tokens {tokens}: at least {LEAST_UNIQUE:,}.")
    return unique


def _planned(asked: Asked, how: How, machine: Machine, time: float | None) -> Planned:
    try:
        if asked.minutes is not None:
            return with_chip_seconds(60 * asked.minutes * machine.count, how)
        if time is not None:
            return with_chip_seconds(time * machine.count, how)
        if asked.money is not None:
            return with_chip_seconds(_hours(asked.money, machine) * 3600, how)
        if asked.flops is not None:
            return with_flops(count(asked.flops, of="budget", units=("FLOPs", "FLOP")), how)
        return _model(asked, how)
    except ValueError as problem:  # a chip without the wanted format or bandwidth
        raise UsageError(f"{problem}.") from problem


def _model(asked: Asked, how: How) -> Planned:
    made = shapes.model(asked.model, asked.parameters, asked.sizes, how.vocabulary)
    size = float(counted(made))
    if asked.parameters:  # the shape is within 2 % of it
        size = count(asked.parameters, of="number of parameters", units=("parameters",))
    if asked.tokens:
        read = count(asked.tokens, of="number of tokens", units=("tokens",))
    else:
        read = _optimal_tokens(size, how)
    return with_model(made, size, read, how)


def _optimal_tokens(parameters: float, how: How) -> float:
    """Tokens for which this size is the optimum: found by halving, the optimum grows with FLOPs."""
    low, high = 1e8, 1e32
    for _ in range(100):
        middle = (low * high) ** 0.5
        smaller = optimum(LAWS[how.law], middle).parameters < parameters
        low, high = (middle, high) if smaller else (low, middle)
    return low / (6 * parameters)


def _hours(money: str, machine: Machine) -> float:
    each = machine.accelerator.dollars_per_hour
    if each is None:
        raise UsageError(
            f"No price of {machine.accelerator.name} is known. Give --price, dollars an hour."
        )
    return dollars(money) / each


def _split(budget: str | None) -> tuple[str | None, float | None]:
    if budget is None:
        return None, None
    match = _BUDGET.fullmatch(budget)
    if not match:
        raise UsageError(
            f'{budget!r} is not chips for a time. Write --budget "256 a100-80gb for 30 days".'
        )
    return match[1], seconds(match[2], of="time of the budget")


def _sequences(batch: str | None, length: int) -> int | None:
    if batch is None:
        return None
    tokens = count(batch, of="batch", units=("tokens",))
    if tokens < length:
        raise UsageError(f"--batch {batch} is less than one sequence of {length:,} tokens.")
    return round(tokens / length)


def _laid_out(planned: Planned, divided: str | None, how: How) -> Planned:
    """The plan with the layout that was asked for instead of the one that was found."""
    if divided is None:
        return planned
    layout = _layout(divided, planned)
    return replace(planned, run=run_at(planned.run, layout, how.number_format, how.year))


def _layout(written: str, planned: Planned) -> Layout:
    """Read "t8 p16 v7 z3 m2 full": tensor, pipeline, interleave, ZeRO stage, microbatch."""
    fields = {"t": "tensor", "p": "pipeline", "v": "interleave", "z": "sharding", "m": "microbatch"}
    old = planned.run.choice.layout
    given: dict[str, Any] = {"chips": planned.run.chips}
    for word in written.lower().split() or [""]:
        if word in ("none", "selective", "full"):
            given["recompute"] = word
        elif (found := re.fullmatch(r"([tpvzm])(\d+)", word)) is not None:
            given[fields[found[1]]] = int(found[2])
        else:
            raise UsageError(
                f"--layout: {word!r} is none of t8 (tensor), p16 (pipeline), v7 (interleave), "
                "z3 (ZeRO stage), m2 (microbatch), none, selective, full (recompute)."
            )
    try:
        made = Layout(**given, sequence_parallel=given.get("tensor", 1) > 1)
    except ValueError as problem:
        raise UsageError(f"--layout {written!r}: {problem}.") from problem
    return made.with_batch(old.sequences)


def _check(*, length: int, vocabulary: int | None, year: int) -> None:
    if not 1 <= length <= 10**8:
        raise UsageError(f"--length {length}: tokens of a sequence, from 1 to 100 million.")
    if vocabulary is not None and not 2 <= vocabulary <= 10**7:
        raise UsageError(f"--vocabulary {vocabulary}: from 2 to 10 million tokens.")
    if not 2017 <= year <= 2100:
        raise UsageError(f"--year {year}: of the software, from 2017 on.")


def _draw(plot: str, planned: Planned, how: How) -> None:
    """IsoFLOP curves of the laws that have one, at this budget."""
    from isoflop.cli.plan.plots import isoflop_curves

    budget = planned.flops.value
    rows = [
        {"series": name, "parameters": point.parameters, "loss": point.loss}
        for name, known in LAWS.items()
        if known.has_isoflop_curve
        for point in isoflop(known, budget)
    ]
    isoflop_curves(rows, plot, title=f"Loss against size at {show.flop(budget)}")
