"""Charts show the figures of the report where they belong, and no name covers another."""

import math
import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.drawing import COLOURS, DARK, INK
from isoflop.errors import UsageError
from isoflop.measure.comparison import charts, tables
from isoflop.measure.comparison.labels import BAR, DOT, Box, Point, placed, stairs
from isoflop.measure.comparison.report import Report
from tests.measure.comparison.reported import answering, reported, usual

WIDTH, HEIGHT = 400.0, 300.0


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of five ways with two models."""
    return usual(tmp_path_factory.mktemp("run"))


def layers(chart: Any, mark: str) -> list[dict[str, Any]]:
    """Those of one mark, as Vega-Lite has them."""
    found = []
    spec = chart.to_dict()
    for layer in spec["layer"]:
        kind = layer["mark"] if isinstance(layer["mark"], str) else layer["mark"]["type"]
        if kind == mark:
            data = layer["data"]
            values = data["values"] if "values" in data else spec["datasets"][data["name"]]
            found.append({**layer, "rows": values})
    return found


def rows(layer: dict[str, Any]) -> list[dict[str, Any]]:
    """What a layer draws."""
    drawn: list[dict[str, Any]] = layer["rows"]
    return drawn


def test_the_frontier_is_a_staircase_through_its_ways(report: Report) -> None:
    chart = report.frontier("flops")
    [line] = layers(chart, "line")
    assert line["mark"]["interpolate"] == "step-after"
    by_name = {way["name"]: way for way in report.ways}
    on = [by_name[name] for name in report.values["frontiers"]["flops"]]
    corners = [(row["cost"], row["value"]) for row in rows(line)]
    assert corners[1:-1] == [(way["cost"]["flops"], way["accuracy"]["value"]) for way in on]
    assert all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(corners))


def test_bars_are_the_intervals_of_the_report(report: Report) -> None:
    [bars] = layers(report.frontier("flops"), "rule")
    drawn = {row["way"]: (row["low"], row["value"], row["high"]) for row in rows(bars)}
    assert drawn == {
        way["name"]: tuple(way["accuracy"][end] for end in ("low", "value", "high"))
        for way in report.ways
        if way["cost"]["flops"] is not None
    }
    assert charts.not_drawn(report.ways, "flops") == ["retrieval openai:large"]
    assert bars["encoding"]["y2"]["field"] == "high"


def test_a_method_has_its_colour_and_a_model_its_shape_in_every_chart(report: Report) -> None:
    points = layers(report.frontier("seconds"), "point")[0]
    colour, shape = (points["encoding"][name]["scale"] for name in ("color", "shape"))
    assert colour["domain"] == ["closed-book", "retrieval", "exhaustive", "fine-tuned"]
    assert colour["range"] == COLOURS[:4]
    assert dict(zip(shape["domain"], shape["range"], strict=True)) == {
        "small": "circle", "openai:large": "square",
    }  # fmt: skip
    lines = layers(charts.break_even(report.ways, "flops"), "line")[0]
    assert lines["encoding"]["color"]["scale"] == colour
    forest = layers(charts.accuracies(report.ways), "point")[0]
    assert forest["encoding"]["shape"]["scale"] == shape


def test_what_costs_nothing_stands_over_zero(tmp_path: Path) -> None:
    free = {"flops": (0.0, 0.0)}
    methods = {("free", "m"): answering(20, price=free), ("paid", "m"): answering(30, prompt=50)}
    chart = reported(methods, tmp_path).frontier()
    drawn = {row["way"]: row["cost"] for row in rows(layers(chart, "point")[0])}
    assert 0 < drawn["free m"] < drawn["paid m"] / 5
    axis = layers(chart, "point")[0]["encoding"]["x"]["axis"]
    assert axis["values"][0] == drawn["free m"]
    assert "? '0' :" in axis["labelExpr"]


def test_a_way_that_was_stopped_is_hollow(report: Report) -> None:
    ways = [{**way, "questions": 9} for way in report.ways[:1]] + report.ways[1:]
    holes = layers(charts.frontier(ways, "flops"), "point")[1]
    assert [row["way"] for row in rows(holes)] == [report.ways[0]["name"]]
    assert not rows(layers(charts.frontier(report.ways, "flops"), "point")[1])


def test_the_advised_way_has_a_ring(report: Report) -> None:
    ring = layers(report.frontier(), "point")[-1]
    assert report.recommendation is not None
    assert [row["way"] for row in rows(ring)] == [report.recommendation["way"]]


def test_totals_meet_where_the_report_says_one_way_overtakes_another(report: Report) -> None:
    chart = charts.break_even(report.ways, "flops", crossings=report.values["break_even"])
    totals = tables.totals(report.ways, "flops")
    pairs = [
        pair for pair in report.values["break_even"]
        if pair["figure"] == "flops" and {pair["overtaking"], pair["overtaken"]} <= set(totals)
        and pair["questions"] >= 1
    ]  # fmt: skip
    rings = rows(layers(chart, "point")[0])
    assert len(pairs) > 1
    assert [ring["questions"] for ring in rings] == [pair["questions"] for pair in pairs]
    for ring, pair in zip(rings, pairs, strict=True):
        for name in (pair["overtaking"], pair["overtaken"]):
            once, each = totals[name]
            assert ring["cost"] == pytest.approx(once + each * pair["questions"])
    last = max(row["questions"] for row in rows(layers(chart, "line")[0]))
    assert last >= 3 * max(pair["questions"] for pair in pairs) * (1 - 1e-9)


def test_the_forecast_is_a_band_around_one_and_the_measured_a_point(report: Report) -> None:
    found = {(row["way"], row["figure"]): row for row in charts.ratios(report.ways)}
    # 60 read, and 1 to 10 written of which 5 were guessed; 1 was written
    row = found["retrieval small", "FLOP"]
    assert row["ratio"] == pytest.approx(61 / 65)
    assert (row["low"], row["high"]) == pytest.approx((61 / 65, 70 / 65))
    assert ("retrieval openai:large", "FLOP") not in found
    assert ("retrieval openai:large", "dollars") in found


def test_the_most_accurate_is_first_in_the_forest(report: Report) -> None:
    order = layers(charts.accuracies(report.ways), "point")[0]["encoding"]["y"]["sort"]
    assert order[0] == "retrieval, large"
    assert order[-1] == "closed-book, small"


def test_a_dark_chart_has_no_light_colour_left(report: Report) -> None:
    light, dark = (str(report.frontier(dark=dark).to_dict()) for dark in (False, True))
    assert INK in light
    assert not set(re.findall(r"#[0-9A-F]{6}\b", dark)) & (set(DARK) - set(DARK.values()))


def test_what_cannot_be_drawn_is_refused(report: Report, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No axis 'watts'"):
        report.frontier("watts")
    with pytest.raises(UsageError, match=r"in joules that are known\. Draw flops or seconds"):
        report.frontier("joules")
    with pytest.raises(UsageError, match="Nothing can be drawn"):
        reported({("a", "m"): answering(3)}, tmp_path, unscored=True).frontier()


def test_names_are_short_and_tell_models_apart() -> None:
    ways = [
        {"name": f"retrieval {model}", "method": "retrieval", "model": model}
        for model in ("isoflop:reading", "hf:/models/of/mine/reading-2", "openai:gpt-4o")
    ]
    assert list(charts.short_names(ways).values()) == [
        "retrieval, reading", "retrieval, reading-2", "retrieval, gpt-4o",
    ]  # fmt: skip
    assert charts.short_names(ways[:1]) == {"retrieval isoflop:reading": "retrieval"}
    same = [{**way, "model": f"{at}:reading"} for at, way in enumerate(ways[:2])]
    assert len(set(charts.short_names(same).values())) == 2


points = st.builds(
    lambda name, x, y, up, down: Point(name, x, y, y - up, y + down),
    st.text("abcdefghij, ", min_size=1, max_size=30),
    st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(0, 60), st.floats(0, 60),
)  # fmt: skip


@given(st.lists(points, max_size=25))
def test_no_label_covers_a_label_a_point_or_leaves_the_plot(some: list[Point]) -> None:
    steps = stairs(sorted((p.x, -p.y) for p in some[:4]))
    labels = placed(some, WIDTH, HEIGHT, steps)
    assert len(labels) <= len(some)
    for one, other in combinations(labels, 2):
        assert not one.box.meets(other.box)
    for label in labels:
        box = label.box
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= WIDTH
        assert box.bottom <= HEIGHT
        assert not any(box.meets(step) for step in steps)
        for p in some:
            assert not box.meets(Box(p.x - DOT, p.y - DOT, p.x + DOT, p.y + DOT))
            assert not box.meets(Box(p.x - BAR, p.top, p.x + BAR, p.bottom))


def test_points_with_room_around_them_all_have_their_name() -> None:
    some = [Point(f"way {n}", 60.0 + 70 * n, 40.0 + 50 * n, 30 + 50 * n, 50 + 50 * n)
            for n in range(5)]  # fmt: skip
    labels = placed(some, WIDTH, HEIGHT)
    assert [label.name for label in labels] == [p.name for p in some]
    assert all(
        math.dist((label.x, label.y), (p.x, p.y)) < 15
        for label, p in zip(labels, some, strict=True)
    )
