"""The layout that fits the memory of the chips and is expected to be fastest, and why."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.machine import Accelerator
from isoflop.plan.flops import Recompute
from isoflop.plan.parallel import Layout, node_chips
from isoflop.plan.training import FUSED_YEAR, THIS_YEAR, Job, Step, step
from isoflop.plan.training_memory import USABLE_SHARE, Memory, Optimizer, training_memory

MICROBATCHES = (1, 2, 4, 8, 16, 32, 64)
MOST_TENSOR, MOST_STAGES, MOST_INTERLEAVE = 8, 64, 8
SEQUENCE_PARALLEL_YEAR = 2022  # Korthikanti et al., arXiv:2205.05198
# Tokens of a step that lose nothing: B = 0.2920 C^0.3271 (DeepSeek LLM, arXiv:2401.02954, section
# 3.1), C in FLOP without embeddings; fitted from 1e17 to 2e19, used to 3e23 there.
BATCH, BATCH_EXPONENT = 0.2920, 0.3271


@dataclass(frozen=True, slots=True)
class Choice:
    """A layout with what is expected of it.

    Attributes:
        layout: How the step is divided.
        step: Its expected time.
        memory: On the fullest chip.
        why: Sentences that say what decided.
    """

    layout: Layout
    step: Step
    memory: Memory
    why: tuple[str, ...]


def batch_sequences(flops: float, length: int) -> int:
    """Sequences a step that a training budget calls for; at least one.

    Source:
        Bi et al. 2024 (DeepSeek LLM), arXiv:2401.02954, section 3.1.
    """
    return max(1, round(BATCH * math.pow(flops, BATCH_EXPONENT) / length))


def fastest(
    architecture: Architecture,
    accelerator: Accelerator,
    chips: int,
    length: int,
    sequences: int,
    *,
    optimizer: Optimizer = "adam",
    number_format: str | None = None,
    year: int = THIS_YEAR,
) -> Choice:
    """The fastest layout that fits.

    Tried are all divisions into tensor, pipeline and data parallelism that the sizes allow, with
    optimizer states or everything sharded, and recomputation only where nothing else fits; with
    everything sharded, microbatches up to 64.

    Args:
        architecture: Of the model.
        accelerator: The chip.
        chips: How many.
        length: Tokens of a sequence.
        sequences: Of a step, over all chips; more if the chips outnumber them.
        optimizer: What is kept per parameter.
        number_format: Of matrix products; None for the chip's usual.
        year: Of the software.

    Raises:
        UsageError: If nothing fits; the message gives the numbers of the nearest.
    """
    best: tuple[float, Layout, Step, Memory] | None = None
    nearest: tuple[float, Layout] | None = None
    room = math.inf if accelerator.bytes is None else USABLE_SHARE * accelerator.bytes
    plain = year < FUSED_YEAR
    for divided in layouts(architecture, accelerator, chips, sequences, year=year):
        for recompute in _recomputes(year):
            layout = divided if recompute == "none" else replace(divided, recompute=recompute)
            memory = training_memory(
                architecture, layout, length, optimizer=optimizer,
                dropout=plain, attention="plain" if plain else "fused",
            )  # fmt: skip
            needed = memory.total.value
            if nearest is None or needed < nearest[0]:
                nearest = (needed, layout)
            if needed > room:
                continue
            taken = step(Job(architecture, accelerator, layout, length, number_format, year))
            if best is None or taken.chip_seconds_per_token < 0.995 * best[0]:  # ties: the simpler
                best = (taken.chip_seconds_per_token, layout, taken, memory)
            break  # to compute more again only takes longer
    if best is None:
        assert nearest is not None
        raise UsageError(_nothing(accelerator, chips, nearest, room))
    return Choice(*best[1:], _why(accelerator, *best[1:], room))


def chosen(job: Job, optimizer: Optimizer = "adam") -> Choice:
    """A layout as given, with its time and memory.

    Raises:
        UsageError: If the layout does not go with the architecture, or does not fit; the message
            gives the numbers.
    """
    plain = job.year < FUSED_YEAR
    try:
        memory = training_memory(
            job.architecture, job.layout, job.length, optimizer=optimizer,
            dropout=plain, attention="plain" if plain else "fused",
        )  # fmt: skip
    except ValueError as problem:
        raise UsageError(f"{problem}.") from problem
    chip = job.accelerator
    room = math.inf if chip.bytes is None else USABLE_SHARE * chip.bytes
    if memory.total.low > room:
        raise UsageError(
            f"That layout needs {_gib(memory.total.value)} a chip ({job.layout}), and "
            f"{_gib(room)} of {_gib(chip.bytes or 0)} can be used on {chip.name}."
        )
    taken = step(job)
    return Choice(job.layout, taken, memory, _why(chip, job.layout, taken, memory, room))


def layouts(
    architecture: Architecture,
    accelerator: Accelerator,
    chips: int,
    sequences: int,
    *,
    year: int = THIS_YEAR,
) -> Iterator[Layout]:
    """Every layout that the sizes allow, the simplest first, without recomputation."""
    for stages in _stages(architecture, chips):
        for tensor in _tensors(architecture, accelerator, chips // stages):
            whole = Layout(
                chips, tensor, stages,
                interleave=_interleave(architecture.layers, stages),
                sequence_parallel=tensor > 1 and year >= SEQUENCE_PARALLEL_YEAR,
            )  # fmt: skip
            for microbatch in MICROBATCHES:
                if microbatch > 1 and microbatch * whole.data > sequences:
                    break
                batched = replace(whole, microbatch=microbatch).with_batch(sequences)
                for sharding in _shardings(batched):
                    if microbatch > 1 and sharding < 3:
                        continue  # larger pieces save nothing but the gathering of weights
                    yield replace(batched, sharding=sharding) if sharding else batched


def _stages(a: Architecture, chips: int) -> Iterator[int]:
    """Those that divide the layers, and powers of two, whose last stage may hold fewer."""
    for stages in range(1, min(MOST_STAGES, a.layers, chips) + 1):
        even = a.layers % stages == 0 or stages & (stages - 1) == 0
        if even and chips % stages == 0:
            yield stages


def _tensors(a: Architecture, chip: Accelerator, chips: int) -> Iterator[int]:
    tensor = 1
    while tensor <= min(MOST_TENSOR, node_chips(chip)):
        if chips % tensor == 0 and a.heads % tensor == 0:
            yield tensor
        tensor *= 2


def _interleave(layers: int, stages: int) -> int:
    """As many pieces a stage as its layers divide into, up to 8; none without a pipeline."""
    if stages == 1 or layers % stages:
        return 1
    each = layers // stages
    return max(v for v in range(1, MOST_INTERLEAVE + 1) if each % v == 0)


def _shardings(layout: Layout) -> tuple[int, ...]:
    if layout.data == 1:
        return (0,)
    return (0, 1, 3) if layout.pipeline == 1 else (0, 1)


def _recomputes(year: int) -> tuple[Recompute, ...]:
    return ("none", "selective", "full") if year < FUSED_YEAR else ("none", "full")


def _nothing(chip: Accelerator, chips: int, nearest: tuple[float, Layout], room: float) -> str:
    needed, layout = nearest
    return (
        f"Nothing fits on {chips} x {chip.name}: the least found is {_gib(needed)} a chip "
        f"({layout}), and {_gib(room)} of {_gib(chip.bytes or 0)} can be used. Take more chips, "
        "chips with more memory, shorter sequences, or an optimizer that keeps less "
        "(--optimizer adam-8bit)."
    )


def _why(
    chip: Accelerator, layout: Layout, taken: Step, memory: Memory, room: float
) -> tuple[str, ...]:
    """What decided, in sentences."""
    used = memory.total.value
    lines = []
    if math.isfinite(room):
        lines.append(f"{_gib(used)} of {_gib(room)} usable on the fullest chip")
    if layout.sharding == 3:
        lines.append("weights, gradients and optimizer states sharded over all ranks (FSDP)")
    elif layout.sharding:
        lines.append("optimizer states sharded over the data-parallel ranks (ZeRO-1)")
    if layout.tensor > 1:
        lines.append(f"each matrix shared by {layout.tensor} chips of a node")
    if layout.pipeline > 1:
        lines.append(f"{layout.pipeline} stages, idle {100 * layout.bubble:.0f} % of the work")
    if layout.recompute == "full":
        lines.append("activations computed again: keeping them would need smaller pieces")
    parts = {
        "matrix products": taken.matmul,
        "attention": taken.attention,
        "memory traffic": taken.traffic,
        "exchanges": taken.tensor + taken.sharding + taken.experts,
        "waiting": taken.waiting,
    }
    total = taken.chip_seconds_per_token
    shares = ", ".join(
        f"{name} {100 * part / total:.0f} %" for name, part in parts.items() if part > 0.005 * total
    )
    lines.append(f"time goes to {shares}")
    return tuple(lines)


def _gib(amount: float) -> str:
    return f"{amount / 2**30:.1f} GiB"
