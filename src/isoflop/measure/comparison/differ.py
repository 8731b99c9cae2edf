"""Two runs compared: what a change of documents, settings or models did, way by way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isoflop.figures import DASH
from isoflop.measure.comparison.plan import QUESTIONS, answer_key
from isoflop.measure.comparison.report import Report
from isoflop.measure.comparison.result import AXES, FEWEST, clusters, weights
from isoflop.measure.comparison.scoring import Rule
from isoflop.measure.comparison.tables import NAMES, share
from isoflop.measure.statistics.paired import difference
from isoflop.run import Row, read_rows

ALIKE = {
    "metric": "what counts as right",
    "wrong": "what a wrong answer loses",
    "horizon": "the questions over which what is paid once is spread",
    "machine": "the machine",
    "documents": "the documents",
    "passages": "the number of passages",
}


def changes(before: Report, after: Report) -> Row:
    """What differs from one run to another.

    Accuracies are compared on the questions that both runs asked of a way, paired; a question is
    the same if its id, its text and its accepted answers are.

    Args:
        before: The older run.
        after: The newer one.

    Returns:
        `ways`, a row for each that is in both: `accuracy` with `before`, `after` (each on all of
        its run's questions) and `change` (an interval, or None where it cannot be known), `common`
        questions, `cost` by figure with `before`, `after` and their `ratio`, and `status`;
        `recommendation`; `only_before` and `only_after`, names of ways; `unlike`, what else
        differs and to what.
    """
    old, new = ({way["name"]: way for way in report.ways} for report in (before, after))
    told = [_Told(before), _Told(after)]
    advice = [report.recommendation and report.recommendation["way"] for report in (before, after)]
    return {
        "before": str(before.folder),
        "after": str(after.folder),
        "recommendation": {
            "before": advice[0],
            "after": advice[1],
            "changed": advice[0] != advice[1],
        },
        "ways": [_changed(old[name], new[name], *told) for name in old if name in new],
        "only_before": [name for name in old if name not in new],
        "only_after": [name for name in new if name not in old],
        "unlike": {
            name: {"before": before.values.get(name), "after": after.values.get(name)}
            for name in ALIKE
            if before.values.get(name) != after.values.get(name)
        },
    }


class _Told:
    """What a run asked and was answered."""

    def __init__(self, report: Report) -> None:
        self.rule = Rule(report.values["metric"], report.values["wrong"])
        self.rows = {str(row["key"]): row for row in read_rows(report.folder)}
        self.questions = {row["id"]: row for row in read_rows(report.folder, QUESTIONS)}

    def score(self, way: str, question: str) -> float | None:
        """None where it was not asked, or no answer is known."""
        row = self.rows.get(answer_key(way, question))
        return None if row is None or row["right"] is None else self.rule.score(row)


def _changed(old: Row, new: Row, before: _Told, after: _Told) -> Row:
    change, common = _gap(old["name"], before, after)
    return {
        "name": old["name"],
        "status": {"before": old["status"], "after": new["status"]},
        "accuracy": {
            "before": old["accuracy"] and old["accuracy"]["value"],
            "after": new["accuracy"] and new["accuracy"]["value"],
            "change": change,
        },
        "common": common,
        "cost": {axis: _ratio(old["cost"].get(axis), new["cost"].get(axis)) for axis in AXES},
    }


def _ratio(old: float | None, new: float | None) -> Row:
    return {"before": old, "after": new, "ratio": new / old if old and new is not None else None}


def _gap(way: str, before: _Told, after: _Told) -> tuple[Row | None, int]:
    """Accuracy after less accuracy before on common questions, and how many there are."""
    if before.rule != after.rule:
        return None, 0
    pairs = [
        (question, old, new)
        for id, question in before.questions.items()
        if _same(question, after.questions.get(id))
        for old, new in ((before.score(way, id), after.score(way, id)),)
        if old is not None and new is not None
    ]
    if len(pairs) < FEWEST:
        return None, len(pairs)
    asked = [question for question, _, _ in pairs]
    found = difference(
        np.array([new for _, _, new in pairs]),
        np.array([old for _, old, _ in pairs]),
        clusters=clusters([question["cluster"] or question["id"] for question in asked]),
        weights=weights([question["weight"] for question in asked]),
    )
    return found.as_dict(), len(pairs)


def _same(one: Row, other: Row | None) -> bool:
    return other is not None and all(one[key] == other[key] for key in ("text", "answers"))


def table(found: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Changes for a terminal: names of the columns, and a row of text for each way.

    Costs are after over before: "x1.20" is a fifth more. Those that are known of no way are left
    out.
    """
    axes = [
        axis
        for axis in AXES
        if any(row["cost"][axis]["ratio"] is not None for row in found["ways"])
    ]
    head = ("way", "before", "after", "change", "low", "high", "questions",
            *(NAMES[axis] for axis in axes))  # fmt: skip
    return head, [_texts(row, axes) for row in found["ways"]]


def _texts(row: Row, axes: Sequence[str]) -> tuple[str, ...]:
    change = row["accuracy"]["change"]
    ends = [DASH] * 3 if change is None else [f"{change[e]:+.1%}" for e in ("value", "low", "high")]
    ratios = [row["cost"][axis]["ratio"] for axis in axes]
    return (
        row["name"], share(row["accuracy"]["before"]), share(row["accuracy"]["after"]), *ends,
        f"{row['common']:,}", *(DASH if ratio is None else f"x{ratio:.2f}" for ratio in ratios),
    )  # fmt: skip


def lines(found: Mapping[str, Any]) -> list[str]:
    """What to say beside the table: the advice, ways in one run only, what makes runs unlike."""
    advice = found["recommendation"]
    old, new = (advice[when] or "none" for when in ("before", "after"))
    said = [f"advice: {new} instead of {old}" if advice["changed"] else f"advice: {new}, as before"]
    for where, names in (("before", found["only_before"]), ("after", found["only_after"])):
        if names:
            said.append(f"only {where}: {', '.join(names)}")
    for row in found["ways"]:
        was, now = row["status"]["before"], row["status"]["after"]
        if was != now:
            said.append(f"{row['name']}: {now}, before it was {was}")
    said += [f"not the same: {ALIKE[name]}" for name in found["unlike"]]
    if {"metric", "wrong"} & set(found["unlike"]):
        said.append("Accuracies are not compared, as the two runs count answers by other rules.")
    elif found["ways"] and not any(row["common"] for row in found["ways"]):
        said.append(
            "Accuracies are not compared, as the two runs have no scored question in common."
        )
    return said
