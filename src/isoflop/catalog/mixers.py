"""Recurrent mixers that a config.json describes."""

from isoflop.catalog.entries import Config, first, needed
from isoflop.recurrent import Recurrent, delta_net, lightning, mamba, mamba2, short_convolution


def recurrent_mixers(config: Config, kind: str, layers: int, width: int) -> Recurrent | None:
    """The recurrent layers of a kind of model; None of one that has attention in every layer.

    Args:
        config: Of the text model.
        kind: Its `model_type`.
        layers: Of all kinds.
        width: Of the residual stream.

    Raises:
        KeyError: If a size is missing.
    """
    names = list(config.get("layer_types") or config.get("layers_block_type") or [])
    inner = round(width * first(config, "mamba_expand", "expand", default=2))
    kernel = first(config, "mamba_d_conv", "conv_kernel", default=4)
    state = first(config, "mamba_d_state", "state_size", "ssm_state_size")
    if kind in ("jamba", "mamba"):
        count, norms = layers, 0
        rank = first(config, "mamba_dt_rank", "time_step_rank", default=-(-width // 16))
        if kind == "jamba":
            every, offset = config["attn_layer_period"], config["attn_layer_offset"]
            count -= sum(layer % every == offset for layer in range(layers))
            norms = rank + 2 * state
        return mamba(width, count, inner=inner, state=state, rank=rank, kernel=kernel, norms=norms)
    if kind in ("bamba", "granitemoehybrid", "falcon_h1", "mamba2", "nemotron_h"):
        return _mamba2(config, kind, layers, names)
    if kind == "qwen3_next":
        every = config.get("full_attention_interval", 4)
        return delta_net(
            width,
            names.count("linear_attention") or layers - layers // every,
            key_heads=config["linear_num_key_heads"],
            value_heads=config["linear_num_value_heads"],
            key_width=config["linear_key_head_dim"],
            value_width=config["linear_value_head_dim"],
            kernel=config.get("linear_conv_kernel_dim", 4),
        )
    if kind == "minimax":
        types = names or ["linear_attention" if not t else "" for t in config["attn_type_list"]]
        return lightning(
            width,
            types.count("linear_attention"),
            heads=(heads := config["num_attention_heads"]),
            head_width=config.get("head_dim") or width // heads,
        )
    if kind == "lfm2":
        full = config.get("full_attn_idxs")
        count = layers - len(full) if full else names.count("conv")
        return short_convolution(width, count, kernel=config.get("conv_L_cache", 3))
    return None


def _mamba2(config: Config, kind: str, layers: int, names: list[str]) -> Recurrent:
    width = config["hidden_size"]
    heads = needed(config, "mamba_n_heads", "mamba_num_heads", "num_heads")
    inner = heads * first(config, "mamba_d_head", "mamba_head_dim", "head_dim", default=64)
    pattern = config.get("hybrid_override_pattern", "")
    count = pattern.count("M") or sum(n in ("mamba", "linear_attention") for n in names) or layers
    if kind == "bamba" and not names:
        count = layers - len(config.get("attn_layer_indices") or [])
    return mamba2(
        width,
        count,
        inner=inner,
        state=needed(config, "mamba_d_state", "ssm_state_size", "state_size"),
        heads=heads,
        groups=first(config, "mamba_n_groups", "n_groups", default=1),
        kernel=first(config, "mamba_d_conv", "conv_kernel", default=4),
        beside_attention=kind == "falcon_h1",
        normed=config.get("mamba_rms_norm", True) is not False,
    )
