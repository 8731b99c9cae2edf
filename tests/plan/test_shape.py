"""Shapes have the size that was asked for, and look like published models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.plan.flops import parameters, training_flops_per_token
from isoflop.plan.shape import best_vocabulary, flops_per_token, shape

sizes = st.floats(6, 13).map(lambda power: 10.0**power)


@given(sizes)
def test_a_shape_has_the_size_asked_for_within_two_percent(size: float) -> None:
    found = shape(size)
    assert parameters(found) == pytest.approx(size, rel=0.02)
    assert found.width % 32 == 0
    assert found.hidden % (128 if size >= 2e7 else 16) == 0
    assert found.heads % (found.kv_heads or 1) == 0
    assert found.width == found.query_width
    assert found.vocabulary == best_vocabulary(size)


@given(sizes)
def test_width_over_layers_is_as_published_models_have_it(size: float) -> None:
    found = shape(size)
    usual = 64 * (size / 1e8) ** 0.124
    assert 0.55 <= found.width / found.layers / usual <= 1.8
    assert 2.5 <= found.hidden / found.width <= 4


@given(sizes, st.sampled_from([512, 2048, 8192]))
def test_the_smooth_count_of_flops_is_that_of_the_shape(size: float, length: int) -> None:
    smooth = flops_per_token(size, length)
    assert smooth == pytest.approx(training_flops_per_token(shape(size), length), rel=0.16)


def test_seven_billion_with_llamas_vocabulary_looks_like_llama() -> None:
    # Llama 2 7B: 32 layers of 4096, hidden 11008, 32 heads of 128, vocabulary 32000, 6.74e9
    found = shape(6.74e9, vocabulary=32000)
    assert (found.width, found.hidden, found.heads, found.head_width) == (4096, 10496, 32, 128)
    assert found.layers == 38


def test_large_models_divide_among_eight_chips() -> None:
    for size in (3.1e9, 7e9, 70e9, 405e9, 1e12):
        found = shape(size)
        assert found.kv_heads == 8
        assert found.heads % 8 == 0
        assert found.hidden % 256 == 0


def test_vocabularies_grow_as_measured() -> None:
    # Tao et al. 2024: 16k measured at 302M; 43k predicted at 3e9, 216k at 70e9
    assert best_vocabulary(302e6) == 16384
    assert best_vocabulary(3e9) == 32768
    assert best_vocabulary(70e9) == 262144
    assert best_vocabulary(1e6) == 1024


def test_what_has_no_shape_is_refused_with_what_would_have() -> None:
    with pytest.raises(UsageError, match=r"from 1e\+06 to 1e\+13"):
        shape(1e5)
    with pytest.raises(UsageError, match=r"leaves too little .* such as 1,024"):
        shape(1e6, vocabulary=100_000)
    with pytest.raises(UsageError, match="needs two tokens"):
        shape(1e9, vocabulary=1)
