"""Inference as forecast and as measured: `python -m benchmarks.plan_serving` leaves groups out.

The table has the constants in force, worked out anew, and constants fitted without the chip,
without the model or without the engine of each row, read from benchmarks/results/plan_serving.json,
which this command makes (some minutes).
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.plan_serving_fit import (
    IN_FORCE,
    Constants,
    error,
    fit,
    simulated,
    with_first_tokens,
)
from benchmarks.plan_serving_rows import Measured, online_rows, static_rows
from isoflop.plan.service import FIRST_TOKEN_FACTOR, PASS_FACTOR, TOKEN_FACTOR

RESULTS = ROOT / "benchmarks" / "results" / "plan_serving.json"
GROUPS = ("chip", "model", "engine")
WITHIN = math.log(1.25)
ONLINE = {
    "token": ("time per output token", "token_seconds", TOKEN_FACTOR),
    "answer": ("end to end", "answer_seconds", TOKEN_FACTOR),
    "first": ("first token, no bar", "first_token_seconds", FIRST_TOKEN_FACTOR),
}
Errors = Mapping[str, Sequence[float]]  # by measure


def static_errors(rows: Sequence[Measured], c: Constants) -> list[float]:
    """ln of forecast over measured."""
    return [error(row, c) for row in rows]


def online_errors(rows: Sequence[Measured], c: Constants) -> list[float]:
    """The same for online rows, by simulation; rows of one measurement are simulated once."""
    known: dict[object, Any] = {}
    errors = []
    for row in rows:
        d = row.deployment
        key = (row.model, d.chip.name, d.engine.name, d.weights, d.cache, d.tensor_parallel,
               d.data_parallel, row.batch, row.prompt, row.output)  # fmt: skip
        if key not in known:
            known[key] = simulated(row, c)
        errors.append(math.log(getattr(known[key], ONLINE[row.metric][1]) / row.value))
    return errors


def left_out(rows: Sequence[Measured], group: str) -> list[float]:
    """Errors of rows, each with constants fitted without its chip, model or engine."""
    parts: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        parts[row.groups[group]].append(place)
    errors = [0.0] * len(rows)
    for name, places in parts.items():
        kept = [row for row in rows if row.groups[group] != name]
        of = [rows[place] for place in places]
        c = fit(kept, begin=IN_FORCE)
        if any(row.online for row in of):
            c = with_first_tokens(c, kept)
        found = _errors(of, c)
        for place, value in zip(places, found, strict=True):
            errors[place] = value
        print(f"without {group} {name}: {len(of)} rows, {median_size(found):.1%}", flush=True)
    return errors


def _errors(rows: Sequence[Measured], c: Constants) -> list[float]:
    offline = iter(static_errors([row for row in rows if not row.online], c))
    served = iter(online_errors([row for row in rows if row.online], c))
    return [next(served) if row.online else next(offline) for row in rows]


def median_size(errors: Sequence[float]) -> float:
    """Median of |ln(forecast / measured)|."""
    return statistics.median(map(abs, errors))


def within(errors: Sequence[float], size: float = WITHIN) -> float:
    """Share of errors below a size."""
    return sum(abs(e) <= size for e in errors) / len(errors)


def make() -> None:
    """Fit without each group, and keep the errors; the rows themselves are not kept."""
    rows = [*static_rows(), *online_rows()]
    errors = {"in force": _errors(rows, IN_FORCE)}
    for group in GROUPS:
        errors[f"{group} out"] = left_out(rows, group)
    kept = {
        "date": date.today().isoformat(),
        "constants": _fingerprint(),
        "rows": len(rows),
        "groups": {group: _by_group(rows, group, errors[f"{group} out"]) for group in GROUPS},
        "errors": {name: [round(e, 4) for e in of] for name, of in errors.items()},
    }
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in kept.items())
    RESULTS.write_text("{\n" + lines + "\n}\n")


def _by_group(rows: Sequence[Measured], group: str, errors: Sequence[float]) -> dict[str, Any]:
    """Rows and median error of each chip, model or engine when it was left out."""
    parts: dict[str, list[float]] = defaultdict(list)
    for row, error_of_row in zip(rows, errors, strict=True):
        parts[row.groups[group]].append(error_of_row)
    return {
        name: {"rows": len(of), "median": round(median_size(of), 4)} for name, of in parts.items()
    }


def table() -> str:
    """Medians and shares, as text; what is not reached is said."""
    rows = [*static_rows(), *online_rows()]
    ways = {"in force": _errors(rows, IN_FORCE), **_kept(len(rows))}
    lines = [f"{'inference: median error, share within 25 %':44}    n" + _head(ways)]

    def add(title: str, chosen: Callable[[Measured], bool]) -> None:
        places = [i for i, row in enumerate(rows) if chosen(row)]
        cells = "".join(
            f"{median_size(of):9.1%} {within(of):5.0%}"
            for of in ([errors[i] for i in places] for errors in ways.values())
        )
        lines.append(f"{title:44} {len(places):4}{cells}")

    add("static (bar: 12 %, 75 %)", lambda row: not row.online)
    for engine in dict.fromkeys(r.deployment.engine.name for r in rows if not r.online):
        add(f"  {engine}", lambda r, e=engine: not r.online and r.deployment.engine.name == e)
    for metric, (title, _, _) in ONLINE.items():
        bar = "" if "no bar" in title else " (bar: 20 %)"
        add(f"online, {title}{bar}", lambda r, m=metric: r.online and r.metric == m)
    for engine in dict.fromkeys(r.deployment.engine.name for r in rows if r.online):
        add(
            f"  {engine}, time per output token",
            lambda r, e=engine: r.online and r.metric == "token" and r.deployment.engine.name == e,
        )
    lines.append(_coverage(rows, ways))
    return "\n".join(lines)


def _head(ways: Mapping[str, Sequence[float]]) -> str:
    return "".join(f"{name:>15}" for name in ways)


def _coverage(rows: Sequence[Measured], ways: Errors) -> str:
    told = []
    for title, chosen, factor in (
        ("static", lambda r: not r.online, PASS_FACTOR),
        *((t, lambda r, m=m: r.online and r.metric == m, f) for m, (t, _, f) in ONLINE.items()),
    ):
        places = [i for i, row in enumerate(rows) if chosen(row)]
        shares = ", ".join(
            f"{within([errors[i] for i in places], math.log(factor)):.0%} {name}"
            for name, errors in ways.items()
        )
        told.append(f"in the 80 % interval, {title} (factor {factor}): {shares}")
    return "\n".join(told)


def _kept(rows: int) -> dict[str, list[float]]:
    """Errors with groups left out, if they were made with the constants in force."""
    if not RESULTS.is_file():
        return {}
    saved = json.loads(RESULTS.read_text())
    if saved["constants"] != _fingerprint() or saved["rows"] != rows:
        raise SystemExit(f"{RESULTS} is of other constants: run python -m benchmarks.plan_serving.")
    return {name: of for name, of in saved["errors"].items() if name != "in force"}


def _fingerprint() -> str:
    """Of all constants in force; rounding and order included."""
    return repr((IN_FORCE.efficiencies, tuple(IN_FORCE.engines.values())))


if __name__ == "__main__":
    make()
    print(table())
