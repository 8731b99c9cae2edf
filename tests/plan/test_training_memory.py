"""Memory while training: the published figures exactly, and what a real PyTorch step allocates."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.architecture import Architecture, Experts
from isoflop.plan.parallel import Layout
from isoflop.plan.training_memory import (
    STATES,
    Saved,
    layer_activation_bytes,
    layer_saved,
    layers_in_flight,
    state_bytes,
    training_memory,
)

GIB = 2**30
SMALL = Architecture(layers=8, width=512, heads=8, hidden=2048, vocabulary=1000)


def _classic(layers: int, width: int, heads: int) -> Architecture:
    return Architecture(layers, width, heads, 4 * width, 51200)


# Korthikanti et al. 2022, arXiv:2205.05198, figure 1 and table 3: 22B and 175B, tensor 8,
# pipeline 1 and 8, interleave 1 and 3, microbatch 4 and 1; weights with optimizer states, then
# activations without recomputation, then with sequence parallelism and selective recomputation.
FIGURE_1 = [
    (_classic(48, 6144, 64), 1, 1, 4, 45.5625, 59.25, 9.5625),
    (_classic(96, 12288, 96), 8, 3, 1, 45.5625, 66.84375, 12.3515625),
]


@pytest.mark.parametrize(("shape", "stages", "pieces", "batch", "states", "all_", "some"), FIGURE_1)
def test_korthikanti_figure_1_is_reproduced_exactly(
    shape: Architecture,
    stages: int,
    pieces: int,
    batch: int,
    states: float,
    all_: float,
    some: float,
) -> None:
    plain = Layout(8 * stages, 8, stages, pieces, microbatch=batch, accumulation=64)
    divided = Layout(
        8 * stages, 8, stages, pieces,
        microbatch=batch, accumulation=64, recompute="selective", sequence_parallel=True,
    )  # fmt: skip
    held = layers_in_flight(shape, plain) / GIB
    one = layer_activation_bytes(shape, plain, 2048, dropout=True, attention="plain")
    other = layer_activation_bytes(shape, divided, 2048, dropout=True, attention="plain")
    assert sum(state_bytes(shape.matrix_parameters, plain)) / GIB == states
    assert one * held == all_
    assert other * held == some


def test_a_classic_layer_keeps_34_bytes_a_width_and_5_a_head_and_pair() -> None:
    # Korthikanti et al. 2022, equation 1: s b h (34 + 5 a s / h)
    kept = layer_saved(SMALL, dropout=True, attention="plain")
    assert kept == Saved(split=24 * 512, replicated=10 * 512, pairs=5 * 8)


def test_grouped_queries_and_gates_change_what_is_kept() -> None:
    grouped = Architecture(8, 512, 8, 1024, 1000, kv_heads=2, gated=True)
    kept = layer_saved(grouped)
    queries, keys_values, output, log_sum = 2 * 512, 2 * 2 * 128, 2 * 512, 4 * 8
    assert kept.split == queries + keys_values + output + log_sum + 4 * 2 * 1024
    fused = layer_saved(grouped, fused_gate=True)
    assert kept.split - fused.split == 2 * 1024


def test_routed_experts_keep_as_many_tokens_as_are_used() -> None:
    mixture = Architecture(8, 512, 8, 0, 1000, experts=Experts(64, 4, 256))
    kept = layer_saved(mixture)
    attention = 2 * 512 * 4 + 4 * 8
    assert kept.split == attention + 2 * 2 * 4 * 256 + 2 * 4 * 512


def test_adam_in_mixed_precision_takes_18_bytes_and_zero_shares_them() -> None:
    # Rajbhandari et al. 2020, arXiv:1910.02054, figure 1, with fp32 gradients: 7.5B over 64
    assert sum(state_bytes(7.5e9, Layout(64))) == 18 * 7.5e9
    assert sum(state_bytes(7.5e9, Layout(64), "adam-16bit-gradients")) == 16 * 7.5e9
    expected = {1: 4 + 12 / 64, 2: 2 + 14 / 64, 3: 16 / 64}  # the paper's 31.4, 16.6 and 1.9 GB
    for stage, each in expected.items():
        layout = Layout(64, sharding=stage)
        held = sum(state_bytes(7.5e9, layout, "adam-16bit-gradients"))
        assert held == pytest.approx(each * 7.5e9)


def test_zero_divides_over_the_data_parallel_group_only() -> None:
    layout = Layout(64, tensor=8, sharding=3)
    assert sum(state_bytes(8e9, layout)) == pytest.approx(18 * 8e9 / 64)
    staged = Layout(64, tensor=8, pipeline=4, sharding=1)
    assert sum(state_bytes(8e9, staged)) == pytest.approx(8e9 / 32 * (6 + 12 / 2))


@settings(deadline=None)
@given(
    microbatch=st.integers(1, 64),
    length=st.integers(1, 8192),
    tensor=st.sampled_from((1, 2, 4, 8)),
)
def test_more_tokens_never_take_less(microbatch: int, length: int, tensor: int) -> None:
    one = Layout(8, tensor, microbatch=microbatch)
    more = Layout(8, tensor, microbatch=2 * microbatch)
    assert (
        training_memory(SMALL, more, length).tensors > training_memory(SMALL, one, length).tensors
    )


@settings(deadline=None)
@given(sharding=st.integers(0, 2))
def test_each_zero_stage_holds_no_more_than_the_one_before(sharding: int) -> None:
    before = training_memory(SMALL, Layout(8, sharding=sharding), 1024)
    after = training_memory(SMALL, Layout(8, sharding=sharding + 1), 1024)
    states = [m.weights + m.gradients + m.optimizer for m in (before, after)]
    assert states[1] < states[0]


def test_recomputing_keeps_less() -> None:
    kept = [
        layer_activation_bytes(SMALL, Layout(recompute=again), 1024, attention="plain")
        for again in ("none", "selective", "full")
    ]
    assert kept[0] > kept[1] > kept[2] == 1024 * 2 * 512


def test_every_optimizer_says_what_it_keeps() -> None:
    assert {name: sum(sizes) for name, sizes in STATES.items()} == {
        "adam": 18, "adam-16bit-gradients": 16, "adam-8bit": 6, "muon": 8, "sgd": 8,
        "adam-fp32": 16,
    }  # fmt: skip


def test_nonsense_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match="length >= 1, got 0"):
        training_memory(SMALL, Layout(), 0)
    with pytest.raises(ValueError, match="8 layers cannot be cut into 16 x 1"):
        training_memory(SMALL, Layout(16, pipeline=16), 128)
    with pytest.raises(ValueError, match="8 chips cannot be divided into 3 tensor"):
        Layout(8, tensor=3)
    with pytest.raises(ValueError, match="ZeRO stage from 0 to 3, got 4"):
        Layout(8, sharding=4)
