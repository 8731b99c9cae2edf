"""Layers that keep a state of constant size instead of keys and values.

Matrices take 2 FLOPs an entry and token. The recurrence beside them is counted in its sequential
form, 2 for each multiply-add; the chunked forms that training uses compute more than that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recurrent:
    """Layers whose mixer is a recurrence or a short convolution.

    Attributes:
        layers: How many of the architecture's layers are of this kind.
        parameters: Entries of one mixer's matrices and convolutions, in place of attention's.
        state_values: Numbers of the recurrent state, per sequence and layer.
        convolution_values: Numbers kept for the convolutions, per sequence and layer: a whole
            kernel of each channel.
        flops_per_token: Of one layer beyond 2 for each of `parameters`: the recurrence itself.
        vectors: Parameters of one mixer beside its matrices: biases, norms, decays.
        beside_attention: Whether these mixers stand beside attention in the same layers, as in
            Falcon-H1; else in its place.
    """

    layers: int
    parameters: int
    state_values: int
    convolution_values: int = 0
    flops_per_token: float = 0.0
    vectors: int = 0
    beside_attention: bool = False


def mamba(
    width: int, layers: int, *, inner: int, state: int, rank: int, kernel: int = 4, norms: int = 0
) -> Recurrent:
    """The selective state space of Mamba and Jamba: a state of inner x state numbers.

    Args:
        width: Of the residual stream.
        layers: With such a mixer.
        inner: Channels, mostly twice the width.
        state: Numbers kept for each channel.
        rank: Of the projection of the time step.
        kernel: Of the convolution.
        norms: Parameters of the norms of time step, B and C (Jamba: rank + 2 x state).

    Source:
        Gu and Dao 2023, arXiv:2312.00752, section 3.
    """
    matrices = width * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * width
    return Recurrent(
        layers=layers,
        parameters=matrices + inner * kernel,
        state_values=inner * state,
        convolution_values=inner * kernel,
        flops_per_token=6.0 * inner * state,
        vectors=inner * state + 3 * inner + norms,  # A; D and the biases of step and convolution
    )


def mamba2(
    width: int,
    layers: int,
    *,
    inner: int,
    state: int,
    heads: int,
    groups: int = 1,
    kernel: int = 4,
    beside_attention: bool = False,
    normed: bool = True,
) -> Recurrent:
    """The state space duality of Mamba 2, Bamba, Nemotron-H, Granite 4 and Falcon-H1.

    Args:
        width: Of the residual stream.
        layers: With such a mixer.
        inner: Channels of all heads together.
        state: Numbers kept for each channel.
        heads: Each with a decay and a time step.
        groups: Of heads that share B and C.
        kernel: Of the convolution over channels, B and C.
        beside_attention: Whether attention is in the same layers.
        normed: Whether the output goes through a gated norm.

    Source:
        Dao and Gu 2024, arXiv:2405.21060, sections 6 and 7.
    """
    convolved = inner + 2 * groups * state
    return Recurrent(
        layers=layers,
        parameters=width * (inner + convolved + heads) + convolved * kernel + inner * width,
        state_values=inner * state,
        convolution_values=convolved * kernel,
        flops_per_token=6.0 * inner * state,
        vectors=convolved + 3 * heads + (inner if normed else 0),
        beside_attention=beside_attention,
    )


def delta_net(
    width: int,
    layers: int,
    *,
    key_heads: int,
    value_heads: int,
    key_width: int,
    value_width: int,
    kernel: int = 4,
) -> Recurrent:
    """The gated delta rule of Qwen3-Next and Qwen 3.5: a key_width x value_width matrix a head.

    Source:
        Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464; modeling_qwen3_next.py of transformers.
    """
    keys, values = key_heads * key_width, value_heads * value_width
    state = value_heads * key_width * value_width
    into = width * (2 * keys + 2 * values + 2 * value_heads)
    return Recurrent(
        layers=layers,
        parameters=into + (2 * keys + values) * kernel + values * width,
        state_values=state,
        convolution_values=(2 * keys + values) * kernel,
        flops_per_token=8.0 * state,  # decay, read, write, read
        vectors=2 * value_heads + value_width,
    )


def lightning(width: int, layers: int, *, heads: int, head_width: int) -> Recurrent:
    """The linear attention of MiniMax-Text-01, with an output gate.

    Source:
        MiniMax 2025, arXiv:2501.08313, section 2.2; modeling_minimax.py of transformers.
    """
    inner, state = heads * head_width, heads * head_width * head_width
    return Recurrent(
        layers=layers,
        parameters=5 * width * inner,  # queries, keys, values, gate, output
        state_values=state,
        flops_per_token=6.0 * state,
        vectors=inner,
    )


def short_convolution(width: int, layers: int, *, kernel: int) -> Recurrent:
    """The gated short convolution of LFM2: no state but its window.

    Source:
        modeling_lfm2.py of transformers.
    """
    return Recurrent(
        layers=layers,
        parameters=4 * width * width + width * kernel,
        state_values=0,
        convolution_values=width * kernel,
    )


KINDS: Mapping[str, Callable[..., Recurrent]] = {
    "mamba": mamba,
    "mamba2": mamba2,
    "delta_net": delta_net,
    "lightning": lightning,
    "short_convolution": short_convolution,
}
