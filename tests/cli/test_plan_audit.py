"""isoflop plan audit: its verdict, its numbers, and what it refuses."""

from typing import Any

import pytest

EXAMPLE = ("--params", "124e6", "--tokens", "10e9", "--chip", "a100-80gb", "--chips", "8")


def test_the_verdict_comes_with_its_reasons_and_numbers(plan: Any) -> None:
    told = plan("audit", *EXAMPLE, "--hours", "24", "--json").values
    assert told["verdict"] == "misleading"
    assert told["findings"][0]["name"] == "hours cover more than the run"
    assert told["findings"][0]["figures"]["mfu"] == pytest.approx(0.0345, abs=1e-4)
    assert told["implied"]["chip_seconds"]["value"] == 192 * 3600


def test_over_peak_is_said_in_per_cent_of_the_peak(plan: Any) -> None:
    # 6 x 124e6 x 10e9 / (8 x 312e12) is 2,981 s
    told = plan("audit", *EXAMPLE, "--hours", "2484 s")
    assert "verdict: impossible" in told.out
    assert "120% of its dense bf16 peak" in told.out
    assert "attention left out" in told.err


def test_a_known_model_is_counted_from_its_shape(plan: Any) -> None:
    told = plan(
        "audit", "--model", "gpt2", "--tokens", "10e9", "--chip", "a100-80gb", "--chip-hours",
        "12.57", "--length", "1024", "--json",
    ).values  # fmt: skip
    assert told["verdict"] == "consistent"
    # karpathy/llm.c measures about 0.6 MFU with attention for this run of 1.57 h on eight
    assert told["implied"]["attention_mfu"]["value"] == pytest.approx(0.60, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Nothing follows"),
        (("--params", "1e9"), "Nothing follows"),
        (("--params", "-1e9", "--tokens", "1e9"), "more than zero"),
        ((*EXAMPLE, "--hours", "24", "--pue", "0.5"), "1 or more"),
        ((*EXAMPLE, "--energy", "449"), "its unit is missing"),
        ((*EXAMPLE, "--mfu", "fast"), "not an MFU"),
        ((*EXAMPLE, "--active", "1e12"), "more than all"),
        ((*EXAMPLE, "--layers", "12"), "--layers and --width together"),
        ((*EXAMPLE, "--model", "gpt2"), "not both"),
        (("--chip", "8xa100-80gb", "--mfu", "40%"), "--chips 8"),
        (("--chip", "a101", "--mfu", "40%"), "a101"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    plan: Any, arguments: tuple[str, ...], message: str
) -> None:
    assert message in plan("audit", *arguments, code=2).err
