"""Pictures of detectors and of answers' confidence: what they show is read back from the page."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from isoflop.cli import group
from isoflop.errors import UsageError
from isoflop.measure.statistics.auroc import auroc
from isoflop.measure.statistics.proportions import wilson_ends

WORDS = ("harbour", "lantern", "granite", "herring", "meadow", "orchard")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)], catch_exceptions=False)


def drawn(page: Path) -> list[list[dict[str, Any]]]:
    """The rows of each layer of a page's picture."""
    found = re.search(r"const spec = (\{.*?\});\n", page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    spec = json.loads(found[1])
    data = (layer["data"] for layer in spec["layer"])
    return [one["values"] if "values" in one else spec["datasets"][one["name"]] for one in data]


def subtitle(page: Path) -> str:
    found = re.search(r'"subtitle":"([^"]*)"', page.read_text("utf-8"))
    assert found is not None
    return found[1]


def a_set(file: Path, detectors: int = 2, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A file of texts with scores; labels (n,) and scores (detectors, n)."""
    random = np.random.default_rng(4)
    machine = np.repeat([False, True], count)
    scores = random.normal(size=(detectors, 2 * count)).round(1) + machine * np.linspace(
        2, 0, detectors
    ).reshape(-1, 1)
    rows = [
        {
            "text": " ".join(random.choice(WORDS, 8)) + ".",
            "label": int(machine[at]),
            **{f"detector {row}": float(scores[row, at]) for row in range(detectors)},
        }
        for at in range(2 * count)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return machine, scores


def test_the_curves_drawn_have_the_areas_and_bands_that_are_printed(tmp_path: Path) -> None:
    machine, scores = a_set(tmp_path / "set.jsonl")
    run("detect", "audit", tmp_path / "set.jsonl", "--plot", tmp_path / "roc.html")
    bands, lines, dashed = drawn(tmp_path / "roc.html")
    assert bands == lines
    for number, row in enumerate(scores):
        area = auroc(machine, row).value
        curve = [one for one in lines if one["detector"] == f"{area:.3f} detector {number}"]
        x, y = ([one[key] for one in curve] for key in ("accused", "found"))
        assert np.trapezoid(y, x) == pytest.approx(area)
        low, high = wilson_ends(np.array(y), np.full(len(y), 40.0), 1.959964)
        assert [one["low"] for one in curve] == pytest.approx(low.tolist(), abs=1e-5)
        assert [one["high"] for one in curve] == pytest.approx(high.tolist(), abs=1e-5)
    assert {one["detector"][6:] for one in dashed} == {"surface features"}


def test_the_best_eight_of_many_detectors_are_drawn_and_the_others_counted(tmp_path: Path) -> None:
    a_set(tmp_path / "set.jsonl", detectors=11)
    run("detect", "audit", tmp_path / "set.jsonl", "--plot", tmp_path / "roc.html")
    names = {one["detector"][6:] for one in drawn(tmp_path / "roc.html")[0]}
    assert len(names) == 8
    assert "detector 0" in names
    assert "3 more detectors are not drawn" in subtitle(tmp_path / "roc.html")


def test_curves_of_several_sets_say_which_set(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    for name, count in (("one", 30), ("two", 40)):
        a_set(tmp_path / "sets" / f"{name}.jsonl", detectors=1, count=count)
    run("detect", "audit", tmp_path / "sets", "--plot", tmp_path / "roc.html")
    names = {one["detector"][6:] for one in drawn(tmp_path / "roc.html")[0]}
    assert names == {"one: detector 0", "two: detector 0"}


def test_sentences_are_drawn_with_the_perplexities_that_are_printed(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "The harbour was dredged twice that year. It took two summers to finish. No. The mason "
        "who built the lighthouse had come from another county."
    )
    model = f"ngram:{text}"
    found = run("detect", text, "--model", model, "--json", "--plot", tmp_path / "a.html")
    printed = json.loads(found.stdout)["texts"][0]["sentences"]
    line, points = drawn(tmp_path / "a.html")
    assert line == points
    assert {one["sentence"]: one["perplexity"] for one in points} == pytest.approx(
        {
            place: one["perplexity"]
            for place, one in enumerate(printed, start=1)
            if one["perplexity"] is not None
        }
    )
    assert len(points) >= 3


def an_exam(folder: Path) -> None:
    """Four choices, with likelihoods recorded: sure and right, unsure and wrong."""
    questions, answers = [], []
    for number, (right, gap) in enumerate(((True, 3.0), (True, 3.0), (False, 0.5), (True, 0.5))):
        prompt = f"Which boat came in at {number} o'clock?"
        key = "A" if right else "B"
        choices = ["the ketch", "the yawl"]
        questions.append({"prompt": prompt, "choices": choices, "answers": [key]})
        answers.append({"prompt": prompt, "likelihoods": [-1.0, -1.0 - gap]})
    for name, rows in (("exam", questions), ("answers", answers)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_answers_are_drawn_beside_how_sure_they_were(tmp_path: Path) -> None:
    an_exam(tmp_path)
    asked = ["exam", "score", tmp_path / "exam.jsonl", tmp_path / "answers.jsonl", "--rule", "sum"]
    found = run(*asked, "--json", "--calibration", tmp_path / "a.html")
    stated = json.loads(found.stdout)["scores"][0]["stated"]
    diagonal, lines, points = drawn(tmp_path / "a.html")
    assert [(one["stated"], one["observed"]) for one in diagonal] == [(0, 0), (1, 1)]
    assert lines == points
    sure, unsure = (1 / (1 + math.exp(-gap)) for gap in (3.0, 0.5))
    assert [one["stated"] for one in points] == pytest.approx([unsure, sure])
    assert [(one["observed"], one["answers"]) for one in points] == [(0.5, 2), (1.0, 2)]
    for bin_, point in zip(stated["bins"], points, strict=True):
        assert bin_ == {key: point[key] for key in bin_}
    brier = (2 * (1 - sure) ** 2 + unsure**2 + (1 - unsure) ** 2) / 4
    assert stated["brier"] == pytest.approx(brier)
    assert stated["abstention"]["wrong_at"] == {"0.25": 0, "0.5": 0, "0.75": 0.25, "1": 0.25}
    assert "probabilities of 4 of 4 answers" in found.stderr


def test_without_recorded_probabilities_there_is_nothing_to_draw(tmp_path: Path) -> None:
    an_exam(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    said = [json.dumps({"prompt": row["prompt"], "text": "A"}) for row in rows]
    (tmp_path / "answers.jsonl").write_text("\n".join(said))
    asked = ["exam", "score", str(tmp_path / "exam.jsonl"), str(tmp_path / "answers.jsonl")]
    found = CliRunner().invoke(group, [*asked, "--calibration", str(tmp_path / "a.html")])
    assert isinstance(found.exception, UsageError)
    assert "No answer's probability was recorded" in str(found.exception)
    assert not (tmp_path / "a.html").exists()
