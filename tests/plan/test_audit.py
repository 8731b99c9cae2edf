"""Audits: claims that cannot be are named, published ones are left alone, numbers always given."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.plan.audit import Audit, audit
from isoflop.plan.claim import Claim, palm_flops_per_token

A100 = catalog.accelerator("a100-80gb")
# arXiv:2302.13971, table 15: 65.2B parameters, 1.4T tokens, 1,022,362 A100 hours, 449 MWh, PUE 1.1
LLAMA = Claim(
    parameters=65.2e9,
    tokens=1.4e12,
    chip=A100,
    chips=2048,
    chip_seconds=1_022_362 * 3600,
    joules=449e9 * 3.6,
    power_usage_effectiveness=1.1,
)


def wrong(found: Audit) -> set[str]:
    return {f.name for f in found.findings if f.level != "note"}


def test_llama_65b_is_consistent_at_48_per_cent() -> None:
    found = audit(LLAMA)
    assert found.verdict == "consistent"
    assert found.implied.mfu == pytest.approx(0.477, abs=0.001)
    assert found.implied.counted_flops == pytest.approx(6 * 65.2e9 * 1.4e12)


def test_phi_2_is_above_any_published_run() -> None:
    # 2.7B parameters, 1.4T tokens, 96 A100 for 14 days (the announcement, 2023)
    found = audit(Claim(parameters=2.7e9, tokens=1.4e12, chip=A100, chips=96, seconds=14 * 86400))
    assert found.verdict == "implausible"
    assert "MFU above any published run" in wrong(found)
    assert found.implied.mfu == pytest.approx(0.626, abs=0.001)


def test_lamdas_data_set_is_not_what_it_processed() -> None:
    # arXiv:2201.08239: a data set of 2.81T tokens, 57.7 days on 1,024 TPU v3 at 56.5 %
    found = audit(
        Claim(
            parameters=137e9,
            tokens=2.81e12,
            dataset_tokens=2.81e12,
            chip=catalog.accelerator("tpu-v3"),
            chips=1024,
            seconds=57.7 * 86400,
            mfu=0.565,
        )
    )
    assert found.verdict == "impossible"
    assert wrong(found) >= {"over peak", "data set size read as tokens processed"}
    (read,) = (f for f in found.findings if f.name == "data set size read as tokens processed")
    # 3.55e23 FLOPs (the paper) over 6 x 137e9
    assert read.figures["processed_tokens"] == pytest.approx(3.55e23 / (6 * 137e9), rel=0.01)


def test_the_issues_example_covers_more_than_the_run() -> None:
    found = audit(Claim(parameters=124e6, tokens=10e9, chip=A100, chips=8, seconds=86400))
    assert wrong(found) == {"hours cover more than the run"}
    assert found.implied.mfu == pytest.approx(7.44e18 / (192 * 3600 * 312e12))


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({"chip_seconds": 1_022_362 * 900}, "over peak", "impossible"),
        ({"mfu": 0.62}, "steady-state MFU quoted for a whole run", "misleading"),
        ({"mfu": 0.24}, "sparse peak quoted as dense", "misleading"),
        ({"mfu": 1.2}, "over peak", "impossible"),
        ({"mfu": 0.9}, "MFU above any published step", "implausible"),
        ({"flops_per_second": 500e12}, "sparse peak quoted as dense", "impossible"),
        ({"flops_per_second": 900e12}, "over peak", "impossible"),
        ({"mfu": 0.48, "flops_per_second": 100e12}, "MFU disagrees with FLOP/s", "misleading"),
        ({"flops": 1.83e23}, "forward pass counted alone", "misleading"),
        ({"flops": 2.74e23}, "data set size read as tokens processed", "misleading"),
        ({"seconds": 90 * 86400}, "hours disagree", "misleading"),
        ({"dollars": 2e5}, "price below the chips'", "implausible"),
        ({"joules": 4490e9 * 3.6}, "energy beyond the power limit", "impossible"),
        ({"joules": 44.9e9 * 3.6}, "energy below chips at work", "implausible"),
        (
            {"tokens": 0.5e12, "mfu": 0.48},
            "hours cover more than the run, or tokens are the data set's",
            "misleading",
        ),
    ],
)
def test_one_wrong_figure_is_named(change: dict[str, float], name: str, verdict: str) -> None:
    found = audit(replace(LLAMA, **change))  # type: ignore[arg-type]
    assert name in wrong(found)
    assert found.verdict == verdict


def test_a_price_below_full_peak_needs_no_hours() -> None:
    cheap = Claim(parameters=65.2e9, tokens=1.4e12, chip=A100, dollars=1e5)
    assert wrong(audit(cheap)) == {"price below the ideal"}


def test_experts_that_a_token_does_not_meet_do_not_count() -> None:
    # arXiv:2412.19437: 671B parameters, 37B active, 14.8T tokens, 2.664M H800 hours
    run = Claim(
        parameters=671e9,
        active_parameters=37e9,
        tokens=14.8e12,
        chip=catalog.accelerator("h800"),
        chip_seconds=2.664e6 * 3600,
    )
    assert audit(run).verdict == "consistent"
    assert audit(replace(run, active_parameters=None)).verdict == "impossible"
    counted = audit(replace(run, flops=6 * 671e9 * 14.8e12, chip_seconds=None))
    assert "all parameters counted as active" in wrong(counted)


def test_wall_hours_given_as_chip_hours_are_recognised() -> None:
    found = audit(Claim(chips=2048, seconds=86400, chip_seconds=86400))
    (finding,) = found.findings
    assert "wall hours were given as chip-hours" in finding.reason


def test_attention_explains_what_six_n_d_leaves_out() -> None:
    # arXiv:2310.19341: 13B, 52 layers of 4608, 3.2T tokens, 512 A800, 39 days, 56.5 %
    run = Claim(
        parameters=13e9,
        tokens=3.2e12,
        chip=catalog.accelerator("a800"),
        chips=512,
        seconds=39 * 86400,
        mfu=0.565,
    )
    assert wrong(audit(run)) == {"steady-state MFU quoted for a whole run"}
    each = palm_flops_per_token(13e9, 52, 4608, 4096)
    assert audit(replace(run, flops_per_token=each)).verdict == "consistent"


def test_recomputation_is_no_contradiction() -> None:
    # 147 TFLOP/s with recomputation, 809,472 hours (OPT-175B): 47 % beside 35 %
    found = audit(
        Claim(
            parameters=175e9,
            tokens=300e9,
            chip=A100,
            chip_seconds=809_472 * 3600,
            flops_per_second=147e12,
        )
    )
    assert found.verdict == "consistent"


@given(
    params=st.floats(1e6, 1e13),
    tokens=st.floats(1e6, 1e15),
    hours=st.floats(1e-2, 1e9),
    mfu=st.none() | st.floats(0.01, 3),
)
def test_no_verdict_stands_without_numbers(
    params: float, tokens: float, hours: float, mfu: float | None
) -> None:
    found = audit(
        Claim(parameters=params, tokens=tokens, chip=A100, chip_seconds=hours * 3600, mfu=mfu)
    )
    assert found.findings
    assert all(f.figures and any(c.isdigit() for c in f.reason) for f in found.findings)
    assert (found.implied.mfu or 0) <= 1 or found.verdict == "impossible"


def test_nothing_said_is_not_called_consistent() -> None:
    assert audit(Claim(parameters=1e9)).verdict == "unchecked"


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim(tokens=0), "tokens must be more than zero"),
        (Claim(chip_seconds=-1), "chip seconds must be more than zero"),
        (Claim(parameters=1e9, active_parameters=2e9), "more than all"),
    ],
)
def test_what_no_run_can_have_is_refused(claim: Claim, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        audit(claim)
