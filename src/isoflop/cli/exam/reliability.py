"""A calibration plot: how often answers were right beside how sure they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import altair as alt

from isoflop.drawing import COLOURS, GREY, base, write

if TYPE_CHECKING:
    from isoflop.measure.exams.stated import Stated


def reliability(exam: str, found: Mapping[str, Stated], out: str | Path) -> Path:
    """Draw stated against observed probabilities of one exam.

    Args:
        exam: Its name.
        found: By model; at least one.
        out: File to write: .svg, .png or .html.

    Returns:
        The file. A point is a bin of a tenth, with the 95 % interval of its observed share; on
        the dashed line stated and observed agree.
    """
    rows = [
        {
            "model": model,
            "stated": float(stated),
            "observed": float(observed),
            "low": float(low),
            "high": float(high),
            "answers": int(count),
        }
        for model, one in found.items()
        for bins in (one.reliability,)
        for stated, observed, low, high, count in zip(
            bins.stated, bins.observed, *bins.ends, bins.counts, strict=True
        )
    ]
    models = list(found)
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("stated:Q", scale=unit, axis=alt.Axis(title="stated probability"))
    y = alt.Y("observed:Q", scale=unit, axis=alt.Axis(title="share that was right"))
    legend = alt.Legend(title=None) if len(models) > 1 else None
    colour = alt.Color("model:N", scale=alt.Scale(domain=models, range=COLOURS), legend=legend)
    size = alt.Size(
        "answers:Q", scale=alt.Scale(range=[20, 260]), legend=alt.Legend(title="answers")
    )
    diagonal = base([{"stated": 0, "observed": 0}, {"stated": 1, "observed": 1}])
    chart = alt.layer(
        diagonal.mark_line(color=GREY, strokeDash=[4, 4], strokeWidth=1).encode(x, y),
        base(rows).mark_rule(strokeWidth=1.5, opacity=0.7).encode(
            x, alt.Y("low:Q", scale=unit), alt.Y2("high:Q"), color=colour
        ),
        base(rows).mark_point(filled=True, opacity=0.9).encode(x, y, color=colour, size=size),
    )  # fmt: skip
    said = "Bins of a tenth with 95 % intervals; dashed: stated and observed agree."
    return write(chart, out, f"{exam}: calibration", said)
