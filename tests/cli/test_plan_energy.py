"""isoflop plan energy: its figures in JSON, its conventions, and what it refuses."""

from typing import Any

import pytest

MACHINE = ("--on", "1000xavx512-core", "--hours", "100")


def test_kilowatt_hours_carbon_and_price_with_their_intervals(plan: Any) -> None:
    told = plan(
        "energy", *MACHINE, "--grid", "FR", "--pue", "1.1", "--per-kwh", "0.2", "--json"
    ).values
    # 1,000 cores of 5 W for 100 hours, PUE 1.1; France 56 g/kWh
    assert told["kilowatt_hours"]["value"] == pytest.approx(550)
    assert told["tonnes_co2e"]["value"] == pytest.approx(550 * 56e-6)
    assert told["electricity_dollars"]["value"] == pytest.approx(110)
    for name in ("joules", "tonnes_co2e", "electricity_dollars"):
        assert told[name]["low"] < told[name]["value"] < told[name]["high"]
    assert told["embodied_grams_co2e"] is None


def test_a_price_is_shown_only_where_one_is_given(plan: Any) -> None:
    assert "electricity_dollars" not in plan("energy", *MACHINE, "--json").values


def test_conventions_name_grid_year_load_and_pue(plan: Any) -> None:
    told = plan("energy", *MACHINE, "--grid", "FR", "--pue", "1.2", "--load", "decode")
    for word in ("FR 2023", "location-based", "decode", "PUE 1.2", "1,000 x avx512-core"):
        assert word in told.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--on", "8xh999", "--hours", "1"), "h999"),
        (("--on", "avx512-core"), "--hours"),
        (("--on", "avx512-core", "--hours", "-3"), "more than zero"),
        (("--on", "avx512-core", "--hours", "3 fortnights"), "no unit of time"),
        ((*MACHINE, "--pue", "0.9"), "1 or more"),
        ((*MACHINE, "--pue", "90"), "1 or more"),
        ((*MACHINE, "--watts", "0"), "--watts 0"),
        ((*MACHINE, "--per-kwh", "-1"), "--per-kwh -1"),
        ((*MACHINE, "--grid", "Atlantis"), "Atlantis"),
        ((*MACHINE, "--load", "decode", "--batch", "0"), "--batch 0"),
    ],
)
def test_what_cannot_be_is_refused_by_its_own_message(
    plan: Any, arguments: tuple[str, ...], message: str
) -> None:
    told = plan("energy", *arguments, code=2)
    assert message in told.err
    assert not told.out


def test_a_limit_given_takes_the_place_of_the_catalogs(plan: Any) -> None:
    watts = [
        plan("energy", *MACHINE, "--watts", limit, "--json").values["joules"]["value"]
        for limit in ("5", "10")
    ]
    assert watts[1] == pytest.approx(2 * watts[0])
