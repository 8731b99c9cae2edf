"""Every bar of `isoflop plan` in one table, reached or missed; kept in results/plan.json.

Training and serving are read from the results that their own tables save; the rest is measured.
"""

import json
import statistics
from collections.abc import Iterator
from itertools import compress

from benchmarks import plan_audit, plan_energy, plan_scaling
from benchmarks.machine import RESULTS, save
from benchmarks.markdown import judged
from benchmarks.plan_serving import median_size, within
from benchmarks.plan_serving_rows import online_rows, static_rows
from isoflop import catalog
from isoflop.plan.flops import active_parameters, parameters

Bar = tuple[str, str, str, bool]  # what, measured, bar, whether it is reached


def training() -> Iterator[Bar]:
    """Chip-hours of runs, throughput of steps, memory."""
    found = json.loads((RESULTS / "plan_training.json").read_text())
    hours, steps = found["runs"], found["throughput"]
    for way in ("families left out", "chips left out"):
        median, twice = hours[way]["median"], hours[way]["within_2x"]
        yield f"chip-hours of a run, median, {way}", f"{median:.1%}", "at most 20 %", median <= 0.20
        yield f"chip-hours within 2x, {way}", f"{twice:.1%}", "at least 97 %", twice >= 0.97
    holds, width = hours["interval"]["holds"], hours["interval"]["median_width"]
    yield "80 % interval of chip-hours holds", f"{holds:.1%}", "75 to 85 %", 0.75 <= holds <= 0.85
    yield "its median width", f"{width:.2f}x", "at most 2.2x", width <= 2.2
    for way, wanted in (("in force", 0.05), ("chips left out", 0.15)):
        median, high = steps[way]["median"], steps[way]["p90"]
        yield (
            f"throughput, median, {way}",
            f"{median:.1%}",
            f"at most {wanted:.0%}",
            median <= wanted,
        )
        yield f"throughput, 90th percentile, {way}", f"{high:.1%}", "at most 15 %", high <= 0.15
    worst = max(abs(case["error"]) for case in found["memory"].values())
    yield "training memory, worst step of torch", f"{worst:.1%}", "at most 5 %", worst <= 0.05


def serving() -> Iterator[Bar]:
    """Inference alone and under load, in force and with groups left out."""
    errors = json.loads((RESULTS / "plan_serving.json").read_text())["errors"]
    rows = [*static_rows(), *online_rows()]
    for way, of in errors.items():
        alone = [error for row, error in zip(rows, of, strict=True) if not row.online]
        median, share = median_size(alone), within(alone)
        yield f"static inference, median, {way}", f"{median:.1%}", "at most 12 %", median <= 0.12
        yield f"static inference within 25 %, {way}", f"{share:.0%}", "at least 75 %", share >= 0.75
        for metric, name in (("token", "time per output token"), ("answer", "end to end")):
            kept = [row.online and row.metric == metric for row in rows]
            median = median_size(list(compress(of, kept)))
            yield f"online, {name}, {way}", f"{median:.1%}", "at most 20 %", median <= 0.20


def counts() -> Iterator[Bar]:
    """Parameters of all catalogued models against the published totals and active counts."""
    totals, active = [], []
    table = catalog.table("architectures")
    for name in table:
        row, shape = table[name], catalog.architecture(name)
        totals.append(abs(parameters(shape) / row["parameters"] - 1))
        if "active_parameters" in row and "active_without" not in row:
            off = abs(active_parameters(shape) - row["active_parameters"])
            room = max(row.get("active_rounding", 0), 0.005 * row["active_parameters"])
            active.append(off / room)
    what = f"parameters of {len(totals)} models, worst"
    yield what, f"{max(totals):.2%}", "within 0.5 %", max(totals) <= 0.005
    met = sum(share <= 1 for share in active)
    what = "active counts that leave nothing out, within 0.5 % or the published rounding"
    yield what, f"{met} of {len(active)}", "all", met == len(active)


def laws() -> Iterator[Bar]:
    """The refit of Epoch's constants, and the lifetime example."""
    lines = {name: (published, ours) for name, published, ours, _ in plan_scaling.refit(20)}
    far = max(abs(lines[n][1] - value) / error for n, (value, error) in plan_scaling.EPOCH.items())
    yield "refit, farthest constant", f"{far:.2f} standard errors", "within 1", far <= 1
    example = {name: ours for name, _, ours, _ in plan_scaling.lifetimes()}
    size, saved = example["13B, 2T served: N"], example["13B, 2T served: saved"]
    yield "lifetime example, optimum", f"{size / 1e9:.2f}B", "7.1B", round(size / 1e9, 1) == 7.1
    yield "lifetime example, saved", f"{saved:.1%}", "16.3 +- 0.5 %", abs(saved - 0.163) <= 0.005


def energy() -> Iterator[Bar]:
    """Energy where chip-hours are known."""
    found = plan_energy.runs()
    errors = [plan_energy.error(run, plan_energy.left_out(run, found)) for run in found]
    median = statistics.median(map(abs, errors))
    yield "energy, median, group left out", f"{median:.1%}", "at most 12 %", median <= 0.12


def audits() -> Iterator[Bar]:
    """Claims that cannot be, and those that can."""
    rows, traps = plan_audit.published(), plan_audit.trapped()
    named, suspect = sum(trap[3] for trap in traps), [row for row in rows if row[1] == "suspect"]
    yield "audit, traps named", f"{named} of {len(traps)}", "all", named == len(traps)
    caught = sum(usual.verdict in ("implausible", "impossible") for *_, usual in suspect)
    yield "audit, suspect rows", f"{caught} of {len(suspect)}", "all", caught == len(suspect)
    good = [row for row in rows if row[1] != "suspect"]
    for said, found in (
        ("the four usual figures", [usual for *_, usual in good]),
        ("all that a row says", [full for *_, full, _ in good]),
    ):
        checked = [each for each in found if each.verdict != "unchecked"]
        share = sum(each.verdict != "consistent" for each in checked) / len(checked)
        yield f"audit, false alarms, {said}", f"{share:.1%}", "under 5 %", share < 0.05


def bars() -> list[Bar]:
    """All of them."""
    return [bar for of in (training, serving, counts, laws, energy, audits) for bar in of()]


def table() -> str:
    """The table, measured now and saved."""
    found = bars()
    save("plan", {"bars": found})
    return "Every bar\n\n" + judged(found)


if __name__ == "__main__":
    print(table())
