"""Sections of the page: what comparisons found on each data set, and what comparing promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import judged, table, where

SETS = {
    "world": "An invented world of 60 people",
    "handbook": "The bundled handbook",
    "xquad-en": "XQuAD-en, 16 articles",
}
FACTOR = 1.5  # within which the break-even must be forecast


def racing(result: dict[str, Any]) -> str:
    """The frontier of accuracy against FLOPs on each data set, and what racing saves there."""
    parts = [
        "## Which way of answering is worth its cost\n",
        "Share of questions whose answer holds an accepted one, and mean FLOPs of a question, "
        "every way asked every question. The small model is an earlier one, which scored 67 % on "
        f"its own exam (91 % now). {where(result)}\n",
    ]
    for name, found in result["sets"].items():
        race = result["races"][name]
        parts.append(f"### {SETS.get(name, name)}, {found['questions']} questions\n")
        parts.append(_ways(found["ways"], race["grid_advises"]))
        parts.append(
            judged(
                [
                    ("calls saved by racing, mean of 200 orders", f"{race['saved']:.0%}",
                     f"{race['bar_saved']:.0%}", race["saved"] >= race["bar_saved"]),
                    ("orders with the advice of the whole grid", f"{race['same']:.0%}",
                     f"{race['bar_same']:.0%}", race["same"] >= race["bar_same"]),
                ]
            )
        )  # fmt: skip
    return "\n".join(parts)


def _ways(ways: Mapping[str, Mapping[str, Any]], advised: str) -> str:
    """Cheapest first; on the frontier are those that no cheaper one equals."""
    rows, best = [], -1.0
    for name, way in sorted(ways.items(), key=lambda each: each[1]["flops"]):
        share = way["right"].count("1") / len(way["right"])
        marks = [*(["frontier"] if share > best else []), *(["advised"] if name == advised else [])]
        best = max(best, share)
        rows.append([name, f"{share:.1%}", f"{way['flops']:.2g}", ", ".join(marks)])
    return table(["way", "right", "FLOP a question", ""], rows)


def known_truth(result: dict[str, Any]) -> str:
    """Worlds whose facts fit into what is tuned, and one whose facts do not; with a control."""
    rows = []
    for name, case in result["cases"].items():
        found = case["break_even_questions"]
        forecast, measured = (max(0.0, found[key] or 0.0) for key in ("forecast", "measured"))
        apart = max(forecast / measured, measured / forecast) if forecast and measured else None
        rows.append(
            [
                name,
                f"{case['bits']:,.0f} in {case['capacity_bits']:,.0f}",
                f"{case['updates']:,}",
                *(
                    _share(case["accuracy"][way], case["subjects"])
                    for way in ("tuned", "retrieval")
                ),
                "-" if not forecast else f"{forecast:,.1f}",
                "-" if not measured else f"{measured:,.1f}",
                "-" if apart is None else f"{apart:.2f} of {FACTOR:g}",
            ]
        )
    costs = ["forecast", "measured", "apart"]
    head = ["world", "bits, capacity", "updates", "tuned", "retrieval", *costs]
    return "\n".join(
        [
            "## Fine-tuning beside retrieval, where the truth is known\n",
            "Closed book after tuning on every fact of a world (the control: of two subjects of "
            "it), asked in other words; after so many questions tuning costs fewer FLOPs, as "
            "forecast and as measured. "
            f"{where(result)}\n",
            table(head, rows),
        ]
    )


def _share(interval: Mapping[str, float], subjects: int | None) -> str:
    """With its interval, where questions about more than a few subjects make one."""
    value = f"{interval['value']:.0%}"
    return f"{value} ({interval['low']:.0%} to {interval['high']:.0%})" if not subjects else value


COMPARED = {
    "first": "a question's FLOPs, before anything is spent",
    "revised": "a question's FLOPs, settings chosen",
    "known": "a question's FLOPs, lengths known",
    "once": "FLOPs once",
    "seconds": "a later question's seconds, after five",
}


def forecasts(result: dict[str, Any]) -> str:
    """What every way took over what was forecast, on each data set."""
    parts = [
        "## Forecast beside bill\n",
        "Measured over forecast of every way, by `python -m benchmarks.forecasts`; in bold what is "
        "outside its bar. The seconds are those of the questions after a way's first five, over "
        "the forecast from these. Before anything is spent retrieval does not know how many "
        f"passages it will choose; its range does. {where(result)}\n",
        judged([_ranged(result), *(_within(result, name) for name in COMPARED)]),
    ]
    for name, found in result["sets"].items():
        load = " to ".join(f"{each:g}" for each in found["load_average"])
        parts.append(f"### {name}, {found['passages']} passages; load average {load}\n")
        rows = [
            [
                way,
                *(_marked(row["ratio"][kind], result["bars"].get(kind, 0.1)) for kind in COMPARED),
            ]
            for way, row in found["ways"].items()
        ]
        head = ["way", "first", "settings chosen", "lengths known", "once", "seconds after five"]
        parts.append(table(head, rows))
    return "\n".join(parts)


def _ranged(result: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """How many bills lie between the ends of their first forecasts."""
    flops = [way["flops"] for found in result["sets"].values() for way in found["ways"].values()]
    held = sum(each["low"] * 0.999 <= each["each"] <= each["high"] * 1.001 for each in flops)
    what = "a question's FLOPs between low and high, before anything is spent"
    return what, f"{held} of {len(flops)} ways", "all", held == len(flops)


def _within(result: Mapping[str, Any], kind: str) -> tuple[str, str, str, bool]:
    """How many ways of all data sets are within a bar."""
    bar = result["bars"].get(kind, 0.1)
    ratios = [
        way["ratio"][kind] for found in result["sets"].values() for way in found["ways"].values()
    ]
    known = [abs(ratio - 1) for ratio in ratios if ratio is not None]
    held = sum(apart <= bar for apart in known)
    return (
        COMPARED[kind], f"{held} of {len(known)} ways", f"within {bar:.0%}", held == len(known),
    )  # fmt: skip


def _marked(ratio: float | None, bar: float) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.3f}" if abs(ratio - 1) <= bar else f"**{ratio:.3f}**"
