"""isoflop plan memory: what a model takes on a chip, to train it and to serve it."""

import click

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.cli import options
from isoflop.cli.output import table
from isoflop.cli.plan import shapes, show
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.flops import parameters
from isoflop.plan.layout import Choice, fastest
from isoflop.plan.memory import kv_cache_bytes, weight_bytes
from isoflop.plan.training_memory import OPTIMIZERS, RESERVED_BYTES, USABLE_SHARE, Optimizer
from isoflop.plan.training_run import as_one_device

FORMATS = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}  # bytes a weight, scales left out


@click.command()
@click.argument("model", required=False)
@click.option("--params", metavar="N", help="Instead of MODEL: a usual shape of that size.")
@shapes.written
@show.on
@click.option("--length", default=2048, show_default=True, help="Tokens of a sequence.")
@click.option("--batch", default=64, show_default=True, help="Sequences of a step, or served.")
@click.option(
    "--optimizer",
    type=click.Choice(OPTIMIZERS),
    default="adam",
    show_default=True,
    help="What is kept per parameter in training.",
)
@click.option(
    "--format",
    "number_format",
    type=click.Choice(tuple(FORMATS)),
    default="bf16",
    show_default=True,
    help="Of weights served.",
)
@options.as_json
def memory(
    model: str | None,
    params: str | None,
    written: str | None,
    on: str | None,
    length: int,
    batch: int,
    optimizer: Optimizer,
    number_format: str,
    as_json: bool,
) -> None:
    """What MODEL takes on each chip: to train at the fastest layout that fits, and to serve.

    Serving is shown with weights and key-value cache divided evenly over the chips.
    """
    a = shapes.model(model, params, written)
    if length < 1 or batch < 1:
        raise UsageError("--length and --batch are at least 1.")
    if on is None:
        raise UsageError("Say on which chips: --on 8xh100-sxm.")
    machine = as_one_device(catalog.machine(on))
    served = _served(a, machine, length, batch, number_format)
    trained, why = _trained(a, machine, length, batch, optimizer)
    if as_json:
        show.print_figures(_values(a, served, trained, why))
    else:
        click.echo(_text(a, served, trained, why, machine))
    show.conventions(
        f"Training: {optimizer}, {length:,} tokens a sequence, {batch} sequences a step, fused "
        f"attention, no dropout. Serving: {number_format} weights, cache in 16 bits for {batch} "
        f"sequences of {length:,} tokens.",
        "Reserved is what context and libraries hold (1 to 3.5 GB), fragments 3 to 8 %: assumed.",
    )


def _trained(
    a: Architecture, machine: Machine, length: int, batch: int, optimizer: Optimizer
) -> tuple[Choice | None, str]:
    """The layout, or why there is none: serving is answered all the same."""
    try:
        found = fastest(a, machine.accelerator, machine.count, length, batch, optimizer=optimizer)
    except UsageError as problem:
        return None, str(problem)
    return found, ""


def _served(
    a: Architecture, machine: Machine, length: int, batch: int, number_format: str
) -> dict[str, Estimate]:
    weights = weight_bytes(a, bytes_per_parameter=FORMATS[number_format]) / machine.count
    cache = kv_cache_bytes(a, length, batch=batch) / machine.count
    return {
        "weights": Estimate.exact(weights),
        "kv_cache": Estimate.exact(cache),
        "total": Estimate.exact(weights + cache) + RESERVED_BYTES,
    }


def _text(
    a: Architecture,
    served: dict[str, Estimate],
    trained: Choice | None,
    why: str,
    machine: Machine,
) -> str:
    chip = machine.accelerator
    room = "" if chip.bytes is None else f", {show.memory(USABLE_SHARE * chip.bytes)} usable each"
    head = f"{show.plain(parameters(a))} parameters on {machine.count} x {chip.name}{room}"
    fits = chip.bytes is None or served["total"].value <= USABLE_SHARE * chip.bytes
    rows = [
        ("serve: " + name.replace("_", " "), figure, show.memory) for name, figure in served.items()
    ]
    text = f"{head}\n\n{show.figures(rows)}"
    if not fits:
        text += "\n\nserving does not fit: take more chips, fewer sequences or smaller weights"
    if trained is None:
        return f"{text}\n\ntraining: {why}"
    parts = [(name, show.memory(size)) for name, size in _parts(trained).items()]
    total = trained.memory.total
    return (
        f"{text}\n\ntrain: {trained.layout}\n\n{table(('a chip', ''), parts)}\n\n"
        f"in all {show.memory(total.value)} ({show.memory(total.low)} to {show.memory(total.high)})"
    )


def _parts(choice: Choice) -> dict[str, float]:
    m = choice.memory
    return {
        "weights": m.weights,
        "gradients": m.gradients,
        "optimizer": m.optimizer,
        "activations": m.activations,
        "working": m.working,
        "logits": m.logits,
    }


def _values(
    a: Architecture, served: dict[str, Estimate], trained: Choice | None, why: str
) -> dict[str, object]:
    train = None
    if trained is not None:
        train = {
            **{name: Estimate.exact(size) for name, size in _parts(trained).items()},
            "total": trained.memory.total,
            "layout": str(trained.layout),
            "why": list(trained.why),
        }
    return {
        "parameters": Estimate.exact(parameters(a)),
        "serving": served,
        "training": train,
        "problem": why,
    }
