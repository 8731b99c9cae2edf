"""Time to read and to write: golden figures with their source, and what must always hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.architecture import Architecture, Experts, Recurrent
from isoflop.errors import UsageError
from isoflop.plan.capacity import fewest_chips, memory_map, refuse_if_too_large
from isoflop.plan.deployment import Deployment
from isoflop.plan.engines import ENGINES
from isoflop.plan.flops import forward_flops
from isoflop.plan.serving import decode_step, prefill, tokens_per_step

LLAMA_2_7B = Architecture(32, 4096, 32, 11008, 32000, gated=True, tied=False)
LLAMA_2_70B = Architecture(80, 8192, 64, 28672, 32000, kv_heads=8, gated=True, tied=False)
PALM_540B = Architecture(118, 18432, 48, 4 * 18432, 256_000, kv_heads=1, head_width=256, gated=True)
MIXTURE = Architecture(
    32, 4096, 32, 14336, 32000, kv_heads=8, gated=True, tied=False,
    experts=Experts(count=8, active=2, hidden=14336),
)  # fmt: skip


def deployed(
    architecture: Architecture = LLAMA_2_7B,
    chip: str = "a100-80gb-sxm",
    engine: str = "gpt-fast",
    weights: str = "bf16",
    chips: int = 1,
) -> Deployment:
    accelerator = catalog.accelerator(chip)
    return Deployment(
        architecture, accelerator, ENGINES[engine], weights=weights, tensor_parallel=chips
    )


@pytest.mark.parametrize(
    ("architecture", "weights", "chips", "tokens_per_second"),
    [
        # pytorch-labs/gpt-fast README, commit 0f925b5d: A100-80GB, batch 1
        (LLAMA_2_7B, "bf16", 1, 104.9),
        (LLAMA_2_7B, "bf16", 2, 168.8),
        (LLAMA_2_70B, "int8", 1, 19.1),
        (LLAMA_2_70B, "bf16", 8, 62.5),
        (LLAMA_2_70B, "int8", 8, 80.4),
    ],
)
def test_gpt_fast_on_a100(
    architecture: Architecture, weights: str, chips: int, tokens_per_second: float
) -> None:
    step = decode_step(deployed(architecture, weights=weights, chips=chips), 105)
    assert 1 / step.seconds == pytest.approx(tokens_per_second, rel=0.25)


def test_palm_540b_reads_2048_tokens_in_290_ms_on_64_tpus() -> None:
    # Pope et al. 2022, arXiv:2211.05102, table 2: int8 weights, batch 1, 43 % MFU
    d = deployed(PALM_540B, "tpu-v4", "jax", "int8", 64)
    assert prefill(d, 2048).seconds == pytest.approx(0.29, rel=0.25)


def test_palm_540b_writes_64_tokens_in_1820_ms_on_64_tpus() -> None:
    # the same, batch 64 after 1,984 tokens
    d = deployed(PALM_540B, "tpu-v4", "jax", "int8", 64)
    assert 64 * decode_step(d, 2016, batch=64).seconds == pytest.approx(1.82, rel=0.2)


def test_llama_cpp_writes_llama_3_8b_on_an_rtx_3090() -> None:
    # XiongjieDai/GPU-Benchmarks-on-LLM-Inference, May 2024: f16, tg1024
    d = deployed(catalog.architecture("llama-3.1-8b"), "rtx-3090", "llama.cpp")
    assert 1 / decode_step(d, 512).seconds == pytest.approx(46.5, rel=0.15)


def test_flops_of_a_prefill_are_those_of_a_forward_pass() -> None:
    assert prefill(deployed(), 700, batch=3).flops == pytest.approx(
        forward_flops(LLAMA_2_7B, [700] * 3)
    )


def test_one_token_reads_every_weight_once() -> None:
    step = decode_step(deployed(), 0)
    matrices = LLAMA_2_7B.matrix_parameters + LLAMA_2_7B.head_parameters
    assert step.bytes == pytest.approx(2 * matrices)
    assert step.seconds > 2 * matrices / 2.039e12  # never faster than the data sheet's bandwidth


def test_few_tokens_read_few_experts() -> None:
    # 8 experts, 2 a token: one token reads a quarter of them, many read all (1 - (3/4)^n)
    d = deployed(MIXTURE)
    routed = 32 * 3 * 4096 * 14336 * 8 * 2
    one, many = (decode_step(d, 0, batch=b).bytes for b in (1, 1000))
    assert many - one == pytest.approx(0.75 * routed, rel=1e-3)


SIZES = st.integers(1, 4000)


@given(tokens=SIZES, more=SIZES, batch=st.integers(1, 64))
def test_longer_prompts_and_larger_batches_take_longer(tokens: int, more: int, batch: int) -> None:
    d = deployed(engine="vllm")
    assert prefill(d, tokens + more).seconds > prefill(d, tokens).seconds
    assert prefill(d, tokens, batch=batch + 1).seconds > prefill(d, tokens, batch=batch).seconds
    assert decode_step(d, tokens + more, batch=batch).seconds >= (
        decode_step(d, tokens, batch=batch).seconds
    )
    assert decode_step(d, tokens, batch=batch + 1).seconds > (
        decode_step(d, tokens, batch=batch).seconds
    )


@given(tokens=SIZES, kept=st.floats(0, 0.99))
def test_a_kept_prefix_shortens_reading(tokens: int, kept: float) -> None:
    d = deployed(engine="vllm")
    shorter = prefill(d, tokens, cached_tokens=kept * tokens).seconds
    assert shorter <= prefill(d, tokens).seconds * (1 + 1e-9)


@given(tokens=SIZES, batch=st.integers(1, 64))
def test_no_pass_beats_the_data_sheet(tokens: int, batch: int) -> None:
    d = deployed(engine="vllm", weights="fp8", chip="h100-sxm")
    for one in (prefill(d, tokens, batch=batch), decode_step(d, tokens, batch=batch)):
        assert one.flops / one.seconds < d.peak
        assert one.bytes / one.seconds < d.bandwidth


def test_memory_of_llama_3_1_8b_on_an_h100() -> None:
    # 8.03e9 parameters of 2 bytes; 2 x 32 layers x 8 heads x 128 x 2 bytes = 131,072 a token
    found = memory_map(deployed(catalog.architecture("llama-3.1-8b"), "h100-sxm"), 2048)
    assert found.weights == 2 * 8_030_261_248
    assert found.cache_per_sequence == 131_072 * 2048
    room = 0.9 * 85_899_345_920 - found.weights
    assert found.sequences == int(room / (131_072 * 2048))


def test_the_file_of_a_four_bit_llama_3_is_4_9_gb() -> None:
    # Meta-Llama-3-8B Q4_K_M as llama.cpp quantises it, embedding and head included: 4.92 GB
    d = deployed(catalog.architecture("llama-3.1-8b"), weights="q4_k_m", engine="llama.cpp")
    assert d.weight_bytes == pytest.approx(4.92e9, rel=0.01)


def test_a_shared_prefix_is_kept_once() -> None:
    d = deployed(catalog.architecture("llama-3.1-8b"), "h100-sxm")
    assert memory_map(d, 2048, shared_tokens=1024).cache_per_sequence == 131_072 * 1024


def test_a_state_is_each_sequences_own_whatever_is_shared() -> None:
    state = Recurrent(layers=32, parameters=10**6, state_values=1000)
    d = deployed(Architecture(32, 4096, 32, 11008, 32000, gated=True, recurrent=state))
    for shared in (0, 512):
        found = memory_map(d, 1024, shared_tokens=shared)
        assert found.cache_per_sequence == 32 * 1000 * 2


def test_keys_of_few_heads_are_copied_to_many_chips() -> None:
    d = deployed(LLAMA_2_70B, chips=8)
    assert memory_map(replace(d, tensor_parallel=16), 100).cache_per_sequence == (
        memory_map(d, 100).cache_per_sequence
    )


def test_a_model_that_does_not_fit_is_told_what_would_do() -> None:
    d = deployed(LLAMA_2_70B)
    assert fewest_chips(d, 4096) == 2
    with pytest.raises(UsageError, match=r"138 GB.*2 x a100-80gb-sxm.*fp8") as told:
        refuse_if_too_large(d, 4096)
    assert "does not fit" in str(told.value)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean fp8"):
        deployed(weights="pf8")
    unknown = replace(deployed(), chip=replace(deployed().chip, flops_per_second={}))
    with pytest.raises(UsageError, match="No peak is known"):
        prefill(unknown, 10)
    with pytest.raises(UsageError, match="at least 1"):
        deployed(chips=0)


def test_drafts_yield_the_tokens_of_leviathan_et_al() -> None:
    # arXiv:2211.17192, equation 1: (1 - a^(k+1)) / (1 - a)
    assert tokens_per_step(3, 0.8) == pytest.approx((1 - 0.8**4) / 0.2)
    assert tokens_per_step(5, 1.0) == 6
    assert tokens_per_step(5, 0.0) == tokens_per_step(0, 0.5) == 1
    with pytest.raises(ValueError, match=r"accepted=1.5"):
        tokens_per_step(3, 1.5)


def test_checking_a_draft_costs_little_where_memory_is_the_bound() -> None:
    d = deployed()
    assert decode_step(d, 500, drafted=4).seconds == pytest.approx(
        decode_step(d, 500).seconds, rel=0.05
    )


def test_groups_share_experts_and_nothing_else() -> None:
    d = deployed(MIXTURE, engine="vllm", chips=1)
    routed = 32 * 3 * 4096 * 14336 * 8 * 2
    alone, four = d.weight_bytes_per_chip, replace(d, data_parallel=4).weight_bytes_per_chip
    assert alone - four == pytest.approx(routed * 3 / 4)
