"""The picture of how many facts fit: bits a parameter stores against bits it is offered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.machine import ROOT
from isoflop.drawing import COLOURS, GREY, INK, base, write

PICTURE = ROOT / "docs" / "explanation" / "capacity.svg"
# bits a parameter after so many exposures; Allen-Zhu and Li 2024, arXiv:2404.05405
PUBLISHED = {1000: 2.0, 100: 1.0}
TOP = 2.2


def draw(runs: Sequence[dict[str, Any]], out: Path = PICTURE) -> Path:
    """Runs of `benchmarks/capacity.py` as lines, one for each size and number of exposures.

    Solid lines and dots are bits stored, dashed ones with hollow dots bits of facts recalled. The
    grey line is a model that stores all it is offered, the dotted ones are what was published.
    """
    rows = [
        {
            "line": _line(run),
            "offered": run["bits"] / run["parameters"],
            "stored": run["stored_bits_per_parameter"],
            "recalled": run["recalled_bits_per_parameter"],
        }
        for run in runs
    ]
    most = 1.05 * max(row["offered"] for row in rows)
    x = alt.X(
        "offered:Q", scale=alt.Scale(domain=[0, most], nice=False),
        axis=alt.Axis(title="bits in the world, per parameter"),
    )  # fmt: skip
    names = list(dict.fromkeys(row["line"] for row in rows))
    colour = alt.Color(
        "line:N", scale=alt.Scale(domain=names, range=(COLOURS * len(names))[: len(names)]),
        legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=300),
    )  # fmt: skip
    y, title = alt.Scale(domain=[0, TOP], nice=False), "bits in the model, per parameter"
    stored = alt.Y("stored:Q", scale=y, axis=alt.Axis(title=title))
    recalled = alt.Y("recalled:Q", scale=y)
    everything = [{"offered": each, "stored": each} for each in (0, TOP)]
    published = [{"offered": each, "stored": bits, "text": f"published: {bits:g} after {count:,}"}
                 for count, bits in PUBLISHED.items() for each in (0, most)]  # fmt: skip
    layers = [
        base(everything).mark_line(color=GREY, strokeWidth=1.2).encode(x, stored),
        base(published)
        .mark_line(color=GREY, strokeWidth=1.2, strokeDash=[2, 3])
        .encode(x, stored, alt.Detail("text:N")),
        base(published[1::2])
        .mark_text(align="right", dy=-8, color=INK, fontSize=11)
        .encode(x, stored, alt.Text("text:N")),
        base(rows)
        .mark_line(strokeDash=[5, 4], strokeWidth=1.2, opacity=0.8)
        .encode(x, recalled, colour),
        base(rows).mark_point(size=40, opacity=0.8).encode(x, recalled, colour),
        base(rows).mark_line().encode(x, stored, colour),
        base(rows).mark_point(filled=True, size=60, opacity=1).encode(x, stored, colour),
    ]
    chart: alt.LayerChart = alt.layer(*layers)  # type: ignore[assignment]  # of charts, not facets
    return write(
        chart, out, "How many facts fit in how many parameters",
        "Solid: bits stored. Dashed: bits of facts recalled. Grey: all there is to know.",
    )  # fmt: skip


def _line(run: dict[str, Any]) -> str:
    return f"{run['parameters']:,} parameters, {run['exposures']:,} exposures"
