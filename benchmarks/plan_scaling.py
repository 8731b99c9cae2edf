"""Scaling laws against what is published: the refit, isoFLOP profiles, tables, lifetimes."""

from __future__ import annotations

import time

from benchmarks.facts import facts
from isoflop.plan.fit import fit, profile_exponent, profiles
from isoflop.plan.laws import law
from isoflop.plan.lifetime import Demand, Rates, best, dollars_per_flop, life, quality
from isoflop.plan.runs import Run
from isoflop.plan.scaling import optimum

# Besiroglu et al. 2024, arXiv:2404.10102, table 1: value and standard error
EPOCH = {
    "E": (1.817, 0.026),
    "A": (482.01, 124.5),
    "B": (2085.43, 1293.0),
    "alpha": (0.348, 0.015),
    "beta": (0.366, 0.021),
    "a": (0.513, 0.020),
}
Line = tuple[str, float, float, str]


def runs() -> list[Run]:
    """The 245 runs read from Hoffmann et al.'s figure 4; tokens are FLOPs / 6 N."""
    rows = [
        (float(row["Model Size"]), float(row["Training FLOP"]), float(row["loss"]))
        for row in facts("chinchilla_points.csv")
    ]
    return [Run(size, flops / (6 * size), loss) for size, flops, loss in rows]


def refit(bootstrap: int = 1000) -> list[Line]:
    """Epoch's constants beside ours; the bar is one standard error, under 60 s."""
    started = time.perf_counter()
    found = fit(runs(), bootstrap=bootstrap, drop=5)
    seconds = time.perf_counter() - started
    errors = found.standard_errors()
    lines = []
    for name, (value, error) in EPOCH.items():
        ours = found.surface.exponent if name == "a" else getattr(found.surface, name)
        far = f"{abs(ours - value) / error:.2f} standard errors away"
        lines.append((name, value, ours, far))
        lines.append((f"standard error of {name}", error, errors[name], ""))
    lines.append(("runs fitted", 240, found.runs, f"{seconds:.1f} s, {bootstrap} samples"))
    lines.append(("objective", 0.0010182740, found.objective, ""))
    slope = profile_exponent(profiles(runs()))
    lines.append(("isoFLOP profiles, a", 0.49, slope or float("nan"), "Hoffmann, approach 2"))
    return lines


def optima() -> list[Line]:
    """Optima that papers state."""
    gopher = 5.76e23
    epoch, third = optimum(law("epoch"), gopher), optimum(law("chinchilla-3"), gopher)
    kaplan, first = optimum(law("kaplan"), 1e21), optimum(law("chinchilla-1"), 1e21)
    return [
        ("Epoch, N at 5.76e23", 72.2e9, epoch.parameters, ""),
        ("Epoch, D at 5.76e23", 1.33e12, epoch.tokens, ""),
        ("Approach 3 unrounded, D/N at 5.76e23", 58.9, third.tokens / third.parameters, ""),
        ("Approach 1, N at 1e21", 2.86e9, first.parameters, "Hoffmann, D.4"),
        ("Kaplan, N at 1e21", 4.68e9, kaplan.parameters, "Hoffmann, D.4"),
    ]


def lifetimes() -> list[Line]:
    """Examples of Sardana et al. and of their code's README."""
    hoffmann, theirs = law("chinchilla-3"), law("sardana")
    demand = Demand(2e12, 0)
    target = quality(hoffmann, 13e9)
    cheapest = best(hoffmann, target, demand)
    saved = 1 - cheapest.cost / life(hoffmann, 13e9, target, demand).cost
    flops = best(theirs, 1.947, demand)
    rates = Rates(
        dollars_per_flop(1.40, 312e12, 0.5),
        dollars_per_flop(0.60, 624e12, 0.4),
        dollars_per_flop(0.60, 624e12, 0.2),
    )
    dollars = best(theirs, 1.947, Demand(1e13, 2.5e12), rates=rates)
    return [
        ("13B, 2T served: N", 7.1e9, cheapest.parameters, "bar"),
        ("13B, 2T served: saved", 0.163, saved, "bar, +- 0.005; the paper says 17 %"),
        ("loss 1.947, 2T served: N", 2.418e10, flops.parameters, "authors' code"),
        ("loss 1.947, 2T served: D", 2.657e12, flops.tokens, "authors' code"),
        ("in dollars: N", 2.053e10, dollars.parameters, "authors' code"),
        ("in dollars: D", 3.302e12, dollars.tokens, "authors' code"),
    ]


def table() -> str:
    """All of it, published beside computed."""
    lines = ["| scaling laws | published | here | |", "| --- | ---: | ---: | --- |"]
    for name, published, ours, note in (*refit(), *optima(), *lifetimes()):
        lines.append(f"| {name} | {published:.5g} | {ours:.5g} | {note} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
