"""How long the report of a large comparison takes: 10,000 questions by 8 ways, answers recorded.

    python -m benchmarks.comparison_report    # half a minute

The run is written first; another process then reads its 80,000 lines, computes the report and
writes JSON, CSV, page and charts. Answers are drawn, with a quote each, in 500 clusters.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import save
from isoflop.augment.method import Range
from isoflop.bill import Bill
from isoflop.measure.comparison.plan import FORECAST, Outcome, Plan, answer_key
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.report import build
from isoflop.measure.comparison.scoring import METRICS
from isoflop.measure.comparison.ways import Way
from isoflop.questions import Question
from isoflop.run import Row, read_rows

QUESTIONS, WAYS, CLUSTERS = 10_000, 8, 500
BARS = {"seconds": 60.0, "bytes": 2 * 2.0**30}
SEEN = {
    "date": "2026-11-29",
    "documents": ["drawn"],
    "passages": CLUSTERS,
    "models": ["drawn"],
    "machine": {"name": "none", "count": 1, "grid": "none", "watts": 0.0},
}


def main() -> None:
    """Measure, print and save."""
    with tempfile.TemporaryDirectory() as folder:
        _record(Path(folder))
        command = [sys.executable, "-m", "benchmarks.comparison_report", folder]
        began = time.monotonic()
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        wall = time.monotonic() - began
        found = json.loads(told)
        sizes = {path.name: path.stat().st_size for path in Path(folder).iterdir()}
    save("comparison_report", {
        "questions": QUESTIONS, "ways": WAYS, "wall_seconds": wall, **found, "bars": BARS,
        "bytes_of": sizes,
    })  # fmt: skip
    print(f"wall {wall:.1f} s; processor {found['processor_seconds']:.1f} s: read "
          f"{found['reading']:.1f}, computed {found['computing']:.1f}, written "
          f"{found['writing']:.1f}; bar {BARS['seconds']:.0f} s")  # fmt: skip
    print(f"memory {found['peak_bytes'] / 2**30:.2f} GiB; bar {BARS['bytes'] / 2**30:.0f}")


def _names() -> list[str]:
    return [f"method-{number} drawn" for number in range(WAYS)]


def _questions() -> tuple[Question, ...]:
    return tuple(
        Question(f"q{n}", f"What is number {n} of the list?", (), (f"number {n}",),
                 f"document-{n % CLUSTERS}.md")
        for n in range(QUESTIONS)
    )  # fmt: skip


def _record(folder: Path) -> None:
    """A run as `compare` leaves it."""
    draw = random.Random(0)
    forecast = Range.exact(Bill.forecast(flops=1e9, seconds=0.1)).as_dict()
    plain = {"once": forecast, "each": forecast, "before": Bill().as_dict(), "notes": []}
    first = {"key": FORECAST, "ways": dict.fromkeys(_names(), plain), "bill": Bill().as_dict()}
    questions = _questions()
    with (folder / "paid.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps(first) + "\n")
        for question in questions:
            for number, way in enumerate(_names()):
                file.write(json.dumps(_answer(way, number, question, draw)) + "\n")
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as file:
        for question in questions:
            row = {"id": question.id, "text": question.text, "answers": list(question.answers),
                   "cluster": question.cluster, "weight": 1.0, "scored": True}  # fmt: skip
            file.write(json.dumps(row) + "\n")


def _answer(way: str, number: int, question: Question, draw: random.Random) -> Row:
    right = float(draw.random() < 0.4 + 0.05 * number)
    quote = f"In the list the next is {question.answers[0]}, as all know."
    bill = Bill.measured(flops=10.0 ** (7 + number) * draw.uniform(0.5, 2),
                         seconds=draw.uniform(0.01, 0.1) * (number + 1))  # fmt: skip
    return {
        "way": way, "question": question.id, "text": quote, "abstained": False, "supported": True,
        "citations": [{"document": question.cluster, "start": 0, "stop": len(quote),
                       "quote": quote, "supported": True}],
        "right": dict.fromkeys(METRICS, right), "key": answer_key(way, question.id),
        "bill": bill.as_dict(),
    }  # fmt: skip


def _report(folder: Path) -> None:
    """What is measured."""
    at = [time.process_time()]
    rows = {str(row["key"]): row for row in read_rows(folder)}
    at.append(time.process_time())
    questions = _questions()
    ways = tuple(Way(name, name.split()[0], "drawn", None) for name in _names())  # type: ignore[arg-type]  # none is asked
    plan = Plan(QuestionSet("drawn", questions), questions, ways, ())
    outcome = Outcome(asked=dict.fromkeys(_names(), QUESTIONS))
    report = build(plan, rows, outcome, folder, SEEN)
    at.append(time.process_time())
    report.write()
    at.append(time.process_time())
    print(json.dumps({
        "reading": at[1] - at[0], "computing": at[2] - at[1], "writing": at[3] - at[2],
        "processor_seconds": at[3],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))  # fmt: skip


if __name__ == "__main__":
    _report(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
