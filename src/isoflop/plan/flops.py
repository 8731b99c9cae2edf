"""FLOPs of a forward pass, from the architecture and the tokens."""

from collections.abc import Iterable

from isoflop.architecture import Architecture


def parameters(architecture: Architecture) -> int:
    """All parameters, embeddings, norms and biases included; poolers and task heads are not.

    Layer norms count two vectors (weight and bias) where the matrices have biases, else one.

    Source:
        Counted from the modules; agrees with the published checkpoints in tests/plan.
    """
    a = architecture
    norm = 2 * a.width if a.biases else a.width
    biases = (a.query_width + 2 * a.kv_width + 2 * a.width + a.hidden) if a.biases else 0
    layers = a.layers * (a.matrix_parameters_per_layer + biases + 2 * norm)
    tables = (a.vocabulary + a.positions + a.segments) * a.width
    head = a.vocabulary * a.width if a.tied is False else 0
    return layers + tables + norm + head


def forward_flops(architecture: Architecture, lengths: Iterable[int]) -> float:
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
    matrices = 2 * a.layers * a.matrix_parameters_per_layer
    if a.tied is not None:
        matrices += 2 * a.width * a.vocabulary
    pairs = 0.5 if a.causal else 1.0
    return float(sum(n * matrices + 4 * a.layers * a.query_width * pairs * n * n for n in lengths))
