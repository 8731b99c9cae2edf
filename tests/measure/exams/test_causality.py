"""The built-in exam, and the published recordings of it."""

import json
from pathlib import Path

import pytest

from isoflop.errors import UnusableExam
from isoflop.measure.exams import causality
from isoflop.measure.exams.library import exams_for
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import Score, score


def scored(path: Path, rule: str | None = None) -> Score:
    found = recordings(path)
    return score(exams_for("causality", found)[0], found[0], rule=rule)


@pytest.fixture
def published(evaldata: Path) -> Path:
    return evaldata / "exams" / "causality"


def test_108_pairs_weigh_what_their_publishers_say() -> None:
    # pairmeta.txt of the Tuebingen pairs, last column; multivariate pairs weigh nothing
    pairs = causality.pairs()
    assert list(pairs) == [f"pair{n:04}" for n in range(1, 109)]
    assert sum(pair.weight for pair in pairs.values()) == pytest.approx(38.998, abs=2e-4)
    assert [id[-3:] for id, pair in pairs.items() if not pair.weight] == [
        "052", "053", "054", "055", "071",
    ]  # fmt: skip
    assert sum(pair.first_causes for pair in pairs.values()) == 78


def test_our_own_prompts_name_the_pair_they_ask_about() -> None:
    for form in causality.FORMS:
        exam = causality.exam(form)
        again = causality.keyed((question.id, question.text) for question in exam.questions)
        assert {q.id: q.answers for q in again.questions} == {
            q.id: q.answers for q in exam.questions
        }


def test_each_pair_is_asked_in_both_directions_with_opposite_answers() -> None:
    exam = causality.exam()
    assert len(exam.questions) == 216
    assert len(exam.contrasts) == 108
    for contrast in exam.contrasts:
        answers = {exam.by_id[id].answers for id in (contrast.forward, contrast.backward)}
        assert answers == {("yes",), ("no",)}


def test_a_prompt_by_others_is_keyed_by_the_variables_it_names() -> None:
    asked = {
        "pair0001,": "Does changing the altitude cause a change in temperature? Yes or no.",
        "pair0048": "Does changing the indoor temperature cause a change in outdoor temperature?",
        "pair0014": "A. Less fuel consumption causes more horsepower.\nB. Horsepower causes more "
        "fuel consumption.",
    }
    keyed = [causality.keyed([one]).questions[0] for one in asked.items()]
    assert [(q.id, q.answers) for q in keyed] == [
        ("pair0001/forward", ("yes",)),
        ("pair0048/forward", ("no",)),
        ("pair0014", ("B",)),
    ]


def test_an_id_without_the_variables_of_its_pair_is_not_believed() -> None:
    with pytest.raises(UnusableExam, match="0 of 2 prompts name the two variables"):
        causality.keyed(
            [
                ("pair0002", "Does changing the altitude cause a change in temperature?"),
                ("", "Does rain cause floods?"),
            ]
        )


def test_a_pair_is_found_without_an_id_when_no_other_has_its_variables() -> None:
    found = causality.keyed([("", "Does changing employment cause a change in population?")])
    assert found.questions[0].id == "pair0084/forward"
    with pytest.raises(UnusableExam):  # abalones and people have both
        causality.keyed([("", "Does changing the age cause a change in height?")])


def test_always_naming_the_first_variable_is_right_for_78_of_108() -> None:
    exam = causality.exam()
    first = tuple(
        Output(q.text, "Yes" if q.id.endswith("/forward") else "No") for q in exam.questions
    )
    got = score(exam, Recording("always the first", first), rule="pair-contrast")
    assert got.accuracy.interval.value == pytest.approx(78 / 108)
    assert got.baselines.first_option == pytest.approx(78 / 108)
    plain = score(exam, Recording("always the first", first))
    assert plain.accuracy.interval.value == pytest.approx(78 / 108)
    assert plain.baselines.first_option == pytest.approx(78 / 108)


@pytest.mark.parametrize(
    ("name", "right", "weighted"),
    [("text-davinci-003", 177, 0.8286), ("gpt-3.5-turbo", 176, 0.8288)],
)
def test_published_recordings_score_what_their_publishers_report(
    published: Path, name: str, right: int, weighted: float
) -> None:
    # accuracy_results.log of the same repository: 0.81944 and 0.81481
    got = scored(published / f"{name}_results.jsonl")
    assert got.joined.matched == 216
    assert got.joined.unmatched == got.joined.unanswered == got.unparsed == 0
    assert got.accuracy.interval.value == pytest.approx(right / 216)
    assert got.weighted is not None
    assert got.weighted.interval.value == pytest.approx(weighted, abs=5e-5)


def test_recorded_probabilities_decide_101_of_108_pairs(published: Path) -> None:
    got = scored(published / "text-davinci-003_results.jsonl", "pair-contrast")
    assert sum(one.credit or 0 for one in got.graded) == 101
    assert len(got.graded) == 108


@pytest.mark.parametrize(
    ("name", "questions"), [("prompts.txt", 216), ("prompts_aug.csv", 216), ("prompts.csv", 108)]
)
def test_every_published_prompt_names_its_pair(published: Path, name: str, questions: int) -> None:
    keyed = causality.keyed(causality.prompts_in(published / name))
    assert len(keyed.questions) == questions
    answers = {q.id: q.answers for q in causality.exam().questions}
    answers |= {q.id: q.answers for q in causality.exam("choice").questions}
    assert all(q.answers == answers[q.id] for q in keyed.questions)


def test_a_recording_of_other_questions_is_refused(evaldata: Path) -> None:
    trap = evaldata / "exams" / "trap"
    found = recordings(trap / "gpt-3.5-turbo_system_results.jsonl")
    with pytest.raises(UnusableExam, match="0 of 475 recorded prompts match"):
        score(exams_for(str(trap / "prompts.csv"), found)[0], found[0])
    with pytest.raises(UnusableExam, match="0 of 475 prompts name"):
        exams_for("causality", found)


def test_a_recording_joined_by_row_would_have_been_wrong(evaldata: Path) -> None:
    # why it is refused: 0.5242 by row (README of the development data)
    trap = evaldata / "exams" / "trap"
    found = recordings(trap / "gpt-3.5-turbo_system_results.jsonl")
    exam = exams_for(str(trap / "prompts.csv"), found)[0]
    rows = zip(exam.questions, found[0].outputs, strict=True)
    moved = Recording("by row", tuple(Output(q.text, o.text) for q, o in rows))
    assert score(exam, moved, rule="tag").accuracy.interval.value == pytest.approx(0.52, abs=0.02)


def test_the_first_recorded_line_of_a_run_is_enough_to_see_the_form(tmp_path: Path) -> None:
    exam = causality.exam("choice")
    path = tmp_path / "run.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"prompt": q.text, "text": f"So <Answer>{q.answers[0]}</Answer>"})
            for q in exam.questions
        )
    )
    got = scored(path)
    assert got.accuracy.interval.value == 1.0
    assert len(got.graded) == 108
