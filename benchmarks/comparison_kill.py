"""Kill a comparison at random moments, go on, and compare with an undisturbed run.

    python -m benchmarks.comparison_kill --kills 100 --commands 4

A kill is SIGKILL to a process that carries out a comparison: its own run folder, account, race and
report, with methods whose answers are known beforehand and take about a millisecond each, so that
kills fall into calls, between them, into writing, preparing and reporting. Every call is noted by
the process before it answers. With `--commands`, `isoflop compare` itself is killed too, on the
handbook with `extractive`.

The report must be the same, byte for byte; no key that was recorded may be called again; no line
may be lost. Of the command, seconds and what follows from them differ and are left out.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, save
from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.budget import BEGUN, Budget
from isoflop.run import read_rows, write_whole
from tests.measure.comparison.scripted import SEEN, Scripted, carried, numbered, plan_of, run_in

QUESTIONS = 60
CALL_SECONDS = 0.001
CALLS = "calls.txt"
RIGHT = {"a": 0.9, "b": 0.85, "c": 0.2}
TIMED = ("seconds", "joules", "dollars", "grams_co2e")
HANDBOOK = ROOT / "src/isoflop/handbook"
ASKED = ROOT / "src/isoflop/measure/handbook_questions.jsonl"


@dataclass
class Outcome:
    """What a series of kills did."""

    kills: int = 0
    missed: int = 0
    different: int = 0
    paid_twice: int = 0
    lost_lines: int = 0
    calls_cut_off: int = 0
    details: list[str] = field(default_factory=list)


def session(folder: Path, budget: Budget | None, at_once: int) -> None:
    """A comparison with its report, taken up where it was left."""
    calls = os.open(folder / CALLS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noted(name: str) -> Callable[[str], None]:
        def before(id: str) -> None:
            os.write(calls, f"{name} {id}\n".encode())
            time.sleep(CALL_SECONDS)

        return before

    plan = plan_of(methods(noted), numbered(QUESTIONS), budget, at_once=at_once)
    with run_in(folder / "run") as run:
        outcome = carried(plan, run)
        made = reporting.build(plan, run.rows, outcome, folder / "run", SEEN)
        write_whole(folder / "run" / reporting.REPORT, json.dumps(made.values))  # no charts


def methods(noted: Callable[[str], Callable[[str], None]]) -> dict[str, Scripted]:
    """Three ways, two of them close; every figure is a sum of whole numbers, so exact."""
    draw = random.Random(7)
    return {
        name: Scripted(
            {f"q{n}": "yes" if draw.random() < share else "no" for n in range(QUESTIONS)},
            {f"q{n}": draw.randrange(10) for n in range(QUESTIONS)},
            price={"flops": (4.0 * cost, 8.0 * cost)},
            once=100,
            before=noted(name),
        )
        for cost, (name, share) in enumerate(RIGHT.items(), start=1)
    }


def killed(work: Callable[[], None], seconds: float) -> bool:
    """Whether a process that does this was killed after so many seconds, or had finished."""
    process = get_context("fork").Process(target=work)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def recorded(folder: Path) -> list[str]:
    """Keys of what was asked or prepared, in the order of the file; a key stands once."""
    rows = read_rows(folder) if folder.exists() else []
    return [row["key"] for row in rows if "/" in row["key"]]


def called(folder: Path) -> list[str]:
    """Keys that processes called, as they noted them."""
    path = folder / CALLS
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    pairs = [line.split() for line in lines]
    return [
        f"prepare/{name} scripted/read" if id == "prepare" else f"answer/{name} scripted/{id}"
        for name, id in pairs
    ]


def rounds(kills: int, seed: int, budget: Budget | None, at_once: int, outcome: Outcome) -> None:
    """Kill runs, up to three times each, and judge each when it is finished."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="isoflop-kill-") as name:
        whole = Path(name) / "undisturbed"
        whole.mkdir()
        start = time.perf_counter()
        assert not killed(lambda: session(whole, budget, at_once), 600)
        lasts = time.perf_counter() - start
        goal, before = (whole / "run" / reporting.REPORT).read_bytes(), outcome.kills
        for number in range(10 * kills):
            if outcome.kills - before >= kills:
                break
            folder = Path(name) / str(number)
            folder.mkdir()
            _disturb(folder, draw, lasts, budget, at_once, outcome)
            if (folder / "run" / reporting.REPORT).read_bytes() != goal:
                outcome.different += 1
                outcome.details.append(f"{number}: another report")


def _disturb(
    folder: Path, draw: random.Random, lasts: float, budget: Budget | None, at_once: int,
    outcome: Outcome,
) -> None:  # fmt: skip
    """Kill a run some times, then let it finish."""
    kept: list[str] = []
    for left in reversed(range(draw.randint(1, 3) + 1)):
        start = len(called(folder))
        hit = killed(
            lambda: session(folder, budget, at_once), draw.uniform(0, lasts) if left else 600
        )
        outcome.kills += hit
        outcome.missed += bool(left) and not hit
        again = set(called(folder)[start:]) & set(kept)
        now = recorded(folder / "run")
        outcome.paid_twice += len(again) + len(now) - len(set(now))
        outcome.lost_lines += now[: len(kept)] != kept
        kept = now
        if not hit:
            break
    outcome.calls_cut_off += sum((Counter(called(folder)) - Counter(kept)).values())
    if budget is not None:  # every call was written down before it was made
        lines = (folder / "run" / BEGUN).read_text().splitlines()
        begun = [json.loads(line)["key"] for line in lines]
        outcome.lost_lines += sum((Counter(called(folder)) - Counter(begun)).values())


def commands(kills: int, seed: int, outcome: Outcome) -> None:
    """Kill `isoflop compare` on the handbook while it asks, go on, compare what was found."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="isoflop-kill-") as name:
        place = Path(name)
        shutil.copytree(HANDBOOK, place / "documents")

        def command(run: str) -> list[str]:
            return [
                sys.executable, "-m", "isoflop", "compare", str(place / "documents"), str(ASKED),
                "--model", "extractive", "--methods", "retrieval", "--run", str(place / run),
                "--most", "30", "--tuning", "0", "--json",
            ]  # fmt: skip

        subprocess.run(command("whole"), check=True, capture_output=True)
        goal = found(place / "whole")
        for number in range(kills):
            run = place / f"run-{number}"
            process = subprocess.Popen(
                command(run.name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            answers = draw.randint(1, 25)
            while process.poll() is None and len(recorded(run)) < answers:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.05))
            process.kill()
            hit = process.wait() == -signal.SIGKILL
            outcome.kills += hit
            outcome.missed += not hit
            kept = recorded(run)
            subprocess.run(command(run.name), check=True, capture_output=True)
            now = recorded(run)
            outcome.paid_twice += len(now) - len(set(now))
            outcome.lost_lines += now[: len(kept)] != kept
            if found(run) != goal:
                outcome.different += 1
                outcome.details.append(f"command {number}: another report")


def found(run: Path) -> dict[str, Any]:
    """Answers, scores and recommendation of a run, without times."""
    report = json.loads((run / reporting.REPORT).read_text())
    rows = {row["key"]: row for row in read_rows(run) if row["key"].startswith("answer/")}
    for row in rows.values():
        bill = row["bill"]
        row["bill"] = {key: value for key, value in bill.items() if key not in TIMED}
    ways = [{key: way[key] for key in ("name", "accuracy", "figures", "status", "settings")}
            for way in report["ways"]]  # fmt: skip
    return {"rows": rows, "ways": ways, "advice": report["recommendation"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the kills, print and store what came of them; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--commands", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    forked, real = Outcome(), Outcome()
    each = (options.kills - options.commands) // 3
    rounds(each, options.seed, None, 1, forked)
    rounds(each, options.seed + 1, Budget("flops", 1e9), 1, forked)
    rounds(options.kills - options.commands - 2 * each, options.seed + 2, Budget("flops", 1e9), 4,
           forked)  # fmt: skip
    commands(options.commands, options.seed, real)
    whole = {"forked": vars(forked), "commands": vars(real), "seed": options.seed}
    print(json.dumps(whole, indent=1))
    save("comparison_kill", whole)
    bad = [o.different + o.paid_twice + o.lost_lines for o in (forked, real)]
    if any(bad) or forked.kills + real.kills < options.kills:
        sys.exit(1)


if __name__ == "__main__":
    main()
