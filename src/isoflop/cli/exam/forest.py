"""A forest plot: each model's accuracy with its interval, beside what needs no reading."""

from collections.abc import Sequence
from pathlib import Path

import altair as alt

from isoflop.drawing import COLOURS, GREY, base, write
from isoflop.measure.exams.score import Score


def forest(scores: Sequence[Score], out: str | Path) -> Path:
    """Draw accuracies of one exam.

    Args:
        scores: At least one; the best is drawn first.
        out: File to write: .svg, .png or .html.

    Returns:
        The file. Dashed lines are the baselines of the first score.
    """
    ordered = sorted(scores, key=lambda one: -one.accuracy.interval.value)
    rows = [
        {"model": one.model, "accuracy": found.value, "low": found.low, "high": found.high}
        for one in ordered
        for found in (one.accuracy.interval,)
    ]
    baselines = scores[0].baselines
    named = (
        (f"majority, {baselines.majority[0][:24]!r}", baselines.majority[1]),
        ("always the first", baselines.first_option),
        ("chance", baselines.chance),
    )
    lines = [{"accuracy": value, "series": name} for name, value in named if value is not None]
    shown = [name for name, value in named if value is not None]
    y = alt.Y("model:N", sort=[one.model for one in ordered], title=None)
    x = alt.X("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title="accuracy"))
    ends = base(rows).mark_rule(strokeWidth=2, color=COLOURS[0])
    dots = base(rows).mark_point(filled=True, size=80, opacity=1, color=COLOURS[0])
    kinds = alt.StrokeDash("series:N", scale=alt.Scale(domain=shown))
    chart = alt.layer(
        base(lines).mark_rule(color=GREY).encode(x, kinds),
        ends.encode(alt.X("low:Q"), y, alt.X2("high:Q")),
        dots.encode(x, y),
    )
    first = scores[0]
    said = f"95 % intervals; rule {first.rule}; unreadable answers count as {first.policy}."
    return write(chart, out, first.exam, said)
