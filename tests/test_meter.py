"""Joules come from counters where there are any, wrap-around included."""

import shutil
import subprocess
from pathlib import Path

import pytest

from isoflop.meter import Counter, graphics_counters, measured, processor_counters


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
    counter = Counter(lambda: int(file.read_text()), 1_000_000)
    before = counter.microjoules()
    file.write_text("2\n")
    assert counter.since(before) == 3e-6


def test_without_readable_counters_joules_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    assert processor_counters(tmp_path) == []
    with measured(tmp_path) as reading:
        pass
    assert reading.joules is None


NVML = """
static unsigned long long energy[2] = {5000, 7000};
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **card) {
    *card = (void *)(unsigned long)(i + 1); return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *card, unsigned long long *millijoules) {
    unsigned long i = (unsigned long)card - 1;
    if (i > 1) return 3;                        /* an old card: not supported */
    *millijoules = energy[i]; energy[i] += 250; /* every look costs a quarter of a joule */
    return 0;
}
"""


def test_graphics_cards_are_added_to_the_processor_and_old_cards_are_left_out(
    tmp_path: Path,
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to build a library with NVML's interface")
    (tmp_path / "nvml.c").write_text(NVML)
    library = tmp_path / "libnvml.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "nvml.c"], check=True)
    assert len(graphics_counters(str(library))) == 2
    package = domain(tmp_path, "intel-rapl:0", 0)
    with measured(tmp_path, str(library)) as reading:
        package.write_text("1000000")
    assert reading.joules == 1.0 + 2 * 0.25
    with measured(tmp_path / "none", str(library)) as reading:
        pass
    assert reading.joules is None, "cards alone are not the machine"
