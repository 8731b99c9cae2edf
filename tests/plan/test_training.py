"""Time of steps and runs: published utilisations, and what must hold whatever the constants."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.architecture import Architecture, Experts
from isoflop.errors import UsageError
from isoflop.plan.budget import How, with_chip_seconds, with_flops, with_model
from isoflop.plan.flops import parameters, training_flops_per_token
from isoflop.plan.layout import batch_sequences, chosen, fastest, layouts
from isoflop.plan.parallel import NODE_CHIPS, Layout, node_chips, nodes
from isoflop.plan.shape import shape
from isoflop.plan.training import Job, Step, achievable, fused_share, step
from isoflop.plan.training_run import Run, as_one_device, run

A100, H100 = catalog.accelerator("a100-80gb-sxm"), catalog.accelerator("h100-sxm")
LLAMA_7B = Architecture(32, 4096, 32, 11008, 32000, gated=True, tied=False)
LLAMA_65B = Architecture(80, 8192, 64, 22016, 32000, gated=True, tied=False)
GPT3 = Architecture(96, 12288, 96, 49152, 50257, positions=2048, biases=True)
PALM = Architecture(
    118, 18432, 48, 73728, 256000, kv_heads=1, head_width=256, gated=True, tied=True
)
SMALL = Architecture(12, 1024, 16, 4096, 32000)


def _step(a: Architecture, layout: Layout, length: int = 2048, year: int = 2026) -> Step:
    return step(Job(a, A100, layout, length, year=year))


def test_palm_mfu_is_46_percent_at_its_published_throughput() -> None:
    # Chowdhery et al. 2022, arXiv:2204.02311, table 3 and section 4.1: 238.3k tokens/s on 6,144
    # TPU v4 is 45.7 % without attention and 46.2 % with it, every pair counted
    peak = 6144 * 275e12
    per_token = 6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048
    assert 238.3e3 * per_token / peak == pytest.approx(0.462, abs=0.001)
    assert 238.3e3 * 6 * 540.35e9 / peak == pytest.approx(0.457, abs=0.001)
    ours = training_flops_per_token(PALM, 2048, causal=False)
    assert 238.3e3 * ours / peak == pytest.approx(0.462, abs=0.005)


def test_gpt3_took_3e23_flops_as_published() -> None:
    # Brown et al. 2020, arXiv:2005.14165, table D.1: 3.14e23 FLOP for 300B tokens, 6 N D
    assert parameters(GPT3) == pytest.approx(174.6e9, rel=0.002)
    planned = with_model(GPT3, parameters(GPT3), 300e9, How(A100, 1024, year=2022))
    assert planned.flops.value == pytest.approx(3.14e23, rel=0.003)


# arXiv:2302.13971, table 15: GPU-hours. These rows are among those the constants were fitted on.
@pytest.mark.parametrize(
    ("shape_", "tokens", "hours"), [(LLAMA_7B, 1e12, 82432), (LLAMA_65B, 1.4e12, 1022362)]
)
def test_llama_took_hours_inside_the_interval(
    shape_: Architecture, tokens: float, hours: float
) -> None:
    found = run(shape_, tokens, A100, 2048, year=2023).chip_seconds
    assert found.low < hours * 3600 < found.high


def test_megatron_22b_takes_1_42_seconds_a_step() -> None:
    # Korthikanti et al. 2022, arXiv:2205.05198, table 5, full recomputation; fitted on it too
    a = Architecture(48, 6144, 64, 24576, 51200)
    layout = Layout(8, tensor=8, microbatch=4, recompute="full")
    assert _step(a, layout, year=2022).seconds == pytest.approx(1.42, rel=0.12)


def test_the_parts_make_the_whole() -> None:
    found = _step(SMALL, Layout(16, tensor=2, pipeline=2, microbatch=2, accumulation=8))
    parts = (
        found.matmul + found.attention + found.traffic + found.tensor + found.sharding
        + found.experts + found.update + found.waiting
    )  # fmt: skip
    assert found.chip_seconds_per_token == pytest.approx(parts)
    assert found.seconds * found.tokens_per_second == pytest.approx(found.tokens)
    assert 0 < found.utilisation < 1


def test_one_chip_exchanges_nothing_and_waits_for_nobody() -> None:
    found = _step(SMALL, Layout(microbatch=8))
    assert (found.tensor, found.sharding, found.experts, found.waiting) == (0, 0, 0, 0)


@settings(deadline=None)
@given(
    layers=st.integers(1, 64),
    width=st.integers(1, 32),
    length=st.sampled_from((128, 2048, 32768)),
)
def test_cost_grows_with_each_size(layers: int, width: int, length: int) -> None:
    def cost(a: Architecture, tokens: int) -> float:
        return _step(a, Layout(8, sharding=1, microbatch=4), tokens).chip_seconds_per_token

    a = Architecture(layers, 128 * width, width, 512 * width, 32000)
    base = cost(a, length)
    assert cost(replace(a, layers=layers + 1), length) > base
    assert cost(replace(a, hidden=a.hidden + 128), length) > base
    assert cost(replace(a, vocabulary=64000), length) > base
    assert cost(replace(a, experts=Experts(8, 3, a.hidden)), length) > base


@pytest.mark.parametrize("chips", [8, 64, 512, 4096])
def test_halving_the_chips_never_takes_dollars_below_the_ideal(chips: int) -> None:
    ideal = training_flops_per_token(LLAMA_7B, 2048) * 1e12 / 312e12
    for number in (chips, max(8, chips // 2)):
        assert run(LLAMA_7B, 1e12, A100, number).chip_seconds.low > ideal


@settings(max_examples=20, deadline=None)
@given(tokens=st.floats(1e9, 1e14), more=st.floats(1.01, 10))
def test_more_tokens_take_longer_and_intervals_hold_their_value(tokens: float, more: float) -> None:
    def took(read: float) -> Run:
        return run(LLAMA_7B, read, H100, 64, sequences=512)

    less, longer = took(tokens).chip_seconds, took(more * tokens).chip_seconds
    assert less.low < less.value < less.high
    assert longer.value == pytest.approx(more * less.value)


def test_recomputing_costs_a_forward_pass_more() -> None:
    kept, again = (_step(SMALL, Layout(recompute=way)) for way in ("none", "full"))
    assert kept.matmul < again.matmul < 4 / 3 * kept.matmul
    inside = again.matmul - kept.matmul
    head = 6 * 1024 * 32000 / (6 * 1024 * 32000 + 6 * 12 * SMALL.width**2 * 12)
    assert inside / kept.matmul == pytest.approx((1 - head) / 3, rel=0.001)


def test_a_pipeline_idles_less_with_more_microbatches_and_pieces() -> None:
    few = Layout(8, pipeline=8, accumulation=8)
    assert few.bubble == 7 / 8
    assert replace(few, accumulation=64).bubble == 7 / 64
    assert replace(few, interleave=2).bubble == 7 / 16


def test_attention_kernels_come_with_the_years() -> None:
    assert fused_share(H100, 2023) < fused_share(H100, 2024) < fused_share(H100, 2025)
    assert fused_share(A100, 2024) == fused_share(A100, 2025) == 0.60


def test_the_fastest_layout_fits_and_is_not_beaten() -> None:
    found = fastest(LLAMA_7B, A100, 64, 2048, 512)
    assert found.memory.total.value <= 0.96 * (A100.bytes or 0)
    tried = [
        replace(layout, recompute=recompute, microbatch=microbatch).with_batch(512)
        for layout in layouts(LLAMA_7B, A100, 64, 512)
        for recompute in ("none", "full")
        for microbatch in {1, 2, layout.microbatch}
    ]
    for layout in tried:
        other = None
        try:
            other = chosen(Job(LLAMA_7B, A100, layout, 2048))
        except UsageError:
            continue
        if other.memory.total.value <= 0.96 * (A100.bytes or 0):
            ours = found.step.chip_seconds_per_token
            assert other.step.chip_seconds_per_token > 0.99 * ours


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match=r"Nothing fits on 8 x t4: the least found is [\d.]+ GiB"):
        fastest(GPT3, catalog.accelerator("t4"), 8, 2048, 64)
    with pytest.raises(UsageError, match=r"needs [\d.]+ GiB a chip"):
        chosen(Job(GPT3, A100, Layout(8, tensor=8), 2048))
    with pytest.raises(UsageError, match="32 layers cannot be cut into 64 x 1"):
        chosen(Job(LLAMA_7B, A100, Layout(64, pipeline=64), 2048))


def test_a_batch_grows_with_the_budget_as_deepseek_found() -> None:
    # arXiv:2401.02954, section 3.1: 0.2920 C^0.3271 tokens
    assert batch_sequences(1e20, 1) == round(0.2920 * math.pow(1e20, 0.3271))
    assert batch_sequences(1e10, 10**9) == 1


def test_time_is_spent_whole_on_the_best_model() -> None:
    month = 256 * 30 * 86400
    planned = with_chip_seconds(month, How(A100, 256))
    assert planned.run.chip_seconds.value == month
    assert planned.flops.low < planned.flops.value < planned.flops.high
    again = with_model(
        planned.run.architecture, planned.split.parameters, planned.split.tokens, How(A100, 256)
    )
    assert again.run.chip_seconds.value == pytest.approx(month, rel=1e-3)


def test_a_budget_counts_the_experts_that_a_token_meets() -> None:
    # DeepSeek-V3, arXiv:2412.19437: 37B of 671B are active; 14.8T tokens
    sparse = catalog.architecture("deepseek-v3")
    planned = with_model(
        sparse, parameters(sparse), 14.8e12, How(catalog.accelerator("h800-sxm"), 2048)
    )
    assert planned.flops.value == pytest.approx(6 * 37e9 * 14.8e12, rel=0.03)
    assert planned.split.loss is None


def test_absurd_budgets_are_refused() -> None:
    with pytest.raises(UsageError, match="not one to train a language model with"):
        with_flops(1e40, How(A100))
    with pytest.raises(UsageError, match="positive number of tokens, got -1"):
        run(LLAMA_7B, -1, A100, 8)


def test_a_chip_without_the_format_is_refused_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"a100-80gb-sxm has no peak for fp8; known: .*bf16"):
        achievable(A100, "fp8")


def test_every_node_size_is_of_chips_in_the_catalog() -> None:
    known = catalog.table("accelerators")
    assert all(any(name.startswith(prefix) for name in known) for prefix in NODE_CHIPS)
    assert node_chips(H100) == 8
    assert nodes(H100, 17) == 3


def test_cores_work_as_one_device() -> None:
    here = catalog.machine("4xavx512-core")
    device = as_one_device(here)
    assert device.count == 1
    assert device.flops_per_second("fp32") == here.flops_per_second("fp32")
    assert run(shape(5e6), 1e6, device.accelerator, 1).chips == 1
