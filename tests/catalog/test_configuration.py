"""A config.json is read as transformers reads it: small models of each kind, counted both ways."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from isoflop.catalog.configuration import STYLES, from_config, read
from isoflop.errors import UsageError
from isoflop.plan.flops import parameters

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 96,
    "vocab_size": 160, "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 48}
LATENT = {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
    "v_head_dim": 8, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1,
    "num_key_value_heads": 4, "n_group": 1, "topk_group": 1, **EXPERTS,
}  # fmt: skip
MAMBA2 = {
    "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 2,
    "mamba_d_conv": 4, "mamba_expand": 2,
}  # fmt: skip
HYBRID = ["linear_attention", "linear_attention", "linear_attention", "full_attention"]
CASES: dict[str, dict[str, Any]] = {
    "apertus": {}, "bamba": {**MAMBA2, "attn_layer_indices": [2]},
    "bloom": {"n_layer": 3, "n_head": 4}, "cohere": {"use_qk_norm": True}, "cohere2": {},
    "deepseek_v2": LATENT, "deepseek_v3": LATENT, "falcon": {"new_decoder_architecture": True,
    "num_kv_heads": 2, "alibi": False}, "falcon_h1": {**MAMBA2, "mamba_d_ssm": 128, "head_dim": 16},
    "gemma": {"head_dim": 32}, "gemma2": {"head_dim": 32}, "gemma3_text": {"head_dim": 32},
    "glm4_moe": {"n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1,
                 "use_qk_norm": True, "head_dim": 16, "attention_bias": True, **EXPERTS},
    "glm_moe_dsa": {**LATENT, "index_topk": 8, "index_n_heads": 2, "index_head_dim": 8},
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128},
    "gpt_bigcode": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128},
    "gpt_neo": {"num_layers": 4, "num_heads": 4, "attention_types": [[["global", "local"], 2]]},
    "gpt_neox": {}, "gpt_oss": {"num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 16},
    "gptj": {"n_embd": 64, "n_layer": 3, "n_head": 4, "rotary_dim": 8}, "granite": {},
    "granitemoehybrid": {**MAMBA2, "num_local_experts": 4, "num_experts_per_tok": 2,
                         "shared_intermediate_size": 32,
                         "layer_types": ["mamba", "attention", "mamba", "mamba"]},
    "jamba": {"attn_layer_period": 4, "attn_layer_offset": 1, "mamba_d_state": 8,
              "mamba_dt_rank": 6, "num_experts": 4, "num_experts_per_tok": 2,
              "use_mamba_kernels": False},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv", "conv"]}, "llama": {},
    "llama4_text": {"intermediate_size_mlp": 112, "num_local_experts": 4, "head_dim": 16,
                    "interleave_moe_layer_step": 2},
    "mamba": {"state_size": 8, "time_step_rank": 6},
    "mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 2},
    "minimax": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16,
                "layer_types": HYBRID},
    "minimax_m2": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16},
    "mistral": {"head_dim": 32, "sliding_window": 8}, "mixtral": {"num_local_experts": 4},
    "mpt": {"d_model": 64, "n_layers": 3, "n_heads": 4},
    "nemotron_h": {"hybrid_override_pattern": "M-M*-M-", "num_hidden_layers": 7, "head_dim": 16,
                   "mamba_num_heads": 8, "mamba_head_dim": 16, "ssm_state_size": 8, "n_groups": 2},
    "olmo": {}, "olmo2": {}, "olmo3": {}, "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "opt": {"ffn_dim": 96, "word_embed_proj_dim": 64}, "phi": {}, "phi3": {},
    "phimoe": {"num_local_experts": 4, "attention_bias": True, "lm_head_bias": True},
    "qwen2": {}, "qwen3": {"head_dim": 32}, "qwen3_moe": {"num_experts": 4, **EXPERTS},
    "qwen2_moe": {"num_experts": 4, "shared_expert_intermediate_size": 40, **EXPERTS},
    "qwen3_next": {"num_experts": 4, "shared_expert_intermediate_size": 40, "head_dim": 16,
                   "linear_num_key_heads": 2, "linear_num_value_heads": 4, "layer_types": HYBRID,
                   "linear_key_head_dim": 8, "linear_value_head_dim": 8, **EXPERTS},
    "seed_oss": {"head_dim": 32, "attention_bias": True, "attention_out_bias": False},
    "smollm3": {}, "stablelm": {"use_qkv_bias": True}, "starcoder2": {},
}  # fmt: skip


# These classes keep a size that they do not use when they are given one.
PLAIN = (
    "bloom",
    "falcon",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gptj",
    "mamba",
    "mamba2",
    "mpt",
    "opt",
)
UNUSED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PLAIN, ("num_key_value_heads", "intermediate_size")),
    "gpt_neox": ("num_key_value_heads",),
}


def configuration(kind: str) -> Any:
    own = {name: value for name, value in SMALL.items() if name not in UNUSED.get(kind, ())}
    return transformers.CONFIG_MAPPING[kind](**{**own, **CASES[kind]})


def module_parameters(config: Any) -> int:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = transformers.AutoModelForCausalLM.from_config(config)
    module.tie_weights()
    return sum(weights.numel() for weights in module.parameters())


@pytest.mark.parametrize("kind", CASES)
def test_parameters_are_those_of_the_module(kind: str) -> None:
    config = configuration(kind)
    said = {**CASES[kind], **config.to_dict()}
    shape = from_config(said)
    # biases of expert scores are in the checkpoints, and buffers of the module
    routing = shape.experts.count * shape.expert_layers if shape.experts else 0
    scored = kind in ("deepseek_v3", "glm4_moe", "glm_moe_dsa", "minimax_m2")
    assert parameters(shape) - (routing if scored else 0) == module_parameters(config)


def test_every_kind_that_is_read_is_counted_here() -> None:
    assert set(STYLES) - set(CASES) <= {"ministral"}


def test_a_file_a_folder_and_a_part_of_it_are_read(tmp_path: Path) -> None:
    text = {"model_type": "llama", **SMALL}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama4", "text_config": text}))
    assert read(tmp_path) == read(tmp_path / "config.json") == from_config(text)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config.json cannot be read"):
        read(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llamma"}')
    with pytest.raises(UsageError, match="Did you mean llama"):
        read(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UsageError, match="it has no hidden_size"):
        read(tmp_path)
