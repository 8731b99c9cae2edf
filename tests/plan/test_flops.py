"""FLOPs and parameters agree with what others published and with counting by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.architecture import Architecture
from isoflop.plan.flops import forward_flops, parameters

GPT2 = Architecture(12, 768, 12, 3072, 50257, positions=1024, biases=True)
LLAMA_3_8B = Architecture(
    32, 4096, 32, 14336, 128_256, kv_heads=8, head_width=128, gated=True, tied=False
)
TINY = Architecture(1, 4, 2, 8, 10, tied=None, causal=False)


def test_published_parameter_counts() -> None:
    assert parameters(GPT2) == 124_439_808  # the released checkpoint, head tied
    assert parameters(LLAMA_3_8B) == 8_030_261_248  # the released checkpoint


def test_a_forward_pass_counted_by_hand() -> None:
    # one token: 4 attention matrices of 4 x 4 and 2 of 4 x 8, 2 FLOPs an entry; then the
    # token's product with itself (2 x 4) and the weighted value (2 x 4)
    assert forward_flops(TINY, [1]) == 2 * (4 * 16 + 2 * 32) + 16


def test_six_times_parameters_times_tokens_is_three_forward_passes() -> None:
    # 6 N per token for training, a third of it forward, N without the input embedding
    matrices = parameters(LLAMA_3_8B) - 128_256 * 4096
    assert forward_flops(LLAMA_3_8B, [1]) == pytest.approx(2 * matrices, rel=1e-3)


@given(st.lists(st.integers(1, 512), max_size=8), st.lists(st.integers(1, 512), max_size=8))
def test_texts_add_up(one: list[int], other: list[int]) -> None:
    together = forward_flops(GPT2, one + other)
    assert together == pytest.approx(forward_flops(GPT2, one) + forward_flops(GPT2, other))


def test_an_architecture_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="layers >= 1, got 0"):
        Architecture(0, 4, 2, 8, 10)
