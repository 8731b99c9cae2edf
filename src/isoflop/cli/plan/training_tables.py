"""What `isoflop plan training` prints: the budget by each law, the model, the layout, the bill."""

import math
from collections.abc import Iterator
from dataclasses import asdict

from isoflop.architecture import Architecture
from isoflop.cli.output import table
from isoflop.cli.plan import show
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.budget import How, Planned, band, by_law
from isoflop.plan.energy import energy
from isoflop.plan.flops import parameters, training_flops_per_token
from isoflop.plan.laws import LAWS, Law
from isoflop.plan.scaling import Split, expected, expected_loss, isoflop
from isoflop.plan.training_run import STEP_FACTOR, Run, throughput

PARTS = ("weights", "gradients", "optimizer", "activations", "working", "logits")


def text(planned: Planned, how: How, machine: Machine) -> str:
    """All of it, for people."""
    run = planned.run
    figures = show.figures(list(_figures(planned, machine)))
    parts = [
        f"{show.plain(planned.split.parameters)} parameters, "
        f"{show.plain(planned.split.tokens)} tokens "
        f"({planned.split.tokens / planned.split.parameters:.3g} a parameter), "
        f"{run.chips:,} x {how.accelerator.name}",
        figures,
        _laws(planned, how),
        _curve(planned, how),
        _flat(planned, how),
        "model: " + _shape(run.architecture),
        f"layout: {run.choice.layout}\n  " + "\n  ".join(run.choice.why),
        _memory(run),
    ]
    return "\n\n".join(part for part in parts if part)


def _figures(planned: Planned, machine: Machine) -> Iterator[tuple[str, show.Figure, show.Unit]]:
    run = planned.run
    power = energy(machine, run.seconds)
    yield "budget, 6 N D", planned.flops, show.flop
    yield "time", run.seconds, show.unit_of_time
    yield "chip-hours", run.chip_seconds * (1 / show.HOUR), show.plain
    yield "utilisation of all time (MFU)", planned.utilisation, _percent
    yield "tokens a second, in steps", throughput(run.choice.step), show.plain
    yield "price of the chips", bill(run, machine), show.money
    yield "energy, cooling included", power.building, show.kilowatt_hours
    yield "CO2e of electricity", power.grams_co2e, show.carbon


def bill(run: Run, machine: Machine) -> Estimate | None:
    """Dollars for the chips, at the price of an hour."""
    each = machine.accelerator.dollars_per_hour
    return None if each is None else run.chip_seconds * (each / show.HOUR)


def _laws(planned: Planned, how: How) -> str:
    """The optimum of this budget by each law; a star where no run was so small or so large."""
    answers = by_law(planned.flops.value, how.unique_tokens)
    rows = [(name, *_split_cells(found, LAWS[name])) for name, found in answers.items()]
    head = ("compute-optimal by", "parameters", "tokens", "tokens/parameter", "loss", "perplexity")
    beyond = any(_beyond(found, LAWS[name]) for name, found in answers.items())
    ends = "{} to {}".format(*map(show.plain, LAWS[how.law].sizes))
    said = f"\n* extrapolated: beyond the sizes that its runs had ({how.law}: {ends} parameters)"
    return table(head, rows) + (said if beyond else "")


def _split_cells(found: Split | None, law: Law) -> tuple[str, ...]:
    if found is None:
        return ("-", "-", "-", "-", "-")
    star = "*" if _beyond(found, law) else ""
    loss = "-" if found.loss is None else f"{found.loss:.3f}{star}"
    perplexity = "-" if found.perplexity is None else f"{show.plain(found.perplexity)}{star}"
    return (
        show.plain(found.parameters),
        show.plain(found.tokens),
        f"{found.tokens / found.parameters:.3g}",
        loss,
        perplexity,
    )


def _beyond(found: Split | None, law: Law) -> bool:
    """Whether a loss is told of a size that no run of the law's had."""
    return found is not None and found.loss is not None and not law.reaches(found.parameters)


def curve(flops: float, how: How, points: int = 7) -> list[Split]:
    """Splits of the budget from an eighth of the best size to eight times it; none without one."""
    law = LAWS[how.law]
    if not law.has_isoflop_curve:
        return []
    return isoflop(law, flops, reach=8, points=points, unique_tokens=how.unique_tokens)


def _curve(planned: Planned, how: How) -> str:
    """What other sizes lose at the same budget."""
    found = [split for split in curve(planned.flops.value, how) if split.loss is not None]
    if not found:
        return ""
    least = min(split.loss for split in found if split.loss is not None)
    rows = [
        (
            show.plain(split.parameters),
            show.plain(split.tokens),
            f"{split.loss:.3f}",
            f"{100 * (split.loss / least - 1):.2f} %",
        )
        for split in found
        if split.loss is not None
    ]
    return table(("same budget, " + how.law, "tokens", "loss", "above the least"), rows)


def _flat(planned: Planned, how: How) -> str:
    found = band(planned.flops.value, how)
    if found is None:
        return ""
    low, high = found
    return (
        f"The optimum is flat: by {how.law}, loss is within 0.5 % of the least from "
        f"{show.plain(low.parameters)} parameters on {show.plain(low.tokens)} tokens to "
        f"{show.plain(high.parameters)} on {show.plain(high.tokens)}."
    )


def _shape(a: Architecture) -> str:
    head = a.head_width or a.width // a.heads
    gate = "gated " if a.gated else ""
    tied = "tied to" if a.tied else "apart from"
    return (
        f"{show.plain(parameters(a))} parameters in {a.layers} layers, width {a.width:,}, "
        f"{a.heads} heads of {head} ({a.kv_heads or a.heads} for keys and values), {gate}"
        f"feed-forward {a.hidden:,}, vocabulary {a.vocabulary:,}, output {tied} the embedding"
    )


def _memory(run: Run) -> str:
    m = run.choice.memory
    total = m.total
    parts = {
        "weights": m.weights,
        "gradients": m.gradients,
        f"optimizer ({run.optimizer})": m.optimizer,
        "activations": m.activations,
        "working": max(m.working, m.logits),
        "reserved, fragments": total.value - m.tensors,
    }
    listed = ", ".join(f"{name} {show.memory(part)}" for name, part in parts.items() if part)
    low, value, high = map(show.memory, (total.low, total.value, total.high))
    return f"memory a chip: {value} ({low} to {high}): {listed}"


def as_values(planned: Planned, how: How, machine: Machine) -> dict[str, object]:
    """All of it, for JSON: SI units and dollars."""
    run = planned.run
    power = energy(machine, run.seconds)
    flat = band(planned.flops.value, how)
    memory, law = run.choice.memory, LAWS[how.law]
    return {
        "flops": planned.flops,
        **_chosen(planned, how),
        "chips": run.chips,
        "accelerator": how.accelerator.name,
        "seconds": run.seconds,
        "chip_hours": run.chip_seconds * (1 / show.HOUR),
        "utilisation": planned.utilisation,
        "step_utilisation": Estimate.within(run.choice.step.utilisation, STEP_FACTOR),
        "tokens_per_second": throughput(run.choice.step),
        "goodput": Estimate.exact(run.goodput),
        "model_flops": Estimate.exact(run.model_flops),
        "dollars": bill(run, machine),
        "joules": power.building,
        "kilowatt_hours": _times(power.building, 1 / show.KILOWATT_HOUR),
        "grams_co2e": power.grams_co2e,
        "tonnes_co2e": _times(power.grams_co2e, 1 / show.TONNE),
        "laws": {
            name: None if found is None else _split_values(found, LAWS[name])
            for name, found in by_law(planned.flops.value, how.unique_tokens).items()
        },
        "flat_band": None if flat is None else [_split_values(end, law) for end in flat],
        "isoflop_curve": [_split_values(p, law) for p in curve(planned.flops.value, how, 25)],
        "architecture": {**asdict(run.architecture), "parameters": parameters(run.architecture)},
        "layout": {**asdict(run.choice.layout), "data": run.choice.layout.data},
        "why": list(run.choice.why),
        "optimizer": run.optimizer,
        "memory": {
            **{part: Estimate.exact(getattr(memory, part)) for part in PARTS},
            "total": memory.total,
        },
    }


def _chosen(planned: Planned, how: How) -> dict[str, Estimate | None]:
    """Parameters, tokens and loss; where the law chose them, with what other laws say."""
    split = planned.split
    parameters, tokens = (Estimate.exact(n, "assumed") for n in (split.parameters, split.tokens))
    if not planned.given:
        size, read = expected(planned.flops.value, name=how.law)
        parameters, tokens = _around(split.parameters, size), _around(split.tokens, read)
    loss = None
    if split.loss is not None:
        loss = expected_loss(
            how.law, split.parameters, split.tokens, unique_tokens=how.unique_tokens
        )
    return {
        "parameters": parameters,
        "tokens": tokens,
        "loss": loss,
        "perplexity": None
        if loss is None
        else Estimate(math.exp(loss.low), math.exp(loss.value), math.exp(loss.high)),
    }


def _around(value: float, interval: Estimate) -> Estimate:
    return Estimate(min(value, interval.low), value, max(value, interval.high))


def _split_values(found: Split, law: Law) -> dict[str, Estimate | bool | None]:
    figures = (found.parameters, found.tokens, found.loss, found.perplexity)
    names = ("parameters", "tokens", "loss", "perplexity")
    exact = [None if figure is None else Estimate.exact(figure) for figure in figures]
    return {**dict(zip(names, exact, strict=True)), "extrapolated": _beyond(found, law)}


def conventions(planned: Planned, how: How, machine: Machine) -> list[str]:
    """What the figures assume."""
    run, chip = planned.run, machine.accelerator
    layout = run.choice.layout
    per_token = training_flops_per_token(run.architecture, run.length)
    law = LAWS[how.law]
    price = (
        "the price of a chip is not known: give --price"
        if chip.dollars_per_hour is None
        else f"${chip.dollars_per_hour:g} a chip and hour"
    )
    return [
        f"Sequences of {run.length:,} tokens, {show.plain(layout.sequences * run.length)} tokens "
        f"a step. MFU counts {show.flop(per_token)} a token: matrices and output head 6 each, "
        "causal attention, nothing computed twice, no embedding look-up; over the dense peak.",
        f"Budgets count 6 N D, as the laws do; loss in nats per token of each law's own text "
        f"({how.law}: {law.title}).",
        "Low and high hold 80 % of published runs: restarts, evaluation and layouts that were "
        "not the fastest are in; failed runs, experiments and data are not.",
        f"{price}; {show.building(machine)}; grid {machine.grid}, "
        f"location-based; software of {how.year}.",
    ]


def _times(figure: Estimate | None, factor: float) -> Estimate | None:
    return None if figure is None else figure * factor


def _percent(figure: float) -> str:
    return f"{100 * figure:.1f} %"
