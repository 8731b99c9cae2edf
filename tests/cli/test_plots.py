"""Plots are files that open anywhere, say what they show, and refuse what cannot be drawn."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoflop.cli.plan.plots import (
    COLOURS,
    cost_against_questions,
    isoflop_curves,
    loss_against_compute,
    serving_frontier,
    training_compute_by_year,
)
from isoflop.errors import UsageError
from isoflop.plan.laws import law
from isoflop.plan.scaling import isoflop, optimum

CURVES = [
    {"series": name, "parameters": split.parameters, "loss": split.loss}
    for name in ("epoch", "chinchilla-3")
    for split in isoflop(law(name), 5.76e23)
]
LOSSES = [
    {"series": "epoch", "flops": 10.0**power, "loss": optimum(law("epoch"), 10.0**power).loss}
    for power in range(18, 26)
]
FRONTIER = [
    {
        "series": "8 chips",
        "batch": batch,
        "user_tokens_per_second": 200 / (1 + batch / 64),
        "chip_tokens_per_second": 25 * batch / (1 + batch / 64),
    }
    for batch in (1, 4, 16, 64)
]
COSTS = [
    {"series": name, "questions": 10.0**power, "dollars": once + each * 10.0**power}
    for name, once, each in (("retrieval", 0.3, 0.0012), ("fine-tuning", 120, 0.0004))
    for power in range(7)
]
YEARS = [
    {"name": "GPT-3", "date": "2020-05-28", "flops": 3.14e23},
    {"name": "Chinchilla", "date": 2022, "flops": 5.76e23},
    {"name": "your plan", "date": 2026, "flops": 1e21, "highlight": True},
]
PLOTS: list[tuple[Callable[..., Path], list[dict[str, Any]], str]] = [
    (isoflop_curves, CURVES, "parameters"),
    (loss_against_compute, LOSSES, "training compute, FLOP"),
    (serving_frontier, FRONTIER, "output tokens per second and user"),
    (cost_against_questions, COSTS, "cost in all, US dollars"),
    (training_compute_by_year, YEARS, "training compute, FLOP"),
]


def words(svg: str) -> list[str]:
    """The text in a drawing, in the order it stands there."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


@pytest.mark.parametrize(("plot", "rows", "axis"), PLOTS)
def test_a_drawing_has_a_title_and_labelled_axes(
    plot: Callable[..., Path], rows: list[dict[str, Any]], axis: str, tmp_path: Path
) -> None:
    svg = plot(rows, tmp_path / "out.svg", title="Less & more").read_text(encoding="utf-8")
    assert "<title>Less &amp; more</title>" in svg
    assert svg.lstrip().startswith('<svg role="img"')
    assert {"Less &amp; more", axis} <= set(words(svg))


def test_numbers_on_the_axes_are_written_as_people_say_them(tmp_path: Path) -> None:
    curves = words(isoflop_curves(CURVES, tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert {"10B", "100B", "epoch", "chinchilla-3"} <= set(curves)
    losses = words(loss_against_compute(LOSSES, tmp_path / "b.svg").read_text(encoding="utf-8"))
    assert [word for word in losses if re.fullmatch(r"1e\d\d", word)][:2] == ["1e18", "1e19"]
    costs = words(cost_against_questions(COSTS, tmp_path / "c.svg").read_text(encoding="utf-8"))
    assert {"$1", "$10", "$100", "1k", "1M"} <= set(costs)


def test_the_best_split_is_marked_on_each_curve(tmp_path: Path) -> None:
    svg = isoflop_curves(CURVES, tmp_path / "a.svg").read_text(encoding="utf-8")
    marks = re.findall(r'<g class="mark-(line|symbol) role-mark[^"]*"[^>]*>(.*?)</g>', svg)
    assert [sum(kind == which for kind, _ in marks) for which in ("line", "symbol")] == [4, 1]
    points = next(body for kind, body in marks if kind == "symbol")
    assert points.count("<path") == 2
    assert all(f'fill="{colour}"' in points for colour in COLOURS[:2])


def test_what_is_the_users_own_stands_out_among_notable_models(tmp_path: Path) -> None:
    svg = training_compute_by_year(YEARS, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.search(rf'<text[^>]*fill="{COLOURS[1]}"[^>]*>your plan</text>', svg)
    assert not re.search(rf'<text[^>]*fill="{COLOURS[1]}"[^>]*>GPT-3</text>', svg)
    assert {"2021", "2022", "2026"} <= set(words(svg))


def test_measured_runs_and_crossings_are_drawn_over_the_curves(tmp_path: Path) -> None:
    runs = [{"flops": 1e19, "loss": 3.0}, {"flops": 1e20, "loss": 2.6}]
    with_runs = loss_against_compute(LOSSES, tmp_path / "a.svg", measured=runs)
    assert "Grey points: 2 measured runs." in words(with_runs.read_text(encoding="utf-8"))
    met = [{"questions": 1.5e5, "dollars": 180, "label": "fine-tuning passes retrieval"}]
    costs = cost_against_questions(COSTS, tmp_path / "b.svg", crossings=met)
    assert "fine-tuning passes retrieval" in words(costs.read_text(encoding="utf-8"))


def test_a_picture_is_twice_as_fine_as_the_drawing(tmp_path: Path) -> None:
    head = isoflop_curves(CURVES, tmp_path / "a.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:24])
    assert width >= 2 * 620
    assert height >= 2 * 380


def test_a_page_draws_itself_without_a_network(tmp_path: Path) -> None:
    page = isoflop_curves(CURVES, tmp_path / "a.html", title="At 5.76e23").read_text("utf-8")
    assert "<title>At 5.76e23</title>" in page
    assert '<html lang="en">' in page
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)
    assert '"embedOptions":{"actions":false}' in page


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out.pdf: a plot ends in .svg, .png, .html"):
        isoflop_curves(CURVES, tmp_path / "out.pdf")
    with pytest.raises(UsageError, match="is not a folder"):
        isoflop_curves(CURVES, tmp_path / "no" / "out.svg")
    with pytest.raises(UsageError, match="Nothing to draw"):
        isoflop_curves([], tmp_path / "out.svg")
    with pytest.raises(UsageError, match="Cannot draw dollars = 0"):
        cost_against_questions(
            [{"series": "free", "questions": 1, "dollars": 0}], tmp_path / "out.svg"
        )
