"""What tuning may learn: never, word for word, what is measured."""

from pathlib import Path

from isoflop.augment.method import Material
from isoflop.measure.comparison import questions as asking
from isoflop.measure.comparison.ways import learnable, ways_of
from isoflop.questions import Question
from isoflop.search.index import Index


def learned(
    index: Index, folder: Path, given: list[Question], measured: list[Question]
) -> list[str]:
    passages = tuple(index.passages())
    material = Material(index, passages, folder, made=learnable(passages, given, measured))
    ways, _ = ways_of(["extractive"], ["retrieval"], material)
    made = ways[0].does.material.made(100)  # type: ignore[attr-defined]  # every method has it
    return [question.text for question in made]


def test_questions_to_learn_are_made_once_for_all_ways(documents: Path, tmp_path: Path) -> None:
    index = Index.open(documents)
    index.update()
    passages = tuple(index.passages())
    material = Material(index, passages, tmp_path, made=learnable(passages, [], []))
    ways, _ = ways_of(
        ["extractive", "isoflop:reading"], ["retrieval"], material, ready=lambda answerer: answerer
    )
    first, second = (way.does.material.made(50) for way in ways)  # type: ignore[attr-defined]  # both have it
    assert first is second
    assert first


def test_a_question_that_is_measured_is_not_learned(documents: Path, tmp_path: Path) -> None:
    index = Index.open(documents)
    index.update()
    given = [Question(str(n), f"Question {n}?", (), ("yes",)) for n in range(4)]
    other_id = Question("m", "Question 2?", (), ("yes",))
    assert learned(index, tmp_path, given, [other_id]) == [
        "Question 0?", "Question 1?", "Question 3?",
    ]  # fmt: skip
    made = asking.make(tuple(index.passages()), 100, seed=1).questions
    kept = learned(index, tmp_path, [], list(made[:1]))
    assert kept == [question.text for question in made[1:]]
