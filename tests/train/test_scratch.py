"""isoflop train: from a folder of texts and a budget to a model, its report and its refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from isoflop.cli import group
from isoflop.errors import IsoflopError, UsageError
from isoflop.lm.own import OwnModel
from isoflop.lm.transformer import POSITIONS
from isoflop.train import design
from isoflop.train.ledger import Ledger
from isoflop.train.memory import memory_bytes
from isoflop.train.scratch import Wish, train
from isoflop.worlds import World

SMALL = ("--params", "150k", "--context", "64", "--batch", "8", "--threads", "1", "--seed", "3")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for document in World(5, people=50).documents():
        (folder / f"{document.id.replace('/', '-')}.txt").write_text(document.text)
    return folder


@pytest.fixture(autouse=True)
def _threads() -> None:
    torch.set_num_threads(1)


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["train", *map(str, arguments)])


def test_a_folder_and_a_budget_become_a_model_and_a_report(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = _call(texts, "--out", out, "--tokens", "20k", *SMALL, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["perplexity"] > 1
    assert report["bits_per_byte"] < 8
    assert 0 < report["mfu"] < 1
    assert report["flops"] == pytest.approx(report["forecast"]["flops"], rel=0.01)
    assert report["forecast"]["bases"]["seconds"] == "forecast"
    assert report["bill"]["bases"]["seconds"] == "measured"
    assert report["tokens"] == report["steps"] * 8 * 64
    assert report["tokens"] == pytest.approx(20_000, rel=0.02)
    kinds = [line["kind"] for line in Ledger(out).read()]
    assert kinds[0] == "plan"
    assert kinds[-1] == "report"
    model = OwnModel(out)
    assert model.parameters == report["parameters"]
    assert model.decode(model.encode("any text, naïve")) == "any text, naïve"

    again = _call(texts, "--out", out, "--tokens", "20k", *SMALL)
    assert again.exit_code == 0
    assert "trained already" in again.stderr
    assert "bits per byte" in again.stdout

    other = _call(texts, "--out", out, "--tokens", "30k", *SMALL)
    assert isinstance(other.exception, UsageError)
    assert "tokens changed" in _error(other)


def _error(result: Result) -> str:
    return str(result.exception or result.output)


@pytest.mark.parametrize("position", POSITIONS)
def test_every_position_scheme_trains_and_opens(position: str, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / position
    result = _call(texts, "--out", out, "--tokens", "2k", *SMALL, "--position", position)
    assert result.exit_code == 0, result.output
    assert f"position scheme: {position}" in result.stdout
    assert OwnModel(out).model.configuration.position == position


def test_the_size_follows_from_the_flops() -> None:
    small, large = (design.size(flops).parameters for flops in (1e13, 1e17))
    assert 1e5 <= small < 1e6
    assert 1e7 < large < 1e8
    for wanted in (1.5e5, 6e5, 4e6, 5e7):
        for position in ("rope", "alibi"):
            made = design.configuration(
                wanted,
                position=position,
                vocabulary=design.usual_vocabulary(wanted),
                context=128,
            )
            assert design.parameters_of(made) == pytest.approx(wanted, rel=0.25)


def test_a_forecast_of_memory_is_refused_when_it_is_more_than_there_is(
    texts: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        IsoflopError, match=r"takes about [\d.]+ GB, and [\d.]+ GB are free.*--params"
    ):
        train([texts], tmp_path, Wish(tokens=1e4, parameters=40e9, vocabulary=512, context=64))


def test_memory_grows_with_the_model_and_the_pass() -> None:
    from isoflop.train.recipe import Recipe

    def bytes_of(parameters: float, micro_batch: int) -> float:
        c = design.configuration(parameters, position="rope", vocabulary=1024, context=256)
        return memory_bytes(Recipe(c, 1, micro_batch, micro_batch))

    assert bytes_of(4e6, 8) - bytes_of(2e6, 8) > 16 * 1.8e6
    assert bytes_of(4e6, 16) > bytes_of(4e6, 8)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 40, "binary|not text|cannot be read"),
        (b"Too short.", "shorter than one context|too short|held out"),
    ],
)
def test_data_that_cannot_teach_is_refused_by_name(
    content: bytes, says: str, tmp_path: Path
) -> None:
    import re

    file = tmp_path / "data.txt"
    file.write_bytes(content)
    result = _call(file, "--out", tmp_path / "run", "--tokens", "2k", *SMALL)
    assert result.exit_code == 1
    assert re.search(says, _error(result)), _error(result)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "one budget"),
        (("--tokens", "1k", "--minutes", "1"), "one budget"),
        (("--minutes", "-1"), "positive"),
        (("--tokens", "1k", "--position", "alibbi"), "Did you mean alibi"),
        (("--tokens", "1k", "--dtype", "float8"), "float32, bfloat16"),
        (("--tokens", "1k", "--shape", "2,x,2"), "LAYERS,WIDTH,HEADS"),
        (("--dollars", "1"), "dollars_per_hour"),
        (("--tokens", "1k", "--vocabulary", "100"), "256 bytes"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], says: str, texts: Path, tmp_path: Path
) -> None:
    result = _call(texts, "--out", tmp_path / "run", *arguments)
    assert result.exit_code == 2 or isinstance(result.exception, UsageError)
    assert says in _error(result)


def test_prompts_and_answers_count_only_the_answers(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    records = [
        {"prompt": f"Say the number after {n}: ", "completion": f"{n + 1}."} for n in range(300)
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    wish = Wish(tokens=4000, parameters=1.5e5, context=64, batch=8, threads=1, vocabulary=300)
    report = train([file], tmp_path / "run", replace(wish, align="document"))
    answers = sum(len(r["completion"]) for r in records)
    assert report["held_out"]["bytes"] < 0.2 * answers
    assert report["flops"] < report["forecast"]["flops"]
