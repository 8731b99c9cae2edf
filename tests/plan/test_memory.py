"""The cache is the one that transformers allocates, kind by kind."""

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.architecture import Architecture, Window
from isoflop.catalog.configuration import from_config
from isoflop.plan.memory import cached_values_per_token, kv_cache_bytes, weight_bytes

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TINY: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
    "intermediate_size": 48, "vocab_size": 64, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LATENT = {
    "q_lora_rank": 12, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
    "v_head_dim": 6, "n_routed_experts": 4, "n_shared_experts": 1, "first_k_dense_replace": 1,
    "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 1, "topk_group": 1,
}  # fmt: skip
MAMBA2 = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_n_groups": 2,
    "mamba_d_conv": 4, "mamba_expand": 2,
}  # fmt: skip
HYBRID = ["linear_attention", "linear_attention", "linear_attention", "full_attention"]
GEMMA3 = ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("llama", {}),
    "grouped": ("llama", {"num_key_value_heads": 2}),
    "one key head": ("llama", {"num_key_value_heads": 1}),
    "explicit head width": ("qwen3", {"num_key_value_heads": 2, "head_dim": 24}),
    "every layer slides": ("mistral", {"num_key_value_heads": 2, "sliding_window": 6}),
    "some layers slide": ("gemma3_text", {"num_key_value_heads": 1, "head_dim": 12,
                          "sliding_window": 6, "layer_types": GEMMA3}),
    "every other slides": ("gpt_oss", {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 6,
                           "num_local_experts": 4, "num_experts_per_tok": 2}),
    "latent": ("deepseek_v3", LATENT),
    "latent, no query rank": ("deepseek_v2", {**LATENT, "q_lora_rank": None}),
    "latent with an indexer": ("glm_moe_dsa", {**LATENT, "index_topk": 8, "index_n_heads": 2,
                               "index_head_dim": 8, "indexer_types": ["full"] * 4}),
    "Jamba": ("jamba", {"num_key_value_heads": 2, "attn_layer_period": 4, "attn_layer_offset": 1,
              "mamba_d_state": 8, "mamba_dt_rank": 6, "num_experts": 4, "num_experts_per_tok": 2,
              "use_mamba_kernels": False}),
    "Bamba": ("bamba", {**MAMBA2, "num_key_value_heads": 2, "attn_layer_indices": [2]}),
    "Granite 4": ("granitemoehybrid", {**MAMBA2, "num_local_experts": 4, "num_experts_per_tok": 2,
                  "num_key_value_heads": 2, "shared_intermediate_size": 16,
                  "layer_types": ["mamba", "attention", "mamba", "mamba"]}),
    "Nemotron-H": ("nemotron_h", {"hybrid_override_pattern": "M-M*-M-", "num_hidden_layers": 7,
                   "head_dim": 8, "mamba_num_heads": 8, "mamba_head_dim": 8, "ssm_state_size": 16,
                   "n_groups": 2, "num_key_value_heads": 2}),
    "Falcon-H1": ("falcon_h1", {**MAMBA2, "mamba_d_ssm": 64, "head_dim": 8,
                  "num_key_value_heads": 2}),
    "Qwen3-Next": ("qwen3_next", {"num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8,
                   "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
                   "num_key_value_heads": 1, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
                   "linear_key_head_dim": 8, "linear_value_head_dim": 8, "layer_types": HYBRID}),
    "lightning": ("minimax", {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8,
                  "num_key_value_heads": 2, "layer_types": HYBRID}),
    "short convolutions": ("lfm2", {"num_key_value_heads": 2,
                           "layer_types": ["conv", "full_attention", "conv", "conv"]}),
    "Mamba": ("mamba", {"state_size": 8, "time_step_rank": 6}),
    "Mamba 2": ("mamba2", {"state_size": 16, "num_heads": 8, "head_dim": 8, "n_groups": 2}),
}  # fmt: skip
UNUSED = ("num_key_value_heads", "intermediate_size", "num_attention_heads")


def built(kind: str) -> tuple[Any, Architecture]:
    """A small model with weights of zeros, and its architecture."""
    model_type, sizes = KINDS[kind]
    own = {k: v for k, v in TINY.items() if not model_type.startswith("mamba") or k not in UNUSED}
    config = transformers.CONFIG_MAPPING[model_type](**{**own, **sizes})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    return model, from_config({**sizes, **config.to_dict()})


def tensors(value: Any) -> list[Any]:
    """Every tensor in a layer of a cache: keys, values, states, an indexer's keys."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors(part)]
    return []


def held(model: Any, tokens: int, batch: int) -> tuple[int, int]:
    """Bytes of keys, values and windows, and bytes of recurrent states, after reading tokens."""
    ids = torch.ones((batch, tokens), dtype=torch.long)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = model(input_ids=ids, use_cache=True)
    cache = getattr(read, "past_key_values", None) or read.cache_params
    kept = states = 0
    states += sum(t.nbytes for t in getattr(cache, "linear_cache", []) if torch.is_tensor(t))
    for layer in cache.layers:
        for name, value in vars(layer).items():
            size = sum(t.nbytes for t in tensors(value) if t.is_floating_point())
            states += size if name == "recurrent_states" else 0
            kept += 0 if name == "recurrent_states" else size
    return kept, states


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_is_what_transformers_allocates(kind: str) -> None:
    model, shape = built(kind)
    for tokens, batch in ((5, 2), (12, 1)):
        kept, states = held(model, tokens, batch)
        if shape.window and tokens >= shape.window.tokens:  # it drops the one that falls out next
            one = cached_values_per_token(shape) * 4
            kept += batch * shape.window_layers * one
        said = kv_cache_bytes(shape, tokens, batch=batch, bytes_per_value=4)
        alone = kv_cache_bytes(
            shape, tokens, batch=batch, bytes_per_value=4, state_bytes_per_value=0
        )
        assert alone == kept
        assert said - alone == states


def test_a_static_cache_holds_the_whole_window() -> None:
    model, shape = built("some layers slide")
    cache = transformers.StaticCache(model.config, max_cache_len=20)
    ids = torch.ones((1, 3), dtype=torch.long)
    with torch.no_grad():
        model(input_ids=ids, cache=cache, use_cache=True)
    kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert kept == kv_cache_bytes(shape, 20, bytes_per_value=4)


def test_expanded_latent_attention_keeps_keys_and_values_of_all_heads() -> None:
    model, shape = built("latent")
    attention = model.model.layers[0].self_attn
    latents, rotated = torch.zeros(2, 1, 7, 16), torch.zeros(2, 1, 7, 4)
    keys, values = attention.expand_kv(latents, rotated)  # what versions before 5 cached
    bytes_of_all = 4 * (keys.nbytes + values.nbytes)
    assert kv_cache_bytes(shape, 7, batch=2, bytes_per_value=4, expanded=True) == bytes_of_all


def test_layers_that_reuse_a_cache_keep_none() -> None:
    config = transformers.CONFIG_MAPPING["gemma3n_text"](
        **{**TINY, "num_hidden_layers": 10, "num_key_value_heads": 2, "head_dim": 8},
        sliding_window=6, num_kv_shared_layers=5, vocab_size_per_layer_input=64,
        hidden_size_per_layer_input=8, altup_num_inputs=2, laurel_rank=4,
        layer_types=[*GEMMA3, "sliding_attention"] * 2, activation_sparsity_pattern=[0.0] * 10,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    window = Window(tokens=6, layers=8, reused=4)
    shape = Architecture(
        10, 32, 4, 48, 64, kv_heads=2, head_width=8, window=window, reused_layers=5
    )
    kept, _ = held(model, 5, 1)
    assert kv_cache_bytes(shape, 5, bytes_per_value=4) == kept


def test_caches_that_common_calculators_get_wrong() -> None:
    # bytes a token at 16 bits: DeepSeek-V3 61 x 576 x 2; Llama 3.1 8B 2 x 32 x 8 x 128 x 2
    assert kv_cache_bytes(catalog.architecture("deepseek-v3"), 1) == 70_272
    assert kv_cache_bytes(catalog.architecture("llama-3.1-8b"), 1) == 131_072
    # Qwen3 0.6B: 28 layers, 8 heads of 128 where width / heads is 64
    assert kv_cache_bytes(catalog.architecture("qwen3-0.6b"), 1) == 2 * 28 * 8 * 128 * 2
    # Gemma 3 27B at 128 k: 52 layers of 1,024 tokens and 10 of all
    gemma = kv_cache_bytes(catalog.architecture("gemma-3-27b"), 131_072)
    assert gemma == 2 * 16 * 128 * 2 * (52 * 1024 + 10 * 131_072)
    assert 2 * 16 * 128 * 2 * 62 * 131_072 / gemma == pytest.approx(5.96, rel=1e-2)  # the formula


@given(
    st.integers(0, 10**6), st.integers(0, 64), st.sampled_from(list(catalog.table("architectures")))
)
def test_a_batch_costs_the_sum_of_its_sequences(tokens: int, batch: int, name: str) -> None:
    shape = catalog.architecture(name)
    assert kv_cache_bytes(shape, tokens, batch=batch) == batch * kv_cache_bytes(shape, tokens)
    assert kv_cache_bytes(shape, tokens) <= kv_cache_bytes(shape, tokens + 1)


def test_a_negative_count_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match="tokens=-1"):
        kv_cache_bytes(catalog.architecture("gpt2"), -1)


def test_weights_of_70_billion_take_141_gigabytes_at_16_bits() -> None:
    assert weight_bytes(catalog.architecture("llama-3.1-70b")) == 141_107_412_992
