import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from isoflop import compare
from isoflop.documents import Passage
from isoflop.errors import UnusableExam
from isoflop.measure.comparison.plan import Plan
from isoflop.measure.comparison.questions import QuestionSet, absent, noted_absent, read, split
from isoflop.measure.comparison.report import build
from isoflop.questions import Question
from isoflop.search.index import Index
from tests.cli.test_commands import isoflop
from tests.measure.comparison.scripted import SEEN, Scripted, carried, numbered, plan_of, run_in


def written(folder: Path, text: str, name: str = "questions.jsonl") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def lines(*rows: Mapping[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableExam, match=r"questions\.jsonl"):
        read(written(tmp_path, ""))


def test_an_id_given_twice_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, lines(*({"id": "a", "text": "Who?", "answers": ["x"]},) * 2))
    with pytest.raises(
        UnusableExam, match="1 ids are given to more than one question, such as 'a'"
    ):
        read(path)


def test_a_row_without_a_question_is_named_by_its_number(tmp_path: Path) -> None:
    path = written(tmp_path, lines({"text": "Who?"}, {"colour": "red"}))
    with pytest.raises(UnusableExam, match="row 2: no question in colour"):
        read(path)


def test_no_field_for_answers_means_unscored_and_an_empty_list_that_none_is_right(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, lines({"text": "Who?"}, {"text": "When?", "answers": []}))
    asked = read(path)
    assert [q.id for q in asked.questions] == ["#1", "#2"]
    assert asked.unscored == {"#1"}
    assert asked.scored


def test_squad_and_csv_and_json_lines_hold_the_same_questions(tmp_path: Path) -> None:
    rows = [{"id": f"q{n}", "text": f"What is {n}?", "answers": [str(n)]} for n in range(3)]
    entries = [
        {"id": r["id"], "question": r["text"], "answers": [{"text": r["answers"][0]}]} for r in rows
    ]
    squad = {"data": [{"title": "t", "paragraphs": [{"context": "", "qas": entries}]}]}
    table = "id,text,answers\n" + "".join(f"q{n},What is {n}?,{n}\n" for n in range(3))
    found = [
        read(written(tmp_path, lines(*rows), "a.jsonl")),
        read(written(tmp_path, json.dumps(squad), "b.json")),
        read(written(tmp_path, table, "c.csv")),
    ]
    first, *others = [[(q.id, q.text, q.answers) for q in each.questions] for each in found]
    assert others == [first, first]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"question": "Who?", "answers": []}, "no 'id'"),
        ({"id": "b", "answers": []}, "no 'question'"),
        ({"id": "b", "question": "Who?", "answers": [{"start": 3}]}, "no 'text'"),
        ({"id": "b", "question": "Who?", "answers": 7}, "something else"),
        ("Who?", "something else"),
    ],
)
def test_a_broken_squad_file_is_refused_with_the_place(
    tmp_path: Path, entry: object, says: str
) -> None:
    whole = {"id": "a", "question": "When?", "answers": [{"text": "six"}]}
    data = [{"title": "Town", "paragraphs": [{"context": "", "qas": [whole, entry]}]}]
    path = written(tmp_path, json.dumps({"data": data}), "squad.json")
    with pytest.raises(
        UnusableExam, match=rf"squad\.json, article 1 \(Town\), paragraph 1, question 2.*{says}"
    ):
        read(path)


def test_an_article_without_paragraphs_is_named(tmp_path: Path) -> None:
    for article, says in (({"title": "Town"}, "no 'paragraphs'"), (["Town"], "something else")):
        path = written(tmp_path, json.dumps({"data": [article]}), "squad.json")
        with pytest.raises(UnusableExam, match=rf"article 1: .*{says}"):
            read(path)


@pytest.mark.parametrize("weight", ["abc", -1, 0, "nan", [2]])
def test_a_weight_that_is_none_is_refused_with_its_row(tmp_path: Path, weight: object) -> None:
    path = written(tmp_path, lines({"text": "Who?"}, {"text": "When?", "weight": weight}))
    with pytest.raises(UnusableExam, match=r"questions\.jsonl, row 2: weight .* no number above 0"):
        read(path)


def test_weights_are_read_as_numbers_and_are_one_where_there_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, "text,weight\nWho?,2.5\nWhen?,\n", "questions.csv")
    assert [q.weight for q in read(path).questions] == [2.5, 1.0]


def test_an_answer_without_a_text_is_refused_with_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, lines({"text": "Who?", "answers": [{"start": 3}]}))
    with pytest.raises(UnusableExam, match="row 1: answers holds"):
        read(path)


def test_tuning_questions_are_never_measured_on_and_only_scored_ones_tune(tmp_path: Path) -> None:
    rows = [{"text": f"{n}?", **({"answers": ["x"]} if n % 2 else {})} for n in range(100)]
    asked = read(written(tmp_path, lines(*rows)))
    tuning, measured = split(asked, seed=3)
    assert len(tuning) == 10
    assert not {q.id for q in tuning} & asked.unscored
    assert not {q.id for q in tuning} & {q.id for q in measured}
    assert len(tuning) + len(measured) == 100
    assert split(asked, tuning=0, most=7, seed=3)[1] == split(asked, tuning=0, seed=3)[1][:7]


def unscored_plan(methods: dict[str, Scripted], questions: tuple[Question, ...]) -> Plan:
    plan = plan_of(methods, questions)
    return replace(
        plan, asked=replace(plan.asked, unscored=frozenset(q.id for q in questions))
    )  # fmt: skip


def test_questions_without_answers_give_cost_and_agreement_and_no_advice(tmp_path: Path) -> None:
    texts = {f"q{n}": "the same" for n in range(4)}
    methods = {
        "a": Scripted(texts, {}),
        "b": Scripted({**texts, "q0": "another thing", "q1": None}, {}),
    }
    plan = unscored_plan(methods, numbered(4))
    with run_in(tmp_path) as run:
        outcome = carried(plan, run)
        values = build(plan, run.rows, outcome, tmp_path, SEEN).values
    assert [way["accuracy"] for way in values["ways"]] == [None, None]
    assert values["ways"][0]["cost"]["flops"] == 7
    assert values["recommendation"] is None
    assert values["race"]["saved"] == 0
    assert values["agreement"] == [{"one": "a scripted", "other": "b scripted", "f1": 0.5}]


def test_answers_that_are_not_in_the_documents_make_no_way_right_and_nothing_is_advised(
    tmp_path: Path,
) -> None:
    plan = plan_of({"a": Scripted({f"q{n}": "no" for n in range(5)}, {})}, numbered(5))
    with run_in(tmp_path) as run:
        outcome = carried(plan, run)
        values = build(plan, run.rows, outcome, tmp_path, SEEN).values
    assert values["ways"][0]["accuracy"]["value"] == 0
    assert values["recommendation"] is None


def asked_for(id: str, *answers: str) -> Question:
    return Question(id, "What?", (), answers)


def test_an_answer_is_absent_when_its_words_stand_nowhere_in_that_order() -> None:
    texts = ["The Harbour of Wexcombe, dredged in 1932.", "A ferry."]
    present = [
        asked_for("case", "harbour of WEXCOMBE"),
        asked_for("articles", "the ferry"),
        asked_for("second", "Sandholm", "1932"),
    ]
    missing = [
        asked_for("order", "Wexcombe harbour"),
        asked_for("part", "193"),
        asked_for("across", "1932 ferry"),
        asked_for("end", "1932 and later"),
        asked_for("empty", "the"),
    ]
    assert absent([*present, *missing, asked_for("none")], texts) == [q.id for q in missing]


def test_an_answer_may_go_from_one_passage_into_the_next() -> None:
    passages = [Passage("a", 0, 12, "It was Edwin"), Passage("a", 12, 24, " Marlow then")]
    asked = QuestionSet("q", (asked_for("a", "Edwin Marlow"), asked_for("b", "Marlow Edwin")))
    noted = noted_absent(asked, asked.questions, passages)
    assert len(noted.notes) == 1
    assert noted.notes[0].startswith("Of 2 questions with answers, 1 have none")
    assert "such as b:" in noted.notes[0]


def test_absent_answers_are_told_before_the_run_and_stand_in_the_report(
    documents: Path, tmp_path: Path
) -> None:
    index = Index.open(documents)
    index.update()
    asked = [asked_for("dredged", "1932"), asked_for("moon", "in 1969")]
    told: list[str] = []
    report = compare(
        index, asked, models=["extractive"], methods=["retrieval"], folder=tmp_path / "run",
        tell=told.append, begin=lambda plan, found: told.append("forecast"),
    )  # fmt: skip
    note = told[0]
    assert note.startswith("Of 2 questions with answers, 1 have none")
    assert told[1] == "forecast"
    assert report.values["questions"]["notes"] == [note]
    assert note in report.page()
    assert note in isoflop("compare", "--show", tmp_path / "run").stdout
