"""The report: one object for the terminal, JSON, tables, charts and the page."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoflop.bill import total
from isoflop.errors import DamagedRun
from isoflop.measure.comparison import result as results
from isoflop.measure.comparison.page import drawable, page
from isoflop.measure.comparison.plan import QUESTIONS, Outcome, Plan, answer_key
from isoflop.measure.comparison.racing import GUARANTEE
from isoflop.measure.comparison.result import Result
from isoflop.measure.comparison.ways import Left
from isoflop.measure.exams import spans
from isoflop.run import Row, bill_of, read_rows, write_whole

if TYPE_CHECKING:
    import altair

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison found, as plain data.

    Attributes:
        values: As `report.json` holds it.
        folder: Of the run.
    """

    values: Row
    folder: Path

    @property
    def ways(self) -> list[Row]:
        """One row for each way."""
        ways: list[Row] = self.values["ways"]
        return ways

    @property
    def recommendation(self) -> Row | None:
        """The way to use, its settings, and why in a sentence."""
        found: Row | None = self.values["recommendation"]
        return found

    def table(self) -> list[dict[str, Any]]:
        """Rows with accuracy and every cost of a question, for a data frame or CSV."""
        return [_flat(way) for way in self.ways]

    def frontier(self, axis: str | None = None, *, dark: bool = False) -> "altair.LayerChart":
        """Accuracy against cost as an Altair chart; needs the extra `plot`.

        Args:
            axis: "flops", "seconds", "joules", "dollars" or "grams_co2e"; by default the one that
                the advice is about.
            dark: For a dark page.

        Raises:
            UsageError: If no way has an accuracy and a cost on it that are known.
        """
        from isoflop.measure.comparison.charts import frontier

        advised = None if self.recommendation is None else str(self.recommendation["way"])
        return frontier(self.ways, axis or self.values["axis"], advised=advised, dark=dark)

    def write(self) -> None:
        """Write `report.json`, `report.csv` and `report.html` into the folder of the run.

        With the extra `plot` the page has charts, and `frontier.svg` and `frontier.png` are
        written too.
        """
        text = json.dumps(self.values, ensure_ascii=False, indent=1)
        write_whole(self.folder / REPORT, text + "\n")
        write_whole(self.folder / "report.csv", as_csv(self.table()))
        write_whole(self.folder / "report.html", self.page())
        axis = self.values["axis"]
        if drawable() and self.values["frontiers"][axis]:
            from isoflop.measure.comparison.charts import write_frontier

            for ending in ("svg", "png"):
                write_frontier(self.values, self.folder / f"frontier.{ending}")

    def page(self) -> str:
        """The report as one HTML file that needs no network and no script."""
        rows = {str(row["key"]): row for row in read_rows(self.folder)}
        return page(self.values, read_rows(self.folder, QUESTIONS), rows)


def read(folder: Path) -> Report:
    """The report of a run that was made before.

    Raises:
        DamagedRun: If the folder holds none.
    """
    try:
        values = json.loads((folder / REPORT).read_text("utf-8"))
        values["ways"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DamagedRun(
            f"{folder} holds no report of a comparison. "
            f"Make one: isoflop compare PATH QUESTIONS --run {folder}."
        ) from None
    return Report(values, folder)


def build(
    plan: Plan, rows: Mapping[str, Row], outcome: Outcome, folder: Path, about: Mapping[str, Any]
) -> Report:
    """The report on what a run holds; computed from its lines alone."""
    found = results.results(plan, rows, outcome)
    best, advised = results.best_of(found), results.recommended(found, plan.axis)
    values = {
        "kind": "comparison",
        **about,
        "axis": plan.axis,
        "horizon": plan.horizon,
        "metric": plan.rule.metric,
        "wrong": plan.rule.wrong,
        "budget": None if plan.budget is None else str(plan.budget),
        "spent": total(bill_of(row) for row in rows.values()).as_dict(),
        "questions": {
            "name": plan.asked.name,
            "measured": len(plan.measured),
            "scored": sum(q.id not in plan.asked.unscored for q in plan.measured),
            "made": plan.asked.made,
            "leak": list(plan.asked.leak),
            "notes": list(plan.asked.notes),
        },
        "ways": [each.as_dict() for each in found],
        "frontiers": {
            axis: [each.name for each in results.frontier(found, axis)] for axis in results.AXES
        },
        "break_even": results.break_evens(found),
        "best": best and best.name,
        "recommendation": advised and best and _advice(plan, found, best, advised),
        "race": {
            "on": plan.race,
            "saved": results.saved(plan, outcome),
            "over_for": outcome.over_for or None,
            "stops": {name: _finite(stop) for name, stop in outcome.stops.items()},
            "guarantee": GUARANTEE if plan.race else "no way was stopped",
        },
        "agreement": _agreement(plan, rows, found),
        "untested": _untested(plan, found),
        "ended": outcome.ended,
        "complete": not outcome.ended and not outcome.failed,
    }
    return Report(json.loads(json.dumps(values)), folder)


def _finite(stop: Row) -> Row:
    """A stop as JSON can hold it: when no question left could turn it, its e-value is infinite."""
    return {key: None if value == float("inf") else value for key, value in stop.items()}


def _untested(plan: Plan, found: Sequence[Result]) -> list[Row]:
    """What does not go together, and what failed."""
    failed = [each for each in found if each.status == "failed"]
    every: list[Left | Result] = [*plan.left, *failed]
    return [
        {"name": each.name, "method": each.method, "model": each.model, "reason": each.reason}
        for each in every
    ]


def _advice(plan: Plan, found: Sequence[Result], best: Result, advised: Result) -> Row:
    """The way to use, and why."""
    sentence = f"{_called(advised)}: "
    if advised is best:
        sentence += "the most accurate"
        cheaper = [r for r in found if r.accuracy and _cheaper(r, best, plan.axis)]
        sentence += ", and nothing cheaper is shown to be as good" if cheaper else ""
    else:
        points = advised.behind.value if advised.behind else 0.0
        sentence += f"not significantly worse than the best ({_called(best)}, {points:+.1%})"
        mine, theirs = advised.cost.get(plan.axis), best.cost.get(plan.axis)
        if mine and theirs and theirs > mine:
            share = f"1/{theirs / mine:,.0f}" if theirs > 1.5 * mine else f"{mine / theirs:.0%}"
            sentence += f", at {share} of its {_unit(plan.axis)}"
    later = [
        pair for pair in results.break_evens(found, (plan.axis,))
        if pair["overtaken"] == advised.name
        and pair["overtaking"] in {r.name for r in results.not_worse(found)}
    ]  # fmt: skip
    for pair in sorted(later, key=lambda pair: pair["questions"])[:1]:
        sentence += f"; {pair['overtaking']} overtakes it after {pair['questions']:,.0f} questions"
    return {
        "way": advised.name,
        "method": advised.method,
        "model": advised.model,
        "settings": advised.settings,
        "sentence": sentence + ".",
    }


def _cheaper(one: Result, other: Result, axis: str) -> bool:
    mine, theirs = one.cost.get(axis), other.cost.get(axis)
    return mine is not None and theirs is not None and mine < theirs


def _called(result: Result) -> str:
    k = result.settings.get("k")
    return result.name + (f", k={k}" if k else "")


def _unit(axis: str) -> str:
    return {"flops": "FLOPs", "joules": "energy", "grams_co2e": "CO2e"}.get(axis, axis)


def _agreement(plan: Plan, rows: Mapping[str, Row], found: Sequence[Result]) -> list[Row]:
    """How often two ways say the same, where no answer is known."""
    if plan.asked.scored:
        return []
    agreed = []
    for one, other in combinations([each.name for each in found if each.questions], 2):
        pairs = [
            (rows.get(answer_key(one, q.id)), rows.get(answer_key(other, q.id)))
            for q in plan.measured
        ]
        same = [
            spans.f1(a["text"], [b["text"]]) for a, b in pairs if a is not None and b is not None
        ]
        if same:
            agreed.append({"one": one, "other": other, "f1": sum(same) / len(same)})
    return agreed


def _flat(way: Row) -> dict[str, Any]:
    accuracy = way["accuracy"] or {}
    return {
        "way": way["name"],
        "method": way["method"],
        "model": way["model"],
        "status": way["status"],
        "questions": way["questions"],
        "accuracy": accuracy.get("value"),
        "low": accuracy.get("low"),
        "high": accuracy.get("high"),
        **{name: way["figures"].get(name) for name in ("exact", "f1", "contains", "cited")},
        "abstained": way["abstained"],
        "supported": way["supported"],
        **{f"{axis}_per_question": way["cost"].get(axis) for axis in results.AXES},
        **{f"{axis}_once": (way["measured"].get("once") or {}).get(axis) for axis in results.AXES},
        "frontier": " ".join(way["frontier"]),
    }


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with their names above; unknown is empty."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
