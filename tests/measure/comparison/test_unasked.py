"""A question that is too long for a model costs that question, not the way."""

from pathlib import Path
from typing import Any

import pytest

from isoflop import compare
from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.measure.comparison.report import Report
from isoflop.questions import Question
from isoflop.search.index import Index
from tests.lm.models import TEXT, randomised

HOLDS = 400  # tokens; of this tokenizer nearly one for each byte
LONG = Question("long", "When was it? " + "Tell me more. " * 60, (), ("six",))
UNKNOWN = Question("unknown", "Who then? " + "Tell me more. " * 60)
SHORT = tuple(Question(f"q{n}", f"When is {n}?", (), ("six",)) for n in range(4))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokenizer = train_tokenizer([TEXT * 20], 300)
    configuration = Configuration(
        vocabulary=tokenizer.vocabulary, width=32, layers=2, heads=4, kv_heads=4, hidden=128,
        context=HOLDS, position="learned",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("base") / "model"
    checkpoint.save(randomised(Transformer(configuration)), tokenizer, folder)
    return f"isoflop:{folder}"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "bridge.md").write_text("# The bridge\n\nA bridge with five arches.\n")
    (folder / "bakery.txt").write_text("The bakery opens at six. It sells bread.\n")
    index = Index.open(folder, into=tmp_path_factory.mktemp("index"))
    index.update()
    return index


def compared(index: Index, questions: Any, model: str, folder: Path, **options: Any) -> Report:
    wish = {"models": [model], "folder": folder, "race": False, "tuning": 0, **options}
    return compare(index, questions, **wish)


@pytest.mark.parametrize("method", ["closed-book", "long-context", "structured-prompting",
                                    "parallel-windows", "retrieval", "exhaustive"])  # fmt: skip
def test_one_long_question_is_not_answered_and_the_way_goes_on(
    index: Index, model: str, tmp_path: Path, method: str
) -> None:
    told: list[str] = []
    report = compared(
        index, [*SHORT, LONG], model, tmp_path / "run", methods=[method], tell=told.append
    )
    way = report.ways[0]
    assert way["status"] == "measured", way["reason"]
    assert way["questions"] == 5
    [note] = [note for note in way["notes"] if "count as not answered" in note]
    assert note.startswith("1 of 5 questions count as not answered: prompt is")
    assert "holds" in note
    assert sum(f"{way['name']} does not answer long" in line for line in told) == 1


def test_a_long_question_scores_as_one_that_is_not_answered(
    index: Index, model: str, tmp_path: Path
) -> None:
    report = compared(index, [LONG, UNKNOWN], model, tmp_path / "run", methods=["closed-book"])
    way = report.ways[0]
    assert way["abstained"] == 1
    assert way["accuracy"]["value"] == 0.5
    assert way["measured"]["each"]["prompt_tokens"] == 0


def test_settings_are_chosen_by_the_other_questions(
    index: Index, model: str, tmp_path: Path
) -> None:
    report = compared(
        index, [*SHORT, LONG], model, tmp_path / "run", methods=["retrieval"], tuning=4
    )
    assert report.ways[0]["status"] == "measured", report.ways[0]["reason"]
    assert report.ways[0]["settings"]["tuned_on"] == 4
