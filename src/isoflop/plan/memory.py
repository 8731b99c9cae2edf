"""Bytes that weights and the key-value cache take."""

from isoflop.architecture import Architecture
from isoflop.plan.flops import parameters


def weight_bytes(architecture: Architecture, *, bytes_per_parameter: float = 2) -> float:
    """Memory of all weights, every expert included; scales of quantised formats are not."""
    return parameters(architecture) * bytes_per_parameter


def kv_cache_bytes(
    architecture: Architecture,
    tokens: int,
    *,
    batch: int = 1,
    bytes_per_value: float = 2,
    state_bytes_per_value: float | None = None,
    expanded: bool = False,
) -> float:
    """Memory of the key-value cache and of recurrent states, in bytes.

    Each full layer keeps one key and one value of shape (batch, kv_heads, tokens, head_width), so
    grouped-query attention shrinks the cache by heads / kv_heads. A sliding layer keeps its window
    at most. Latent attention keeps one vector of kv_rank + rope_width a token and layer, an indexer
    one key. Layers that reuse another's keys and values keep none. Recurrent layers keep a state
    and a convolution's window whatever the length.

    Args:
        architecture: The model whose cache it is.
        tokens: Tokens held per sequence, prompt and output together.
        batch: Sequences held at once.
        bytes_per_value: 2 for fp16 and bf16, 1 for fp8 and int8.
        state_bytes_per_value: Of recurrent states, which some engines keep in fp32 (4); None for
            as keys and values. Convolutions' windows are kept as keys and values.
        expanded: Whether latent attention keeps keys and values of all heads, as transformers did
            before version 5 and engines do that do not absorb the projections.

    Returns:
        Bytes over all layers. Padding and page fragmentation are not included. An engine that keeps
        only what the next token needs has one token less in each full window.

    Raises:
        ValueError: If `tokens` or `batch` is negative.

    Source:
        Kwon et al. 2023, PagedAttention, arXiv:2309.06180, section 3; DeepSeek-V2,
        arXiv:2405.04434, section 2.1, for latent attention.
    """
    if tokens < 0 or batch < 0:
        raise ValueError(f"a cache cannot hold tokens={tokens} for batch={batch}")
    a = architecture
    kept = cached_values_per_token(a, expanded=expanded) * cached_tokens(a, tokens)
    if (r := a.recurrent) is None:
        return batch * kept * bytes_per_value
    kept += r.layers * r.convolution_values
    states = r.layers * r.state_values
    state_bytes = bytes_per_value if state_bytes_per_value is None else state_bytes_per_value
    return batch * (kept * bytes_per_value + states * state_bytes)


def cached_tokens(architecture: Architecture, tokens: int) -> int:
    """Tokens whose keys and values are kept, summed over the layers that keep any."""
    a = architecture
    window_layers, reused_windows = a.window_layers, a.window.reused if a.window else 0
    full = a.attention_layers - window_layers - (a.reused_layers - reused_windows)
    held = full * tokens
    if a.window:
        held += (window_layers - reused_windows) * min(tokens, a.window.tokens)
    return held


def cached_values_per_token(architecture: Architecture, *, expanded: bool = False) -> int:
    """Numbers that one layer keeps of one token."""
    a = architecture
    if (m := a.latent) is None:
        width = 2 * a.kv_width
    elif expanded:
        width = a.heads * (m.nope_width + m.rope_width + m.value_width)
    else:
        width = m.kv_rank + m.rope_width
    return width + (a.indexer.width if a.indexer else 0)
