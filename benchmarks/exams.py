"""Recorded answers scored in a second, and published recordings beside what their publishers say.

    python -m benchmarks.exams                 # a million answers, then the development data
    python -m benchmarks.exams --answers 1e5
    python -m benchmarks.exams --recordings F  # published repositories below the folder F

F may hold clones of suzgunmirac/BIG-Bench-Hard, openai/grade-school-math and
amit-sharma/chatgpt-causality-pairs, named like the repositories; whichever is there is scored.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.data import evaldata
from benchmarks.machine import save
from isoflop.measure.exams import formats
from isoflop.measure.exams.library import exams_for
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import Policy, Score, score

BAR_SECONDS = 60.0  # for a million recorded answers
PLAIN = Path("neuropathic-pain-diagnosis")


@dataclass(frozen=True)
class Row:
    """A published recording: what we count and what its publishers count.

    `as_read` counts an unreadable answer as wrong; `ours` follows the publishers in that.
    """

    name: str
    answers: int
    as_read: float
    ours: float
    published: float


def million(answers: int, questions: int) -> tuple[float, list[Score]]:
    """Processor seconds to read and score so many answers to so many questions."""
    with tempfile.TemporaryDirectory() as folder:
        exam, outputs = Path(folder, "exam.jsonl"), Path(folder, "outputs.jsonl")
        _write(exam, outputs, answers, questions)
        started = time.process_time()
        opened = formats.read(exam)
        scores = [score(opened, found) for found in recordings(outputs)]
        return time.process_time() - started, scores


def _write(exam: Path, outputs: Path, answers: int, questions: int) -> None:
    """Questions of 60 words with four choices; every model answers all, in three manners."""
    draw = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]
    with exam.open("w") as items, outputs.open("w") as lines:
        for n in range(questions):
            prompt = f"Question {n}: {' '.join(draw.choices(words, k=60))}?"
            choices = [f"{' '.join(draw.choices(words, k=3))} {letter}" for letter in "abcd"]
            key = draw.choice("ABCD")
            item = {"id": f"q{n}", "prompt": prompt, "choices": choices, "answers": [key]}
            items.write(json.dumps(item) + "\n")
            for model in range(answers // questions):
                said = key if draw.random() < 0.7 else draw.choice("ABCD")
                reasons = " ".join(draw.choices(words, k=draw.randrange(40)))
                manner = (f"({said})", f"{reasons}. The answer is {said}.", f"{reasons}. No idea.")
                text = draw.choices(manner, (5, 4, 1))[0]
                row = {"model": f"m{model}", "prompt": prompt, "text": text, "id": f"q{n}"}
                lines.write(json.dumps(row) + "\n")


def big_bench_hard(folder: Path) -> Iterator[Row]:
    """54 runs of code-davinci-002; accuracy as in the files beside them."""
    for path in sorted(folder.glob("code-davinci-002-outputs/*/*-255000.json")):
        metrics = path.with_name(path.stem + "_eval_metrics.jsonl")
        [found] = recordings(path)
        got = score(formats.read(path, as_published=True), found)
        published = json.loads(metrics.read_text())["accuracy"] / 100
        name = f"{path.parent.name[17:]} {path.name.partition('_few_shot')[0]}"
        yield _row(name, got, got, published)


def grade_school_math(folder: Path) -> Iterator[Row]:
    """Four models' solutions of GSM8K's test; accuracy by the flags beside them."""
    data = folder / "grade_school_math" / "data"
    path = data / "example_model_solutions.jsonl"
    flags = [json.loads(line) for line in path.read_text().splitlines()]
    exam = formats.read(data / "test.jsonl")
    for found in recordings(path):
        got = score(exam, found)
        published = sum(row[found.model]["is_correct"] for row in flags) / len(flags)
        yield _row(found.model, got, got, published)


def causality(folder: Path) -> Iterator[Row]:
    """Recordings of the Tuebingen pairs and of neuropathic pain; accuracy by the tables beside.

    Their publishers count what is neither yes nor no as no.
    """
    for path in sorted(folder.glob("*_results.jsonl")):
        yield _causality("causality", path, ("CorrectACauseB", "CorrectBCauseA"))
    for path in sorted((folder / PLAIN).glob("*_one_side_results*.jsonl")):
        yield _causality(str(folder / PLAIN / "one_side_prompts.csv"), path, ("CorrectCause",))


def _causality(exam: str, path: Path, columns: tuple[str, ...]) -> Row:
    [found] = recordings(path)
    [opened] = exams_for(exam, [found])
    policies: tuple[Policy, Policy] = ("wrong", "no")
    as_read, ours = (score(opened, found, policy=policy) for policy in policies)
    with path.with_suffix(".csv").open(newline="") as lines:
        marks = [float(row[column]) for row in csv.DictReader(lines) for column in columns]
    return _row(path.stem, as_read, ours, sum(marks) / len(marks))


def _row(name: str, as_read: Score, ours: Score, published: float) -> Row:
    plain, theirs = as_read.accuracy.interval.value, ours.accuracy.interval.value
    return Row(name, sum(len(one.answers) for one in ours.graded), plain, theirs, published)


SETS = {
    "BIG-Bench-Hard": big_bench_hard,
    "grade-school-math": grade_school_math,
    "chatgpt-causality-pairs": causality,
}


def show(rows: list[Row]) -> None:
    """The rows that differ, and how many there are."""
    same = [row for row in rows if abs(row.ours - row.published) < 5e-5]
    answers = sum(row.answers for row in rows)
    print(f"  {len(same)} of {len(rows)} recordings as published, {answers:,} answers")
    for row in rows:
        if row not in same:
            print(f"  {row.name}: {row.ours:.4f}, published {row.published:.4f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=float, default=1e6)
    parser.add_argument("--recordings", type=Path)
    chosen = parser.parse_args()
    if chosen.recordings:
        for name, read in SETS.items():
            for folder in sorted(chosen.recordings.glob(f"*{name}")):
                print(name)
                show(list(read(folder)))
        return
    answers, rows = int(chosen.answers), []
    for questions in (answers // 100, answers):
        seconds, scores = million(answers, questions)
        met = "met" if seconds * 1e6 / answers < BAR_SECONDS else "missed"
        rows.append(
            {
                "answers": answers,
                "questions": questions,
                "models": len(scores),
                "processor_seconds": seconds,
            }
        )
        print(
            f"{answers:,} answers to {questions:,} questions by {len(scores)} models: read, joined "
            f"and scored in {seconds:.1f} s of processor time ({met}); the first model "
            f"{scores[0].accuracy.interval.value:.4f}"
        )
    recorded = []
    for path in sorted((evaldata() / "exams" / "causality").glob("*.jsonl")):
        row = _causality("causality", path, ("CorrectACauseB", "CorrectBCauseA"))
        print(f"{row.name}: {row.as_read:.4f}, published {row.published:.4f}")
        recorded.append(asdict(row))
    save("exams", {"scoring": rows, "recordings": recorded})


if __name__ == "__main__":
    main()
