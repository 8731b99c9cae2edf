"""Bytes per chip while training: weights, gradients, optimizer states, activations, logits.

Nothing is a constant of one architecture: what a layer keeps for the way back is listed tensor by
tensor, so the 34 bytes per token and width of a classic GPT layer come out, and so do those of
gated layers and of grouped queries.
"""

import math
from dataclasses import dataclass
from typing import Literal

from isoflop.architecture import Architecture
from isoflop.estimate import Estimate
from isoflop.plan.parallel import Layout

Optimizer = Literal["adam", "adam-16bit-gradients", "adam-8bit", "muon", "sgd", "adam-fp32"]
Attention = Literal["fused", "plain"]

# Bytes per parameter: weights, gradients, optimizer states (with the fp32 copy of the weights).
# adam: 16-bit weights, fp32 gradients, fp32 copy and two moments (Megatron-LM, arXiv:2205.05198,
# 18 in all); with 16-bit gradients 16 (Rajbhandari et al. 2020, arXiv:1910.02054); 8-bit moments
# without an fp32 copy (Dettmers et al. 2022, arXiv:2110.02861); muon: one 32-bit momentum for
# matrices, no copy (Jordan 2024); adam-fp32: everything in 32 bits, as plain PyTorch does.
STATES: dict[Optimizer, tuple[float, float, float]] = {
    "adam": (2, 4, 12),
    "adam-16bit-gradients": (2, 2, 12),
    "adam-8bit": (2, 2, 2),
    "muon": (2, 2, 4),
    "sgd": (2, 2, 4),
    "adam-fp32": (4, 4, 8),
}
OPTIMIZERS: tuple[Optimizer, ...] = tuple(STATES)
# What frameworks hold beyond tensors: the CUDA context, libraries and communication buffers
# (1 to 3.5 GB), and blocks the allocator cannot use (3 to 8 %); EleutherAI, Transformer Math 101
# (2023-04-18), gives the same ranges.
RESERVED_BYTES = Estimate(1e9, 2e9, 3.5e9, "assumed")
FRAGMENTATION = Estimate(1.03, 1.05, 1.08, "assumed")
USABLE_SHARE = 0.96  # of a chip's memory: drivers and error correction keep some


@dataclass(frozen=True, slots=True)
class Saved:
    """What a layer keeps for the way back, in bytes per token.

    Attributes:
        split: Divided over the tensor-parallel chips.
        replicated: Kept whole by each of them, unless the sequence is divided too.
        pairs: Of attention's scores: bytes per token and attended token, divided over them.
    """

    split: float
    replicated: float
    pairs: float = 0.0


def layer_saved(
    architecture: Architecture,
    *,
    bytes_per_value: float = 2,
    dropout: bool = False,
    attention: Attention = "fused",
    fused_gate: bool = False,
) -> Saved:
    """Tensors a layer keeps between forward and backward.

    Each matrix keeps its input, each norm its input, attention its queries, keys and values, the
    activation function its argument; plain attention also the softmax and what dropout makes of
    it. A classic layer (hidden = 4 width, dropout, 16 bits) keeps 10 + 24 width bytes a token and
    5 bytes per head and pair: 34 s b h + 5 a s^2 b, as published. A gated layer keeps the gate's
    argument, its activation, the other branch and their product.

    Args:
        architecture: Of the model.
        bytes_per_value: 2 for bf16 and fp16.
        dropout: Whether dropout masks (a byte a value) are kept.
        attention: "fused" keeps the output and one fp32 number a head; "plain" the scores.
        fused_gate: Whether a gate's activation is computed again rather than kept, as fused
            kernels do.

    Source:
        Korthikanti et al. 2022, arXiv:2205.05198, section 4.1.
    """
    a, b = architecture, bytes_per_value
    mask = 1.0 if dropout else 0.0
    projections = b * (a.query_width + 2 * a.kv_width) + b * a.query_width  # q, k, v; out's input
    pairs = 0.0
    if attention == "fused":
        projections += 4 * a.heads  # log-sum-exp
    else:
        pairs = a.heads * (b + (b + mask if dropout else 0))
    norms = 2 * b * a.width  # their inputs
    inputs = 2 * b * a.width  # of queries, keys and values together, and of the feed-forward
    masks = 2 * mask * a.width
    return Saved(projections + _feed_forward(a, b, fused_gate), norms + inputs + masks, pairs)


def _feed_forward(a: Architecture, b: float, fused: bool) -> float:
    """Bytes per token of the feed-forward's inner tensors, mean over layers."""
    copies = 2 if not a.gated else 3 if fused else 4
    dense = copies * b * a.hidden
    if (e := a.experts) is None:
        return dense
    routed = copies * b * (e.active * e.hidden + e.shared_hidden) + b * e.active * a.width
    return (a.expert_layers * routed + (a.layers - a.expert_layers) * dense) / a.layers


def layer_activation_bytes(
    architecture: Architecture,
    layout: Layout,
    length: int,
    *,
    bytes_per_value: float = 2,
    dropout: bool = False,
    attention: Attention = "fused",
) -> float:
    """Bytes one layer keeps on one chip, for one microbatch.

    Args:
        architecture: Of the model.
        layout: Its tensor and sequence parallelism, microbatch and recompute count.
        length: Tokens of a sequence.
        bytes_per_value: As in `layer_saved`.
        dropout: As in `layer_saved`.
        attention: As in `layer_saved`; recomputing "selective" drops its scores.

    Source:
        Korthikanti et al. 2022, arXiv:2205.05198, table 2.
    """
    tokens = layout.microbatch * length
    spread = layout.tensor if layout.sequence_parallel else 1
    if layout.recompute == "full":
        return tokens * bytes_per_value * architecture.width / spread
    kept = layer_saved(
        architecture, bytes_per_value=bytes_per_value, dropout=dropout, attention=attention
    )
    pairs = 0.0 if layout.recompute == "selective" else kept.pairs * length
    return tokens * ((kept.split + pairs) / layout.tensor + kept.replicated / spread)


def layers_in_flight(architecture: Architecture, layout: Layout) -> float:
    """Layers whose activations the first stage holds at once.

    1F1B keeps up to p microbatches of L / p layers; interleaving adds (p - 1) / (p v).

    Source:
        Korthikanti et al. 2022, arXiv:2205.05198, section 4.2.3.
    """
    p, v = layout.pipeline, layout.interleave
    held = min(float(p), layout.accumulation) / p
    more = 1 + (p - 1) / (p * v) if v > 1 else 1.0
    return architecture.layers * held * more


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the fullest chip.

    Attributes:
        weights: As computed with.
        gradients: Sums kept over microbatches.
        optimizer: Moments and the fp32 copy.
        activations: Kept for the way back, all microbatches in flight.
        working: Of the layer being computed again or gone back through, and gathered weights.
        logits: Scores over the vocabulary with their gradient, on the last stage.
        reserved: Beyond tensors: context, communication buffers.
        fragmentation: Factor on all tensors.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    working: float
    logits: float
    reserved: Estimate = RESERVED_BYTES
    fragmentation: Estimate = FRAGMENTATION

    @property
    def tensors(self) -> float:
        """What the allocator was asked for at the peak."""
        states = self.weights + self.gradients + self.optimizer
        return states + self.activations + max(self.working, self.logits)

    @property
    def total(self) -> Estimate:
        """What the chip must have."""
        return Estimate.exact(self.tensors) * self.fragmentation + self.reserved


def state_bytes(
    parameters: float, layout: Layout, optimizer: Optimizer = "adam"
) -> tuple[float, float, float]:
    """Weights, gradients and optimizer states of so many parameters, in bytes on one chip.

    Tensor and pipeline parallelism divide the parameters; ZeRO divides what is left over the
    data-parallel group only.

    Args:
        parameters: Of the whole model, or of the part looked at.
        layout: Tensor, pipeline, data and sharding count.
        optimizer: A key of `STATES`.

    Source:
        Rajbhandari et al. 2020, arXiv:1910.02054, figure 1.
    """
    each = parameters / (layout.tensor * layout.pipeline)
    weights, gradients, states = (each * size for size in STATES[optimizer])
    if layout.sharding >= 3:
        weights /= layout.data
    if layout.sharding >= 2:
        gradients /= layout.data
    if layout.sharding >= 1:
        states /= layout.data
    return weights, gradients, 0.0 if layout.offload else states


def training_memory(
    architecture: Architecture,
    layout: Layout,
    length: int,
    *,
    optimizer: Optimizer = "adam",
    dropout: bool = False,
    attention: Attention = "fused",
) -> Memory:
    """Memory of the fullest chip during a training step.

    The first stage holds the most microbatches; it and the last hold an embedding table or the
    output head besides their layers. Inputs and masks are not counted.

    Args:
        architecture: Of the model.
        layout: Division among chips.
        length: Tokens of a sequence.
        optimizer: What is kept per parameter.
        dropout: Whether the model drops out.
        attention: "fused" (FlashAttention) or "plain".

    Raises:
        ValueError: If the length is below 1, or there are more stages than layers.
    """
    a = architecture
    if length < 1:
        raise ValueError(f"a sequence needs length >= 1, got {length}")
    if layout.pipeline * layout.interleave > a.layers:
        raise ValueError(
            f"{a.layers} layers cannot be cut into {layout.pipeline} x {layout.interleave} stages"
        )
    value = 4.0 if optimizer == "adam-fp32" else 2.0
    weights, gradients, states = state_bytes(_fullest_stage(a, layout), layout, optimizer)
    one = layer_activation_bytes(
        a, layout, length, bytes_per_value=value, dropout=dropout, attention=attention
    )
    kept = one * layers_in_flight(a, layout)
    kept += layout.microbatch * length * value * a.width / layout.tensor  # the last norm's input
    return Memory(
        weights,
        gradients,
        states,
        kept,
        _working(a, layout, length, value, dropout, attention),
        logits_bytes(a, layout, length, value),
    )


def _fullest_stage(a: Architecture, layout: Layout) -> float:
    """Parameters of the fullest stage, times the stages: so that dividing gives its own."""
    p = layout.pipeline
    per_layer = layer_parameters(a)
    stage = math.ceil(a.layers / p) * per_layer
    table = a.vocabulary * a.width
    ends = table if p > 1 else (2 if a.tied is False else 1) * table
    return (stage + ends + a.width) * p


def layer_parameters(a: Architecture) -> float:
    """Mean parameters of a layer, norms and biases included."""
    norm = 2 * a.width if a.biases else a.width
    biases = (a.query_width + 2 * a.kv_width + 2 * a.width + a.hidden) if a.biases else 0
    return a.matrix_parameters / a.layers + 2 * norm + biases


def _working(
    a: Architecture,
    layout: Layout,
    length: int,
    value: float,
    dropout: bool,
    attention: Attention,
) -> float:
    """Bytes live only while one layer is gone back through."""
    tokens = layout.microbatch * length
    widest = max(a.hidden, a.width) if a.experts is None else a.width
    again = 0.0
    if layout.recompute != "none":
        plain = Layout(
            layout.chips,
            layout.tensor,
            layout.pipeline,
            microbatch=layout.microbatch,
            sequence_parallel=layout.sequence_parallel,
        )
        whole = layer_activation_bytes(
            a, plain, length, bytes_per_value=value, dropout=dropout, attention=attention
        )
        kept = layer_activation_bytes(
            a, layout, length, bytes_per_value=value, dropout=dropout, attention=attention
        )
        again = whole - kept
    gathered = 2 * value * layer_parameters(a) / layout.tensor if layout.sharding == 3 else 0.0
    gradients = tokens * value * (2 * widest / layout.tensor + a.width)
    return again + gathered + gradients


def logits_bytes(a: Architecture, layout: Layout, length: int, value: float = 2) -> float:
    """Scores over the vocabulary, their logarithms in fp32, and the gradient of the scores.

    Divided over the tensor-parallel chips; losses computed in pieces need less.
    """
    if a.tied is None:
        return 0.0
    each = 2 * value if value == 4 else value + 4
    values = layout.microbatch * length * a.vocabulary / layout.tensor
    return values * (each + value)
