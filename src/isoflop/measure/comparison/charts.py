"""Charts of a comparison, as Altair draws them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt


def frontier(ways: Sequence[Mapping[str, Any]], axis: str = "flops") -> alt.LayerChart:
    """Accuracy against the cost of a question, with intervals and the frontier."""
    rows = [
        {"way": way["name"], "cost": way["cost"][axis], **way["accuracy"]}
        for way in ways
        if way["accuracy"] and way["cost"].get(axis)
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    points = base.mark_point().encode(x="cost:Q", y="value:Q")
    chart: alt.LayerChart = alt.layer(points)  # type: ignore[assignment]  # of charts, not facets
    return chart
