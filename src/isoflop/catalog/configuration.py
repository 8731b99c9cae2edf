"""An architecture read from a Hugging Face config.json, without transformers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from isoflop.architecture import Architecture, Experts, Indexer, Latent, Window
from isoflop.catalog.entries import Config, Sizes, first, needed
from isoflop.catalog.mixers import recurrent_mixers
from isoflop.errors import UsageError, did_you_mean

# What a config.json does not say, because the model's code has it. "tied" is the default of the
# class: config.json leaves out a value that equals it.
_PLAIN: Sizes = {"biases": True, "gated": False}
STYLES: Mapping[str, Sizes] = {
    "apertus": {"gated": False, "query_key_norms": "head"},
    "bamba": {},
    "bloom": {**_PLAIN, "tied": True},
    "cohere": {"norms": 1, "tied": True},
    "cohere2": {"norms": 1, "tied": True},
    "deepseek_v2": {},
    "deepseek_v3": {},
    "falcon": {"gated": False, "norm_biases": True, "tied": True},
    "falcon_h1": {},
    "gemma": {"tied": True},
    "gemma2": {"norms": 4, "tied": True},
    "gemma3_text": {"norms": 4, "query_key_norms": "head", "tied": True},
    "glm4_moe": {"qkv_biases": True},
    "glm_moe_dsa": {},
    "gpt2": {**_PLAIN, "tied": True},
    "gpt_bigcode": {**_PLAIN, "tied": True},
    "gpt_neo": {**_PLAIN, "qkv_biases": False, "tied": True},
    "gpt_neox": _PLAIN,
    "gpt_oss": {"biases": True, "norm_biases": False},
    "gptj": {**_PLAIN, "qkv_biases": False, "output_bias": False, "norms": 1},
    "granite": {"tied": True},
    "granitemoehybrid": {"tied": True},
    "jamba": {},
    "lfm2": {"query_key_norms": "head", "tied": True},
    "llama": {},
    "llama4_text": {},
    "mamba": {"norms": 1, "tied": True},
    "mamba2": {"norms": 1},
    "minimax": {},
    "minimax_m2": {"query_key_norms": "all"},
    "ministral": {},
    "mistral": {},
    "mixtral": {},
    "mpt": {"gated": False, "tied": True},
    "nemotron_h": {"gated": False, "norms": 1},
    "olmo": {"norms": 0},
    "olmo2": {"query_key_norms": "all"},
    "olmo3": {"query_key_norms": "all"},
    "olmoe": {"query_key_norms": "all"},
    "opt": {**_PLAIN, "tied": True},
    "phi": {**_PLAIN, "norms": 1},
    "phi3": {},
    "phimoe": {"norm_biases": True, "qkv_biases": True, "output_bias": True},
    "qwen2": {"qkv_biases": True},
    "qwen2_moe": {"qkv_biases": True},
    "qwen3": {"query_key_norms": "head"},
    "qwen3_moe": {"query_key_norms": "head"},
    "qwen3_next": {"query_key_norms": "head", "output_gate": True},
    "seed_oss": {"qkv_biases": True},
    "smollm3": {"tied": True},
    "stablelm": {"norm_biases": True},
    "starcoder2": {**_PLAIN, "tied": True},
}
SAME = {
    "deepseek_v32": "deepseek_v3", "gemma3": "gemma3_text", "kimi_k2": "deepseek_v3",
    "kimi_k25": "deepseek_v3", "llama4": "llama4_text",
    "mistral3": "mistral", "qwen3_5": "qwen3_next", "qwen3_5_moe": "qwen3_next",
    "qwen3_5_moe_text": "qwen3_next", "qwen3_5_text": "qwen3_next",
}  # fmt: skip


def read(path: Path) -> Architecture:
    """The architecture that a config.json, or a folder with one, describes.

    Raises:
        UsageError: If there is none, it cannot be read, or its kind of model is not known.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    try:
        return from_config(config)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{file} describes no model: {error}") from error


def from_config(config: Config) -> Architecture:
    """The architecture that the entries of a config.json describe: the text model's.

    Raises:
        UsageError: If the kind of model is not known; the message names the nearest.
        KeyError: If a size is missing.
    """
    if isinstance(config.get("text_config"), Mapping):
        config = {"tie_word_embeddings": config.get("tie_word_embeddings"), **config["text_config"]}
    kind = str(config.get("model_type"))
    kind = SAME.get(kind, kind)
    if kind not in STYLES:
        raise UsageError(
            f"No kind of model called {kind!r} is known here.{did_you_mean(kind, STYLES)} "
            "Give its sizes in a row of your own: isoflop catalog architectures llama-3.1-8b."
        )
    sizes = {**_sizes(config), **STYLES[kind]}
    if (tied := config.get("tie_word_embeddings")) is not None:
        sizes["tied"] = bool(tied)
    for part in (_attention, _experts, _window, _mixers):
        part(config, kind, sizes)
    if kind in _OWN:
        _OWN[kind](config, sizes)
    return Architecture(**sizes)


def _sizes(config: Config) -> Sizes:
    blocks = config.get("layers_block_type") or []
    width = needed(config, "hidden_size", "n_embd", "d_model")
    heads = first(config, "num_attention_heads", "n_head", "n_heads", "num_heads", default=1)
    return {
        "layers": first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers",
                         default=len(blocks)),
        "width": width,
        "heads": heads,
        "hidden": first(config, "intermediate_size", "ffn_dim", "n_inner", default=4 * width),
        "vocabulary": config["vocab_size"],
        "kv_heads": first(config, "num_key_value_heads", "num_kv_heads", "n_kv_heads"),
        "head_width": first(config, "head_dim"),
        "gated": True,
        "tied": False,
        "context": first(config, "max_position_embeddings", "n_positions", "max_seq_len",
                          "seq_length", "max_sequence_length"),
    }  # fmt: skip


def _attention(config: Config, kind: str, sizes: Sizes) -> None:
    if sizes["kv_heads"] == sizes["heads"]:
        sizes["kv_heads"] = None
    if config.get("attention_bias") is not None and not sizes.get("biases"):
        bias = bool(config["attention_bias"])
        sizes["qkv_biases"] = bias or None
        sizes["output_bias"] = (bias and kind not in ("glm4_moe", "seed_oss")) or None
    normed = config.get("use_qk_norm") or config.get("qk_layernorm")
    if normed and kind in ("cohere", "stablelm", "glm4_moe"):
        sizes["query_key_norms"] = "head" if kind == "glm4_moe" else "all"
    if config.get("lm_head_bias"):
        sizes["other_parameters"] = config["vocab_size"]
    if not config.get("kv_lora_rank"):
        return
    sizes["kv_heads"] = sizes["head_width"] = None
    sizes["latent"] = Latent(
        query_rank=config.get("q_lora_rank") or 0,
        kv_rank=config["kv_lora_rank"],
        nope_width=config["qk_nope_head_dim"],
        rope_width=config["qk_rope_head_dim"],
        value_width=config["v_head_dim"],
    )
    if "index_topk" in config:
        sizes["indexer"] = Indexer(
            heads=config["index_n_heads"],
            width=config["index_head_dim"],
            tokens=config["index_topk"],
        )


def _experts(config: Config, kind: str, sizes: Sizes) -> None:
    count = first(config, "n_routed_experts", "num_local_experts", "num_experts", default=0)
    if not count or count == 1:
        return
    hidden = first(config, "moe_intermediate_size", default=sizes["hidden"])
    shared = first(config, "shared_expert_intermediate_size", "shared_intermediate_size",
                    "moe_shared_expert_intermediate_size")  # fmt: skip
    if shared is None:
        shared = hidden * (config.get("n_shared_experts") or 0)
    dense = config.get("first_k_dense_replace", 0) or len(config.get("mlp_only_layers") or [])
    layers = sizes["layers"] - dense
    if step := config.get("decoder_sparse_step", 1):
        layers = layers // step
    sizes["experts"] = Experts(
        count=count,
        active=needed(config, "num_experts_per_tok", "moe_topk", "experts_per_token"),
        hidden=hidden,
        shared_hidden=shared,
        layers=None if layers == sizes["layers"] else layers,
        shared_gate=kind in ("qwen2_moe", "qwen3_next"),
    )
    if layers == sizes["layers"]:
        sizes["hidden"] = 0
    if kind in ("deepseek_v3", "glm4_moe", "glm_moe_dsa", "minimax_m2"):
        sizes["other_parameters"] = layers * count  # a bias of each expert's score


def _window(config: Config, kind: str, sizes: Sizes) -> None:
    kinds = config.get("layer_types") or []
    sliding = sum(name in ("sliding_attention", "chunked_attention") for name in kinds)
    width = first(config, "sliding_window", "attention_chunk_size")
    if not kinds and width and kind in ("mistral", "phi3", "mixtral"):
        sliding = sizes["layers"]
    if not kinds and kind in ("gemma3_text", "gemma2", "cohere2"):
        every = config.get("sliding_window_pattern", 2 if kind == "gemma2" else 6)
        sliding = sizes["layers"] - sizes["layers"] // every
    if width and sliding and config.get("use_sliding_window") is not False:
        sizes["window"] = Window(tokens=width, layers=sliding)


def _mixers(config: Config, kind: str, sizes: Sizes) -> None:
    recurrent = recurrent_mixers(config, kind, sizes["layers"], sizes["width"])
    if recurrent:
        sizes["recurrent"] = recurrent


def _opt(config: Config, sizes: Sizes) -> None:
    sizes["positions"] = config["max_position_embeddings"] + 2  # the first two rows are never used


def _learned(config: Config, sizes: Sizes) -> None:
    sizes["positions"] = needed(config, "n_positions", "max_position_embeddings")


def _gpt_neo(config: Config, sizes: Sizes) -> None:
    _learned(config, sizes)
    sizes["window"] = Window(tokens=config.get("window_size", 256), layers=sizes["layers"] // 2)


def _headed(config: Config, sizes: Sizes) -> None:
    sizes["other_parameters"] = config["vocab_size"]  # the output head has a bias


def _bloom(config: Config, sizes: Sizes) -> None:
    sizes["other_parameters"] = 2 * sizes["width"]  # a norm after the embedding


def _bigcode(config: Config, sizes: Sizes) -> None:
    _learned(config, sizes)
    if config.get("multi_query", True):
        sizes["kv_heads"] = 1


def _falcon(config: Config, sizes: Sizes) -> None:
    if config.get("new_decoder_architecture"):
        sizes["kv_heads"] = first(config, "num_kv_heads", "n_head_kv")
        return
    sizes["kv_heads"] = 1 if config.get("multi_query", True) else None
    sizes["norms"] = 1 if config.get("parallel_attn", True) else 2


def _mpt(config: Config, sizes: Sizes) -> None:
    sizes["hidden"] = round(sizes["width"] * config.get("expansion_ratio", 4))


def _stablelm(config: Config, sizes: Sizes) -> None:
    sizes["qkv_biases"] = config.get("use_qkv_bias") or None
    sizes["norms"] = 1 if config.get("use_parallel_residual") else 2


def _jamba(config: Config, sizes: Sizes) -> None:
    every, offset = config["expert_layer_period"], config["expert_layer_offset"]
    sizes["hidden"] = config["intermediate_size"]
    layers = sum(layer % every == offset for layer in range(sizes["layers"]))
    sizes["experts"] = Experts(
        config["num_experts"], config["num_experts_per_tok"], sizes["hidden"], layers=layers
    )


def _llama4(config: Config, sizes: Sizes) -> None:
    step = config.get("interleave_moe_layer_step", 1)
    sizes["hidden"] = config["intermediate_size_mlp"] if step > 1 else 0
    sizes["experts"] = Experts(
        count=config["num_local_experts"],
        active=config["num_experts_per_tok"],
        hidden=config["intermediate_size"],
        shared_hidden=config["intermediate_size"],
        layers=sizes["layers"] // step,
    )
    chunk = config.get("attention_chunk_size", 8192)
    sizes["window"] = Window(tokens=chunk, layers=sizes["layers"] - sizes["layers"] // 4)


def _alone(config: Config, sizes: Sizes) -> None:
    """Mamba: mixers without a feed-forward layer; heads do not matter."""
    sizes.update(heads=1, kv_heads=None, head_width=None, hidden=0, feed_forward_layers=0)
    sizes["gated"] = False


def _nemotron(config: Config, sizes: Sizes) -> None:
    pattern = config.get("hybrid_override_pattern")
    blocks = list(pattern or config["layers_block_type"])
    dense = len(blocks) - sum(block in ("M", "*", "mamba", "attention") for block in blocks)
    sizes.update(mixer_or_feed_forward=True, feed_forward_layers=dense)
    experts = sizes.pop("experts", None)
    sizes.pop("other_parameters", None)
    if experts and any(block in ("E", "moe") for block in blocks):
        sizes["experts"] = replace(experts, layers=None)
        sizes["other_parameters"] = dense * experts.count
        sizes["hidden"] = 0
    else:
        sizes["hidden"] = config["intermediate_size"]


def _granite(config: Config, sizes: Sizes) -> None:
    if not sizes.get("experts"):  # without experts, its shared one is the feed-forward layer
        sizes["hidden"] = config["shared_intermediate_size"]


def _lfm2(config: Config, sizes: Sizes) -> None:
    if config.get("block_auto_adjust_ff_dim", True):
        each = config.get("block_multiple_of", 256)
        wide = int(config.get("block_ffn_dim_multiplier", 1.0) * int(2 * sizes["hidden"] / 3))
        sizes["hidden"] = each * -(-wide // each)


def _gpt_oss(config: Config, sizes: Sizes) -> None:
    sizes["other_parameters"] = sizes["layers"] * sizes["heads"]  # a sink of each head


def _apertus(config: Config, sizes: Sizes) -> None:
    sizes["other_parameters"] = 2 * sizes["layers"]  # two slopes of each activation


_OWN: Mapping[str, Callable[[Config, Sizes], None]] = {
    "apertus": _apertus, "bloom": _bloom, "falcon": _falcon, "gpt2": _learned,
    "gpt_bigcode": _bigcode, "gpt_neo": _gpt_neo, "gpt_oss": _gpt_oss, "gptj": _headed,
    "granitemoehybrid": _granite, "jamba": _jamba, "lfm2": _lfm2, "llama4_text": _llama4,
    "mamba": _alone, "mamba2": _alone, "mpt": _mpt, "nemotron_h": _nemotron, "opt": _opt,
    "phi": _headed, "stablelm": _stablelm,
}  # fmt: skip
