"""Forecast against bill, way by way, on a world, the handbook and XQuAD-en.

    python -m benchmarks.forecasts FOLDER            # all three data sets
    python -m benchmarks.forecasts FOLDER handbook   # one of them, kept beside the others

Four comparisons of a way's bill: with the forecast before anything is spent; with the one made
again when settings are chosen; with the same formula where lengths of prompts and answers are
known, since they were seen; and, of seconds, those of later questions with the forecast after the
first five. FLOPs are counted, so only the seconds depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.data import evaldata
from benchmarks.machine import RESULTS, describe, save
from isoflop.augment.method import METHODS
from isoflop.bill import Bill, total
from isoflop.measure.comparison import compare
from isoflop.measure.comparison.plan import FORECAST, REVISED, Plan, prepared_bill
from isoflop.measure.comparison.questions import read
from isoflop.measure.comparison.report import REPORT
from isoflop.measure.comparison.ways import Way
from isoflop.questions import Question
from isoflop.run import Row, bill_of, read_rows
from isoflop.search.index import Index
from isoflop.worlds import World

MODELS = ("extractive", "isoflop:reading")
SEED, PEOPLE, ARTICLES = 2026, 25, 4
TUNING, LEARNED = 10, 20
# Fine-tuning is to be forecast, not to be good; what reads everything is dear, so it is asked less.
OPTIONS = {"epochs": 1.0}
MOST, MOST_OF_EXHAUSTIVE = 30, 12
BARS = {"first": 0.1, "revised": 0.1, "known": 0.02, "seconds": 0.3}


def world(folder: Path) -> list[Question]:
    """Invented people: facts in the words that the small model has learned to read."""
    made = World(SEED, people=PEOPLE, split="test")
    for document in made.documents():
        path = folder / document.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8")
    kinds = ("fact", "fact", "unanswerable")
    return list(made.questions(MOST + TUNING + LEARNED, kinds=kinds))


def handbook(folder: Path) -> list[Question]:
    """The bundled pages and their questions."""
    package = resources.files("isoflop")
    for page in package.joinpath("handbook").iterdir():
        (folder / page.name).write_bytes(page.read_bytes())
    with resources.as_file(package.joinpath("measure", "handbook_questions.jsonl")) as file:
        return list(read(file).questions)


def xquad(folder: Path) -> list[Question]:
    """Paragraphs of an encyclopedia."""
    whole = json.loads((evaldata() / "xquad" / "xquad.en.json").read_text("utf-8"))
    some = {**whole, "data": whole["data"][:ARTICLES]}
    for article in some["data"]:
        name = "".join(c if c.isalnum() else "-" for c in article["title"])
        for number, paragraph in enumerate(article["paragraphs"]):
            (folder / f"{name}-{number}.txt").write_text(paragraph["context"], encoding="utf-8")
    file = folder.parent / "questions.json"
    file.write_text(json.dumps(some), encoding="utf-8")
    return list(read(file).questions)


SETS: dict[str, Callable[[Path], list[Question]]] = {
    "world": world, "handbook": handbook, "xquad-en": xquad,
}  # fmt: skip


class Knowing:
    """An answerer that knows how much it wrote to every question."""

    def __init__(self, answerer: Any, written: Mapping[str, float]) -> None:
        self._answerer, self._written = answerer, written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answerer, name)

    def answer_tokens(self, question: Question, *, alone: bool = False) -> float:
        """As it was, if it answered this one."""
        guess: float = self._answerer.answer_tokens(question, alone=alone)
        return self._written.get(question.id, guess)


def known(way: Way, questions: Sequence[Question], bills: Sequence[Bill]) -> Bill:
    """A question as it is forecast where lengths are known.

    Args:
        way: Prepared, so that it finds what it found.
        questions: That it answered.
        bills: Of its answers: their tokens are those it wrote.
    """
    does: Any = way.does
    calls = len(does.passages) if way.method == "exhaustive" else 1
    pairs = zip(questions, bills, strict=True)
    written = {question.id: (bill.output_tokens or 0) / calls for question, bill in pairs}
    knowing = Knowing(does.answerer, written)
    if hasattr(does, "answering"):  # what is tuned answers as another method does
        does = does.answering(knowing)
    does = copy.copy(does)
    does.answerer, does.written = knowing, None
    if hasattr(does, "by"):
        does.forecast_by = does.by
    found: Bill = does.forecast(questions).each.middle
    return found


@dataclass
class Seen:
    """What a comparison had in its hands."""

    plans: list[Plan] = field(default_factory=list)

    def begin(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Keep the plan, whose ways can forecast once more."""
        self.plans.append(plan)


def measured(folder: Path, name: str) -> dict[str, Any]:
    """Every way on one data set."""
    documents = folder / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    asked = SETS[name](documents)
    index = Index.open(documents, into=folder / "index", encoder="minilm")
    indexing = index.update().bill
    found: dict[str, Any] = {}
    others = [method for method in METHODS if method != "exhaustive"]
    for methods, most in ((others, MOST), (["exhaustive"], MOST_OF_EXHAUSTIVE)):
        seen, run = Seen(), folder / methods[-1]
        (run / REPORT).unlink(missing_ok=True)  # else a run that is over shows no plan
        report = compare(
            index, asked, models=MODELS, methods=methods, most=most, tuning=TUNING,
            learned=asked[-LEARNED:], options=OPTIONS, race=False, indexing=indexing, folder=run,
            begin=seen.begin, tell=print,
        )  # fmt: skip
        rows = {str(row["key"]): row for row in read_rows(run)}
        (plan,) = seen.plans
        for way, shown in zip(plan.ways, report.ways, strict=True):
            found[way.name] = compared(plan, way, rows, shown)
            print(name, way.name, json.dumps(found[way.name]["ratio"]), flush=True)
    return {"passages": index.counts()["passages"], "ways": found}


def compared(plan: Plan, way: Way, rows: Mapping[str, Row], shown: Row) -> dict[str, Any]:
    """Bills of one way over their forecasts.

    Args:
        plan: Of the comparison.
        way: One of its ways.
        rows: Lines of the run, by key.
        shown: The way in the report.
    """
    bills = [bill_of(rows[f"answer/{way.name}/{q.id}"]) for q in plan.measured]
    each = total(bills) * (1 / len(bills))
    first, revised = (rows[key]["ways"][way.name] for key in (FORECAST, REVISED))
    forecast = {
        "first": Bill.from_dict(first["each"]["middle"]).flops,
        "revised": Bill.from_dict(revised["each"]["middle"]).flops,
        "known": known(way, plan.measured, bills).flops,
    }
    again = Bill.from_dict(shown["forecast"]["again"])
    later = fmean(bill.seconds or 0.0 for bill in bills[5:])
    once = Bill.from_dict(first["once"]["middle"]).flops
    paid = prepared_bill(rows, way.name).flops
    low, high = (Bill.from_dict(first["each"][end]).flops for end in ("low", "high"))
    return {
        "questions": len(bills),
        "flops": {"once": paid, "once_forecast": once, "each": each.flops, **forecast,
                  "low": low, "high": high},
        "tokens": {"prompt": each.prompt_tokens, "output": each.output_tokens},
        "seconds": {"forecast": Bill.from_dict(revised["each"]["middle"]).seconds,
                    "again": again.seconds, "later": later},
        "ratio": {
            "once": _over(paid, once),
            **{name: _over(each.flops, value) for name, value in forecast.items()},
            "seconds": _over(later, again.seconds),
        },
    }  # fmt: skip


def _over(was: float | None, said: float | None) -> float | None:
    return round(was / said, 4) if said and was is not None else None


def main() -> None:
    """Measure the sets that are asked for and keep them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    arguments = parser.parse_args()
    for name in arguments.sets:
        before = describe()["load_average"]
        made = measured(arguments.folder / name, name)
        made["load_average"] = [before, describe()["load_average"]]
        path = RESULTS / "forecasts.json"
        kept = json.loads(path.read_text("utf-8"))["sets"] if path.exists() else {}
        save("forecasts", {"bars": BARS, "sets": {**kept, name: made}})


if __name__ == "__main__":
    main()
