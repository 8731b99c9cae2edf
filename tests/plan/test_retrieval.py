"""Forecasts of retrieval: they grow with what is asked, and are exact where they can be."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.machine import Accelerator, Machine
from isoflop.plan.flops import forward_flops
from isoflop.plan.retrieval import (
    PASSAGE_CHARACTERS,
    PASSAGE_TOKENS,
    Corpus,
    Speed,
    assumed_speed,
    indexing_forecast,
    question_forecast,
    save_speed,
    saved_speed,
)
from isoflop.questions import WAYS
from isoflop.search.encode import Encoder

CHIP = Accelerator("chip", {"int8": 1e12}, 1e10, None, 10.0, None, "a data sheet", "2026-01-01")
MACHINE = Machine(CHIP, 1, None)
SHAPE = catalog.architecture("minilm")
SPEED = Speed(1e11, dict.fromkeys(WAYS, 0.001))


def test_a_hundred_full_passages_take_a_hundred_forward_passes() -> None:
    bill = indexing_forecast(MACHINE, SPEED, SHAPE, Corpus(100 * PASSAGE_CHARACTERS))
    assert bill.flops == pytest.approx(forward_flops(SHAPE, [PASSAGE_TOKENS] * 100))
    assert bill.seconds == pytest.approx((bill.flops or 0) / 1e11)
    assert bill.basis_of("flops") == "forecast"
    assert bill.basis_of("joules") == "assumed"


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(WAYS))
def test_more_text_never_costs_less(some: int, more: int, way: str) -> None:
    small, large = Corpus(some), Corpus(some + more)
    for figure in ("flops", "seconds", "joules"):
        assert getattr(indexing_forecast(MACHINE, SPEED, SHAPE, small), figure) <= getattr(
            indexing_forecast(MACHINE, SPEED, SHAPE, large), figure
        )
        assert getattr(question_forecast(MACHINE, SPEED, SHAPE, small, way), figure) <= getattr(
            question_forecast(MACHINE, SPEED, SHAPE, large, way), figure
        )


def test_a_million_passages_are_read_at_the_machine_s_bandwidth() -> None:
    one = question_forecast(MACHINE, SPEED, SHAPE, Corpus(0, passages=0), "dense")
    many = question_forecast(MACHINE, SPEED, SHAPE, Corpus(0, passages=1_000_000), "dense")
    assert (many.seconds or 0) - (one.seconds or 0) == pytest.approx(384e6 / 1e10)
    assert (many.flops or 0) - (one.flops or 0) == pytest.approx(2 * 384e6)


def test_forecast_flops_of_a_question_are_those_that_are_counted(minilm: Encoder) -> None:
    question = "How many arches has the stone bridge?"
    encoded = minilm.encode([question])
    forecast = question_forecast(
        MACHINE, SPEED, SHAPE, Corpus(0, passages=0), "dense", encoded.padded_tokens
    )
    assert forecast.flops == pytest.approx(encoded.flops)


def test_without_a_known_peak_there_is_no_assumed_speed() -> None:
    unknown = Machine(Accelerator("?", {}, None, None, None, None, "", ""), 1, None)
    assert assumed_speed(unknown, SHAPE) is None
    assumed = assumed_speed(MACHINE, SHAPE)
    assert assumed is not None
    assert not assumed.measured
    assert assumed.flops_per_second == pytest.approx(0.3e12)


def test_a_trial_s_result_is_kept_and_a_broken_one_is_not_believed(tmp_path: Path) -> None:
    assert saved_speed(tmp_path) is None
    save_speed(SPEED, tmp_path / "new")
    assert saved_speed(tmp_path / "new") == SPEED
    (tmp_path / "new" / "speed.json").write_text('{"flops_per_second": 1')
    assert saved_speed(tmp_path / "new") is None
