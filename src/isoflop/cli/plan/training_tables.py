"""What `isoflop plan training` prints: the budget by each law, the model, the layout, the bill."""

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
from isoflop.plan.laws import LAWS
from isoflop.plan.scaling import Split
from isoflop.plan.training_run import Run, throughput

GIB = show.per(2**30, "GiB")


def text(planned: Planned, how: How, machine: Machine) -> str:
    """All of it, for people."""
    run = planned.run
    figures = show.figures(list(_figures(planned, machine)))
    parts = [
        f"{planned.split.parameters:.3g} parameters, {planned.split.tokens:.3g} tokens "
        f"({planned.split.tokens / planned.split.parameters:.3g} a parameter), "
        f"{run.chips:,} x {how.accelerator.name}",
        figures,
        _laws(planned, how),
        _flat(planned, how),
        "model: " + _shape(run.architecture),
        f"layout: {run.choice.layout}\n  " + "\n  ".join(run.choice.why),
        _memory(run),
    ]
    return "\n\n".join(part for part in parts if part)


def _figures(planned: Planned, machine: Machine) -> Iterator[tuple[str, show.Figure, show.Unit]]:
    run = planned.run
    power = energy(machine, run.seconds)
    yield "budget, 6 N D", planned.flops, _flop
    yield "time", run.seconds, show.hours
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
    """The optimum of this budget by each law."""
    rows = [
        (name, *_split_cells(found))
        for name, found in by_law(planned.flops.value, how.unique_tokens).items()
    ]
    head = ("compute-optimal by", "parameters", "tokens", "tokens/parameter", "loss", "perplexity")
    return table(head, rows)


def _split_cells(found: Split | None) -> tuple[str, ...]:
    if found is None:
        return ("-", "-", "-", "-", "-")
    loss = "-" if found.loss is None else f"{found.loss:.3f}"
    perplexity = "-" if found.perplexity is None else f"{found.perplexity:.2f}"
    return (
        show.plain(found.parameters),
        show.plain(found.tokens),
        f"{found.tokens / found.parameters:.3g}",
        loss,
        perplexity,
    )


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
    listed = ", ".join(f"{name} {GIB(part)}" for name, part in parts.items() if part)
    return f"memory a chip: {GIB(total.value)} ({GIB(total.low)} to {GIB(total.high)}): {listed}"


def as_values(planned: Planned, how: How, machine: Machine) -> dict[str, object]:
    """All of it, for JSON: SI units and dollars."""
    run, split = planned.run, planned.split
    power = energy(machine, run.seconds)
    flat = band(planned.flops.value, how)
    memory = run.choice.memory
    return {
        "flops": planned.flops,
        "parameters": split.parameters,
        "tokens": split.tokens,
        "loss": split.loss,
        "perplexity": split.perplexity,
        "chips": run.chips,
        "accelerator": how.accelerator.name,
        "seconds": run.seconds,
        "chip_hours": run.chip_seconds * (1 / show.HOUR),
        "utilisation": planned.utilisation,
        "step_utilisation": run.choice.step.utilisation,
        "tokens_per_second": throughput(run.choice.step),
        "goodput": run.goodput,
        "model_flops": run.model_flops,
        "dollars": bill(run, machine),
        "joules": power.building,
        "kilowatt_hours": _times(power.building, 1 / show.KILOWATT_HOUR),
        "grams_co2e": power.grams_co2e,
        "tonnes_co2e": _times(power.grams_co2e, 1 / show.TONNE),
        "laws": {
            name: None if found is None else _split_values(found)
            for name, found in by_law(planned.flops.value, how.unique_tokens).items()
        },
        "flat_band": None if flat is None else [_split_values(end) for end in flat],
        "architecture": {**asdict(run.architecture), "parameters": parameters(run.architecture)},
        "layout": {**asdict(run.choice.layout), "data": run.choice.layout.data},
        "why": list(run.choice.why),
        "optimizer": run.optimizer,
        "memory": {
            "weights": memory.weights,
            "gradients": memory.gradients,
            "optimizer": memory.optimizer,
            "activations": memory.activations,
            "working": memory.working,
            "logits": memory.logits,
            "total": memory.total,
        },
    }


def _split_values(found: Split) -> dict[str, float | None]:
    return {
        "parameters": found.parameters,
        "tokens": found.tokens,
        "loss": found.loss,
        "perplexity": found.perplexity,
    }


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
        f"Sequences of {run.length:,} tokens, {layout.sequences * run.length:.3g} tokens a step. "
        f"MFU counts {per_token:.3g} FLOP a token: matrices and output head 6 each, causal "
        "attention, nothing computed twice, no embedding look-up; over the dense peak.",
        f"Budgets count 6 N D, as the laws do; loss in nats per token of each law's own text "
        f"({how.law}: {law.title}).",
        "Low and high hold 80 % of published runs: restarts, evaluation and layouts that were "
        "not the fastest are in; failed runs, experiments and data are not.",
        f"{price}; PUE {machine.power_usage_effectiveness:g}; grid {machine.grid}, "
        f"location-based; software of {how.year}.",
    ]


def _times(figure: Estimate | None, factor: float) -> Estimate | None:
    return None if figure is None else figure * factor


def _flop(figure: float) -> str:
    return f"{figure:.3g} FLOP"


def _percent(figure: float) -> str:
    return f"{100 * figure:.1f} %"
