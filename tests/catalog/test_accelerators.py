"""Peaks are dense and in proportion, and what is not known is left out."""

from datetime import date

import pytest

from isoflop import catalog
from isoflop.machine import Accelerator

CHIPS = [catalog.accelerator(name) for name in catalog.table("accelerators")]
CORES = [chip for chip in CHIPS if chip.name.endswith("-core")]
ids = pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)


def test_at_least_45_accelerators_from_eight_makers() -> None:
    assert len(CHIPS) >= 75
    makers = {"NVIDIA", "AMD", "Google", "AWS", "Intel", "Apple", "Huawei"}
    assert makers <= {chip.vendor for chip in CHIPS}


@ids
def test_formats_are_in_proportion(chip: Accelerator) -> None:
    # A sparse peak printed as a dense one is twice too large, and breaks one of these.
    peak = chip.flops_per_second
    known = {"fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8"}
    assert set(peak) <= known
    assert peak.get("bf16", 0) <= 2 * peak.get("fp16", float("inf")) or chip.name == "gaudi3"
    half = peak.get("bf16", peak.get("fp16"))
    if half and "fp8" in peak and chip.name != "rubin-sxm":  # announced: 4.4 times
        assert peak["fp8"] / half == pytest.approx(2, rel=0.06) or peak["fp8"] == half
    if half and "fp32" in peak:
        assert peak["fp32"] <= half
    if half and "tf32" in peak:
        assert peak["tf32"] <= half / 1.85 or peak["tf32"] == half  # Trainium 2 runs both alike


def test_tensor_cores_of_one_generation_keep_their_ratio() -> None:
    # NVIDIA's data-centre parts do twice the work in half the bits, from Ampere to Blackwell.
    for name in ("a100-80gb-sxm", "a30", "h100-sxm", "h100-pcie", "h20", "b200-sxm", "gb200", "l4"):
        peak = catalog.accelerator(name).flops_per_second
        assert peak["int8"] / peak["fp16"] == pytest.approx(2, rel=0.01)
        if "fp8" in peak:
            assert peak["fp8"] == peak["int8"]


@ids
def test_figures_lie_where_such_chips_lie(chip: Accelerator) -> None:
    core = chip in CORES
    bandwidth = chip.bytes_per_second or 0
    assert (10e9 if core else 50e9) < bandwidth < (50e9 if core else 30e12)
    if chip.watts is not None:
        assert (1 if core else 50) < chip.watts <= (20 if core else 1400)
    if chip.bytes is not None:
        assert 8 * 2**30 <= chip.bytes <= 512 * 2**30
    peak = max(chip.flops_per_second.values())
    assert (50e9 if core else 1e12) < peak < 40e15
    intensity = peak / bandwidth  # operations a byte read: 4.8 for a core, 2,600 for an RTX 3070
    assert 2 < intensity < 3000


@ids
def test_links_are_no_faster_than_memory_and_networks_no_faster_than_links(
    chip: Accelerator,
) -> None:
    if chip.link_bytes_per_second is not None:
        assert 10e9 < chip.link_bytes_per_second < (chip.bytes_per_second or 0)
    if chip.network_bytes_per_second is not None:
        assert 5e9 < chip.network_bytes_per_second < 2 * (chip.link_bytes_per_second or 0)


@ids
def test_measured_products_reach_half_to_nearly_all_of_the_peak(chip: Accelerator) -> None:
    for number_format, rate in (chip.achievable_flops_per_second or {}).items():
        assert 0.5 < rate / chip.flops_per_second[number_format] < 0.98


@ids
def test_a_price_has_a_source_a_date_and_a_place_in_its_range(chip: Accelerator) -> None:
    assert chip.evidence in ("V", "S", "M", "A")
    if chip.dollars_per_hour is None:
        assert not chip.price_source
        return
    assert 0.01 < chip.dollars_per_hour < 10
    assert len(chip.price_source) > 10
    assert date(2023, 1, 1) < date.fromisoformat(chip.price_date) <= date(2026, 11, 23)
    assert chip.price_evidence in ("V", "S", "M")
    if chip.dollars_range:
        low, high = chip.dollars_range
        assert low <= chip.dollars_per_hour <= high


def test_data_sheet_figures_of_the_chips_most_used() -> None:
    h100 = catalog.accelerator("h100")
    assert h100.name == "h100-sxm"
    assert h100.flops_per_second["bf16"] == 989e12
    assert h100.bytes_per_second == 3.35e12
    assert h100.bytes == 80 * 2**30
    a100 = catalog.accelerator("A100")
    assert a100.name == "a100-80gb-sxm"
    assert a100.flops_per_second["bf16"] == 312e12


def test_names_of_chips_lead_to_one_row_each() -> None:
    rows = catalog.table("accelerators")
    said = [alias for row in rows.values() for alias in row.get("aliases", [])]
    assert len(said) == len(set(said))
    assert not set(said) & set(rows)
    assert all(rows.find(alias.upper()) for alias in said)
