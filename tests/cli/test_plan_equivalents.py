"""isoflop plan equivalents: what it prints, how it marks recalled figures, what it refuses."""

from typing import Any

import pytest

GPT3 = ("--flops", "3.14e23", "--on", "10000xv100", "--mfu", "22.4%", "--grid", "US")


def test_a_run_has_its_time_energy_and_carbon(plan: Any) -> None:
    told = plan("equivalents", *GPT3, "--pue", "1.1")
    assert "13.0 days" in told.out
    assert "PUE 1.1" in told.out
    assert "US 2023" in told.out


def test_energy_grows_with_pue(plan: Any) -> None:
    one, two = (
        plan("equivalents", *GPT3, "--pue", pue, "--json").values["joules"] for pue in ("1", "1.5")
    )
    assert two["value"] == pytest.approx(1.5 * one["value"])
    assert one["low"] < one["value"] < one["high"]


def test_flops_alone_are_computed_on_chips_that_are_named_as_assumed(plan: Any) -> None:
    told = plan("equivalents", "--flops", "3.14e23")
    assert "256 x h100-sxm" in told.out
    assert "The chips were not given" in told.err
    same = ("equivalents", "--flops", "3.14e23", "--on", "256xh100-sxm", "--json")
    named = plan(*same).values
    assert named == plan("equivalents", "--flops", "3.14e23", "--json").values
    # 3.14e23 / (256 x 989e12 x 0.35), arithmetic on the data sheet
    assert named["seconds"]["value"] == pytest.approx(3.5434e6, rel=1e-4)


def test_recalled_figures_are_marked(plan: Any) -> None:
    things = plan("equivalents", "--grams", "552M", "--json").values["equivalents"]
    marks = {thing["name"]: thing["evidence"] for thing in things}
    assert marks["passengers across the US and back"] == "M"
    assert marks["miles in a US passenger car"] == "V"
    assert "M recalled" in plan("equivalents", "--grams", "552M").err


def test_kilowatt_hours_and_joules_are_the_same(plan: Any) -> None:
    one = plan("equivalents", "--kwh", "1000", "--json").values
    assert one == plan("equivalents", "--energy", "3.6 GJ", "--json").values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give --flops"),
        (("--flops", "nan"), "'nan' is not a number of FLOPs"),
        (("--on", "v100"), "give --flops too"),
        ((*GPT3[:4], "--mfu", "130%"), "no chip computes more"),
        (("--kwh", "0"), "more than zero"),
        (("--kwh", "5", "--energy", "5 J"), "Give one of"),
        (("--tokens", "many"), "not a number of tokens"),
        (("--grams", "3", "--pue", "0.4"), "1 or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    plan: Any, arguments: tuple[str, ...], message: str
) -> None:
    assert message in plan("equivalents", *arguments, code=2).err
