"""What racing saves, and whether it advises what the whole grid advises.

    isoflop compare DOCUMENTS QUESTIONS --full --run RUN    # for each data set: answers once
    python -m benchmarks.racing record NAME RUN...          # keep the scores of these runs
    python -m benchmarks.racing                             # race them in 200 orders each

Scores and costs of every way on every question are kept in the result, so that the races can be
run again without any model. Each rerun asks the questions in another random order, by the race that
`isoflop compare` runs, and then advises from what was asked. A run counts the calls it makes.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import RESULTS, save
from isoflop.measure.comparison.racing import LEVEL, Field, advised
from isoflop.measure.statistics.distributions import normal_quantile
from isoflop.run import Row, bill_of, read_about, read_rows

RERUNS = 200
BAR_SAVED, BAR_SAME = 0.4, 0.95
Floats = NDArray[np.float64]


def recorded(runs: list[Path]) -> dict[str, Any]:
    """Scores of the questions that every way answered, and mean FLOPs of a question."""
    scores: dict[str, dict[str, float]] = {}
    flops: dict[str, list[float]] = {}
    for folder in runs:
        about = read_about(folder)
        chosen = ", ".join(f"{k}={v}" for k, v in sorted(about.get("options", {}).items()) if v)
        for row in read_rows(folder):
            if not row["key"].startswith("answer/") or row["right"] is None:
                continue
            name = f"{row['way']} {chosen}".strip()
            scores.setdefault(name, {})[row["question"]] = row["right"]["contains"]
            flops.setdefault(name, []).append(bill_of(row).flops or 0.0)
    asked = [q for q in next(iter(scores.values())) if all(q in each for each in scores.values())]
    return {
        "questions": len(asked),
        "ways": {
            name: {
                "flops": fmean(flops[name]),
                "right": "".join(str(int(each[question])) for question in asked),
            }
            for name, each in scores.items()
        },
    }


def replayed(ways: Row, reruns: int = RERUNS) -> dict[str, Any]:
    """Races in so many orders: calls saved, and how often the advice is that of the grid."""
    names = list(ways)
    scores = np.array([[float(mark) for mark in ways[name]["right"]] for name in names])
    costs = {name: float(ways[name]["flops"]) for name in names}
    grid = _advice(names, scores, costs, len(names))
    calls, advices = 0, Counter[str]()
    for seed in range(reruns):
        order = np.random.default_rng(seed).permutation(scores.shape[1])
        field = Field(costs, scores.shape[1])
        asked = 0
        for question in order:
            running = field.running
            if not running:
                break
            asked += 1
            calls += len(running)
            field.update({name: scores[names.index(name), question] for name in running})
        left = [name for name in names if name not in field.stops]
        seen = scores[[names.index(name) for name in left]][:, order[:asked]]
        advices[_advice(left, seen, costs, len(names))] += 1
    saved = 1 - calls / (reruns * scores.size)
    return {
        "questions": scores.shape[1], "ways": len(names), "reruns": reruns, "grid_advises": grid,
        "accuracy": {name: float(mean) for name, mean in zip(names, scores.mean(1), strict=True)},
        "advices": dict(advices), "same": advices[grid] / reruns, "saved": saved,
        "bar_same": BAR_SAME, "bar_saved": BAR_SAVED,
    }  # fmt: skip


def _advice(names: list[str], scores: Floats, costs: dict[str, float], ways: int) -> str:
    """The cheapest way that is near the best and not significantly worse."""
    if len(names) == 1:
        return names[0]
    gaps = scores[:, None] - scores[None, :]
    errors = gaps.std(axis=2, ddof=1) / scores.shape[1] ** 0.5
    places = np.argsort(np.argsort([costs[name] for name in names]))
    z = normal_quantile(1 - LEVEL / (2 * max(1, ways - 1)))
    return names[int(advised(scores.mean(1)[None], errors, places, z)[0])]


def main() -> None:
    """Record, or race everything that was recorded."""
    path = RESULTS / "racing.json"
    held = json.loads(path.read_text("utf-8")) if path.exists() else {}
    sets, races = held.get("sets", {}), held.get("races", {})
    if sys.argv[1:2] == ["record"]:
        sets[sys.argv[2]] = recorded([Path(name) for name in sys.argv[3:]])
    else:
        for name in sys.argv[1:] or sets:
            races[name] = replayed(sets[name]["ways"])
            found = races[name]
            print(f"{name}: {found['saved']:.1%} saved, {found['same']:.1%} the same advice")
    save("racing", {"sets": sets, "races": races})


if __name__ == "__main__":
    main()
