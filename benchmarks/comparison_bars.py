"""What comparing costs by itself, and whether it keeps its promises: budget, overhead, scale.

    python -m benchmarks.comparison_bars                # all
    python -m benchmarks.comparison_bars scale          # one of budget, overhead, scale

`budget` draws price tables, lengths of answers, methods, calls at the same time and kills, and
looks whether more was spent than the budget, in each currency in turn. `overhead` asks methods that
answer at once, so that all that is measured is isoflop's own. `scale` makes the report of 10,000
questions by 8 methods from recorded lines, in a process of its own.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, save
from isoflop.bill import Bill
from isoflop.errors import BudgetReached
from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.budget import Budget, Currency
from isoflop.measure.comparison.plan import FORECAST, Outcome, answer_key
from isoflop.measure.comparison.running import expected, forecasts_of
from isoflop.questions import Question
from isoflop.run import Row
from tests.measure.comparison.scripted import (
    SEEN,
    Scripted,
    carried,
    folders,
    numbered,
    plan_of,
    run_in,
)

CURRENCIES: tuple[Currency, ...] = ("flops", "seconds", "joules", "dollars")
TABLES = 1000
OVERHEAD = {"questions": 300, "ways": 4}
QUESTIONS, WAYS, PER_DOCUMENT = 10_000, 8, 20


class Killed(BaseException):
    """The process is gone."""


def budget(tables: int = TABLES) -> dict[str, Any]:
    """Random runs with a budget; the most that was spent of it."""
    most, refused, ended, cut_off = 0.0, 0, 0, 0
    for seed in range(tables):
        spent, what, kills = _one_budget(random.Random(seed), CURRENCIES[seed % 4])
        most = max(most, spent)
        refused += what == "refused"
        ended += what == "ended"
        cut_off += kills
    return {"tables": tables, "most_spent_share": most, "refused_before_starting": refused,
            "ended_by_the_budget": ended, "killed_in_a_call": cut_off,
            "bar": 1.0, "kept": most <= 1 + 1e-9}  # fmt: skip


def _one_budget(draw: random.Random, currency: Currency) -> tuple[float, str, int]:
    """Share of its budget that a run spent, how it ended, and how often it was killed."""
    count = draw.randint(1, 6)
    methods = {name: _random_method(draw, currency, count) for name in "abc"[: draw.randint(1, 3)]}
    plan = plan_of(methods, numbered(count), at_once=draw.choice([1, 1, 3]))
    with folders() as folder:
        with run_in(folder / "forecast") as run:
            found = forecasts_of(plan, run)
        whole = sum(getattr(expected(found[way.name], count), currency) for way in plan.ways)
        bound = Budget(currency, draw.uniform(0.9, 1.5) * whole)
        plan = plan_of(methods, numbered(count), bound, at_once=plan.ways[0].at_once)
        how, kills = "through", 0
        for calls in [*(draw.randint(0, 5) for _ in range(draw.randint(0, 4))), 10**9]:
            _kill_after(methods, calls)
            with run_in(folder / "run") as run:
                try:
                    how = "ended" if carried(plan, run).ended else "through"
                except Killed:
                    kills += 1
                except BudgetReached:
                    assert not any(method.spent for method in methods.values())
                    return 0.0, "refused", kills
        taken = sum(method.taken(currency) for method in methods.values())
    return taken / bound.amount if bound.amount else float(taken > 0), how, kills


def _random_method(draw: random.Random, currency: Currency, count: int) -> Scripted:
    most = draw.randint(1, 400)
    return Scripted(
        {f"q{n}": draw.choice(["yes", "no", None]) for n in range(count)},
        {f"q{n}": draw.randint(0, most) for n in range(count)},
        most=most,
        prompt=draw.randint(0, 5000),
        price={currency: (10 ** draw.uniform(-9, 9), 10 ** draw.uniform(-9, 9))},
        guess=draw.uniform(0, most),
        once=draw.choice([0, draw.randint(0, 10**5)]),
    )


def _kill_after(methods: dict[str, Scripted], calls: int) -> None:
    made = [0]

    def before(id: str) -> None:
        made[0] += 1
        if made[0] > calls:
            raise Killed

    for method in methods.values():
        method.before = before


def overhead(folder: Path | None = None) -> dict[str, Any]:
    """Milliseconds for each question and way beyond the answer, with and without a budget."""
    questions, ways = OVERHEAD["questions"], OVERHEAD["ways"]
    found: dict[str, Any] = {**OVERHEAD, "bar_milliseconds": 5.0}
    for name, bound in (("plain", None), ("with_budget", Budget("flops", 1e12))):
        methods = {str(n): _instant(questions) for n in range(ways)}
        plan = plan_of(methods, numbered(questions), bound, race=True)
        full = plan_of(methods, numbered(questions), bound, race=False)
        for kind, each in (("race", plan), ("full", full)):
            with tempfile.TemporaryDirectory(dir=folder) as place, run_in(Path(place)) as run:
                wall, processor = time.perf_counter(), time.process_time()
                carried(each, run)
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
                asked = sum(key.startswith("answer/") for key in run.rows)
            found[f"{name}_{kind}"] = {
                "wall_milliseconds_per_answer": 1e3 * wall / asked,
                "processor_milliseconds_per_answer": 1e3 * processor / asked,
                "answers": asked,
            }
    return found


def _instant(questions: int) -> Scripted:
    draw = random.Random(questions)
    texts = {f"q{n}": draw.choice(["yes", "no"]) for n in range(questions)}
    return Scripted(texts, {}, price={"flops": (1, 1)})


def scale() -> dict[str, Any]:
    """Seconds and memory of a large report, in a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.comparison_bars", "scale-here"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def scale_here() -> dict[str, Any]:
    """Read the lines, build the report, write it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "paid.jsonl"
        draw = random.Random(1)
        questions = _clustered(numbered(QUESTIONS))
        methods = {f"way-{n}": Scripted({}, {}) for n in range(WAYS)}
        plan = plan_of(methods, questions, race=False)
        with lines.open("w") as file:
            forecasts = {w.name: _forecast(w.does.forecast(questions)) for w in plan.ways}
            file.write(json.dumps({"key": FORECAST, "ways": forecasts, "bill": {}}) + "\n")
            for way, method in zip(plan.ways, range(WAYS), strict=True):
                for question in questions:
                    file.write(json.dumps(_row(way.name, question.id, method, draw)) + "\n")
        wall, processor = time.perf_counter(), time.process_time()
        with run_in(folder) as run:
            outcome = Outcome(asked=dict.fromkeys([w.name for w in plan.ways], QUESTIONS))
            made = reporting.build(plan, run.rows, outcome, folder, SEEN)
        built = time.process_time() - processor
        made.write()
        return {
            "questions": QUESTIONS, "ways": WAYS, "bytes_of_lines": lines.stat().st_size,
            "wall_seconds": time.perf_counter() - wall,
            "processor_seconds": time.process_time() - processor,
            "processor_seconds_before_writing": built,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "bar_seconds": 60.0, "bar_bytes": 2e9,
        }  # fmt: skip


def _clustered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """As questions about documents are."""
    return tuple(
        replace(question, cluster=f"document-{number // PER_DOCUMENT}")
        for number, question in enumerate(questions)
    )


def _forecast(forecast: Any) -> Row:
    return {
        "once": forecast.once.as_dict(), "each": forecast.each.as_dict(),
        "before": forecast.before.as_dict(), "notes": list(forecast.notes),
    }  # fmt: skip


def _row(way: str, question: str, method: int, draw: random.Random) -> Row:
    """An answer as a run records it, with three citations."""
    right = float(draw.random() < 0.5 + 0.04 * method)
    bill = Bill.measured(prompt_tokens=900, output_tokens=12, flops=4e9 * (method + 1),
                         seconds=0.1 + draw.random() / 50, joules=3.0)  # fmt: skip
    quote = "A sentence of the documents that says what was asked, with some words around it. "
    return {
        "key": answer_key(way, question), "way": way, "question": question,
        "text": "an answer of some words", "abstained": False, "supported": True,
        "citations": [
            {"document": f"folder/file-{n}.md", "start": 10 * n, "stop": 10 * n + len(quote),
             "quote": quote, "supported": True}
            for n in range(3)
        ],
        "right": {"contains": right, "exact": right, "f1": right, "cited": right},
        "bill": bill.as_dict(),
    }  # fmt: skip


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "budget": budget, "overhead": overhead, "scale": scale,
}  # fmt: skip


def main() -> None:
    """Measure the parts named, all by default, and store them beside the others."""
    names = sys.argv[1:] or list(PARTS)
    if names == ["scale-here"]:
        print(json.dumps(scale_here()))
        return
    path = RESULTS / "comparison_bars.json"
    held = json.loads(path.read_text("utf-8")) if path.exists() else {}
    held = {name: held[name] for name in PARTS if name in held}
    for name in names:
        held[name] = PARTS[name]()
        print(name, json.dumps(held[name], indent=1))
        save("comparison_bars", held)


if __name__ == "__main__":
    main()
