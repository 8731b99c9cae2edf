"""Parameters and FLOPs, from the architecture and the tokens."""

from collections.abc import Iterable
from typing import Literal

from isoflop.architecture import Architecture

Recompute = Literal["none", "selective", "full"]


def parameters(architecture: Architecture) -> int:
    """All parameters, embeddings, norms and biases included.

    Poolers, task heads and heads that predict further tokens are not.

    Source:
        Counted from the modules; agrees with the published checkpoints in tests/catalog.
    """
    a = architecture
    experts = a.experts.count if a.experts else 0
    return a.matrix_parameters + _beside_matrices(a, experts) + a.image_parameters


def active_parameters(architecture: Architecture) -> int:
    """Parameters that one token meets: the experts it is routed to, and everything else.

    Both embedding tables are in it, as in most published counts of active parameters; gpt-oss
    leaves out the input's.
    """
    a = architecture
    experts = a.experts.active if a.experts else 0
    return a.active_matrix_parameters + _beside_matrices(a, experts)


def _beside_matrices(a: Architecture, experts: int) -> int:
    """Tables, norms and biases, those of so many experts a layer included."""
    tables = (a.vocabulary + a.positions + a.segments) * a.width
    head = a.vocabulary * a.width if a.tied is False else 0
    return _layer_vectors(a, experts) + tables + head + a.other_parameters


def _layer_vectors(a: Architecture, experts: int) -> int:
    norm_biases = a.biases if a.norm_biases is None else a.norm_biases
    norms = a.layers * a.norms + (1 if a.norms else 0)
    vectors = norms * a.width * (2 if norm_biases else 1)
    vectors += a.attention_layers * a.attention_vectors
    if a.recurrent:
        vectors += a.recurrent.layers * a.recurrent.vectors
    if a.biases:
        inner = 2 if a.gated else 1
        vectors += (a.with_feed_forward - a.expert_layers) * (inner * a.hidden + a.width)
        if a.experts:
            each = inner * a.experts.hidden + a.width
            vectors += a.expert_layers * (experts * each + a.experts.count)
    return vectors


def matmul_parameters(architecture: Architecture) -> int:
    """Active matrix entries a token is multiplied with, the output head included.

    This is the N of C = 6 N D that counts what is computed: an embedding table is looked up.
    """
    return architecture.active_matrix_parameters + architecture.head_parameters


def attended_pairs(architecture: Architecture, tokens: float) -> float:
    """Pairs of tokens that attend to each other, summed over layers, in a text of this length.

    A causal text of n tokens has about n^2 / 2 pairs a layer; a window of w tokens bounds how far
    each token looks back, so a long text has about n w. Picked tokens (an indexer's) likewise.
    """
    a = architecture
    full = _pairs(a, tokens, a.indexer.tokens if a.indexer else tokens)
    pairs = (a.attention_layers - a.window_layers) * full
    if a.window:
        pairs += a.window_layers * _pairs(a, tokens, a.window.tokens)
    return pairs


def _pairs(a: Architecture, tokens: float, reach: float) -> float:
    """Of one layer, where a token sees so many tokens at most."""
    reach = min(tokens, reach)
    return tokens * reach - (0.5 * reach * reach if a.causal else 0.0)


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
    return float(sum(n * per_token + _attending(a, n) for n in lengths))


def answering_flops(
    architecture: Architecture, prompt: float, written: float, cached: float = 0.0
) -> float:
    """FLOPs to read a prompt after its cached tokens, and to write an answer token by token.

    The output head is computed for the last token of the prompt and for each token written, and
    the token written last is not read.

    Args:
        architecture: Of the model.
        prompt: Tokens of the prompt, cached ones included.
        written: Tokens of the answer.
        cached: Of the prompt, tokens whose keys and values are kept.
    """
    fresh = max(0.0, prompt - cached)
    whole = forward_flops(architecture, [cached + fresh + max(0.0, written - 1)])
    kept = forward_flops(architecture, [cached]) if cached else 0.0
    return whole - kept - 2.0 * architecture.head_parameters * max(0.0, fresh - 1)


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
    attention = _attending(a, length) / length
    if not causal and a.causal:
        attention *= 2
    again = {"none": 0.0, "selective": attention, "full": matrices + attention}[recompute]
    return 3 * (matrices + attention) + again


def _attending(a: Architecture, tokens: float) -> float:
    """FLOPs of all layers' attention over a text, picking of tokens included."""
    pairs = attended_pairs(a, tokens)
    return attention_flops(a, pairs) + _indexing(a, _pairs(a, tokens, tokens))


def _indexing(a: Architecture, pairs: float) -> float:
    """FLOPs of scoring so many pairs a layer before some are picked."""
    return 2.0 * a.attention_layers * a.indexer.heads * a.indexer.width * pairs if a.indexer else 0


def _recurrence(a: Architecture) -> float:
    return a.recurrent.layers * a.recurrent.flops_per_token if a.recurrent else 0.0
