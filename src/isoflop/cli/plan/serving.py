"""isoflop plan serving: a model on chips, with users."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import click

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.cli import options
from isoflop.cli.plan import serving_tables, show
from isoflop.errors import UsageError, did_you_mean
from isoflop.machine import Machine
from isoflop.plan.deployment import BYTES, Deployment
from isoflop.plan.engines import ENGINES
from isoflop.plan.frontier import Point, formats_for, frontier, points
from isoflop.plan.queueing import Demand
from isoflop.plan.service import TARGETS, Service, best, service, ways
from isoflop.plan.shape import shape
from isoflop.quantities import count, seconds
from isoflop.quantities import rate as rate_of

T = TypeVar("T")

# Silent reading, 238 words a minute (Brysbaert 2019, recalled), 1.3 tokens a word (ray-project/
# llm-numbers, 2023): a user reads the answer before asking again.
READING_TOKENS_PER_SECOND = 238 * 1.3 / 60
MOST_USERS, MOST_RATE = 20_000, 10_000  # of one chip; none known comes near


@click.command()
@click.argument("model", required=False)
@show.on
@click.option("--prompt", default="1000", show_default=True, metavar="TOKENS", help="Read.")
@click.option("--output", default="300", show_default=True, metavar="TOKENS", help="Written.")
@click.option("--users", metavar="N", help="Who ask, read the answer, and ask again.  [default: 1]")
@click.option("--think", metavar="TIME", help="Between questions.  [default: to read the answer]")
@click.option("--rate", metavar="N/TIME", help="Requests instead of users, such as 20/s.")
@click.option("--shared", default=0.0, metavar="SHARE", help="Of prompts that is kept (prefix).")
@click.option("--weights", default="bf16", show_default=True, help="|".join(BYTES))
@click.option("--cache", default="bf16", show_default=True, help="Format of keys and values.")
@click.option("--memory", metavar="BYTES", help="Of one chip, or of the machine of cores.")
@click.option("--tp", type=int, metavar="CHIPS", help="Of one copy.  [default: the best]")
@click.option("--dp", type=int, metavar="N", help="With --tp: groups that share the experts.")
@click.option("--drafts", type=int, default=0, metavar="K", help="Tokens drafted for a step,")
@click.option("--accepted", default=0.7, show_default=True, metavar="SHARE", help="kept of them.")
@click.option("--engine", default="vllm", show_default=True, help="|".join(ENGINES))
@click.option("--for", "purpose", help="|".join(TARGETS) + ": how long a reader waits.")
@click.option("--load", default=0.4, show_default=True, metavar="SHARE", help="For the price.")
@click.option("--api-price", metavar="P/O", help="$/Mtoken read/written, or a row of prices.")
@click.option("--params", metavar="N", help="Instead of MODEL: a dense one of this size,")
@click.option("--layers", type=int, help="or one of these sizes:")
@click.option("--width", type=int)
@click.option("--heads", type=int)
@click.option("--kv-heads", type=int)
@click.option("--hidden", type=int)
@click.option("--vocabulary", type=int)
@show.price
@show.grid
@show.pue
@show.plot
@options.as_json
def serving(
    model: str | None,
    on: str | None,
    prompt: str,
    output: str,
    users: str | None,
    think: str | None,
    rate: str | None,
    shared: float,
    weights: str,
    cache: str,
    memory: str | None,
    tp: int | None,
    dp: int | None,
    drafts: int,
    accepted: float,
    engine: str,
    purpose: str | None,
    load: float,
    api_price: str | None,
    params: str | None,
    layers: int | None,
    width: int | None,
    heads: int | None,
    kv_heads: int | None,
    hidden: int | None,
    vocabulary: int | None,
    price: float | None,
    grid: str | None,
    pue: float | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """What users of MODEL get on CHIPS: memory, waiting, tokens per second, dollars, energy.

    Without --tp, copies of one chip, two, four and so on are tried, and the one that answers
    soonest is shown; with --for, the one with the greatest rate that keeps to the target.
    """
    if on is None:
        raise UsageError("Say which chips: --on 8xh100-sxm.")
    sizes = {
        "layers": layers, "width": width, "heads": heads, "kv_heads": kv_heads, "hidden": hidden,
        "vocabulary": vocabulary,
    }  # fmt: skip
    if drafts < 0 or not 0 <= accepted <= 1:
        raise UsageError("--drafts is a number of tokens, --accepted a share from 0 to 1.")
    architecture = _architecture(model, params, sizes)
    machine = catalog.machine(on, grid=grid, power_usage_effectiveness=pue, dollars_per_hour=price)
    machine = _placed(machine, None if memory is None else count(memory, of="memory"))
    demand = _demand(prompt, output, users, think, rate)
    _bearable(demand, machine.count)
    target = None if purpose is None else _known(TARGETS, purpose, "purpose")
    software = _known(ENGINES, engine, "engine")
    d = Deployment(architecture, machine.accelerator, software, weights, cache)
    found = _tried(d, machine, demand, (tp, dp), load=load, shared=shared)
    told = serving_tables.Told(
        model=model or "the model",
        machine=machine,
        demand=demand,
        chosen=best(found, target),
        tried=found,
        frontier=_frontier(d, machine, demand, shared),
        target=target,
        purpose=purpose,
        api=None if api_price is None else _api_price(api_price),
        drafts=(drafts, accepted),
    )
    if as_json:
        show.print_figures(serving_tables.values(told))
    else:
        click.echo(serving_tables.text(told))
    show.conventions(*serving_tables.conventions(told))
    if plot is not None:
        _draw(told, plot)


def _draw(told: serving_tables.Told, plot: str) -> None:
    from isoflop.cli.plan.plots import serving_frontier  # needs the extra `plot`

    serving_frontier(serving_tables.plotted(told.frontier), plot)
    show.conventions(f"Drawn in {plot}.")


def _tried(
    d: Deployment,
    machine: Machine,
    demand: Demand,
    ways_given: tuple[int | None, int | None],
    **options: float,
) -> list[Service]:
    """The way that was asked for, or one for each number of chips a copy."""
    tp, dp = ways_given
    if tp is None and dp is not None:
        raise UsageError("--dp needs --tp: the chips of each group.")
    if tp is None:
        return ways(d, machine, demand, **options)
    d = replace(d, tensor_parallel=tp, data_parallel=1 if dp is None else dp)
    return [service(d, machine, demand, **options)]


def _frontier(d: Deployment, machine: Machine, demand: Demand, shared: float) -> list[Point]:
    found = points(
        d,
        machine.count,
        demand.prompt_tokens,
        demand.output_tokens,
        formats=formats_for(d),
        cached_tokens=demand.prompt_tokens * shared,
    )
    return frontier(found)


def _placed(machine: Machine, memory: float | None) -> Machine:
    """The machine with this memory; cores that share the host's memory serve as one chip."""
    chip = machine.accelerator
    if memory is not None:
        chip = replace(chip, bytes=memory)
    if machine.accelerator.bytes is not None or machine.count == 1:
        return replace(machine, accelerator=chip)
    cores = machine.count

    def whole(figure: float | None) -> float | None:
        return None if figure is None else figure * cores

    chip = replace(
        chip,
        name=f"({cores} {chip.name})",
        flops_per_second={name: rate * cores for name, rate in chip.flops_per_second.items()},
        bytes_per_second=whole(chip.bytes_per_second),
        watts=whole(chip.watts),
        dollars_per_hour=whole(chip.dollars_per_hour),
    )
    return replace(machine, accelerator=chip, count=1)


def _architecture(
    model: str | None, params: str | None, sizes: dict[str, int | None]
) -> Architecture:
    given = {name: value for name, value in sizes.items() if value is not None}
    if sum((model is not None, params is not None, bool(given))) != 1:
        raise UsageError(
            "Name one model: by its name in the catalog, by --params, or by --layers, --width, "
            "--heads and their like."
        )
    if model is not None:
        return catalog.architecture(model)
    if params is not None:
        return shape(count(params, of="number of parameters"))
    missing = [name for name in ("layers", "width", "heads") if name not in given]
    if missing:
        raise UsageError(f"A model by its sizes needs --{' and --'.join(missing)} too.")
    try:
        return Architecture(
            layers=given["layers"],
            width=given["width"],
            heads=given["heads"],
            kv_heads=given.get("kv_heads"),
            # gated, 8/3 of the width: as many parameters as ungated with 4 (Shazeer 2020)
            hidden=given.get("hidden", round(given["width"] * 8 / 3)),
            vocabulary=given.get("vocabulary", 128_000),
            gated=True,
            tied=False,
        )
    except ValueError as problem:
        raise UsageError(f"{problem}.") from problem


def _demand(
    prompt: str, output: str, users: str | None, think: str | None, rate: str | None
) -> Demand:
    prompt_tokens = count(prompt, of="prompt length", units=("tokens",))
    output_tokens = count(output, of="output length", units=("tokens",))
    if rate is not None and (users is not None or think is not None):
        raise UsageError("Give --rate, or --users (and --think), not both.")
    if rate is not None:
        amount, period = rate_of(rate, of="rate of requests")
        if period == float("inf"):
            raise UsageError(f"--rate {rate}: in how long? Write it such as 20/s or 1000/day.")
        return Demand(prompt_tokens, output_tokens, requests_per_second=amount / period)
    number = count(users or "1", of="number of users", units=("users",))
    if number < 1 or number != round(number):
        raise UsageError(f"--users {users}: users are counted in whole numbers, from 1.")
    pause = output_tokens / READING_TOKENS_PER_SECOND
    if think is not None:
        pause = 0.0 if think.strip() in ("0", "0s") else seconds(think, of="time to think")
    return Demand(prompt_tokens, output_tokens, users=round(number), think_seconds=pause)


def _bearable(demand: Demand, chips: int) -> None:
    """Refuse what no chip bears, rather than simulate it for minutes."""
    users, rate = demand.users or 0, demand.requests_per_second or 0
    if users > MOST_USERS * chips:
        raise UsageError(
            f"{users:,} users are more than {MOST_USERS:,} a chip, which none serves. Give more "
            "chips, or fewer users."
        )
    if rate > MOST_RATE * chips:
        raise UsageError(
            f"Requests come faster than they are answered: {rate:,.0f} a second are more than "
            f"{MOST_RATE:,} a chip. Give more chips, or fewer requests."
        )


def _known(table: Mapping[str, T], name: str, kind: str) -> T:
    if name not in table:
        raise UsageError(
            f"No {kind} called {name!r}.{did_you_mean(name, table)} Known: {', '.join(table)}."
        )
    return table[name]


def _api_price(text: str) -> tuple[float, float]:
    """Dollars of a prompt token and of an output token."""
    rows = catalog.table("prices")
    if text in rows:
        return rows[text]["prompt"], rows[text]["output"]
    first, slash, second = text.partition("/")
    try:
        read, written = float(first.lstrip("$")), float(second.lstrip("$"))
    except ValueError:
        read = written = -1.0
    if not slash or read < 0 or written <= 0:
        raise UsageError(
            f"--api-price {text}: write dollars per million tokens read and written, such as "
            f'"0.5/1.5", or a row of prices.{did_you_mean(text, rows)}'
        )
    return read / 1e6, written / 1e6
