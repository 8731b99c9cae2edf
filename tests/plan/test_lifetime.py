"""The cheapest model to train and serve is the one Sardana et al. and their code find."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.plan.laws import law
from isoflop.plan.lifetime import Demand, Life, Rates, band, best, dollars_per_flop, life, quality
from isoflop.plan.scaling import loss, optimum

HOFFMANN = law("chinchilla-3")
laws = st.sampled_from(["chinchilla-3", "epoch", "muennighoff", "sardana"])
sizes = st.floats(1e8, 1e12)


def test_thirteen_billion_with_two_trillion_served_tokens_saves_a_sixth() -> None:
    # Sardana et al. 2024, arXiv:2401.00448, figure 1: 7B instead of 13B saves 1.7e22 FLOP, 17 %
    target, demand = quality(HOFFMANN, 13e9), Demand(2e12, 0)
    given_model, cheapest = life(HOFFMANN, 13e9, target, demand), best(HOFFMANN, target, demand)
    assert given_model.tokens == pytest.approx(0.617e12, rel=0.001)
    assert given_model.cost == pytest.approx(1.002e23, rel=0.001)
    assert cheapest.parameters == pytest.approx(7.1e9, rel=0.005)
    assert 1 - cheapest.cost / given_model.cost == pytest.approx(0.163, abs=0.001)
    # with the digits of their own code it is what they print
    theirs = law("sardana")
    target = quality(theirs, 13e9)
    saved = life(theirs, 13e9, target, demand).cost - best(theirs, target, demand).cost
    assert saved == pytest.approx(1.7e22, rel=0.01)


def test_the_authors_code_says_the_same_of_flops() -> None:
    # nikhilsardana/beyond-chinchilla README.md: compute_optimal.py --loss 1.947 --inference 2e12
    found = best(law("sardana"), 1.947, Demand(2e12, 0))
    assert found.parameters == pytest.approx(2.418e10, rel=5e-4)
    assert found.tokens == pytest.approx(2.657e12, rel=5e-4)
    as_chinchilla = found.parameters / 0.7096
    assert found.cost / life(law("sardana"), as_chinchilla, 1.947, Demand(2e12, 0)).cost == (
        pytest.approx(0.9522, abs=2e-4)
    )


def test_the_authors_code_says_the_same_of_dollars() -> None:
    # the same README: A100-80GB at $1.40, served in int8 on A100-40GB at $0.60, 10 billion
    # requests of 1000 tokens in and 250 out, utilisations 0.5, 0.4 and 0.2
    rates = Rates(
        dollars_per_flop(1.40, 312e12, 0.5),
        dollars_per_flop(0.60, 624e12, 0.4),
        dollars_per_flop(0.60, 624e12, 0.2),
    )
    demand = Demand(1e13, 2.5e12)
    found = best(law("sardana"), 1.947, demand, rates=rates)
    assert found.parameters == pytest.approx(2.053e10, rel=5e-4)
    assert found.tokens == pytest.approx(3.302e12, rel=5e-4)
    chinchilla = life(law("sardana"), found.parameters / 0.6023, 1.947, demand, rates=rates)
    assert found.cost / chinchilla.cost == pytest.approx(0.8876, abs=2e-4)


@given(laws, sizes, st.floats(0, 1e15))
def test_no_other_size_is_cheaper(name: str, parameters: float, served: float) -> None:
    target, demand = quality(law(name), parameters), Demand(served, 0)
    found = best(law(name), target, demand)
    for factor in (0.7, 0.95, 1.05, 1.5):
        other = life(law(name), found.parameters * factor, target, demand)
        assert other.cost >= found.cost * (1 - 1e-9)


@given(laws, sizes, st.floats(1e9, 1e15), st.floats(1.5, 100))
def test_the_more_is_served_the_smaller_and_the_longer_trained(
    name: str, parameters: float, served: float, more: float
) -> None:
    target = quality(law(name), parameters)
    little = best(law(name), target, Demand(served, 0))
    much = best(law(name), target, Demand(served * more, 0))
    assert much.parameters <= little.parameters * (1 + 1e-6)
    assert much.tokens >= little.tokens * (1 - 1e-6)
    assert much.cost > little.cost


@given(laws, sizes)
def test_a_model_that_serves_nothing_is_the_compute_optimal_one(name: str, size: float) -> None:
    found = best(law(name), quality(law(name), size), Demand(0, 0))
    assert found.parameters == pytest.approx(size, rel=1e-3)
    assert optimum(law(name), found.cost).parameters == pytest.approx(size, rel=1e-3)


@given(laws, sizes, st.floats(1e10, 1e14))
def test_the_ends_of_the_band_cost_the_same_and_lose_half_a_percent(
    name: str, parameters: float, served: float
) -> None:
    target, demand = quality(law(name), parameters), Demand(served, served / 3)
    cheapest = best(law(name), target, demand)
    low, high = band(law(name), cheapest, demand)
    assert low.parameters < cheapest.parameters < high.parameters
    for end in (low, high):
        assert end.cost == pytest.approx(cheapest.cost)
        assert loss(law(name), end.parameters, end.tokens) == pytest.approx(end.loss)
        assert end.loss == pytest.approx(target * 1.005, rel=1e-4)


def test_with_little_data_a_larger_model_is_the_cheaper() -> None:
    target, demand = quality(HOFFMANN, 13e9), Demand(1e12, 1e12)
    fresh = best(HOFFMANN, target, demand)
    repeated = best(HOFFMANN, target, demand, unique_tokens=100e9)
    assert repeated.parameters == pytest.approx(10.4e9, rel=0.01)
    assert repeated.cost > fresh.cost
    assert best(HOFFMANN, target, demand, unique_tokens=1e13).cost == pytest.approx(fresh.cost)
    assert math.isinf(life(HOFFMANN, 5e9, target, demand, unique_tokens=100e9).cost)


def test_writing_that_costs_twenty_times_as_much_shrinks_the_model() -> None:
    target, demand = quality(HOFFMANN, 13e9), Demand(1.6e12, 0.4e12)
    plain = best(HOFFMANN, target, demand)
    dear = best(HOFFMANN, target, demand, rates=Rates(output=20))
    assert dear.parameters < 0.8 * plain.parameters
    scaled = best(HOFFMANN, target, demand, rates=Rates(3, 3, 3))
    assert scaled.parameters == pytest.approx(plain.parameters)
    assert isinstance(scaled, Life)
    assert scaled.cost == pytest.approx(3 * plain.cost)


def test_a_chip_at_half_its_peak_costs_twice_as_much_a_flop() -> None:
    assert dollars_per_flop(3.6, 1e15, 0.5) == pytest.approx(3.6 / 3600 / 5e14)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ends at 1\.693"):
        best(HOFFMANN, 1.6, Demand(1e12, 0))
    with pytest.raises(UsageError, match="More data is needed"):
        best(HOFFMANN, quality(HOFFMANN, 13e9), Demand(1e12, 0), unique_tokens=1e10)
    with pytest.raises(UsageError, match=r"more than 0 and at most 1, got 1\.5"):
        dollars_per_flop(2, 1e15, 1.5)
    with pytest.raises(UsageError, match=r"more than \$0 an hour"):
        dollars_per_flop(0, 1e15, 0.5)
