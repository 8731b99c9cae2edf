"""Drawing: the look of every chart, and the files it is written to. Needs the extra `plot`.

A chart is an Altair chart; nothing is fetched. The end of a file's name decides its format: .svg,
.png, or .html with everything inside it.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import altair as alt
import vl_convert

from isoflop.errors import UsageError

Row = Mapping[str, Any]
AnyChart = TypeVar("AnyChart", bound=alt.LayerChart | alt.FacetChart)
FORMATS = (".svg", ".png", ".html")

# Okabe and Ito's colours, which people with any colour vision tell apart, darkest first
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D", "#A6761D"]
INK, GREY, PALE = "#222222", "#6B6B6B", "#E6E6E6"
LINE, PAPER = "#BBBBBB", "#FFFFFF"
# What each becomes on a dark page: as far from its ground as the other is from white
DARK = {
    "#0072B2": "#4AA3E0", "#D55E00": "#F28A45", "#009E73": "#2FC79A", "#CC79A7": "#E39CC3",
    "#56B4E9": "#A5DBFF", "#E69F00": "#F5BC45", "#4D4D4D": "#BDBDBD", "#A6761D": "#CFA24E",
    INK: "#ECECEC", GREY: "#A8ADB3", PALE: "#2E3338", LINE: "#5A6168", PAPER: "#16191C",
}  # fmt: skip
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
WIDTH, HEIGHT = 620, 380

# Expressions of Vega for the labels of an axis
COUNT = "replace(format(datum.value, '~s'), 'G', 'B')"  # 1k, 1M, 1B, 1T, as models are spoken of
MONEY = f"datum.value < 1 ? format(datum.value, '$~r') : '$' + {COUNT}"
POWER = "replace(format(datum.value, '.0e'), 'e+', 'e')"  # 1e21, as budgets are written


def write(
    chart: alt.LayerChart | alt.FacetChart,
    out: str | Path,
    title: str,
    said: str,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Path:
    """Render to the format that the name ends in.

    Args:
        chart: What to draw.
        out: File to write.
        title: Above the chart.
        said: Below the title, and to those who cannot see the chart.
        width: Of the plot without its axes, in pixels.
        height: Likewise.
    """
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name}: a plot ends in {', '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder. Make it first.")
    spec = finished(chart, title, said, width=width, height=height).to_dict()
    kind = path.suffix.lower()
    if kind == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    else:
        render = _svg if kind == ".svg" else _page
        described = f"{title}. {said}".strip()
        path.write_text(render(spec, html.escape(title), html.escape(described)), encoding="utf-8")
    return path


def finished(
    chart: AnyChart, title: str = "", said: str = "", *, width: int = WIDTH, height: int = HEIGHT
) -> AnyChart:
    """A chart with its heading, its size and the house's look."""
    heading: Any = alt.TitleParams(title, subtitle=said) if said else alt.TitleParams(title)
    described = f"{title}. {said}".strip()
    sized = chart.properties(width=width, height=height, description=described)
    whole: AnyChart = (sized.properties(title=heading) if title else sized).configure(**_LOOK)
    return whole


def inline_svg(chart: AnyChart, title: str, said: str) -> str:
    """A finished chart to stand in a page: no background, a title and a description.

    Its colours are those of a light page; `dark_rules` turns them where the page is dark.
    """
    spec = chart.to_dict()
    spec["config"] |= {"background": None, "padding": 4}
    return _svg(spec, html.escape(title), html.escape(said))


def dark_rules(inside: str) -> str:
    """Style rules that turn drawings dark: rules go before the attributes of a drawing.

    Args:
        inside: Selector of what holds the drawings.
    """
    return "\n".join(
        f'{inside} [{what}="{light}"] {{ {what}: {dark}; }}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )


def darkened(chart: alt.LayerChart) -> alt.LayerChart:
    """A finished chart in the colours of a dark page."""
    turned: alt.LayerChart = alt.LayerChart.from_dict(_darkened(chart.to_dict()))
    return turned


def _darkened(spec: Any) -> Any:
    if isinstance(spec, dict):
        return {key: _darkened(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [_darkened(value) for value in spec]
    return DARK.get(spec, spec) if isinstance(spec, str) else spec


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
    "background": PAPER,
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
        gridColor=PALE, domainColor=LINE, tickColor=LINE, labelColor=GREY,
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


def logarithmic(rows: Sequence[Row], key: str, shown: str, title: str) -> dict[str, Any]:
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
