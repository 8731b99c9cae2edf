"""Commands of `isoflop exam`, as a person would type them."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from isoflop.cli import main


@pytest.fixture
def exam(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["isoflop", "exam", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert stop.value.code == code, err
        return out, err

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    items = [
        {"id": str(n), "prompt": f"Is {n} even?", "answers": ["no" if n % 2 else "yes"]}
        for n in range(20)
    ]
    (tmp_path / "even.jsonl").write_text("\n".join(map(json.dumps, items)))
    for name, wrong in (("one", 5), ("other", 0)):
        rows = [
            {"prompt": item["prompt"], "text": "yes" if n < wrong else item["answers"][0]}
            for n, item in enumerate(items)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_a_score_comes_with_interval_and_baselines(exam: Any, files: Path) -> None:
    out, err = exam("score", files / "even.jsonl", files / "one.jsonl")
    assert "18/20    0.9000  0.699 to 0.972" in out  # Wilson by hand: 0.6990 to 0.9721
    assert "majority, 'no'" in out
    assert "chance" in out
    assert "joined by prompt" in err
    assert "counts as wrong" in err


def test_json_has_every_figure(exam: Any, files: Path) -> None:
    out, _ = exam("score", files / "even.jsonl", files / "one.jsonl", "--json")
    [score] = json.loads(out)["scores"]
    assert score["accuracy"]["value"] == 0.9
    assert score["baselines"]["chance"] == pytest.approx(0.5)
    assert (score["unparsed"], score["unmatched"], score["unanswered"]) == (0, 0, 0)


def test_a_comparison_says_what_could_have_been_seen(exam: Any, files: Path) -> None:
    both = (files / "one.jsonl", files / "other.jsonl")
    out, err = exam("compare", *both, "--exam", files / "even.jsonl", "--json")
    [found] = json.loads(out)["comparisons"]
    assert (found["only_first"], found["only_second"]) == (0, 2)
    assert found["mcnemar_p"] == pytest.approx(0.5)
    assert found["minimum_detectable_difference"] > 0.1
    out, err = exam("compare", *both, "--exam", files / "even.jsonl")
    assert "one - other" in out
    assert "McNemar" in err


def test_recordings_of_one_name_are_told_apart_by_their_folders(exam: Any, files: Path) -> None:
    (files / "again").mkdir()
    again = files / "again" / "one.jsonl"
    again.write_text((files / "one.jsonl").read_text())
    out, _ = exam("score", files / "even.jsonl", files / "one.jsonl", again)
    assert "again/one" in out


def test_what_is_wrong_is_said_without_a_traceback(exam: Any, files: Path) -> None:
    _, err = exam("score", "causality", files / "one.jsonl", code=1)
    assert "0 of 20 prompts name the two variables" in err
    _, err = exam("compare", files / "one.jsonl", files / "other.jsonl", code=2)
    assert "--exam EXAM" in err
    _, err = exam("score", files / "even.jsonl", files / "one.jsonl", "--unparsed", "rong", code=2)
    assert "Did you mean wrong" in err


def test_a_run_that_may_cost_money_is_not_begun_unasked(
    exam: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOFLOP_API_KEY", "none")
    address = ("--base-url", "http://model.invalid/v1", "--into", files / "run")
    _, err = exam("run", files / "even.jsonl", "--model", "openai:x", *address, code=2)
    assert "may spend an unknown amount" in err
    assert "forecast, at most" in err
    assert not (files / "run").exists()


def test_a_forest_plot_shows_accuracies_intervals_and_baselines(exam: Any, files: Path) -> None:
    drawn = files / "forest.svg"
    both = (files / "one.jsonl", files / "other.jsonl")
    out, _ = exam("score", files / "even.jsonl", *both, "--plot", drawn, "--json")
    scores = {one["model"]: one["accuracy"] for one in json.loads(out)["scores"]}
    text = drawn.read_text()
    labels = re.findall(r'aria-label="([a-z]+: [^"]*)"', text)
    marks = [dict(part.split(": ", 1) for part in label.split("; ")) for label in labels]
    ends = {m["model"]: (float(m["low"]), float(m["high"])) for m in marks if "low" in m}
    dots = {m["model"]: float(m["accuracy"]) for m in marks if "model" in m and "accuracy" in m}
    rules = {m["series"]: float(m["accuracy"]) for m in marks if "series" in m}
    assert ends.keys() == dots.keys() == scores.keys() == {"one", "other"}
    for model, found in scores.items():
        assert dots[model] == pytest.approx(found["value"])
        assert ends[model] == pytest.approx((found["low"], found["high"]))
    assert rules == {"majority, 'no'": 0.5, "always the first": 0.5, "chance": 0.5}
    assert "rule yes-no" in text
