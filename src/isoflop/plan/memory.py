"""Bytes that weights and the key-value cache take."""

from isoflop.architecture import Architecture
from isoflop.plan.flops import parameters


def weight_bytes(architecture: Architecture, *, bytes_per_parameter: float = 2) -> float:
    """Memory of all weights, every expert included; scales of quantised formats are not."""
    return parameters(architecture) * bytes_per_parameter


def kv_cache_bytes(
    architecture: Architecture, tokens: int, *, batch: int = 1, bytes_per_value: float = 2
) -> float:
    """Memory of the key-value cache and of recurrent states, in bytes.

    Each full layer keeps one key and one value of shape (batch, kv_heads, tokens, head_width), so
    grouped-query attention shrinks the cache by heads / kv_heads. A sliding layer keeps its window
    at most. Latent attention keeps one vector of kv_rank + rope_width a token and layer. Recurrent
    layers keep a state whatever the length.

    Args:
        architecture: The model whose cache it is.
        tokens: Tokens held per sequence, prompt and output together.
        batch: Sequences held at once.
        bytes_per_value: 2 for fp16 and bf16, 1 for fp8 and int8.

    Returns:
        Bytes over all layers. Padding and page fragmentation are not included.

    Raises:
        ValueError: If `tokens` or `batch` is negative.

    Source:
        Kwon et al. 2023, PagedAttention, arXiv:2309.06180, section 3; DeepSeek-V2,
        arXiv:2405.04434, section 2.1, for latent attention.
    """
    if tokens < 0 or batch < 0:
        raise ValueError(f"a cache cannot hold tokens={tokens} for batch={batch}")
    a = architecture
    width = 2 * a.kv_width
    if a.latent:
        width = a.latent.kv_rank + a.latent.rope_width
    held = (a.attention_layers - a.window_layers) * tokens
    if a.window:
        held += a.window_layers * min(tokens, a.window.tokens)
    state = a.recurrent.layers * a.recurrent.state_values if a.recurrent else 0
    return batch * (held * width + state) * bytes_per_value
