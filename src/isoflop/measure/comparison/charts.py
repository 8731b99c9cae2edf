"""Charts of a comparison, as Altair draws them: rows of `report.json` in, a chart out.

A colour stands for a method and a shape for a model, the same ones in every chart.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from isoflop.drawing import (
    COLOURS,
    GREY,
    INK,
    LINE,
    PAPER,
    base,
    darkened,
    finished,
    logarithmic,
    write,
)
from isoflop.errors import UsageError
from isoflop.measure.comparison.labels import Point, placed, stairs
from isoflop.measure.comparison.tables import totals

Ways = Sequence[Mapping[str, Any]]
WIDTH, HEIGHT, ROW = 470, 320, 30
BESIDE_NAMES = 360  # of a plot with names to its left, so that the whole is as wide as others
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left"]
# A figure's title, and how Vega writes the labels of its axis
AXES = {
    "flops": ("FLOP", "format(datum.value, '~s')"),
    "seconds": ("seconds", "format(datum.value, '~s') + 's'"),
    "joules": ("energy", "format(datum.value, '~s') + 'J'"),
    "dollars": ("US dollars", "format(datum.value, datum.value < 1 ? '$~r' : '$~s')"),
    "grams_co2e": ("CO2e", "format(datum.value, '~s') + 'g'"),
}
COMPARED = {"flops": "FLOP", "seconds": "seconds", "dollars": "dollars"}


def frontier(
    ways: Ways, axis: str = "flops", *, advised: str | None = None, dark: bool = False
) -> alt.LayerChart:
    """Accuracy against the cost of a question, with 95 % intervals and the frontier as a step.

    Ways whose accuracy or cost is not known are left out, and `not_drawn` names them. One that
    costs nothing stands at the left, over "0".

    Args:
        ways: Of a report.
        axis: "flops", "seconds", "joules", "dollars" or "grams_co2e".
        advised: Name of the way to put a ring around.
        dark: In the colours of a dark page.

    Raises:
        UsageError: If there is nothing to draw on this axis.
    """
    if axis not in AXES:
        raise UsageError(f"No axis {axis!r}: {', '.join(AXES)}.")
    rows = _drawn(ways, axis)
    least = min((row["cost"] for row in rows if row["cost"] > 0), default=1.0)
    free = least / 10 if any(row["cost"] == 0 for row in rows) else None
    for row in rows:
        row["cost"] = row["cost"] or free
    if not rows:
        known = [name for name in AXES if _drawn(ways, name)]
        raise UsageError(
            f"No way has an accuracy and a cost in {axis} that are known. "
            + (f"Draw {' or '.join(known)}." if known else "Nothing can be drawn.")
        )
    title, shown = AXES[axis]
    x = _cost_axis(rows, title, shown, free)
    bottom, top = _span(rows)
    y = alt.Y(
        "value:Q", scale=alt.Scale(domain=[bottom, top], nice=False),
        axis=alt.Axis(title="accuracy", format=".0%", tickCount=6),
    )  # fmt: skip
    best = sorted((row for row in rows if row["on"]), key=lambda row: row["cost"])
    layers = [
        base(_steps(best, x["scale"].domain[1], bottom))
        .mark_line(interpolate="step-after", color=GREY, strokeWidth=1.5, strokeDash=[5, 4])
        .encode(alt.X("cost:Q", **x), y),
        base(rows)
        .mark_rule(strokeWidth=1.5, opacity=0.55)
        .encode(alt.X("cost:Q", **x), alt.Y("low:Q"), alt.Y2("high:Q"), _colour(ways, rows)),
        *_points(rows, ways, alt.X("cost:Q", **x), y),
    ]
    ring = [row for row in rows if row["way"] == advised]
    if ring:
        mark = base(ring).mark_point(size=330, color=INK, strokeWidth=1.5, opacity=1)
        layers.append(mark.encode(alt.X("cost:Q", **x), y))
    for label in _labels(rows, best, x["scale"].domain, (bottom, top)):
        text = base([label]).mark_text(
            align=label["align"], baseline="middle", fontSize=11, color=INK
        )
        layers.append(text.encode(alt.X("cost:Q", **x), alt.Y("value:Q"), alt.Text("text:N")))
    return _whole(layers, HEIGHT, dark)


def write_frontier(values: Mapping[str, Any], out: Path) -> Path:
    """The frontier of a report on its own axis, as a file: .svg, .png or .html."""
    axis, advice = values["axis"], values["recommendation"]
    chart = frontier(values["ways"], axis, advised=advice and advice["way"])
    said = f"{values['questions']['name']}. Bars: 95 % intervals. Dashed: the frontier."
    said += " Ringed: advised." if advice else ""
    return write(chart, out, "Accuracy against cost", said, width=WIDTH, height=HEIGHT)


def accuracies(ways: Ways, *, dark: bool = False) -> alt.LayerChart:
    """A forest plot: the accuracy of each way with its 95 % interval, the best first."""
    rows = sorted(_scored(ways), key=lambda row: -row["value"])
    bottom, top = _span(rows)
    x = alt.X(
        "value:Q", scale=alt.Scale(domain=[bottom, top], nice=False),
        axis=alt.Axis(title="accuracy", format=".0%", tickCount=6),
    )  # fmt: skip
    y = _rows_of(rows)
    layers = [
        base(rows[:1]).mark_rule(color=GREY, strokeDash=[5, 4]).encode(x),
        base(rows)
        .mark_rule(strokeWidth=2)
        .encode(alt.X("low:Q"), y, _colour(ways, rows, legend=False), alt.X2("high:Q")),
        *_points(rows, ways, x, y, legend=False),
    ]
    return _whole(layers, ROW * len(rows) + 10, dark, BESIDE_NAMES)


def forecasts(ways: Ways, *, dark: bool = False) -> alt.LayerChart:
    """What a question took over what was forecast: a point, on the band that was forecast.

    At 1 it took just what was said. FLOPs and seconds, and dollars where they are known.
    """
    rows = ratios(ways)
    every = [row[key] for row in rows for key in ("low", "ratio", "high")]
    directed = [{"ratio": value} for value in (*every, 0.5, 2.0)]
    scale = logarithmic(directed, "ratio", "datum.value + 'x'", "measured / forecast")
    x = alt.X("ratio:Q", **scale)
    y = _rows_of(rows)
    figures = [name for name in COMPARED.values() if any(row["figure"] == name for row in rows)]
    beside = alt.YOffset("figure:N", scale=alt.Scale(domain=figures, paddingOuter=0.25))
    colour = alt.Color(
        "figure:N", scale=alt.Scale(domain=figures, range=[COLOURS[0], COLOURS[1], COLOURS[2]]),
        legend=_legend(figures, symbolType="circle"),
    )  # fmt: skip
    layers = [
        base([{"ratio": 1.0}]).mark_rule(color=GREY, strokeDash=[5, 4]).encode(x),
        base(rows)
        .mark_rule(strokeWidth=7, opacity=0.28, strokeCap="butt")
        .encode(alt.X("low:Q", **scale), y, beside, colour, alt.X2("high:Q")),
        base(rows).mark_point(filled=True, size=60, opacity=1).encode(x, y, beside, colour),
    ]
    names = {row["label"] for row in rows}
    return _whole(layers, int(ROW * 0.42 * len(figures) + 10) * len(names), dark, BESIDE_NAMES)


def break_even(
    ways: Ways, axis: str = "flops", *, crossings: Sequence[Mapping[str, Any]] = (),
    horizon: float = 1000, dark: bool = False,
) -> alt.LayerChart:  # fmt: skip
    """What each way of the frontier costs in all, as questions grow in number.

    Args:
        ways: Of a report; those on this axis's frontier are drawn.
        axis: A figure of a bill.
        crossings: Rows of the report's `break_even`; rings mark those of ways that are drawn.
        horizon: Questions that will be asked; ten times as many are shown, or more if ways cross
            later.
        dark: In the colours of a dark page.
    """
    lines = totals(ways, axis)
    met = [
        {"questions": row["questions"], "cost": once + each * row["questions"]}
        for row in crossings
        if row["figure"] == axis and {row["overtaking"], row["overtaken"]} <= set(lines)
        for once, each in (lines[row["overtaking"]],)
        if row["questions"] >= 1
    ]
    last = max([10 * horizon, *(3 * row["questions"] for row in met)])
    counts = [last ** (step / 60) for step in range(61)]
    by_name = {way["name"]: way for way in ways}
    rows = [
        {"way": name, **_named(by_name[name], ways), "questions": n, "cost": once + each * n}
        for name, (once, each) in lines.items()
        for n in counts
        if once + each * n > 0
    ]
    title, shown = AXES[axis]
    x = alt.X("questions:Q", **logarithmic(rows, "questions", "format(datum.value, '~s')",
                                           "questions"))  # fmt: skip
    y = alt.Y("cost:Q", **logarithmic(rows, "cost", shown, f"{title} in all"))
    models = _models(ways)
    drawn = [model for model in models if any(row["model"] == model for row in rows)]
    dashes = [[1, 0], [6, 3], [2, 3], [8, 3, 2, 3]] * (1 + len(models) // 4)
    dash = alt.StrokeDash(
        "model:N", scale=alt.Scale(domain=models, range=dashes[: len(models)]),
        legend=_legend(
            drawn, values=drawn, orient="top", symbolType="stroke", symbolStrokeColor=GREY
        ),
    )  # fmt: skip
    layers = [
        base(rows).mark_line().encode(x, y, _colour(ways, rows, symbolType="stroke"), dash),
        base([{"questions": horizon}]).mark_rule(color=LINE, strokeDash=[2, 3]).encode(x),
    ]
    if met:
        ring = base(met).mark_point(size=90, color=INK, strokeWidth=1.5, opacity=1)
        layers.append(ring.encode(x, y))
    return _whole(layers, HEIGHT, dark)


def not_drawn(ways: Ways, axis: str) -> list[str]:
    """Names of the ways that `frontier` has to leave out: accuracy or cost is not known."""
    drawn = {row["way"] for row in _drawn(ways, axis)}
    return [way["name"] for way in ways if way["name"] not in drawn]


def ratios(ways: Ways) -> list[dict[str, Any]]:
    """Measured over forecast of a question, by way and figure, with the band of the forecast."""
    rows = []
    for way in ways:
        for figure, name in COMPARED.items():
            said = {
                end: way["forecast"]["revised"][end][figure] for end in ("low", "middle", "high")
            }
            ratio = way["ratio"].get(figure)
            if ratio and all(said.values()):
                rows.append({
                    "way": way["name"], "label": short_names(ways)[way["name"]], "figure": name,
                    "ratio": ratio, "low": said["low"] / said["middle"],
                    "high": said["high"] / said["middle"],
                })  # fmt: skip
    return rows


def short_names(ways: Ways) -> dict[str, str]:
    """What to call ways in a chart: the method, with its model where there is more than one."""
    models = _models(ways)
    short = {model: model.rpartition(":")[2].rstrip("/").rpartition("/")[2] for model in models}
    if len(set(short.values())) < len(models):
        short = {model: model for model in models}
    return {
        way["name"]: way["method"]
        if len(models) == 1
        else f"{way['method']}, {_cut(short[way['model']])}"
        for way in ways
    }


def _cut(text: str, most: int = 18) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _models(ways: Ways) -> list[str]:
    return list(dict.fromkeys(way["model"] for way in ways))


def _named(way: Mapping[str, Any], ways: Ways) -> dict[str, Any]:
    label = short_names(ways)[way["name"]]
    return {"label": label, "method": way["method"], "model": way["model"]}


def _scored(ways: Ways) -> list[dict[str, Any]]:
    asked = max((way["questions"] for way in ways), default=0)
    return [
        {
            "way": way["name"], **_named(way, ways), "through": way["questions"] == asked,
            **{end: way["accuracy"][end] for end in ("value", "low", "high")},
        }
        for way in ways
        if way["accuracy"]
    ]  # fmt: skip


def _drawn(ways: Ways, axis: str) -> list[dict[str, Any]]:
    by_name = {way["name"]: way for way in ways}
    return [
        {**row, "cost": way["cost"][axis], "on": axis in way["frontier"]}
        for row in _scored(ways)
        for way in (by_name[row["way"]],)
        if way["cost"].get(axis) is not None
    ]


def _cost_axis(
    rows: Sequence[Mapping[str, Any]], title: str, shown: str, free: float | None
) -> dict[str, Any]:
    """Logarithmic, with room on both sides, and "0" where something is free."""
    costs = [row["cost"] for row in rows]
    room = max(1.6, (max(costs) / min(costs)) ** 0.08)
    ends = [{"cost": min(costs) / room}, {"cost": max(costs) * room}]
    found = logarithmic(ends, "cost", shown, f"{title} per question")
    if free is not None:
        axis = found["axis"]
        axis.values = [free, *(tick for tick in axis.values if tick > 3 * free)]
        axis.labelExpr = f"datum.value < {2 * free!r} ? '0' : {shown}"
    return found


def _span(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Tenths that hold every interval."""
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    bottom, top = math.floor(10 * low + 1e-9) / 10, math.ceil(10 * high - 1e-9) / 10
    return bottom, max(top, bottom + 0.1)


def _steps(
    best: Sequence[Mapping[str, Any]], right: float, bottom: float
) -> list[dict[str, float]]:
    """Corners of the frontier, from the axis up and on to the right edge."""
    if not best:
        return []
    corners = [{"cost": row["cost"], "value": row["value"]} for row in best]
    first = {"cost": best[0]["cost"], "value": bottom}
    return [first, *corners, {"cost": right, "value": best[-1]["value"]}]


def _labels(
    rows: Sequence[Mapping[str, Any]],
    best: Sequence[Mapping[str, Any]],
    costs: Sequence[float],
    span: tuple[float, float],
) -> list[dict[str, Any]]:
    """Names where there is room for them, those on the frontier first."""
    (left, right), (bottom, top) = map(math.log, costs), span
    across, up = WIDTH / (right - left), HEIGHT / (top - bottom)

    def pixels(cost: float, value: float) -> tuple[float, float]:
        return (math.log(cost) - left) * across, (top - value) * up

    points = [
        Point(
            row["label"], *pixels(row["cost"], row["value"]), (top - row["high"]) * up,
            (top - row["low"]) * up,
        )
        for row in sorted(rows, key=lambda row: (not row["on"], -row["value"]))
    ]  # fmt: skip
    steps = [pixels(step["cost"], step["value"]) for step in _steps(best, costs[1], bottom)]
    return [
        {
            "text": label.name, "align": label.align, "cost": math.exp(left + label.x / across),
            "value": top - label.y / up,
        }
        for label in placed(points, WIDTH, HEIGHT, stairs(steps))
    ]  # fmt: skip


def _rows_of(rows: Sequence[Mapping[str, Any]]) -> alt.Y:
    order = list(dict.fromkeys(row["label"] for row in rows))
    return alt.Y("label:N", sort=order, axis=alt.Axis(title=None, labelLimit=230, ticks=False))


def _points(
    rows: Sequence[Mapping[str, Any]], ways: Ways, x: alt.X, y: alt.Y, *, legend: bool = True
) -> tuple[alt.Chart, alt.Chart]:
    """Solid where every question was asked, hollow where a way stopped or failed before."""
    models = _models(ways)
    shape = alt.Shape(
        "model:N", scale=alt.Scale(domain=models, range=(SHAPES * len(models))[: len(models)]),
        legend=_legend(models, orient="top", symbolFillColor=GREY, symbolStrokeColor=GREY)
        if legend
        else None,
    )  # fmt: skip
    colour = _colour(ways, rows, legend=legend)
    dots = base(rows).mark_point(filled=True, size=95, opacity=1).encode(x, y, colour, shape)
    holes = base([row for row in rows if not row["through"]])
    return dots, holes.mark_point(filled=True, size=22, opacity=1, color=PAPER).encode(x, y)


def _colour(
    ways: Ways, rows: Sequence[Mapping[str, Any]], *, legend: bool = True, **how: Any
) -> alt.Color:
    methods = list(dict.fromkeys(way["method"] for way in ways))
    drawn = [method for method in methods if any(row["method"] == method for row in rows)]
    how = {"symbolType": "circle", **how}
    return alt.Color(
        "method:N",
        scale=alt.Scale(domain=methods, range=(COLOURS * len(methods))[: len(methods)]),
        legend=_legend(drawn, values=drawn, **how) if legend else None,
    )


def _legend(names: Sequence[str], **how: Any) -> alt.Legend | None:
    if len(names) < 2:
        return None
    how = {"orient": "bottom", "columns": 3, "symbolOpacity": 1, "symbolStrokeWidth": 1.5, **how}
    return alt.Legend(title=None, labelLimit=170, offset=8, **how)


def _whole(
    layers: Sequence[alt.Chart], height: int, dark: bool, width: int = WIDTH
) -> alt.LayerChart:
    chart: alt.LayerChart = alt.layer(*layers)  # type: ignore[assignment]  # of charts, not facets
    made = finished(chart, width=width, height=height)
    return darkened(made) if dark else made
