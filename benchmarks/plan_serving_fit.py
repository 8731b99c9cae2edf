"""Fits the constants of `isoflop.plan.serving`: `python -m benchmarks.plan_serving_fit`.

Logarithms of the constants are moved to make the errors' logarithms small, with a robust loss, and
with a prior: each constant keeps near a physical first guess unless the rows speak against it.
Rows of engines with many are worth less each. Online rows enter by a closed form of a full batch;
the wait for a first token has one constant for each engine, set last, by simulation.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from benchmarks.plan_serving_rows import Measured, online_rows, static_rows
from isoflop.plan.engines import ENGINES, Engine
from isoflop.plan.queueing import Demand, Waiting, waiting
from isoflop.plan.serving import MEASURED, Efficiencies, decode_step, prefill, server

ROBUST = 0.15  # errors beyond this count linearly
PRIOR = 0.15  # weight of a constant that is off its first guess by its own width
ONLINE = ("vllm", "sglang", "tensorrt-llm")
REQUESTS = 10  # for each user, as benchmarks of servers have it


@dataclass(frozen=True)
class Constants:
    """Everything that is fitted."""

    efficiencies: Efficiencies
    engines: Mapping[str, Engine]


IN_FORCE = Constants(MEASURED, ENGINES)

# Name, first guess, width of the prior as a logarithm.
SHARED = (
    ("bandwidth", 0.9, 0.05),  # STREAM and gpt-fast reach 0.85 to 0.93 of the data sheet
    ("slicing", 0.1, 0.5),
    ("experts", 0.3, 1.0),
    ("hop_seconds", 3e-6, 0.5),
    ("expert_layer_seconds", 20e-6, 1.0),
)
ENGINE_SHARED = (
    ("traffic", 60.0, 0.5),  # about 30 values of 2 bytes
    ("products", 0.85, 0.1),
    ("sequence_seconds", 5e-6, 1.0),  # of the online engines
)
LAYER_SECONDS = ("layer_seconds", 80e-6, 0.7)  # some ten kernels of a few microseconds
UNFUSED = (
    ("most_bytes_per_second", 1.2e12, 0.3),
    ("traffic", 300.0, 0.7),
    ("widening_bytes", 4.6, 0.5),
    ("products", 0.75, 0.3),
)


def names() -> list[tuple[str, str, float, float]]:
    """Owner, field, first guess and width of every constant, in order."""
    found = [("", *constant) for constant in SHARED]
    found += [("*", *constant) for constant in ENGINE_SHARED]
    found += [(engine, *LAYER_SECONDS) for engine in ENGINES]
    return found + [("llama.cpp", *constant) for constant in UNFUSED]


def constants(values: Sequence[float]) -> Constants:
    """The constants of these values, in the order of `names`."""
    shared: dict[str, float] = {}
    engines = dict(ENGINES)
    for (owner, field, _, _), value in zip(names(), values, strict=True):
        if not owner:
            shared[field] = float(value)
            continue
        owners = [owner] if owner != "*" else _sharing(field)
        for name in owners:
            changed: dict[str, Any] = {field: float(value)}
            engines[name] = replace(engines[name], **changed)
    return Constants(replace(MEASURED, **shared), engines)


def values(c: Constants) -> list[float]:
    """The inverse of `constants`."""
    of = {"": c.efficiencies, "*": c.engines["vllm"], **c.engines}
    return [float(getattr(of[owner], field)) for owner, field, _, _ in names()]


def _sharing(field: str) -> list[str]:
    if field == "sequence_seconds":
        return list(ONLINE)
    return [name for name in ENGINES if name != "llama.cpp"]


def predicted(row: Measured, c: Constants) -> float:
    """What the row's metric should be; online rows by the closed form."""
    d, e = replace(row.deployment, engine=c.engines[row.deployment.engine.name]), c.efficiencies
    group = max(1.0, row.batch / d.data_parallel)
    batch = 1.0 if row.online else row.batch
    read = prefill(d, row.prompt, batch=batch, efficiencies=e).seconds if row.prompt else 0.0
    if row.metric == "read rate":
        return row.prompt / read
    if row.metric == "first" and not row.online:
        return read
    context = row.prompt + row.output / 2
    step = decode_step(d, context, batch=group, efficiencies=e).seconds
    if row.online:
        step += (group - 1) / row.output * read
        first = read + d.engine.request_seconds + step
        return {"token": step, "first": first, "answer": first + (row.output - 1) * step}[
            row.metric
        ]
    if row.metric == "token":
        return step
    total = read + (row.output - 1) * step
    return total if row.metric == "total" else row.batch * row.output / total / row.per


def simulated(row: Measured, c: Constants = IN_FORCE) -> Waiting:
    """An online row as it was measured: all users at once, ten requests each, nothing left out."""
    d = replace(row.deployment, engine=c.engines[row.deployment.engine.name])
    users = max(1, round(row.batch / d.data_parallel))
    demand = Demand(row.prompt, row.output, users=users, spread=row.spread)
    one = server(d, users, row.prompt, row.output, efficiencies=c.efficiencies)
    return waiting(one, demand, requests=REQUESTS * users, burst=True)


def error(row: Measured, c: Constants) -> float:
    """ln of predicted over measured."""
    return math.log(predicted(row, c) / row.value)


def fit(rows: Sequence[Measured], *, begin: Constants | None = None) -> Constants:
    """Constants that suit these rows; an engine without rows gets the others' middle.

    Args:
        rows: To suit.
        begin: Where the search begins, which saves time; the first guesses if None.
    """
    rows = [row for row in rows if row.metric != "first" or not row.online]
    many = Counter(row.deployment.engine.name for row in rows)
    weights = np.array([math.sqrt(40 / (20 + many[r.deployment.engine.name])) for r in rows])
    guess = np.log([first for _, _, first, _ in names()])
    width = np.array([wide for _, _, _, wide in names()])

    def residuals(logarithms: Any) -> Any:
        c = constants(np.exp(logarithms))
        errors = np.array([error(row, c) for row in rows])
        return np.concatenate([errors * weights, PRIOR * (logarithms - guess) / width])

    found = least_squares(
        residuals,
        guess if begin is None else np.log(values(begin)),
        loss="soft_l1",
        f_scale=ROBUST,
        diff_step=1e-3,
        max_nfev=15 if begin is None else 6,
    )
    return _unseen(constants(np.exp(found.x)), set(many))


def with_first_tokens(c: Constants, rows: Sequence[Measured]) -> Constants:
    """The same with each engine's seconds before the first kernel, from its rows or the others'."""
    bare = {name: replace(engine, request_seconds=0.0) for name, engine in c.engines.items()}
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in ONLINE}
    for row in rows:
        if row.online and row.metric == "first":
            waited = simulated(row, Constants(c.efficiencies, bare)).first_token_seconds
            told[row.deployment.engine.name].append((waited, row.value))
    everyone = [pair for pairs in told.values() for pair in pairs]
    engines = dict(c.engines)
    for name, pairs in told.items():
        engines[name] = replace(engines[name], request_seconds=_delay(pairs or everyone))
    return Constants(c.efficiencies, engines)


def _delay(pairs: Sequence[tuple[float, float]]) -> float:
    """Seconds that bring waits nearest to those measured, as ratios, in steps of 10 ms."""

    def off(seconds: float) -> float:
        return sum(abs(math.log((waited + seconds) / value)) for waited, value in pairs)

    return min((n / 100 for n in range(100)), key=off)


def _unseen(c: Constants, seen: set[str]) -> Constants:
    middle = math.exp(statistics.mean(math.log(c.engines[name].layer_seconds) for name in seen))
    engines = {
        name: engine if name in seen else replace(engine, layer_seconds=middle)
        for name, engine in c.engines.items()
    }
    return Constants(c.efficiencies, engines)


if __name__ == "__main__":
    everything = [*static_rows(), *online_rows()]
    found = with_first_tokens(fit(everything), everything)
    for name, value in asdict(found.efficiencies).items():
        print(f"{name:22} {value:.4g}")
    for engine in found.engines.values():
        print(engine)
