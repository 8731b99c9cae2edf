"""Training time and memory as planned, against what was published and measured.

    python -m benchmarks.plan_training           the tables, and results/plan_training.json
    python -m benchmarks.plan_training --fit     fit the constants again and print them

Errors are ln(planned / published). Each row is planned with the constants in force, and with
constants fitted without its group: its chip's generation, or the source (the family of models).
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from benchmarks import plan_training_memory
from benchmarks.machine import save
from benchmarks.markdown import table as markdown
from benchmarks.plan_training_rows import Measured, Run, runs, throughput
from isoflop.plan import training_run
from isoflop.plan.flops import training_flops_per_token
from isoflop.plan.layout import Choice
from isoflop.plan.training import FITTED, FUSED_YEAR, Fitted, step, training_format

NOT_PLAIN = frozenset({"Llama-3.2-1B"})  # pruned and distilled from larger models, its notes say
SCALE = 0.05  # of a step's residual beyond which it counts less than its square

Label = Callable[[Any], str]


def generation(name: str) -> str:
    """The chips that are left out together: a100-40gb-sxm with the other A100s; TPUs each."""
    return name if name.startswith("tpu") else name.split("-")[0]


def step_error(row: Measured, fitted: Fitted = FITTED) -> float:
    """ln(planned / measured) of the throughput."""
    taken = step(row.job, fitted)
    return math.log(taken.tokens_per_second / row.job.layout.chips / row.rate)


def fit_steps(rows: Sequence[Measured]) -> Fitted:
    """The six constants that are nearest to these rows, large residuals counting less."""
    start = np.array(astuple(FITTED))

    def residuals(logarithms: np.ndarray) -> list[float]:
        fitted = Fitted(*(start * np.exp(logarithms)))
        return [step_error(row, fitted) for row in rows]

    found = least_squares(residuals, np.zeros(len(start)), loss="soft_l1", f_scale=SCALE)
    return Fitted(*(float(value) for value in start * np.exp(found.x)))


def steps_left_out(rows: Sequence[Measured], label: Callable[[Measured], str]) -> list[float]:
    """Errors of every row with constants fitted on the rows of other groups."""
    fits = {
        group: fit_steps([row for row in rows if label(row) != group])
        for group in {label(row) for row in rows}
    }
    return [step_error(row, fits[label(row)]) for row in rows]


class Paid:
    """A run as planned: its chip-hours without what runs lose, and what that depends on."""

    def __init__(self, row: Run) -> None:
        self.row = row
        planned = training_run.run(
            row.architecture, row.tokens, row.accelerator, row.chips,
            length=row.length, number_format=row.number_format, year=row.year,
        )  # fmt: skip
        self.choice: Choice = planned.choice
        self.interval = planned.chip_seconds * (1 / 3600)
        self.error = math.log(planned.chip_seconds.value / 3600 / row.hours)
        lost = training_run.overhead(row.architecture, row.accelerator, planned.chips, row.year)
        self.steps_error = self.error - math.log(lost)
        early = row.year < FUSED_YEAR and row.accelerator.vendor != "Google"
        self.terms = (1.0, planned.chips > 8, early, row.architecture.experts is not None)

    @property
    def held(self) -> bool:
        """Whether the interval that is shown holds the published hours."""
        return self.interval.low <= self.row.hours <= self.interval.high

    @property
    def width(self) -> float:
        """High over low."""
        return self.interval.high / self.interval.low

    @property
    def fixed_error(self) -> float:
        """Of 40 % of peak, whatever the model: the trivial forecast."""
        row = self.row
        peak = row.accelerator.flops_per_second[training_format(row.accelerator)]
        flops = training_flops_per_token(row.architecture, row.length) * row.tokens
        return math.log(flops / (0.4 * peak) / 3600 / row.hours)


def fit_runs(rows: Sequence[Paid]) -> list[float]:
    """Logarithms of what a run takes over its steps: always, in clusters, early, with experts."""
    terms = np.array([row.terms for row in rows], float)
    wanted = np.array([-row.steps_error for row in rows])

    def residuals(weights: np.ndarray) -> np.ndarray:
        return np.concatenate([(terms @ weights - wanted) / 0.3, weights[1:]])

    found = least_squares(residuals, np.zeros(terms.shape[1]), loss="soft_l1")
    return [float(weight) for weight in found.x]


def runs_left_out(rows: Sequence[Paid], label: Callable[[Paid], str]) -> list[float]:
    """Errors of every run with what runs lose fitted on other groups."""
    fits = {
        group: fit_runs([row for row in rows if label(row) != group])
        for group in {label(row) for row in rows}
    }
    return [row.steps_error + float(np.dot(row.terms, fits[label(row)])) for row in rows]


def summary(
    errors: Sequence[float], half: float = math.log(training_run.RUN_FACTOR)
) -> dict[str, float]:
    """Median and 90th percentile of the size of errors, their bias, and shares inside."""
    sizes = [abs(error) for error in errors]
    return {
        "rows": len(sizes),
        "median": round(statistics.median(sizes), 4),
        "p90": round(float(np.quantile(sizes, 0.9)), 4),
        "bias": round(statistics.median(errors), 4),
        "within_2x": round(statistics.fmean(size < math.log(2) for size in sizes), 4),
        "inside_interval": round(statistics.fmean(size <= half for size in sizes), 4),
    }


def measure() -> dict[str, Any]:
    """Every figure of the tables."""
    steps, paid = throughput(), [Paid(row) for row in runs()]
    plain = [row for row in paid if row.row.name not in NOT_PLAIN]
    step_half = math.log(training_run.STEP_FACTOR)
    chips = steps_left_out(steps, lambda row: generation(row.job.accelerator.name))
    sources = steps_left_out(steps, lambda row: row.source)
    in_force = [step_error(row) for row in steps]
    families = runs_left_out(plain, lambda row: row.row.family)
    return {
        "throughput": {
            "in force": summary(in_force, step_half),
            "chips left out": summary(chips, step_half),
            "sources left out": summary(sources, step_half),
            "by source": _groups([row.source for row in steps], in_force, step_half),
            "by chip, left out": _groups(
                [generation(row.job.accelerator.name) for row in steps], chips, step_half
            ),
        },
        "runs": {
            "in force": summary([row.error for row in plain]),
            "families left out": summary(families),
            "chips left out": summary(
                runs_left_out(plain, lambda row: generation(row.row.accelerator.name))
            ),
            "families left out, hours not rough": summary(
                [e for e, row in zip(families, plain, strict=True) if not row.row.rough]
            ),
            "in force, all rows": summary([row.error for row in paid]),
            "interval": {
                "holds": round(statistics.fmean(row.held for row in plain), 4),
                "median_width": round(statistics.median(row.width for row in plain), 3),
            },
            "40 % of peak": summary(_centred([row.fixed_error for row in plain])),
            "rows": {
                row.row.name: {"error": round(row.error, 3), "layout": str(row.choice.layout)}
                for row in paid
            },
        },
        "memory": {
            case.name: {"bytes": bytes_, "error": round(error, 4)}
            for case, bytes_, error in plan_training_memory.errors()
        },
    }


def _centred(errors: Sequence[float]) -> list[float]:
    """As if the constant had been the best one: the strongest trivial forecast."""
    middle = statistics.median(errors)
    return [error - middle for error in errors]


def _groups(labels: Iterable[str], errors: Iterable[float], half: float) -> dict[str, Any]:
    found: dict[str, list[float]] = {}
    for label, error in zip(labels, errors, strict=True):
        found.setdefault(label, []).append(error)
    return {label: summary(group, half) for label, group in sorted(found.items())}


def table() -> str:
    """The tables, measured now and saved."""
    result = measure()
    save("plan_training", result)
    return render(result)


def render(result: dict[str, Any]) -> str:
    """What is printed of a result."""
    steps, paid, memory = result["throughput"], result["runs"], result["memory"]
    head = ["", "rows", "median", "90th percentile", "bias", "within 2x", "in 80 % interval"]
    ways = [(name, found) for name, found in steps.items() if not name.startswith("by ")]
    groups = [(f"  {name}, in force", found) for name, found in steps["by source"].items()]
    chips = [(f"  {name}, left out", found) for name, found in steps["by chip, left out"].items()]
    hours = [(name, found) for name, found in paid.items() if "median" in found]
    shown = paid["interval"]
    worst = max(abs(case["error"]) for case in memory.values())
    cases = [[name, f"{case['bytes'] / 2**20:.1f}", f"{100 * case['error']:+.1f} %"]
             for name, case in memory.items()]  # fmt: skip
    return "\n".join(
        [
            "Training throughput, layout known (bar: median 5 %, 90th percentile 15 %)\n",
            markdown(head, [_cells(*row) for row in ways + groups + chips]),
            "Chip-hours of runs, efficiency unknown (bar: median 20 %, 97 % within 2x, interval "
            f"holds 75 to 85 % and is 2.2x wide; as shown it holds {100 * shown['holds']:.1f} %, "
            f"median width {shown['median_width']:.2f}x)\n",
            markdown(head, [_cells(*row) for row in hours]),
            "Training memory against PyTorch's CPU allocator "
            f"(bar: 5 %; worst {100 * worst:.1f} %)\n",
            markdown(["step in fp32", "measured MiB", "planned"], cases),
        ]
    )


def _cells(name: str, found: dict[str, float]) -> list[str]:
    shares = [f"{100 * found[key]:.1f} %" for key in ("within_2x", "inside_interval")]
    sizes = [f"{100 * found[key]:.1f} %" for key in ("median", "p90")]
    return [name, str(int(found["rows"])), *sizes, f"{100 * found['bias']:+.1f} %", *shares]


if __name__ == "__main__":
    if "--fit" in sys.argv:
        print(fit_steps(throughput()))
        plain_rows = [Paid(row) for row in runs() if row.name not in NOT_PLAIN]
        print([round(weight, 3) for weight in fit_runs(plain_rows)])
    else:
        print(table())
