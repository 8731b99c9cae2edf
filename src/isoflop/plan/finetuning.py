"""What adapting a model costs: all weights, low-rank factors, or factors on a 4-bit base."""

from dataclasses import dataclass, replace
from typing import Literal

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Accelerator
from isoflop.plan.flops import (
    attended_pairs,
    attention_flops,
    matmul_parameters,
    parameters,
)
from isoflop.plan.layout import Choice, fastest
from isoflop.plan.parallel import Layout
from isoflop.plan.training import THIS_YEAR, Job, step, training_format
from isoflop.plan.training_memory import STATES, USABLE_SHARE, Memory, training_memory
from isoflop.plan.training_run import PROCESSOR_FACTOR, RUN_FACTOR, overhead

Method = Literal["full", "lora", "qlora"]
METHODS: tuple[Method, ...] = ("full", "lora", "qlora")

RANK = 16  # the usual of libraries; Hu et al. 2021, arXiv:2106.09685, find 1 to 64 alike
# NF4: 4 bits, a scale per 64 values kept in 8 bits, and one fp32 per 256 scales: 0.127 bits more
# (Dettmers et al. 2023, arXiv:2305.14314, section 3).
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# QLoRA takes longer than LoRA for undoing the 4 bits before each product; between 1.1 and 1.6
# times in reports (arXiv:2305.14314's code notes; recalled, not measured here).
DEQUANTIZE = Estimate(1.1, 1.3, 1.6, "assumed")


@dataclass(frozen=True, slots=True)
class Adapted:
    """What a fine-tuning is expected to take.

    Attributes:
        method: How.
        trained: Parameters that change.
        frozen: Parameters that do not.
        flops: Of all tokens.
        chips: That work on it.
        layout: How the step is divided.
        memory: On the fullest chip.
        chip_seconds: Of all chips together.
    """

    method: Method
    trained: float
    frozen: float
    flops: float
    chips: int
    layout: Layout
    memory: Memory
    chip_seconds: Estimate

    @property
    def seconds(self) -> Estimate:
        """Wall time."""
        return self.chip_seconds * (1 / self.chips)


def adapter_parameters(architecture: Architecture, rank: int = RANK) -> int:
    """Parameters of low-rank factors beside every matrix of the layers.

    A matrix of m x n gets factors m x rank and rank x n. Experts' matrices get theirs each; latent
    attention is counted as its four main projections.

    Raises:
        UsageError: If the rank is less than 1 or not less than the width.

    Source:
        Hu et al. 2021, arXiv:2106.09685, section 4.1; all matrices as in Dettmers et al. 2023.
    """
    a = architecture
    if not 1 <= rank < a.width:
        raise UsageError(f"a rank is from 1 to less than the width {a.width:,}, got {rank}")
    attention = 2 * (a.width + a.query_width) + 2 * (a.width + a.kv_width)
    matrices = 3 if a.gated else 2
    dense = matrices * (a.width + a.hidden) if a.hidden else 0
    layers = a.attention_layers * attention + (a.layers - a.expert_layers) * dense
    if a.experts:
        each = matrices * (a.width + a.experts.hidden) * a.experts.count
        shared = matrices * (a.width + a.experts.shared_hidden) if a.experts.shared_hidden else 0
        layers += a.expert_layers * (each + shared)
    return rank * layers


def finetuning_flops_per_token(
    architecture: Architecture, length: float, method: Method = "full", rank: int = RANK
) -> float:
    """FLOPs of one token: 6 for what changes, 4 for what does not, and attention.

    A frozen matrix is gone through forward and backward, but its own gradient is not needed: 4 in
    place of 6. Undoing 4-bit weights is not counted.

    Args:
        architecture: Of the model.
        length: Tokens of a sequence.
        method: "full", "lora" or "qlora".
        rank: Of the factors.
    """
    a = architecture
    attention = 3 * attention_flops(a, attended_pairs(a, length)) / length
    if method == "full":
        return 6.0 * matmul_parameters(a) + attention
    return 4.0 * matmul_parameters(a) + 6.0 * adapter_parameters(a, rank) + attention


def finetuning(
    architecture: Architecture,
    tokens: float,
    accelerator: Accelerator,
    chips: int = 1,
    *,
    method: Method = "full",
    rank: int = RANK,
    length: int = 2048,
    sequences: int = 16,
) -> Adapted:
    """A fine-tuning on so many chips.

    Full fine-tuning is a training run. With low-rank factors each chip holds the frozen model,
    or, where that does not fit, a share of it gathered when needed; only the factors have gradients
    and states. Layers are computed again where keeping them does not fit.

    Args:
        architecture: Of the model.
        tokens: Read in all, repetitions counted.
        accelerator: The chip.
        chips: How many.
        method: "full", "lora" or "qlora".
        rank: Of the factors.
        length: Tokens of a sequence.
        sequences: Of a step, over all chips.

    Raises:
        UsageError: If nothing fits, with the numbers; or a number makes no sense.
    """
    if not 0 < tokens < float("inf"):
        raise UsageError(f"fine-tuning needs a positive number of tokens, got {tokens:g}")
    flops = tokens * finetuning_flops_per_token(architecture, length, method, rank)
    if method == "full":
        choice = fastest(architecture, accelerator, chips, length, max(sequences, chips))
        trained, frozen = float(parameters(architecture)), 0.0
    else:
        choice = _frozen(architecture, accelerator, chips, length, sequences, method, rank)
        trained = float(adapter_parameters(architecture, rank))
        frozen = float(parameters(architecture))
    each = Estimate.exact(choice.step.chip_seconds_per_token * tokens)
    if method != "full":
        each = each * _saved(architecture, choice, length, method, rank)
    factor = PROCESSOR_FACTOR if accelerator.bytes is None else RUN_FACTOR
    lost = overhead(architecture, accelerator, chips, THIS_YEAR)
    taken = each * Estimate.within(lost, factor)
    return Adapted(method, trained, frozen, flops, chips, choice.layout, choice.memory, taken)


def _saved(
    a: Architecture, choice: Choice, length: int, method: Method, rank: int
) -> float | Estimate:
    """Time over that of a full step: products of frozen weights' gradients are left out."""
    full = finetuning_flops_per_token(a, length)
    less = finetuning_flops_per_token(a, length, method, rank)
    again = 2.0 * matmul_parameters(a) if choice.layout.recompute == "full" else 0.0
    products = (less + again) / (full + again)
    share = choice.step.matmul / choice.step.chip_seconds_per_token
    kept = 1 - share * (1 - products)
    return kept * DEQUANTIZE if method == "qlora" else kept


def _frozen(
    a: Architecture,
    chip: Accelerator,
    chips: int,
    length: int,
    sequences: int,
    method: Method,
    rank: int,
) -> Choice:
    """The fastest way to hold a frozen model and train factors beside it."""
    room = float("inf") if chip.bytes is None else USABLE_SHARE * chip.bytes
    best: Choice | None = None
    least = float("inf")
    for layout in _ways(chips, sequences):
        memory = frozen_memory(a, layout, length, method, rank, training_format(chip))
        needed = memory.total.value
        least = min(least, needed)
        if needed > room:
            continue
        taken = step(Job(a, chip, layout, length))
        # weights are gathered, but no gradients of theirs summed, nor states updated
        gathered = taken.sharding / 2 if layout.sharding == 3 else 0.0
        taken = replace(taken, sharding=gathered, update=0.0)
        if best is None or taken.chip_seconds_per_token < best.step.chip_seconds_per_token:
            best = Choice(layout, taken, memory, ())
    if best is None:
        raise UsageError(
            f"{method} does not fit on {chips} x {chip.name}: at least {least / 2**30:.1f} GiB a "
            f"chip, and {room / 2**30:.1f} of {(chip.bytes or 0) / 2**30:.1f} GiB can be used. "
            "Take more chips, shorter sequences"
            + (", or --method qlora." if method == "lora" else ".")
        )
    return best


def _ways(chips: int, sequences: int) -> list[Layout]:
    made = []
    microbatch = 1
    while microbatch == 1 or microbatch * chips <= sequences:
        for sharding in (0, 3) if chips > 1 else (0,):
            for recompute in ("none", "full"):
                layout = Layout(
                    chips, sharding=sharding, microbatch=microbatch,
                    recompute=recompute,
                )  # fmt: skip
                made.append(layout.with_batch(sequences))
        microbatch *= 2
    return made


def frozen_memory(
    architecture: Architecture,
    layout: Layout,
    length: int,
    method: Method,
    rank: int = RANK,
    number_format: str = "bf16",
) -> Memory:
    """Bytes on a chip that holds a frozen model and trains factors beside it.

    Args:
        architecture: Of the model.
        layout: Sharding 0 for the whole model on each chip, 3 for a share.
        length: Tokens of a sequence.
        method: "lora" for 16-bit weights, "qlora" for 4-bit ones with 16-bit tables.
        rank: Of the factors.
        number_format: Of activations; "fp32" on processors.
    """
    a = architecture
    wide = 4.0 if number_format == "fp32" else 2.0
    inside = float(a.matrix_parameters)
    base = wide * (parameters(a) - inside)
    base += (NF4_BYTES if method == "qlora" else wide) * inside
    factors = adapter_parameters(a, rank)
    shards = layout.data if layout.sharding == 3 else 1
    weights, gradients, states = (size * factors for size in STATES["adam"])
    plain = training_memory(a, layout, length, optimizer="adam-fp32" if wide == 4 else "adam")
    undone = 2 * a.matrix_parameters_per_layer if method == "qlora" else 0.0
    return Memory(
        base / shards + weights,
        gradients,
        states,
        plain.activations,
        plain.working + undone,
        plain.logits,
    )
