"""Energy of published training runs, chip-hours known: forecast against reported.

Each row is forecast with constants fitted without its group (the source that reported it), as
well as with the constants in force.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import compress

from benchmarks.facts import facts, number
from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.machine import Accelerator, Machine
from isoflop.plan.energy import HOST_SHARE, energy

MEGAWATT_HOUR = 3.6e9

# What the reported figure counts, read from the rows' notes and by dividing: "limit" is chips at
# their data sheet's limit times hours; "chips" was metered on the chips; "machine" is an
# operator's measured average of whole machines; "unknown" is not said (250.0 W a chip).
COUNTS = {
    "LLaMA-7B": "limit",
    "LLaMA-13B": "limit",
    "LLaMA-65B": "limit",
    "OPT-175B (LLaMA T15)": "limit",
    "GLM-130B": "limit",
    "StarCoder-15.5B": "chips",
    "Olmo-3-7B": "chips",
    "GPT-NeoX-20B": "unknown",
    "GPT-3-175B": "machine",
    "Meena-2.6B": "machine",
    "GShard-600B": "machine",
    "Gopher-280B": "machine",
    "GLaM-1.2T": "machine",
    "LaMDA-137B": "machine",
}
# Rows whose energy leaves out the PUE that stands beside it: 4,096 chips x 920 h x 283 W, and
# 320,256 h x 280 W, are the figures reported.
WITHOUT_PUE = frozenset({"Gopher-280B", "StarCoder-15.5B"})

ELSEWHERE = {"tpu-v4": 378.5}  # whole machines of PaLM, arXiv:2204.02311; no row here


@dataclass(frozen=True)
class Run:
    """One published run with its energy at the meter, in joules."""

    name: str
    group: str
    chip: Accelerator
    chip_seconds: float
    joules: float
    pue: float

    @property
    def counts(self) -> str:
        """What the reported figure counts."""
        return COUNTS.get(self.name, "unknown")

    @property
    def watts(self) -> float:
        """Of one chip, cooling left out."""
        return self.joules / self.pue / self.chip_seconds


def runs() -> list[Run]:
    """Rows with energy and chip-hours, on chips of the catalog."""
    return [run for row in facts("training_runs.csv") if (run := _run(row)) is not None]


def _run(row: Mapping[str, str]) -> Run | None:
    energy_reported, hours = number(row["energy_MWh"]), number(row["chip_hours"])
    if energy_reported is None or hours is None:
        return None
    try:
        chip = catalog.accelerator(row["chip"].lower())
    except UsageError:
        return None
    pue = 1.0 if row["name"] in WITHOUT_PUE else number(row["PUE"]) or 1.0
    joules = energy_reported * MEGAWATT_HOUR
    paper = re.search(r"arXiv \S+|\d{4}\.\d{5}", row["source"])
    group = paper[0] if paper else row["source"]
    return Run(row["name"], group, chip, hours * 3600, joules, pue)


def left_out(run: Run, found: Iterable[Run], metered_only: bool = True) -> Accelerator:
    """The chip of a run as it would be known without the runs of its group.

    A chip with operators' averages in other groups, or published elsewhere, gets their mean.
    Without them it gets its limit times a share fitted on the other groups.

    Args:
        run: The run to be forecast.
        found: All runs.
        metered_only: Fit the chips' share on runs whose chips were metered and add the hosts', as
            the constants in force were; False fits one share on every run of chips with a limit.
    """
    kept = [other for other in found if other.group != run.group]
    same = [other.watts for other in kept if other.chip.name == run.chip.name]
    same += [ELSEWHERE[run.chip.name]] if run.chip.name in ELSEWHERE else []
    if run.chip.training_watts is not None and same:
        return replace(run.chip, training_watts=statistics.geometric_mean(same))
    limited = [other for other in kept if other.chip.watts and not other.chip.training_watts]
    if metered_only:
        limited = [other for other in limited if other.counts in ("chips", "unknown")]
    shares = [other.watts / (other.chip.watts or math.nan) for other in limited]
    whole = statistics.median(shares) + (HOST_SHARE if metered_only else 0.0)
    assert run.chip.watts is not None
    return replace(run.chip, training_watts=run.chip.watts * whole)


def error(run: Run, chip: Accelerator) -> float:
    """ln of forecast over reported."""
    forecast = energy(Machine(chip, 1, None, run.pue), run.chip_seconds).building
    assert forecast is not None
    return math.log(forecast.value / run.joules)


def inside(run: Run) -> bool:
    """Whether the reported figure is in the interval."""
    forecast = energy(Machine(run.chip, 1, None, run.pue), run.chip_seconds).building
    assert forecast is not None
    return forecast.low <= run.joules <= forecast.high


def limit_error(run: Run) -> float:
    """Of the simplest forecast: the data sheet's limit, hours and PUE."""
    assert run.chip.watts is not None
    return math.log(run.chip.watts / run.watts)


def table() -> str:
    """Rows and medians, as text."""
    found = runs()
    ways: dict[str, Callable[[Run], float]] = {
        "limit x PUE": limit_error,
        "in force": lambda run: error(run, run.chip),
        "group out": lambda run: error(run, left_out(run, found)),
        "one share": lambda run: error(run, left_out(run, found, metered_only=False)),
    }
    errors = {name: [way(run) for run in found] for name, way in ways.items()}
    lines = [f"{'energy, chip-hours known':25} {'reported':>12}  W/chip  counts   "]
    lines[0] += "".join(f"{name:>12}" for name in ways)
    for place, run in enumerate(found):
        lines.append(
            f"{run.name:25} {run.joules / MEGAWATT_HOUR:8.1f} MWh  {run.watts:6.0f}  "
            f"{run.counts:9}" + "".join(f"{of[place]:+12.1%}" for of in errors.values())
        )
    for title, kept in (
        (f"median error of {len(found)}", [True] * len(found)),
        ("  without limit x hours", [run.counts != "limit" for run in found]),
    ):
        lines.append(
            f"{title:57}"
            + "".join(f"{median_size(compress(of, kept)):12.1%}" for of in errors.values())
        )
    lines.append(
        "bar: 12 %, with the group left out. 'one share' fits a single share of the limit on all "
        f"rows of chips instead.\nIn the 80 % interval: {sum(map(inside, found))} of {len(found)}."
    )
    return "\n".join(lines)


def median_size(errors: Iterable[float]) -> float:
    """Median of |ln(forecast / reported)|."""
    return statistics.median(map(abs, errors))


if __name__ == "__main__":
    print(table())
