"""Seconds and joules, read from the clock and from the machine's energy counters."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RAPL = Path("/sys/class/powercap")


@dataclass(slots=True)
class Reading:
    """What passed between entering and leaving `measured()`.

    Attributes:
        seconds: Wall time; 0 until the block is left.
        joules: Of the processor packages together; None where no counter can be read.
    """

    seconds: float = 0.0
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Counter:
    """One RAPL package counter, in microjoules, which wraps around at `limit`.

    Source:
        Linux documentation, Power Capping Framework, `energy_uj` and `max_energy_range_uj`.
    """

    file: Path
    limit: int

    def microjoules(self) -> int:
        """The counter's present value."""
        return int(self.file.read_text())

    def since(self, before: int) -> float:
        """Joules since it read `before`, at most one wrap ago."""
        return ((self.microjoules() - before) % self.limit) / 1e6


def counters(folder: Path = RAPL) -> list[Counter]:
    """The package counters this process may read; package domains only, their parts are inside.

    Energy of memory, disks, network and the power supply is not in these counters.
    """
    found = []
    for domain in sorted(folder.glob("*-rapl:*")):
        if domain.name.count(":") != 1:
            continue
        try:
            counter = Counter(
                domain / "energy_uj", int((domain / "max_energy_range_uj").read_text()) + 1
            )
            counter.microjoules()
        except (OSError, ValueError):  # most systems let only root read them
            continue
        found.append(counter)
    return found


@contextmanager
def measured(folder: Path = RAPL) -> Iterator[Reading]:
    """Measure a block: `with measured() as reading: ...`, then `reading.seconds`."""
    reading = Reading()
    before = [(counter, counter.microjoules()) for counter in counters(folder)]
    start = time.perf_counter()
    try:
        yield reading
    finally:
        reading.seconds = time.perf_counter() - start
        if before:
            reading.joules = sum(counter.since(value) for counter, value in before)
