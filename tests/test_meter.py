"""Joules come from counters where there are any, wrap-around included."""

from pathlib import Path

from isoflop.meter import Counter, counters, measured


def domain(folder: Path, name: str, microjoules: int, limit: int = 262_143_328_850) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "max_energy_range_uj").write_text(f"{limit}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    return folder / name / "energy_uj"


def test_packages_are_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    first = domain(tmp_path, "intel-rapl:0", 1_000_000)
    second = domain(tmp_path, "intel-rapl:1", 5_000_000)
    domain(tmp_path, "intel-rapl:0:0", 900_000)  # the cores, already in package 0
    with measured(tmp_path) as reading:
        first.write_text("4000000\n")
        second.write_text("6500000\n")
    assert reading.joules == 4.5
    assert 0 < reading.seconds < 5


def test_a_counter_that_wrapped_around_is_not_negative(tmp_path: Path) -> None:
    file = domain(tmp_path, "intel-rapl:0", 999_999, limit=999_999)
    counter = Counter(file, 1_000_000)
    before = counter.microjoules()
    file.write_text("2000000\n"[:1] + "\n")
    assert counter.since(before) == 3e-6


def test_without_readable_counters_joules_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    assert counters(tmp_path) == []
    with measured(tmp_path) as reading:
        pass
    assert reading.joules is None
