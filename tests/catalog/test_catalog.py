"""Every row has a source and a date, and machines are recognised or not claimed."""

from datetime import date

import pytest

from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.plan.flops import parameters

TABLES = ("accelerators", "architectures", "models", "grids", "prices")


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_source_and_a_date_of_the_past(name: str) -> None:
    for key, row in catalog.table(name).items():
        assert len(row["source"]) > 10, key
        assert date(2000, 1, 1) < date.fromisoformat(row["date"]) <= date(2026, 11, 23), key


def test_grids_lie_between_norway_and_pure_coal() -> None:
    # 995 g/kWh is coal itself (codecarbon, by source)
    rates = [row["grams_per_kilowatt_hour"] for row in catalog.table("grids").values()]
    assert min(rates) == 30
    assert max(rates) < 995


def test_output_tokens_never_cost_less_than_cached_ones_more_than_fresh() -> None:
    for row in catalog.table("prices").values():
        assert row.get("cached", 0) <= row["prompt"]
        assert 0 <= row["prompt"] < 1e-3


def test_minilm_has_22_7_million_parameters() -> None:
    # 22,713,216 as published, of which 384 x 384 + 384 are the pooler
    counted = parameters(catalog.architecture("minilm"))
    assert counted == catalog.row("models", "minilm")["parameters"] - (384 * 384 + 384)


def test_a_processor_is_recognised_by_family_and_model_before_its_flags() -> None:
    genoa = {"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "17", "flags": "avx512f"}
    assert catalog.recognised(genoa) == "epyc-genoa-core"
    assert catalog.recognised({"model": "1", "flags": "sse avx2"}) == "avx2-core"
    assert catalog.recognised({}) is None


def test_an_unrecognised_machine_has_no_watts_rather_than_none_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ISOFLOP_CORES", "4")
    monkeypatch.setenv("ISOFLOP_WATTS", "60")
    machine = catalog.this_machine()
    assert machine.watts == pytest.approx(60)
    assert machine.count == 4


def test_prices_belong_to_a_server_not_to_a_name() -> None:
    assert catalog.price("gpt-4o-mini") is not None
    assert catalog.price("gpt-4o-mini", "http://127.0.0.1:8000/v1") is None


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean minilm"):
        catalog.row("models", "minlm")
