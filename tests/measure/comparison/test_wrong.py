"""What a wrong answer loses: who knows how sure it is keeps silent where it expects to lose."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isoflop import compare
from isoflop.augment.answerers.quoting import Quoting
from isoflop.augment.extractive import THRESHOLD
from isoflop.augment.method import Material
from isoflop.bill import Bill
from isoflop.measure.comparison.scoring import Rule, figures
from isoflop.measure.comparison.ways import Way, ways_of
from isoflop.questions import Question
from isoflop.run import Row
from isoflop.search.index import Index
from isoflop.worlds import World

WORLD = World(4, people=6, towns=3, firms=3, gaps=0.0)
ELSEWHERE = World(9, people=6, towns=3, firms=3, gaps=0.0)  # other people: nobody answers here


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("world")
    for document in WORLD.documents():
        (folder / document.id).parent.mkdir(parents=True, exist_ok=True)
        (folder / document.id).write_text(document.text)
    index = Index.open(folder, into=tmp_path_factory.mktemp("index"))
    index.update()
    return index


def questions(count: int) -> list[Question]:
    """Half of them have an answer here; the key of a fourth is a wrong one, as keys may be."""
    known = [(text, (fact.value,)) for fact, text in WORLD.asked()][: count // 2]
    unknown = [(text, ()) for _, text in ELSEWHERE.asked()][: count - len(known)]
    pairs = [pair for both in zip(known, unknown, strict=True) for pair in both]
    return [
        Question(f"q{n}", text, (), ("something else",) if n % 4 == 0 else answers)
        for n, (text, answers) in enumerate(pairs)
    ]


def extractive(index: Index, folder: Path, wrong: float) -> tuple[Way, Quoting]:
    material = Material(index, tuple(index.passages()), folder, wrong=wrong)
    ways, _ = ways_of(["extractive"], ["exhaustive"], material)
    answerer = ways[0].does.answerer  # type: ignore[attr-defined]  # every method has it
    assert isinstance(answerer, Quoting)
    return ways[0], answerer


@pytest.mark.parametrize(("wrong", "limit"), [(0.0, THRESHOLD), (0.1, THRESHOLD), (3.0, 0.75)])
def test_without_questions_to_choose_by_the_limit_is_where_answers_break_even(
    index: Index, tmp_path: Path, wrong: float, limit: float
) -> None:
    way, answerer = extractive(index, tmp_path, wrong)
    assert answerer.threshold == limit
    answers = [way.does.answer(question) for question in questions(8)]
    sure = [answer.confidence for answer in answers]
    assert None not in sure
    assert [a.abstained for a in answers] == [(c or 0.0) < limit for c in sure]


def test_the_limit_is_the_best_one_on_the_tuning_questions(index: Index, tmp_path: Path) -> None:
    asked, rule = questions(36), Rule("contains", 2.0)
    report = compare(
        index, asked, models=["extractive"], methods=["retrieval"], wrong=2.0, tuning=24,
        race=False, options={"by": "bm25", "k": 2}, folder=tmp_path / "run",
    )  # fmt: skip
    way = report.ways[0]
    kept = (tmp_path / "run" / "questions.jsonl").read_text()
    tuned = [q for q in asked if f'"{q.id}"' not in kept]
    assert len(tuned) == 24
    sure = Quoting(index.encoder, threshold=0.0)
    answers = [sure.answer(q.text, index.find(q.text, 2, by="bm25").hits) for q in tuned]

    def total(limit: float) -> float:
        given = [(answer.confidence or 0.0) >= limit for answer in answers]
        return sum(
            rule.value(figures(a, q.answers), abstained=False) if g else float(not q.answers)
            for a, q, g in zip(answers, tuned, given, strict=True)
        )

    best = max(total(limit) for limit in np.linspace(0, 1, 2001))
    limit = way["settings"]["threshold"]
    assert total(limit) == pytest.approx(best)
    assert total(limit) > total(0.0)
    forecast, paid = (way[part]["once"] for part in ("forecast", "measured"))
    assert paid["flops"] <= forecast["high"]["flops"] * 1.3


def test_a_limit_that_was_chosen_before_is_taken_as_it_is(index: Index, tmp_path: Path) -> None:
    material = Material(
        index, tuple(index.passages()), tmp_path, tuning=tuple(questions(24)), wrong=2.0,
        options={"by": "bm25", "k": 2, "threshold": 0.4},
    )  # fmt: skip
    ways, _ = ways_of(["extractive"], ["retrieval"], material)
    paid: list[str] = []

    def pay(key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        paid.append(key)
        return call()[0]

    settings = ways[0].does.prepare(pay, lambda *_: None)
    assert settings["threshold"] == 0.4
    assert ways[0].does.answerer.threshold == 0.4  # type: ignore[attr-defined]  # every method has it
    assert not any(key.startswith("sure/") for key in paid)


def test_where_wrong_answers_cost_nothing_no_limit_is_chosen(index: Index, tmp_path: Path) -> None:
    report = compare(
        index, questions(24), models=["extractive"], methods=["retrieval"], tuning=12,
        options={"by": "bm25", "k": 2}, folder=tmp_path / "run", race=False,
    )  # fmt: skip
    assert "threshold" not in report.ways[0]["settings"]
