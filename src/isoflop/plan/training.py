"""How long a training step takes: arithmetic, memory traffic, communication, waiting.

Every term is physical; six constants were fitted, once, on published measurements. See
docs/explanation/training-cost.md for the formulas and the error on rows left out.
"""

import math
from dataclasses import dataclass

from isoflop.architecture import Architecture
from isoflop.machine import Accelerator
from isoflop.plan.flops import (
    attended_pairs,
    attention_flops,
    matmul_parameters,
    parameters,
    training_flops_per_token,
)
from isoflop.plan.parallel import Layout, node_chips, nodes
from isoflop.plan.training_memory import STATES, layer_saved


@dataclass(frozen=True, slots=True)
class Fitted:
    """The constants that no data sheet gives.

    Fitted together by `python -m benchmarks.plan_training --fit`; errors with whole chips and whole
    sources left out are in benchmarks/results/plan_training.json.

    Attributes:
        matmul: Rate of matrix products in training, over the most that measurements reach.
        traffic: Bytes moved to and from memory per byte kept for the way back.
        sharding: Of the time to gather weights and sum gradients, the part that is not hidden.
        tensor: Time of exchanges within tensor-parallel groups, over the link's nominal time.
        jitter: Longer by this per doubling of nodes: all wait for the slowest.
        offload: Seconds per parameter and node when the host updates them.
    """

    matmul: float
    traffic: float
    sharding: float
    tensor: float
    jitter: float
    offload: float


FITTED = Fitted(0.964, 11.64, 0.863, 1.751, 0.0116, 2.49e-10)

# The most that matrix products reach, over the dense peak, where no measurement is at hand: median
# of those in the catalog (0.77 to 0.87 NVIDIA, 0.51 to 0.68 AMD, 0.74 and 0.97 Intel); a TPU's
# peak is the rate of its array at the clock it keeps.
ACHIEVABLE = {"NVIDIA": 0.81, "AMD": 0.62, "Google": 1.0}
ACHIEVABLE_ELSEWHERE = 0.80
# FP8 products reach 0.71 of their peak on H100 (the catalog's 1402.6 of 1979 TFLOP/s).
FP8_ACHIEVABLE = 0.71

# Fused attention over the peak of dense products: FlashAttention 25 to 40 %, FlashAttention-2 50
# to 73 % on A100 (arXiv:2307.08691, section 1) but 35 % on H100 until kernels for it came
# (FlashAttention-3, arXiv:2407.08608, abstract: up to 75 %). Before 2023 training computed the
# scores in full.
EARLY_FUSED, FUSED, OLD_KERNEL = 0.33, 0.60, 0.58
FUSED_YEAR, FUSED_2_YEAR, FUSED_3_YEAR = 2023, 2024, 2025
HIERARCHY_YEAR = 2022  # before, ZeRO-3 gathered weights through one network port a node
THIS_YEAR = 2026

# Where the catalog has no bandwidth: PCIe 4.0 x16 between chips, 25 Gbit/s a chip between nodes.
PCIE_BYTES_PER_SECOND, ETHERNET_BYTES_PER_SECOND = 32e9, 3.125e9
TORUS_AXES = {"tpu-v4": 3, "tpu-v5p": 3, "tpu-7x": 3}  # other TPUs 2; a ring uses one axis


@dataclass(frozen=True, slots=True)
class Step:
    """Where the time of a training step goes: chip-seconds per token, and what is made of them.

    Attributes:
        matmul: Matrix products, those computed again included.
        attention: Scores and weighted values.
        traffic: Norms, activations, softmax, losses: bound by memory bandwidth.
        tensor: Exchanges within tensor-parallel groups.
        sharding: Weights gathered and gradients summed over data-parallel ranks, as far as not
            hidden.
        experts: Tokens sent to experts and back.
        update: The optimizer's pass over its states.
        waiting: The pipeline's bubble and uneven stages, and the slowest node.
        tokens: Of one step.
        chips: That worked on it.
        model_flops: Per token, forward and backward, attention causal, nothing computed twice.
        peak: Dense FLOP/s of one chip.
    """

    matmul: float
    attention: float
    traffic: float
    tensor: float
    sharding: float
    experts: float
    update: float
    waiting: float
    tokens: float
    chips: int
    model_flops: float
    peak: float

    @property
    def chip_seconds_per_token(self) -> float:
        """All of it."""
        work = self.matmul + self.attention + self.traffic
        exchange = self.tensor + self.sharding + self.experts + self.update
        return work + exchange + self.waiting

    @property
    def tokens_per_second(self) -> float:
        """Of all chips together."""
        return self.chips / self.chip_seconds_per_token

    @property
    def seconds(self) -> float:
        """Of one step."""
        return self.tokens / self.tokens_per_second

    @property
    def utilisation(self) -> float:
        """Model FLOPs over the dense peak (MFU), attention counted causal."""
        return self.model_flops / self.chip_seconds_per_token / self.peak


def training_format(accelerator: Accelerator) -> str:
    """The number format of mixed-precision training on a chip.

    Raises:
        ValueError: If the chip has no peak in any of them.
    """
    for name in ("bf16", "fp16", "fp32"):
        if accelerator.flops_per_second.get(name):
            return name
    raise ValueError(f"{accelerator.name} has no peak for bf16, fp16 or fp32")


def achievable(accelerator: Accelerator, number_format: str) -> float:
    """FLOP/s that matrix products reach on a chip: measured where the catalog has it.

    Raises:
        ValueError: If the format is unknown there.
    """
    measured = (accelerator.achievable_flops_per_second or {}).get(number_format)
    if measured:
        return measured
    peak = accelerator.flops_per_second.get(number_format)
    if not peak:
        known = ", ".join(accelerator.flops_per_second) or "none"
        raise ValueError(f"{accelerator.name} has no peak for {number_format}; known: {known}")
    if number_format == "fp8":
        return FP8_ACHIEVABLE * peak
    return ACHIEVABLE.get(accelerator.vendor, ACHIEVABLE_ELSEWHERE) * peak


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained, on what, how.

    Attributes:
        architecture: Of the model.
        accelerator: The chip.
        layout: Division among chips, batch and recompute.
        length: Tokens of a sequence.
        number_format: Of matrix products; None for bf16, fp16 or fp32, the first the chip has.
            "fp8" is used in the layers' matrices alone.
        year: Of the software, which decides how attention is computed.
    """

    architecture: Architecture
    accelerator: Accelerator
    layout: Layout
    length: int
    number_format: str | None = None
    year: int = THIS_YEAR

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"a sequence needs length >= 1, got {self.length}")
        if not self.accelerator.bytes_per_second:
            raise ValueError(f"the memory bandwidth of {self.accelerator.name} is unknown")

    @property
    def wide(self) -> str:
        """The format of everything but the layers' matrices."""
        return training_format(self.accelerator)

    @property
    def memory_rate(self) -> float:
        """Bytes a second of the chip's memory."""
        assert self.accelerator.bytes_per_second
        return self.accelerator.bytes_per_second

    @property
    def within_node(self) -> bool:
        """Whether all chips share the fast link."""
        return self.layout.chips <= node_chips(self.accelerator)


def step(job: Job, fitted: Fitted = FITTED) -> Step:
    """Expected time of a training step, by where it goes.

    Args:
        job: What is trained, on what, how.
        fitted: The constants; others than the shipped ones only while fitting.

    Raises:
        ValueError: If the number format is unknown on this chip.
    """
    a, chip, layout = job.architecture, job.accelerator, job.layout
    matmul, head = _matmul(job, fitted)
    parts = (
        matmul,
        _attention(job, fitted),
        fitted.traffic * traffic_bytes(job) / job.memory_rate,
        fitted.tensor * _tensor(job),
        fitted.sharding * _sharding(job),
        max(0.0, _experts(job) - matmul),
        _update(job, fitted),
    )
    stages, layers = layout.pipeline, a.layers
    longest = math.ceil(layers / stages) * stages / layers  # where layers do not divide evenly
    uneven = (longest - 1) * sum(parts) + (stages - 1) * head  # all wait for the one with the head
    slow = (1 + layout.bubble) * (1 + fitted.jitter * math.log2(nodes(chip, layout.chips)))
    return Step(
        *parts,
        waiting=(sum(parts) + uneven) * slow - sum(parts),
        tokens=layout.sequences * job.length,
        chips=layout.chips,
        model_flops=training_flops_per_token(a, job.length),
        peak=chip.flops_per_second[job.wide],
    )


def _matmul(job: Job, fitted: Fitted) -> tuple[float, float]:
    """Chip-seconds per token of all matrix products, and those of the output head."""
    a, chip = job.architecture, job.accelerator
    head = 6 * a.head_parameters / (fitted.matmul * achievable(chip, job.wide))
    inside = matmul_parameters(a) - a.head_parameters
    passes = 8 if job.layout.recompute == "full" else 6
    rate = fitted.matmul * achievable(chip, job.number_format or job.wide)
    return head + passes * inside / rate, head


def _attention(job: Job, fitted: Fitted) -> float:
    """Chip-seconds per token of scores and weighted values.

    Fused kernels compute the scores again on the way back: 2.5 forward passes' worth; plain ones
    compute pairs that a causal mask then hides.
    """
    a, chip = job.architecture, job.accelerator
    forward = attention_flops(a, attended_pairs(a, job.length)) / job.length
    if job.year < FUSED_YEAR:
        hidden = 2.0 if a.causal else 1.0
        passes = 3.0 if job.layout.recompute == "none" else 4.0
        return hidden * passes * forward / (fitted.matmul * achievable(chip, job.wide))
    passes = 4.5 if job.layout.recompute == "full" else 3.5
    return passes * forward / (chip.flops_per_second[job.wide] * fused_share(chip, job.year))


def fused_share(chip: Accelerator, year: int) -> float:
    """What fused attention reaches, over the dense peak, with the kernels of a year."""
    share = EARLY_FUSED if year < FUSED_2_YEAR else FUSED
    behind = chip.vendor != "Google" and (chip.year or 0) >= 2022 and year < FUSED_3_YEAR
    return share * (OLD_KERNEL if behind else 1.0)


def traffic_bytes(job: Job) -> float:
    """Bytes per token that layers keep and the loss works on: what memory bandwidth is spent on.

    Tensor-parallel chips repeat what they do not divide; recomputing moves a third more.
    """
    a, layout = job.architecture, job.layout
    value = 4.0 if job.wide == "fp32" else 2.0
    plain = job.year < FUSED_YEAR
    kept = layer_saved(
        a,
        bytes_per_value=value,
        dropout=plain,
        attention="plain" if plain else "fused",
        fused_gate=True,
    )
    again = 4 / 3 if layout.recompute == "full" else 1.0
    pairs_again = 1.0 if layout.recompute == "none" else 4 / 3
    copies = 1 if layout.sequence_parallel else layout.tensor
    moved = again * (kept.split + kept.replicated * copies) + pairs_again * kept.pairs * job.length
    logits = 0.0 if a.tied is None else 4.0 * a.vocabulary
    return a.layers * moved + logits


def _tensor(job: Job) -> float:
    """Chip-seconds per token of four ring all-reduces a layer, six if computed again."""
    a, chip, t = job.architecture, job.accelerator, job.layout.tensor
    if t == 1:
        return 0.0
    rings = 6 if job.layout.recompute == "full" else 4
    sent = a.layers * rings * 2 * (t - 1) / t * 2 * a.width
    rate = _link(chip) / _axes(chip) if t <= node_chips(chip) else _network(chip)
    return sent / rate * t


def _sharding(job: Job) -> float:
    """Chip-seconds per token of weights gathered and gradients summed over ranks.

    Full sharding gathers weights twice a microbatch, ZeRO-2 once, and both sum gradients each
    time; otherwise gradients are summed once a step. Experts stay where they are.
    """
    a, chip, layout = job.architecture, job.accelerator, job.layout
    if layout.data == 1:
        return 0.0
    dense = parameters(a) - a.expert_layers * a.expert_layer_parameters
    tokens = layout.microbatch * job.length
    if layout.sharding >= 2:
        ports = node_chips(chip) if job.year >= HIERARCHY_YEAR else 1
        rate = _link(chip) if job.within_node else min(_link(chip), _network(chip) * ports)
        moved = (4 if layout.sharding == 3 else 2) + (2 if layout.half_reduce else 4)
        return dense * moved / rate / tokens
    rate = _link(chip) if job.within_node else _network(chip)
    return 4 * dense / rate / (tokens * layout.accumulation)


def _experts(job: Job) -> float:
    """Chip-seconds per token to send tokens to their experts and back, both ways.

    Between nodes a token travels once for all its experts on a node, to about half as many nodes
    as it has experts (DeepSeek-V3, arXiv:2412.19437, section 3.2.2: 8 experts on at most 4 nodes);
    what the products do not hide of it counts (section 3.2.1).
    """
    a, chip = job.architecture, job.accelerator
    if a.experts is None or job.layout.chips == 1:
        return 0.0
    sent = a.expert_layers * (1 + a.experts.active) / 2 * a.width * 2.0 * 2 * 2
    return sent / (_link(chip) if job.within_node else _network(chip))


def _update(job: Job, fitted: Fitted) -> float:
    """Chip-seconds per token of the optimizer: states read and written once a step."""
    chip, layout, total = job.accelerator, job.layout, parameters(job.architecture)
    share = layout.chips / (layout.sequences * job.length)
    if layout.offload:
        return fitted.offload * total / nodes(chip, layout.chips) * share
    shards = layout.data if layout.sharding else 1
    here = total / (layout.tensor * layout.pipeline * shards)
    return 2 * sum(STATES["adam"]) * here / job.memory_rate * share


def _link(chip: Accelerator) -> float:
    return chip.link_bytes_per_second or PCIE_BYTES_PER_SECOND


def _network(chip: Accelerator) -> float:
    if chip.network_bytes_per_second:
        return chip.network_bytes_per_second
    return _link(chip) if chip.vendor == "Google" else ETHERNET_BYTES_PER_SECOND


def _axes(chip: Accelerator) -> int:
    if chip.vendor != "Google":
        return 1
    return next((n for name, n in TORUS_AXES.items() if chip.name.startswith(name)), 2)
