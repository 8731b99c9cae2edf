"""Every row has a source and a date, and machines are recognised or not claimed."""

from datetime import date

import pytest

from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.plan.flops import parameters
from isoflop.plan.laws import LAWS, Surface
from isoflop.plan.scaling import REPEATED_TOKENS


@pytest.mark.parametrize("name", catalog.TABLES)
def test_every_row_has_a_source_and_a_date_of_the_past(name: str) -> None:
    for key, row in catalog.table(name).items():
        assert len(row["source"]) > 10, key
        assert date(2000, 1, 1) < date.fromisoformat(row["date"]) <= date(2026, 11, 23), key


def test_grids_lie_between_hydropower_and_coal() -> None:
    # 995 g/kWh is coal itself, 26 wind and hydropower (codecarbon, by source)
    grids = catalog.table("grids")
    countries = [row["grams_per_kilowatt_hour"] for key, row in grids.items() if len(key) == 2]
    assert len(countries) >= 60
    assert min(countries) >= 26
    assert max(countries) < 995
    assert all(0 < row["grams_per_kilowatt_hour"] <= 995 for row in grids.values())
    assert all(row["data_set"] for row in grids.values())


def test_data_sets_of_one_country_differ_by_a_fifth_at_most_where_most_power_is_burnt() -> None:
    for code, other in (("US", "ademe-USA"), ("DE", "ademe-DEU"), ("CN", "ademe-CHN")):
        pair = [catalog.row("grids", key)["grams_per_kilowatt_hour"] for key in (code, other)]
        assert max(pair) / min(pair) < 1.2


def test_grids_by_country_are_those_of_the_year_they_name() -> None:
    # Our World in Data, as codecarbon has it
    assert catalog.row("grids", "France")["grams_per_kilowatt_hour"] == 56
    assert catalog.row("grids", "usa")["grams_per_kilowatt_hour"] == 369
    assert catalog.row("grids", "IS")["year"] == 2022
    assert catalog.machine("h100", grid="IS").grid == "IS 2022"
    assert catalog.row("grids", "us-central1")["grams_per_kilowatt_hour"] == 430


def test_output_tokens_never_cost_less_than_cached_ones_more_than_fresh() -> None:
    assert len(catalog.table("prices")) >= 300
    for key, row in catalog.table("prices").items():
        assert row.get("cached", 0) <= row["prompt"], key
        assert 0 <= row["prompt"] < 1e-3, key
        assert 0 <= row["output"] < 1e-3, key


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


def test_laws_are_those_that_plan_computes_with() -> None:
    rows = catalog.table("laws")
    assert set(LAWS) <= set(rows)
    for name, law in LAWS.items():
        if isinstance(law.surface, Surface):
            for constant in ("E", "A", "B", "alpha", "beta"):
                said = rows[name][constant]
                assert said == pytest.approx(getattr(law.surface, constant), rel=1e-5), (name, said)
    assert rows["epoch"]["standard_errors"]["A"] == 124.5
    assert rows["muennighoff"]["repeated_tokens"] == REPEATED_TOKENS


def test_runs_are_in_proportion() -> None:
    # 6 N D, or as published: within a fifth of each other where both are known, encoders apart
    for key, row in catalog.table("runs").items():
        assert 2012 <= row["year"] <= 2026, key
        active = row.get("active_parameters", row.get("parameters"))
        if active and "tokens" in row and key != "t5-11b":
            assert row["flops"] == pytest.approx(6 * active * row["tokens"], rel=0.21), key
        if "chip" in row and "chip_hours" in row and "flops" in row:
            peak = catalog.accelerator(row["chip"]).flops_per_second
            most = row["chip_hours"] * 3600 * max(peak.get(f, 0) for f in ("bf16", "fp16"))
            assert 0.01 < row["flops"] / most < 1, key


def test_training_compute_grew_a_million_fold_in_a_dozen_years() -> None:
    runs = catalog.table("runs")
    assert len(runs) >= 50
    assert runs["llama-3.1-405b"]["flops"] / runs["alexnet"]["flops"] > 1e7
