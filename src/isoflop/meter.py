"""Seconds and joules, read from the clock and from the machine's energy counters."""

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

RAPL = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"


@dataclass(slots=True)
class Reading:
    """What passed between entering and leaving `measured()`.

    Attributes:
        seconds: Wall time; 0 until the block is left.
        joules: Of the processor packages and graphics cards together, whatever else they did
            meanwhile; None where the processor has no counter that can be read.
    """

    seconds: float = 0.0
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Counter:
    """An energy counter in microjoules, which wraps around at `limit`."""

    microjoules: Callable[[], int]
    limit: int

    def since(self, before: int) -> float:
        """Joules since it read `before`, at most one wrap ago."""
        return ((self.microjoules() - before) % self.limit) / 1e6


def processor_counters(folder: Path = RAPL) -> list[Counter]:
    """The RAPL counters this process may read; packages only, their parts are inside.

    Energy of memory, disks, network and the power supply is not in these counters.

    Source:
        Linux documentation, Power Capping Framework, `energy_uj` and `max_energy_range_uj`.
    """
    found = []
    for domain in sorted(folder.glob("*-rapl:*")):
        if domain.name.count(":") != 1:
            continue
        file = domain / "energy_uj"
        try:
            limit = int((domain / "max_energy_range_uj").read_text()) + 1
            counter = Counter(partial(_number, file), limit)
            counter.microjoules()
        except (OSError, ValueError):  # most systems let only root read them
            continue
        found.append(counter)
    return found


def _number(file: Path) -> int:
    return int(file.read_text())


@cache
def graphics_counters(library: str = NVML) -> tuple[Counter, ...]:
    """The energy counters of NVIDIA cards; none where the driver or the counter is missing.

    Source:
        NVML API reference, `nvmlDeviceGetTotalEnergyConsumption`: millijoules since the driver
        was loaded, from Volta on.
    """
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return ()
    cards = ctypes.c_uint(0)
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetCount_v2(ctypes.byref(cards)):
        return ()
    found = []
    for number in range(cards.value):
        card = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(card)):
            continue
        millijoules = ctypes.c_ulonglong(0)
        if nvml.nvmlDeviceGetTotalEnergyConsumption(card, ctypes.byref(millijoules)):
            continue

        def read(card: ctypes.c_void_p = card) -> int:
            value = ctypes.c_ulonglong(0)
            nvml.nvmlDeviceGetTotalEnergyConsumption(card, ctypes.byref(value))
            return value.value * 1000

        found.append(Counter(read, 1000 * 2**64))
    return tuple(found)


@contextmanager
def measured(folder: Path = RAPL, library: str = NVML) -> Iterator[Reading]:
    """Measure a block: `with measured() as reading: ...`, then `reading.seconds`."""
    reading = Reading()
    processors = processor_counters(folder)
    counters = [*processors, *graphics_counters(library)] if processors else []
    before = [counter.microjoules() for counter in counters]
    start = time.perf_counter()
    try:
        yield reading
    finally:
        reading.seconds = time.perf_counter() - start
        if counters:
            pairs = zip(counters, before, strict=True)
            reading.joules = sum(counter.since(value) for counter, value in pairs)
