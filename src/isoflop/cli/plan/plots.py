"""Plots of forecasts: rows in, a file out. Needs the extra `plot`; nothing is fetched.

    from isoflop.cli.plan.plots import isoflop_curves   # inside the command, where --plot is given
    isoflop_curves(rows, "out.svg")

Rows are mappings with the keys that each function names; a row may have more, which are left out.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from isoflop.drawing import COLOURS as COLOURS
from isoflop.drawing import COUNT, INK, MONEY, PAPER, POWER
from isoflop.drawing import GREY as GREY
from isoflop.drawing import base as base
from isoflop.drawing import logarithmic as _logarithmic
from isoflop.drawing import write as write
from isoflop.errors import UsageError

Row = Mapping[str, Any]
FLAT = 1.005  # the thick part of an isoFLOP curve: within 0.5 % of its least loss


def isoflop_curves(rows: Sequence[Row], out: str | Path, *, title: str = "") -> Path:
    """Loss against parameters at a fixed budget, one curve for each series.

    Args:
        rows: `series` (name of a law or a budget), `parameters`, `loss` in nats per token.
        out: File to write.
        title: Above the plot.

    Returns:
        The file. The best of each curve is marked, and what lies within 0.5 % of it is thick.
    """
    curves = _numbers(rows, ("parameters", "loss"))
    least = _least(curves, "loss")
    flat = [row for row in curves if row["loss"] <= FLAT * least[row["series"]]["loss"]]
    x = alt.X("parameters:Q", **_logarithmic(curves, "parameters", COUNT, "parameters"))
    y = alt.Y("loss:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="loss, nats per token"))
    chart = alt.layer(
        base(curves).mark_line(strokeWidth=1.5).encode(x, y, _series(curves)),
        base(flat).mark_line(strokeWidth=5, opacity=0.35).encode(x, y, _series(curves)),
        base(least.values())
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x, y, _series(curves)),
    )
    said = "Points: the best split. Thick: splits within 0.5 % of its loss."
    return write(chart, out, title or "Loss against size at a fixed budget", said)


def loss_against_compute(
    rows: Sequence[Row], out: str | Path, *, measured: Sequence[Row] = (), title: str = ""
) -> Path:
    """The least loss a budget buys, one curve for each series, and runs that were measured.

    Args:
        rows: `series`, `flops`, `loss` in nats per token.
        out: File to write.
        measured: `flops`, `loss` of runs, drawn as points; may be empty.
        title: Above the plot.
    """
    curves, runs = _numbers(rows, ("flops", "loss")), _numbers(measured, ("flops", "loss"))
    x = alt.X("flops:Q", **_logarithmic([*curves, *runs], "flops", POWER, "training compute, FLOP"))
    y = alt.Y("loss:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="loss, nats per token"))
    lines = base(curves).mark_line().encode(x, y, _series(curves))
    points = base(runs).mark_point(filled=True, size=24, opacity=0.55, color=GREY).encode(x, y)
    chart = alt.layer(points, lines) if runs else alt.layer(lines)
    said = f"Grey points: {len(runs):,} measured runs." if runs else ""
    return write(chart, out, title or "Loss against compute", said)


def serving_frontier(rows: Sequence[Row], out: str | Path, *, title: str = "") -> Path:
    """What a user gets against what a chip gives, as the batch grows.

    Args:
        rows: `series` (such as "8 chips, fp8"), `batch`, `user_tokens_per_second`,
            `chip_tokens_per_second`.
        out: File to write.
        title: Above the plot.
    """
    keys = ("batch", "user_tokens_per_second", "chip_tokens_per_second")
    points = _numbers(rows, keys)
    each = "output tokens per second and"
    x = alt.X(f"{keys[1]}:Q", **_logarithmic(points, keys[1], COUNT, f"{each} user"))
    y = alt.Y(f"{keys[2]}:Q", **_logarithmic(points, keys[2], COUNT, f"{each} chip"))
    marked = base(points).encode(x, y, _series(points), alt.Order("batch:Q"))
    layers: list[alt.Chart] = [
        marked.mark_line(point=alt.OverlayMarkDef(filled=True, size=36, opacity=1))
    ]
    if len(points) <= 30:
        label = base(points).mark_text(dx=7, dy=-7, align="left", fontSize=10)
        layers.append(label.encode(x, y, _series(points), alt.Text("batch:Q", format=",d")))
    said = "Numbers beside the points: sequences at once. Up and to the right is better."
    return write(alt.layer(*layers), out, title or "Throughput against speed", said)


def cost_against_questions(
    rows: Sequence[Row], out: str | Path, *, crossings: Sequence[Row] = (), title: str = ""
) -> Path:
    """What each method costs in all, as questions grow in number.

    Args:
        rows: `series` (the method), `questions`, `dollars`.
        out: File to write.
        crossings: `questions`, `dollars` and `label` where one method overtakes another.
        title: Above the plot.
    """
    curves = _numbers(rows, ("questions", "dollars"))
    met = _numbers(crossings, ("questions", "dollars"), text="label")
    x = alt.X("questions:Q", **_logarithmic(curves, "questions", COUNT, "questions"))
    y = alt.Y("dollars:Q", **_logarithmic(curves, "dollars", MONEY, "cost in all, US dollars"))
    layers: list[alt.Chart] = [base(curves).mark_line().encode(x, y, _series(curves))]
    if met:
        point = base(met).mark_point(size=60, color=INK, strokeWidth=1.5).encode(x, y)
        words = base(met).encode(x, y, alt.Text("label:N"))
        place: dict[str, Any] = {"dx": -8, "dy": -9, "align": "right"}
        halo = words.mark_text(**place, stroke=PAPER, strokeWidth=4)
        layers += [point, halo, words.mark_text(**place, color=INK)]
    said = "Rings: where one way overtakes another." if met else ""
    return write(alt.layer(*layers), out, title or "Cost against questions", said)


def training_compute_by_year(rows: Sequence[Row], out: str | Path, *, title: str = "") -> Path:
    """Training compute of notable models by the date they came out.

    Args:
        rows: `name`, `date` (ISO, or a year), `flops`; `highlight` true for what the user plans;
            `label` false to leave the name away.
        out: File to write.
        title: Above the plot.
    """
    points = [
        {**row, "date": _date(given["date"]), "label": given.get("label", True)}
        | {"highlight": bool(given.get("highlight"))}
        for row, given in zip(_numbers(rows, ("flops",), text="name"), rows, strict=True)
    ]
    shown = [row for row in points if row["label"] or row["highlight"]]
    x = alt.X(
        "date:T",
        scale=alt.Scale(padding=14),
        axis=alt.Axis(title="published", format="%Y", tickCount="year"),
    )
    y = alt.Y("flops:Q", **_logarithmic(points, "flops", POWER, "training compute, FLOP"))
    colour = alt.condition("datum.highlight", alt.value(COLOURS[1]), alt.value(COLOURS[0]))
    dots = base(points).mark_point(filled=True, size=60, opacity=0.8).encode(x, y, color=colour)
    names = base(shown).mark_text(dx=8, align="left", fontSize=10, limit=140)
    ink = alt.condition("datum.highlight", alt.value(COLOURS[1]), alt.value(GREY))
    chart = alt.layer(dots, names.encode(x, y, alt.Text("name:N"), color=ink))
    said = "Orange: yours." if any(row["highlight"] for row in points) else ""
    return write(chart, out, title or "Training compute of notable models", said)


def _series(rows: Sequence[Row]) -> alt.Color:
    """Colours in the order the series first appear; no legend for one alone."""
    names = list(dict.fromkeys(row["series"] for row in rows))
    legend = alt.Legend(title=None, symbolType="stroke") if len(names) > 1 else None
    return alt.Color("series:N", scale=alt.Scale(domain=names), legend=legend)


def _numbers(
    rows: Sequence[Row], keys: tuple[str, ...], text: str = "series"
) -> list[dict[str, Any]]:
    """The named columns, positive and finite, which is what a logarithmic axis can show."""
    kept = []
    for row in rows:
        values = {key: float(row[key]) for key in keys}
        wrong = [key for key, value in values.items() if not 0 < value < math.inf]
        if wrong:
            raise UsageError(f"Cannot draw {wrong[0]} = {values[wrong[0]]:g} of {dict(row)}.")
        kept.append(values | {text: str(row.get(text, ""))})
    return kept


def _least(rows: Sequence[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["series"] not in best or row[key] < best[row["series"]][key]:
            best[row["series"]] = row
    return best


def _date(given: object) -> str:
    text = str(given)
    return f"{text}-07-01" if len(text) == 4 else text
