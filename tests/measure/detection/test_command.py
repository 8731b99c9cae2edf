import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from isoflop.cli import group
from isoflop.errors import UsageError
from isoflop.lm import checkpoint
from isoflop.lm.own import OwnModel


@pytest.fixture
def stored(model: OwnModel, tmp_path: Path) -> str:
    checkpoint.save(model.model, model.tokenizer, tmp_path / "small")
    return f"isoflop:{tmp_path / 'small'}"


@pytest.fixture
def files(prose: str, tmp_path: Path) -> Path:
    """A text to ask about and 24 human ones, in two groups."""
    (tmp_path / "text.txt").write_text(prose[-900:])
    for at in range(24):
        folder = tmp_path / "human" / ("native", "learners")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{at}.txt").write_text(prose[at * 500 : at * 500 + 500])
    return tmp_path


def run(*arguments: str) -> object:
    found = CliRunner().invoke(group, ["detect", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


def test_without_human_texts_there_are_scores_and_a_warning(stored: str, files: Path) -> None:
    found = run(str(files / "text.txt"), "--model", stored)
    assert "raw scores, no verdict" in found.stdout  # type: ignore[attr-defined]
    assert "\nverdict:" not in found.stdout  # type: ignore[attr-defined]
    assert "one pass of" in found.stderr  # type: ignore[attr-defined]


def test_with_human_texts_there_is_a_verdict_and_a_table_by_group(stored: str, files: Path) -> None:
    arguments = [str(files / "text.txt"), "--model", stored, "--human", str(files / "human")]
    found = json.loads(run(*arguments, "--json").stdout)  # type: ignore[attr-defined]
    (text,) = found["texts"]
    assert text["verdict"] in {"machine-like", "undecided", "human-like"}
    assert text["p"]["fast-detect-gpt"] >= 1 / 25
    assert {each["group"] for each in found["groups"]} == {"native", "learners"}
    assert text["tokens"] <= found["bill"]["prompt_tokens"] < text["tokens"] + 64  # padding
    shown = run(*arguments).stdout  # type: ignore[attr-defined]
    assert "verdict:" in shown
    assert "false positives by group" in shown


def test_options_may_stand_before_the_texts(stored: str, files: Path) -> None:
    before = run("--model", stored, "--perturb", "swap", "--copies", "3", str(files / "text.txt"))
    after = run(str(files / "text.txt"), "--model", stored, "--perturb", "swap", "--copies", "3")
    assert before.stdout == after.stdout  # type: ignore[attr-defined]  # of click's result
    assert "detectgpt" in before.stdout.lower()  # type: ignore[attr-defined]  # of click's result


def test_a_set_is_audited_without_a_model(tmp_path: Path) -> None:
    file = tmp_path / "a.raw_data.json"
    texts = {"original": ["One a.", "Two b.", "Six c."], "sampled": ["X\ny", "Z\nq", "W\nv"]}
    file.write_text(json.dumps(texts))
    found = json.loads(run("audit", str(file), "--json").stdout)  # type: ignore[attr-defined]
    features = found["sets"][0]["surface"]["features"]
    assert features["newlines"]["auroc"]["value"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.txt"], "no such file"),
        (["{text}", "--by", "binocular"], "Did you mean binoculars"),
        (["{text}", "--model", "openai:gpt-4o"], "gives no logits"),
    ],
)
def test_mistakes_are_told(files: Path, arguments: list[str], said: str) -> None:
    given = [each.format(text=files / "text.txt") for each in arguments]
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(group, ["detect", *given], catch_exceptions=False, standalone_mode=False)
