"""Pictures of detection: ROC curves with their bands, and the sentences of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from isoflop.drawing import COLOURS, GREY, base, write
from isoflop.errors import UsageError
from isoflop.measure.statistics.auroc import auroc, roc

if TYPE_CHECKING:
    from isoflop.measure.detection.audit import Audit
    from isoflop.measure.detection.detectors import Scored
    from isoflop.measure.statistics.inputs import Flags, Floats

MOST_CURVES = 8  # as many colours as are told apart
MOST_POINTS = 400  # of one curve: more cannot be seen
FLOOR = "surface features"


def roc_curves(audits: Sequence[Audit], out: str | Path) -> Path:
    """Draw the ROC curve of every recorded detector, best first, over the surface floor.

    Args:
        audits: Of one or several sets; the eight best detectors of all are drawn.
        out: File to write: .svg, .png or .html.

    Returns:
        The file. Bands are Wilson's 95 % intervals of each point alone.

    Raises:
        UsageError: If the sets have neither recorded detectors nor texts.
    """
    several = len(audits) > 1
    curves, floors = [], []
    for of in audits:
        before = f"{of.set.name}: " if several else ""
        curves += [(before + one.name, of.set.machine, one.scores) for one in of.set.recorded]
        if of.raw is not None:
            floors.append((before + FLOOR, of.set.machine, of.raw.scores))
    measured = [(_named(*each), each) for each in curves]
    measured.sort(key=lambda one: -one[0][1])
    drawn = [(name, each) for (name, _), each in measured[:MOST_CURVES]]
    rows = [row for name, each in drawn for row in _points(name, *each[1:])]
    dashed = [row for each in floors for row in _points(_named(*each)[0], *each[1:])]
    if not rows and not dashed:
        raise UsageError("There is nothing to draw: no detector was recorded and no text is there.")
    left = len(measured) - len(drawn)
    said = "Bands: 95 % of each point alone. Dashed: counting what needs no reading." + (
        f" {left} more detectors are not drawn." if left else ""
    )
    title = audits[0].set.name if not several else f"{len(audits)} sets"
    return write(_layers(rows, dashed), out, f"{title}: found against falsely accused", said)


def sentences(found: Sequence[tuple[str, Scored]], out: str | Path) -> Path:
    """Draw the perplexity of each sentence of texts, in the order they stand.

    Args:
        found: Names and readings of texts.
        out: File to write: .svg, .png or .html.

    Raises:
        UsageError: If no sentence has a perplexity.
    """
    rows = [
        {"text": name, "sentence": place + 1, "perplexity": value, "tokens": part.stop - part.start}
        for name, scored in found
        for place, ((_, part), value) in enumerate(
            zip(scored.parts, scored.perplexities, strict=True)
        )
        if value is not None
    ]
    if not rows:
        raise UsageError("There is nothing to draw: no sentence is long enough to be scored.")
    names = list(dict.fromkeys(str(row["text"]) for row in rows))
    legend = alt.Legend(title=None) if len(names) > 1 else None
    colour = alt.Color("text:N", scale=alt.Scale(domain=names, range=COLOURS), legend=legend)
    x = alt.X("sentence:Q", axis=alt.Axis(title="sentence", tickMinStep=1))
    y = alt.Y("perplexity:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title="perplexity"))
    size = alt.Size("tokens:Q", scale=alt.Scale(range=[15, 160]), legend=None)
    chart = alt.layer(
        base(rows).mark_line(strokeWidth=1, opacity=0.5).encode(x, y, color=colour),
        base(rows).mark_point(filled=True, opacity=0.9).encode(x, y, color=colour, size=size),
    )
    said = "Large points: long sentences. A flat, low line is what machines write."
    return write(chart, out, "Perplexity by sentence", said)


def _named(name: str, machine: Flags, scores: Floats) -> tuple[str, float]:
    """Its name with its area, and the area."""
    kept = ~np.isnan(scores)
    area = auroc(machine[kept], scores[kept]).value
    return f"{area:.3f} {name}", area


def _points(name: str, machine: Flags, scores: Floats) -> Iterable[dict[str, Any]]:
    kept = ~np.isnan(scores)
    curve = roc(machine[kept], scores[kept])
    count = curve.thresholds.size
    places = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    low, high = curve.true_positive_ends
    for place in places:
        yield {
            "detector": name,
            "accused": float(curve.false_positive_rate[place]),
            "found": float(curve.true_positive_rate[place]),
            "low": float(low[place]),
            "high": float(high[place]),
        }


def _layers(rows: Sequence[dict[str, Any]], dashed: Sequence[dict[str, Any]]) -> Any:
    names = list(dict.fromkeys(str(row["detector"]) for row in rows))
    floors = list(dict.fromkeys(str(row["detector"]) for row in dashed))
    x = alt.X("accused:Q", axis=alt.Axis(title="human texts called a machine's"))
    y = alt.Y("found:Q", axis=alt.Axis(title="machine texts found"))
    legend = alt.Legend(title="AUROC", symbolOpacity=1, labelLimit=420)
    colour = alt.Color("detector:N", scale=alt.Scale(domain=names, range=COLOURS), legend=legend)
    kinds = alt.StrokeDash(
        "detector:N",
        scale=alt.Scale(domain=floors, range=[[6, 3], [2, 2], [8, 2, 2, 2]]),
        legend=alt.Legend(title=None, labelLimit=420),
    )
    band = base(rows).mark_area(opacity=0.15)
    line = base(rows).mark_line(strokeWidth=2)
    floor = base(dashed).mark_line(strokeWidth=1.5, color=GREY)
    layers: list[alt.Chart] = []
    if rows:
        layers.append(band.encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color=colour))
        layers.append(line.encode(x, y, color=colour))
    if dashed:
        layers.append(floor.encode(x, y, strokeDash=kinds))
    return alt.layer(*layers)
