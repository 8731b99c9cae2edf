"""Parameters and FLOPs, from the architecture and the tokens."""

from collections.abc import Iterable
from typing import Literal

from isoflop.architecture import Architecture

Recompute = Literal["none", "selective", "full"]


def parameters(architecture: Architecture) -> int:
    """All parameters, embeddings, norms and biases included; poolers and task heads are not.

    Layer norms count two vectors (weight and bias) where the matrices have biases, else one.

    Source:
        Counted from the modules; agrees with the published checkpoints in tests/plan.
    """
    a = architecture
    return a.matrix_parameters + _beside_matrices(a)


def active_parameters(architecture: Architecture) -> int:
    """Parameters that one token meets: the experts it is routed to, and everything else.

    Published counts of active parameters mostly include both embedding tables; so does this.
    """
    a = architecture
    return a.active_matrix_parameters + _beside_matrices(a)


def _beside_matrices(a: Architecture) -> int:
    norm = 2 * a.width if a.biases else a.width
    biases = (a.query_width + 2 * a.kv_width + 2 * a.width + a.hidden) if a.biases else 0
    if a.qkv_biases:
        biases += a.query_width + 2 * a.kv_width
    tables = (a.vocabulary + a.positions + a.segments) * a.width
    head = a.vocabulary * a.width if a.tied is False else 0
    return a.layers * (biases + 2 * norm) + tables + norm + head + a.other_parameters


def matmul_parameters(architecture: Architecture) -> int:
    """Active matrix entries a token is multiplied with, the output head included.

    This is the N of C = 6 N D that counts what is computed: an embedding table is looked up.
    """
    return architecture.active_matrix_parameters + architecture.head_parameters


def attended_pairs(architecture: Architecture, tokens: float) -> float:
    """Pairs of tokens that attend to each other, summed over layers, in a text of this length.

    A causal text of n tokens has about n^2 / 2 pairs a layer; a window of w tokens bounds how far
    each token looks back, so a long text has about n w.
    """
    a = architecture
    share = 0.5 if a.causal else 1.0
    full = share * tokens * tokens
    pairs = (a.attention_layers - a.window_layers) * full
    if a.window:
        reach = min(tokens, a.window.tokens)
        seen = tokens * reach - (1 - share) * reach * reach if a.causal else tokens * reach
        pairs += a.window_layers * seen
    return pairs


def attention_flops(architecture: Architecture, pairs: float) -> float:
    """FLOPs of scores and weighted values for so many attended pairs: 2 each for query . key and
    for weight x value, per unit of width.

    Latent attention is counted as it is computed in training and prefill, keys and values
    expanded to all heads.
    """
    a = architecture
    if a.latent is None:
        return 4.0 * a.query_width * pairs
    per_head = a.latent.nope_width + a.latent.rope_width + a.latent.value_width
    return 2.0 * a.heads * per_head * pairs


def forward_flops(architecture: Architecture, lengths: Iterable[float]) -> float:
    """FLOPs to read texts of these lengths once, in one pass.

    2 for each matrix parameter and token, and 4 x width for each pair of tokens that attend to
    each other, per layer; causal attention has half the pairs. Embedding tables are looked up:
    0 FLOPs here. Norms, activations and softmax are left out (under 2 % at width 384).

    Args:
        architecture: Of the model.
        lengths: Tokens of each text as processed, padding included.

    Source:
        Hoffmann et al. 2022, arXiv:2203.15556, appendix F, without the embedding term.
    """
    a = architecture
    per_token = 2.0 * matmul_parameters(a) + _recurrence(a)
    return float(sum(n * per_token + attention_flops(a, attended_pairs(a, n)) for n in lengths))


def decode_flops(architecture: Architecture, context: float) -> float:
    """FLOPs to write one token after so many tokens whose keys and values are kept."""
    a = architecture
    seen = (a.attention_layers - a.window_layers) * context
    if a.window:
        seen += a.window_layers * min(context, a.window.tokens)
    return 2.0 * matmul_parameters(a) + _recurrence(a) + attention_flops(a, seen)


def training_flops_per_token(
    architecture: Architecture, length: float, *, recompute: Recompute = "none", causal: bool = True
) -> float:
    """FLOPs of training on one token of a sequence of this length: forward and twice that back.

    Args:
        architecture: Of the model.
        length: Tokens of a sequence.
        recompute: Activations computed again on the way back: "full" adds a forward pass,
            "selective" adds attention's scores and weighted values only. Hardware FLOPs (HFU)
            count these, model FLOPs (MFU) do not.
        causal: False counts attention to all tokens, as PaLM's MFU does.

    Source:
        Chowdhery et al. 2022 (PaLM), arXiv:2204.02311, appendix B; Korthikanti et al. 2022,
        arXiv:2205.05198, appendix A, for recomputation.
    """
    a = architecture
    matrices = 2.0 * matmul_parameters(a) + _recurrence(a)
    attention = attention_flops(a, attended_pairs(a, length)) / length
    if not causal and a.causal:
        attention *= 2
    again = {"none": 0.0, "selective": attention, "full": matrices + attention}[recompute]
    return 3 * (matrices + attention) + again


def _recurrence(a: Architecture) -> float:
    return a.recurrent.layers * a.recurrent.flops_per_token if a.recurrent else 0.0
