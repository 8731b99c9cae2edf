"""Sections of the page: reading further than trained, and groups beside retrieved examples."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import judged, table, where

ALIBI_RISE, SINUSOIDAL_RISE = 0.0, 0.30
SPEED_UP = 2.2  # ALiBi without a mask, at the longest length


def positions(result: dict[str, Any]) -> str:
    """Perplexity of five position schemes beyond the length they were trained at."""
    read = {row["position"]: row["perplexity"] for row in result["rows"]}
    rows = [
        [name, *(_figure(by[times][how]) for how in ("beside", "sliding") for times in "124")]
        for name, by in read.items()
    ]
    length = result["length"]
    head = ["scheme", *(f"{how} {n * length}" for how in ("beside", "sliding") for n in (1, 2, 4))]
    bars = [
        *_rises("alibi", read["alibi"], ALIBI_RISE, most=True),
        *_rises("sinusoidal", read["sinusoidal"], SINUSOIDAL_RISE, most=False),
    ]
    last = result["attention"][-1]
    for way, said in (("mask", "that is there"), ("mask made", "made at each call")):
        faster = last["median"][way] / last["median"]["dimensions"]
        what = f"ALiBi attention, {last['tokens']:,} tokens: times as fast as with a mask {said}"
        bars.append((what, f"{faster:.2f}", f"{SPEED_UP}", faster >= SPEED_UP))
    parameters = result["rows"][0]["parameters"] / 1e6
    return "\n".join(
        [
            "## Reading further than trained\n",
            f"Perplexity a token of held-out tiny Shakespeare, {result['tokens_read']:,} tokens, "
            f"by models of {parameters:.1f} M parameters that learned {result['tokens_trained']:,} "
            f"tokens in windows of {length}. Windows beside each other count all their tokens, "
            "sliding ones overlap by half and count the second half. A dash: the scheme cannot "
            f"read so far. {where(result)}\n",
            table(head, rows),
            judged(bars),
        ]
    )


def structured(result: dict[str, Any]) -> str:
    """Accuracy with examples beyond one context, in groups and retrieved."""
    grouped: dict[int, dict[str, Any]] = {}
    for row in result["groups"]:
        grouped.setdefault(row["examples"], {})[row["scheme"]] = row
    rows = []
    bars = []
    for examples, by in grouped.items():
        rival = rival_of(result, by["structured"])
        best = max(
            (row for row in result["retrieved"] if row["examples"] == examples),
            key=lambda row: row["accuracy"],
        )
        rows.append(
            [
                f"{examples:,}",
                *(_accuracy(by[scheme]) for scheme in ("structured", "parallel", "plain")),
                f"{by['structured']['flops_each'] / 1e6:.2f}",
                f"{cost(result, by['structured']) / 1e6:.2f}",
                f"{_accuracy(rival)} (k={rival['retrieved']})" if rival else "-",
                f"{_accuracy(best)} (k={best['retrieved']})",
            ]
        )
    most = max(grouped)
    first, last = grouped[min(grouped)]["structured"], grouped[most]["structured"]
    rival = rival_of(result, last)
    bars.append(
        (
            f"structured: accuracy gained from {result['shots']} to {most:,} examples",
            f"{last['accuracy'] - first['accuracy']:+.3f}",
            "> 0",
            last["accuracy"] > first["accuracy"],
        )
    )
    if rival:
        bars.append(
            (
                f"structured less retrieval at equal FLOPs, {most:,} examples",
                f"{last['accuracy'] - rival['accuracy']:+.3f}",
                ">= 0",
                last["accuracy"] >= rival["accuracy"],
            )
        )
    head = [
        "examples", "structured", "parallel", "one long text", "MFLOP a question",
        "with its share of reading", "retrieved, at most as many FLOPs", "retrieved, best k",
    ]  # fmt: skip
    return "\n".join(
        [
            "## Groups of examples beside retrieved examples\n",
            f"Accuracy and standard error over {result['tasks']} tasks of {result['labels']} "
            f"labels, {result['questions']} questions each; a context holds {result['shots']} "
            f"examples. Reading the groups once is shared by {result['amortised']:,} questions. "
            f"{where(result)}\n",
            table(head, rows),
            judged(bars),
        ]
    )


def cost(result: dict[str, Any], row: dict[str, Any]) -> float:
    """FLOPs of a question after groups, its share of reading them included."""
    return float(row["flops_each"] + row["flops_once"] / result["amortised"])


def rival_of(result: dict[str, Any], row: dict[str, Any]) -> dict[str, Any] | None:
    """The most accurate retrieval from as many examples that costs no more a question."""
    able = [
        other
        for other in result["retrieved"]
        if other["examples"] == row["examples"] and other["flops_each"] <= cost(result, row)
    ]
    return max(able, key=lambda other: float(other["accuracy"]), default=None)


def _rises(
    name: str, read: dict[str, Any], bar: float, *, most: bool
) -> list[tuple[str, str, str, bool]]:
    base = read["1"]["beside"]
    return [
        (
            f"{name}: rise of perplexity at {times} times the length, windows beside each other",
            f"{100 * (read[times]['beside'] / base - 1):+.1f} %",
            f"{'<=' if most else '>'} {100 * bar:.0f} %",
            (read[times]["beside"] / base - 1 <= bar) == most,
        )
        for times in ("2", "4")
    ]


def _figure(perplexity: float | None) -> str:
    return "-" if perplexity is None else f"{perplexity:.1f}"


def _accuracy(row: dict[str, Any]) -> str:
    return f"{row['accuracy']:.3f} ± {row['standard_error']:.3f}"
