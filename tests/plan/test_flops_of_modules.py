"""Forward FLOPs are those that torch counts while a small model runs."""

import warnings
from dataclasses import replace
from typing import Any

import pytest

from isoflop.catalog.configuration import from_config
from isoflop.plan.flops import attention_flops, forward_flops, training_flops_per_token

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
counter = pytest.importorskip("torch.utils.flop_counter")

TINY: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "vocab_size": 128, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "grouped": ("llama", {}),
    "explicit head width": ("qwen3", {"head_dim": 32}),
    "plain": ("gpt2", {"n_embd": 64, "n_layer": 3, "n_head": 4}),
    "parallel, one norm": ("gptj", {"n_embd": 64, "n_layer": 3, "n_head": 4, "rotary_dim": 8}),
    "four norms": ("gemma2", {"head_dim": 32}),
    "experts": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "a shared expert": ("qwen2_moe", {"num_experts": 4, "num_experts_per_tok": 2,
                        "moe_intermediate_size": 48, "shared_expert_intermediate_size": 40}),
    "latent": ("deepseek_v3", {"q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16,
               "qk_rope_head_dim": 8, "v_head_dim": 16, "first_k_dense_replace": 3,
               "num_key_value_heads": 4, "n_routed_experts": 8, "n_shared_experts": 1,
               "num_experts_per_tok": 2, "moe_intermediate_size": 16}),
}  # fmt: skip
TOKENS = 16


def model_and_shape(kind: str) -> tuple[Any, Any]:
    model_type, sizes = KINDS[kind]
    own = {} if "n_embd" in sizes else TINY
    config = transformers.CONFIG_MAPPING[model_type](**{**own, **sizes, "vocab_size": 128})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", experts_implementation="eager"
        )
    return model.eval(), from_config(config.to_dict())


def counted(model: Any) -> int:
    ids = torch.ones((1, TOKENS), dtype=torch.long)
    with counter.FlopCounterMode(display=False) as flops, torch.no_grad():
        model(input_ids=ids, use_cache=False)
    return int(flops.get_total_flops())


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_pass_takes_what_torch_counts(kind: str) -> None:
    # written out, attention multiplies all pairs and masks half: count them all, too
    model, shape = model_and_shape(kind)
    everything = replace(shape, causal=False, window=None)
    found = counted(model)
    # rotary angles: half a head's width of frequencies times the positions
    assert forward_flops(everything, [TOKENS]) == pytest.approx(found, rel=3e-4)


def test_training_takes_three_times_a_forward_pass() -> None:
    model, shape = model_and_shape("grouped")
    ids = torch.ones((1, TOKENS), dtype=torch.long)
    with counter.FlopCounterMode(display=False) as flops:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    said = TOKENS * training_flops_per_token(replace(shape, causal=False), TOKENS)
    # the first layer's input is a table's row: the same products as elsewhere
    assert said == pytest.approx(flops.get_total_flops(), rel=1e-3)


def test_causal_attention_is_half_of_all_pairs() -> None:
    _, shape = model_and_shape("grouped")
    causal = forward_flops(shape, [TOKENS])
    everything = forward_flops(replace(shape, causal=False), [TOKENS])
    assert everything - causal == attention_flops(shape, 3 * TOKENS**2 / 2)
