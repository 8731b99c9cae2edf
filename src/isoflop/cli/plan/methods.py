"""isoflop plan methods: every way of answering questions about a corpus, and what each costs."""

import math
from collections.abc import Mapping
from itertools import permutations
from typing import Any, cast, get_args

import click

from isoflop import catalog, quantities
from isoflop.bill import Bill
from isoflop.cli import options
from isoflop.cli.output import amount, dollars, duration, table
from isoflop.cli.plan import show
from isoflop.cli.plan.energy import check
from isoflop.errors import UsageError
from isoflop.plan.copies import CannotHold, copy_of
from isoflop.plan.methods import (
    METHODS,
    Costs,
    Figure,
    break_even,
    busy_share,
    estimate,
)
from isoflop.workload import Workload

MONTH = quantities.SECONDS["month"]
FIGURES = cast("tuple[Figure, ...]", get_args(Figure))
CURVE_POINTS = 60


@click.command()
@click.option("--corpus", metavar="TOKENS", help="Of all documents: 5e6, 3M.")
@click.option("--questions", default="1000", show_default=True, metavar="N[/TIME]",
              help="In all, or in a time: 1000/day.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Of the catalog, such as llama-3.1-8b.")
@show.on
@click.option("--question-tokens", default=30.0, show_default=True, help="Of one question.")
@click.option("--answer-tokens", default=200.0, show_default=True, help="Written for one.")
@click.option("--passages", default=5.0, show_default=True, help="Read for one question or step.")
@click.option("--passage-tokens", default=230.0, show_default=True, help="Of one passage.")
@click.option("--steps", default=4.0, show_default=True, help="Of the agent.")
@click.option("--cache-hits", default=1.0, show_default=True, help="Share that finds its prefix.")
@click.option("--batch", default=1.0, show_default=True, help="Answered at once on one copy.")
@click.option("--epochs", default=3.0, show_default=True, help="Of fine-tuning on the corpus.")
@click.option("--by", type=click.Choice(FIGURES), default="dollars", show_default=True,
              help="What break-evens compare.")  # fmt: skip
@show.grid
@show.pue
@show.price
@show.plot
@options.as_json
def methods(
    corpus: str | None,
    questions: str,
    model: str | None,
    on: str | None,
    by: Figure,
    grid: str | None,
    pue: float | None,
    price: float | None,
    plot: str | None,
    as_json: bool,
    **sizes: float,
) -> None:
    """What every way of answering from a corpus costs: once, per question, per month.

    Closed book, long context (with and without a prefix cache), groups read once and attended
    together, retrieval, fine-tuning and an agent, on the same model and machine, with the number
    of questions at which one overtakes another. Cost only: how well they answer is another matter.
    """
    if corpus is None or model is None or on is None:
        raise UsageError("Say --corpus 5e6 --model llama-3.1-8b --on 1xh100-sxm, at least.")
    check(pue=pue, price=price)
    number, period = quantities.rate(questions, of="number of questions")
    try:
        workload = Workload(
            architecture=catalog.architecture(model),
            machine=catalog.machine(
                on, grid=grid, power_usage_effectiveness=pue, dollars_per_hour=price
            ),
            corpus_tokens=quantities.count(corpus, of="number of tokens", units=("tokens",)),
            questions=number,
            period_seconds=period,
            **sizes,
        )
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    copy_of(workload)  # refuses a model that the machine does not hold
    costs, cannot = _costs(workload)
    met = _break_evens(costs, by)
    if as_json:
        show.print_figures(_values(workload, costs, cannot, met))
    else:
        click.echo(_tables(workload, costs, cannot, met, by))
    if plot:
        _draw(workload, costs, met if by == "dollars" else _break_evens(costs, "dollars"), plot)
    _conventions(workload, model)


def _costs(w: Workload) -> tuple[dict[str, Costs], dict[str, str]]:
    """Of each method, or why it cannot be."""
    costs, cannot = {}, {}
    for name, method in METHODS.items():
        try:
            costs[name] = method(w)
        except CannotHold as reason:
            cannot[name] = str(reason)
    return costs, cannot


def _break_evens(costs: Mapping[str, Costs], by: Figure) -> list[tuple[float, str, str]]:
    """(questions, one, other): the other, dearer at first, is cheaper from there on."""
    met = []
    for one, other in permutations(costs, 2):
        questions = break_even(costs[one], costs[other], by)
        first = getattr(costs[other].once - costs[one].once, by)
        if questions is not None and first is not None and first > 0:
            met.append((questions, one, other))
    return sorted(met)


def _span(w: Workload) -> tuple[str, float]:
    """What the last columns are about: a month, or all questions."""
    if math.isinf(w.period_seconds):
        return f"{w.questions:,.0f} questions", w.questions
    return "a month", w.questions * MONTH / w.period_seconds


def _values(
    w: Workload,
    costs: Mapping[str, Costs],
    cannot: Mapping[str, str],
    met: list[tuple[float, str, str]],
) -> dict[str, Any]:
    span, number = _span(w)
    return {
        "methods": {
            name: {
                "once": _figures(c.once),
                "each": _figures(c.each),
                "in_all": _figures(c.each * number),
                "busy_share": busy_share(w, c),
            }
            for name, c in costs.items()
        },
        "in_all_is": span,
        "cannot": dict(cannot),
        "break_even": [
            {"questions": questions, "from": one, "to": other} for questions, one, other in met
        ],
    }


def _figures(bill: Bill) -> dict[str, Any]:
    tokens = {n: getattr(bill, n) for n in ("prompt_tokens", "cached_tokens", "output_tokens")}
    return {**tokens, **{name: estimate(bill, name) for name in FIGURES}}


def _tables(
    w: Workload,
    costs: Mapping[str, Costs],
    cannot: Mapping[str, str],
    met: list[tuple[float, str, str]],
    by: str,
) -> str:
    span, number = _span(w)
    head = ("", "once", "", "a question", "", "", "", "", span, "", "busy")
    units = ("method", "time", "price", "wait", "FLOP", "J", "price", "CO2e", "price", "CO2e", "")
    rows = [units, *(_row(name, c, number, busy_share(w, c)) for name, c in costs.items())]
    parts = [table(head, rows)]
    if cannot:
        parts.append("\n".join(f"{name}: cannot be, {why}" for name, why in cannot.items()))
    if met:
        lines = [(f"{one} -> {other}", f"{math.ceil(q):,}") for q, one, other in met]
        parts.append(table((f"overtakes, by {by}", "after questions"), lines))
    return "\n\n".join(parts)


def _row(name: str, c: Costs, number: float, busy: float | None) -> tuple[str, ...]:
    month = c.each * number
    return (
        name,
        _wait(c.once.seconds) if c.once.seconds else "",
        dollars(c.once.dollars) if c.once.dollars else "",
        _wait(c.each.seconds),
        amount(c.each.flops, ""),
        amount(c.each.joules, ""),
        dollars(c.each.dollars),
        amount(c.each.grams_co2e, "g"),
        dollars(month.dollars),
        "-" if month.grams_co2e is None else show.carbon(month.grams_co2e),
        "" if busy is None else f"{busy:.1%}" if busy <= 1 else f"{busy:.1f} machines",
    )


def _wait(seconds: float | None) -> str:
    return amount(seconds, "s") if seconds is None or seconds < 100 else duration(seconds)


def _draw(
    w: Workload, costs: Mapping[str, Costs], met: list[tuple[float, str, str]], out: str
) -> None:
    from isoflop.cli.plan.plots import cost_against_questions  # needs the extra `plot`

    if any(c.once.dollars is None or c.each.dollars is None for c in costs.values()):
        raise UsageError("No price is known of this chip, so there is none to draw: give --price.")
    most = max([_span(w)[1], *(10 * q for q, _, _ in met)])
    steps = [most ** (i / CURVE_POINTS) for i in range(CURVE_POINTS + 1)]
    rows = [
        {"series": name, "questions": q, "dollars": c.total(q).dollars}
        for name, c in costs.items()
        for q in steps
    ]
    rings = [
        {"questions": q, "dollars": costs[one].total(q).dollars, "label": ""}
        for q, one, _ in met
        if q >= 1
    ]
    cost_against_questions(rows, out, crossings=rings)


def _conventions(w: Workload, model: str) -> None:
    d, machine = copy_of(w)
    chip = machine.accelerator
    price = "unknown" if chip.dollars_per_hour is None else f"${chip.dollars_per_hour:.2f}"
    show.conventions(
        f"{model} in {d.weights} by {d.engine.name}, one copy on {d.chips} x {chip.name} at "
        f"{price} an hour, batch {w.batch:g}; attention causal. A question pays the part of the "
        "machine it occupies, and energy of machines kept ready; idle hours of a rented machine "
        "come on top.",
        f"{w.asked_tokens:g} tokens asked, {w.answer_tokens:g} written, {w.passages:g} passages of "
        f"{w.passage_tokens:g}, agent of {w.steps:g} steps, {w.epochs:g} epochs of fine-tuning, "
        f"{w.cache_hits:.0%} of prefixes still kept.",
        f"Grid {machine.grid}, PUE {machine.power_usage_effectiveness:g}. Intervals are in --json.",
    )
