"""Plots of forecasts: rows in, a file out. Needs the extra `plot`; nothing is fetched.

    from isoflop.cli.plan.plots import isoflop_curves   # inside the command, where --plot is given
    isoflop_curves(rows, "out.svg")

Rows are mappings with the keys that each function names; a row may have more, which are left out.
The end of the name decides the format: .svg, .png, or .html with everything inside it.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from isoflop.errors import UsageError

Row = Mapping[str, Any]
FORMATS = (".svg", ".png", ".html")
FLAT = 1.005  # the thick part of an isoFLOP curve: within 0.5 % of its least loss

# Okabe and Ito's colours, which people with any colour vision tell apart, darkest first
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D", "#A6761D"]
INK, GREY, PALE = "#222222", "#6B6B6B", "#E6E6E6"
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
WIDTH, HEIGHT = 620, 380

# Expressions of Vega for the labels of an axis
COUNT = "replace(format(datum.value, '~s'), 'G', 'B')"  # 1k, 1M, 1B, 1T, as models are spoken of
MONEY = f"datum.value < 1 ? format(datum.value, '$~r') : '$' + {COUNT}"
POWER = "replace(format(datum.value, '.0e'), 'e+', 'e')"  # 1e21, as budgets are written


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
        halo = words.mark_text(**place, stroke="white", strokeWidth=4)
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


def write(chart: alt.LayerChart | alt.FacetChart, out: str | Path, title: str, said: str) -> Path:
    """Render to the format that the name ends in."""
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name}: a plot ends in {', '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder. Make it first.")
    heading = alt.TitleParams(title, subtitle=said) if said else alt.TitleParams(title)
    described = f"{title}. {said}".strip()
    spec = (
        chart.properties(width=WIDTH, height=HEIGHT, title=heading, description=described)
        .configure(**_LOOK)
        .to_dict()
    )
    kind = path.suffix.lower()
    if kind == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    else:
        render = _svg if kind == ".svg" else _page
        path.write_text(render(spec, html.escape(title), html.escape(described)), encoding="utf-8")
    return path


def _svg(spec: dict[str, Any], title: str, described: str) -> str:
    """With a title and a description that a screen reader reads."""
    start, tag, rest = vl_convert.vegalite_to_svg(spec).partition("<svg ")
    head, end, body = rest.partition(">")
    said = f"<title>{title}</title><desc>{described}</desc>"
    return f'{start}{tag}role="img" {head}{end}{said}{body}'


def _page(spec: dict[str, Any], title: str, described: str) -> str:
    """A page with the plot and all that draws it inside; without the menu, which links out."""
    quiet = {**spec, "usermeta": {"embedOptions": {"actions": False}}}
    page = vl_convert.vegalite_to_html(quiet, bundle=True)
    page = page.replace("<html>", '<html lang="en">', 1)
    about = f'<title>{title}</title>\n    <meta name="description" content="{described}">'
    return page.replace("<title>Chart</title>", about, 1)


_LOOK: dict[str, Any] = {
    "background": "white",
    "padding": {"left": 12, "top": 12, "right": 16, "bottom": 12},
    "font": FONT,
    "view": alt.ViewConfig(stroke=None),
    "line": alt.LineConfig(strokeWidth=2.2, strokeCap="round", strokeJoin="round"),
    "range": alt.RangeConfig(category=COLOURS),
    "title": alt.TitleConfig(
        anchor="start", fontSize=16, fontWeight=600, color=INK, offset=16,
        subtitleColor=GREY, subtitleFontSize=12, subtitlePadding=6,
    ),
    "axis": alt.AxisConfig(
        gridColor=PALE, domainColor="#BBBBBB", tickColor="#BBBBBB", labelColor=GREY,
        titleColor=INK, titleFontWeight="normal", titleFontSize=12, labelFontSize=11,
        titlePadding=10, labelPadding=5, tickSize=4, labelOverlap=True,
    ),
    "legend": alt.LegendConfig(
        title=None, labelColor=INK, labelFontSize=12, symbolStrokeWidth=2.5, rowPadding=5,
        labelLimit=260, orient="right", offset=20,
    ),
}  # fmt: skip


def base(rows: Iterable[Row]) -> alt.Chart:
    """A chart of these rows, kept inside it."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _series(rows: Sequence[Row]) -> alt.Color:
    """Colours in the order the series first appear; no legend for one alone."""
    names = list(dict.fromkeys(row["series"] for row in rows))
    legend = alt.Legend(title=None, symbolType="stroke") if len(names) > 1 else None
    return alt.Color("series:N", scale=alt.Scale(domain=names), legend=legend)


def _logarithmic(rows: Sequence[Row], key: str, shown: str, title: str) -> dict[str, Any]:
    """Scale and axis of one logarithmic direction: a little air, round ticks.

    Over few powers of ten there are ticks at 1, 2 and 5, over many at some powers only.
    """
    if not rows:
        raise UsageError("Nothing to draw: no row was given.")
    low, high = min(row[key] for row in rows), max(row[key] for row in rows)
    air = max(1.06, (high / low) ** 0.03)
    low, high = low / air, high * air
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if high < 1e3 * low else (1,)
    every = 1 + (last - first) // 13
    ticks = [step * 10.0**power for power in range(first, last + 1, every) for step in steps]
    return {
        "scale": alt.Scale(type="log", nice=False, domain=[low, high]),
        "axis": alt.Axis(
            title=title, labelExpr=shown, values=[tick for tick in ticks if low <= tick <= high]
        ),
    }


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
