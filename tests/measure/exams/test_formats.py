"""Published formats of exams and recordings, on small data of our own."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import UnusableExam
from isoflop.measure.exams import spans
from isoflop.measure.exams.formats import assembled, read, write
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import score
from isoflop.questions import Question


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def only(path: Path) -> Question:
    [question] = read(path).questions
    return question


def test_plain_json_lines(tmp_path: Path) -> None:
    row = {"id": "a", "prompt": "Which?", "choices": ["red", "blue"], "answers": ["blue"],
           "cluster": "colours", "weight": 2}  # fmt: skip
    asked = Question("a", "Which?", ("red", "blue"), ("B",), "colours", 2.0)
    assert only(lines(tmp_path / "exam.jsonl", row)) == asked


def test_a_table_may_hold_choices_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "exam.csv"
    path.write_text("id,question,A,B,answer\n1,Larger?,seven,nine,B\n")
    assert only(path) == Question("1", "Larger?", ("seven", "nine"), ("B",))


def test_a_table_without_names_is_read_as_mmlu_has_it(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text('"Two, plus two?",3,4,5,6,B\nOne?,1,2,3,4,A\n')
    exam = read(path)
    assert [q.answers for q in exam.questions] == [("B",), ("A",)]
    assert exam.questions[0].text == "Two, plus two?"


def test_choices_written_into_a_prompt_are_found(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "pair_id,prompt,groundtruth\n"
        "p1,Which?\tA. Rain causes floods.\tB. Floods cause rain.\t\tGive <Answer>A/B</Answer>.,A\n"
    )
    asked = only(path)
    assert asked.choices == ("Rain causes floods.", "Floods cause rain.")
    assert read(path).rule == "tag"


def test_a_claim_asked_both_ways_under_one_id_is_a_contrast(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("pair_id,prompt,groundtruth\nx,Does a cause b?,Yes\nx,Does b cause a?,No\n")
    exam = read(path)
    assert [c.id for c in exam.contrasts] == ["x"]
    assert [q.id for q in exam.questions] == ["x/forward", "x/backward"]


def test_answers_may_be_in_a_second_file(tmp_path: Path) -> None:
    questions = tmp_path / "prompts.csv"
    questions.write_text("id,prompt\n1,One?\n2,Two?\n")
    keys = tmp_path / "keys.csv"
    keys.write_text("id,groundtruth\n2,2\n1,1\n")
    assert [q.answers for q in read(questions, keys).questions] == [("1",), ("2",)]
    keys.write_text("id,groundtruth\n3,2\n1,1\n")
    with pytest.raises(UnusableExam, match="1 of 2 ids"):
        read(questions, keys)


def test_agieval(tmp_path: Path) -> None:
    row = {"passage": "Text.", "question": "Why?", "options": ["(A)so", "(B)not so"],
           "label": "B", "other": {}}  # fmt: skip
    asked = only(lines(tmp_path / "lsat.jsonl", row))
    assert asked == Question("#1", "Text.\n\nQ: Why?", ("so", "not so"), ("B",), "Text.")
    several = {**row, "label": ["C", "A"], "options": ["(A)x", "(B)y", "(C)z"]}
    exam = read(lines(tmp_path / "physics.jsonl", several))
    assert exam.questions[0].answers == ("AC",)
    assert exam.rule == "letters"


def test_answers_recorded_by_agieval_prompts_are_joined(tmp_path: Path) -> None:
    row = {"passage": "Text.", "question": "Why?", "options": ["(A)so", "(B)not so"],
           "label": "B", "other": {}}  # fmt: skip
    exam = read(lines(tmp_path / "lsat.jsonl", row))
    prompt = "Text.Q: Why? Answer Choices: (A)so (B)not so\nA: Among A through B, the answer is"
    found = recordings(lines(tmp_path / "out.jsonl", {"prompt": prompt, "text": " B"}))
    assert score(exam, found[0]).accuracy.interval.value == 1


def test_gsm8k(tmp_path: Path) -> None:
    row = {"question": "Sum?", "answer": "1 + 1,199 = <<1+1199=1200>>1,200\n#### 1,200"}
    exam = read(lines(tmp_path / "test.jsonl", row))
    assert exam.questions[0].answers == ("1200",)
    solutions = {
        "question": "Sum?",
        "ground_truth": "so\nA: 1200",
        "small": {"is_correct": True, "solution": "It is $1,200.00"},
        "large": {"is_correct": False, "solution": "1200 minus 1 is\nA: 1199"},
    }
    path = lines(tmp_path / "solutions.jsonl", solutions)
    assert [(r.model, score(exam, r).accuracy.interval.value) for r in recordings(path)] == [
        ("small", 1),
        ("large", 0),
    ]


def test_big_bench_hard_with_examples_before_the_question(tmp_path: Path) -> None:
    asked = "Which?\nOptions:\n(A) one\n(B) two"
    exam = tmp_path / "task.json"
    exam.write_text(json.dumps({"canary": "", "examples": [{"input": asked, "target": "(B)"}]}))
    few = f"Choose.\n\nQ: Other?\nOptions:\n(A) x\n(B) y\nA: (A)\n\nQ: {asked}\nA: Let's think."
    outputs = tmp_path / "outputs.json"
    said = {"input": few, "prediction": "Hm. So the answer is (B).", "target": "(B)"}
    outputs.write_text(json.dumps({"outputs": [said]}))
    assert only(exam).choices == ("one", "two")
    got = score(read(exam), recordings(outputs)[0])
    assert got.graded[0].answers == ("B",)
    itself = score(read(outputs), recordings(outputs)[0])
    assert itself.accuracy.interval.value == 1


def test_big_bench_bullets_truths_and_scores_of_targets(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    bullets = "Is it?\nOptions:\n- valid\n- invalid"
    path.write_text(json.dumps({"examples": [{"input": bullets, "target": "invalid"}]}))
    assert only(path).answers == ("B",)
    path.write_text(json.dumps({"examples": [{"input": "not True is", "target": "False"}]}))
    assert only(path).choices == ("True", "False")
    path.write_text(json.dumps({"examples": [{"input": "So?", "target_scores": {"x": 0, "y": 1}}]}))
    assert only(path).answers == ("B",)


def test_squad_and_its_predictions(tmp_path: Path) -> None:
    paragraph = {
        "context": "Oakley dredged the harbour.",
        "qas": [
            {"id": "k1", "question": "Who?", "answers": [{"text": "Oakley", "answer_start": 0}]},
            {"id": "k2", "question": "When?", "answers": [], "is_impossible": True},
        ],
    }
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": [{"title": "Harbour", "paragraphs": [paragraph]}]}))
    exam = read(path)
    assert [(q.id, q.answers, q.cluster) for q in exam.questions] == [
        ("k1", ("Oakley",), "Harbour"),
        ("k2", ("",), "Harbour"),
    ]
    predicted = tmp_path / "predictions.json"
    predicted.write_text(json.dumps({"k1": "the Oakley", "k2": ""}))
    got = score(exam, recordings(predicted)[0])
    assert got.joined.by == "id"
    assert got.rule == "squad-exact"
    assert [one.credit for one in got.graded] == [1, 1]
    predicted.write_text(json.dumps({"k1": "Oakley and sons", "k2": "1932"}))
    partly = score(exam, recordings(predicted)[0], rule="squad-f1")
    assert [one.credit for one in partly.graded] == [pytest.approx(2 / 4), 0]


SAMPLE = {
    "doc_id": 0,
    "doc": {"q": "Sky?"},
    "target": "1",
    "arguments": [["Sky? Answer:", " green"], ["Sky? Answer:", " a light blue"]],
    "resps": [[["-2.0", "False"]], [["-3.0", "False"]]],
    "filtered_resps": [["-2.0", "False"], ["-3.0", "False"]],
    "filter": "none",
}


def test_harness_samples_are_weighed_as_the_harness_weighs_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "samples.jsonl", SAMPLE)
    exam, [found] = read(path), recordings(path)
    assert exam.questions[0].choices == ("green", "a light blue")
    assert exam.questions[0].answers == ("B",)
    assert exam.rule == "sum"
    assert score(exam, found).accuracy.interval.value == 0  # acc: -2 > -3
    assert score(exam, found, rule="per-character").accuracy.interval.value == 1  # -.4 < -.25
    assert score(exam, found, rule="per-byte").accuracy.interval.value == 1


def test_harness_samples_in_their_newer_form_and_with_unconditional_likelihoods(
    tmp_path: Path,
) -> None:
    asked = [["Sky?", " green"], ["Sky?", " blue"], ["", " green"], ["", " blue"]]
    sample = {
        **SAMPLE,
        "arguments": {
            f"gen_args_{n}": {"arg_0": one[0], "arg_1": one[1]} for n, one in enumerate(asked)
        },
        "resps": [[[-2.0, False]], [[-3.0, False]], [[-1.0, False]], [[-4.0, False]]],
    }
    path = lines(tmp_path / "samples.jsonl", sample)
    exam, [found] = read(path), recordings(path)
    assert exam.questions[0].choices == ("green", "blue")
    assert score(exam, found, rule="pmi").accuracy.interval.value == 1  # +1 against -1


def test_harness_samples_of_texts_are_read_once_for_several_filters(tmp_path: Path) -> None:
    sample = {
        **SAMPLE,
        "target": "So 3\n#### 3",
        "arguments": [["Q: 1 + 2?\nA:", {"until": ["Q:"]}]],
        "resps": [["It is 3."]],
        "filter": "strict-match",
    }
    path = lines(tmp_path / "samples.jsonl", sample, {**sample, "filter": "flexible-extract"})
    exam, [found] = read(path), recordings(path)
    assert len(found.outputs) == len(exam.questions) == 1
    assert score(exam, found, rule="number").accuracy.interval.value == 1


def test_a_log_of_zero_shot_chain_of_thought(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text(
        "data size : 1\n*****\n1st data\n1_th_sampling\nQ: Four and five ?\nA: Let's think step by "
        "step. \n\nFour is 4.\nTherefore, the answer (arabic numerals) is 9.\npred_before :  9."
        "\npred_after : 9\npred_list : ['9']\npred_mode : 9\nGT : 9\n*****\n"
    )
    exam, [found] = read(path), recordings(path)
    assert exam.questions[0].text == "Four and five ?"
    assert score(exam, found, rule="first-number").accuracy.interval.value == 1


def test_replies_of_chats_and_completions_beside_their_prompts(tmp_path: Path) -> None:
    exam = read(lines(tmp_path / "exam.jsonl", {"prompt": "Wet?", "answers": ["yes"]}))
    chat = {"choices": [{"message": {"content": "Yes."}}], "usage": {"prompt_tokens": 3}}
    text = {"choices": [{"text": "\n\nYes"}]}
    for reply in ({"result": chat}, {"result": text}, {"response": {"body": chat}}):
        found = recordings(lines(tmp_path / "out.jsonl", {"prompt": "Wet?", **reply}))
        assert score(exam, found[0]).accuracy.interval.value == 1
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wet?"}]
    found = recordings(lines(tmp_path / "out.jsonl", {"prompt": conversation, "result": chat}))
    assert score(exam, found[0]).accuracy.interval.value == 1
    assert found[0].outputs[0].prompt_tokens == 3


def test_several_models_in_one_file_are_several_recordings(tmp_path: Path) -> None:
    rows = ({"model": m, "question": "Wet?", "response": "no"} for m in ("a", "b"))
    found = recordings(lines(tmp_path / "out.jsonl", *rows))
    assert [one.model for one in found] == ["a", "b"]


def test_answers_to_several_prompts_side_by_side_with_samples(tmp_path: Path) -> None:
    rows = [
        {"input": f"{n} + 2?", "target": n + 2, "id": n, "direct": {"generation": ["4"]},
         "reasoned": {"generation": ["so 3", "so 5"]}}
        for n in (1, 2)
    ]  # fmt: skip
    path = lines(tmp_path / "out.jsonl", *rows)
    exam = read(path)
    got = {r.model: [one.credit for one in score(exam, r).graded] for r in recordings(path)}
    assert got == {"direct": [0, 1], "reasoned": [0.5, 0]}


def test_a_stem_with_labelled_choices(tmp_path: Path) -> None:
    choices = [{"label": "1", "text": "red"}, {"label": "2", "text": "blue"}]
    row = {"id": "k", "question": {"stem": "Ink?", "choices": choices}, "answerKey": "2",
           "cot": {"generation": ["It is \\boxed{B}."]}}  # fmt: skip
    path = lines(tmp_path / "arc.jsonl", row)
    assert only(path) == Question("k", "Ink?", ("red", "blue"), ("B",))
    assert score(read(path), recordings(path)[0], rule="boxed").accuracy.interval.value == 1


def test_gzipped_and_utf_16_files_are_read(tmp_path: Path) -> None:
    row = json.dumps({"id": "1", "prompt": "Größe?", "answers": ["3"]})
    zipped = tmp_path / "exam.jsonl.gz"
    zipped.write_bytes(gzip.compress(row.encode()))
    assert only(zipped).text == "Größe?"
    wide = tmp_path / "exam.jsonl"
    wide.write_bytes(row.encode("utf-16"))
    assert only(wide).text == "Größe?"


def test_free_answers_are_compared_as_squads_own_program_does() -> None:
    # hand-worked from its rules: case, punctuation, articles; then words in common
    assert spans.exact_match("The Oakley's!", ["oakleys"]) == 1
    assert spans.exact_match("Oakley and", ["Oakley"]) == 0
    assert spans.f1("in 1932, the year", ["1932"]) == pytest.approx(2 * 1 / 4)
    assert spans.f1("to be to be", ["be be now"]) == pytest.approx(2 * 2 / 7)
    assert spans.f1("the", [""]) == 1
    assert spans.f1("x", [""]) == 0
    assert spans.f1("x y", ["y z", "x y z"]) == pytest.approx(4 / 5)


def test_an_exam_written_as_a_folder_is_read_back(tmp_path: Path) -> None:
    asked = [
        Question("x/forward", "Does a cause b?", (), ("yes",), "k", 0.5),
        Question("x/backward", "Does b cause a?", (), ("no",), "k", 0.5),
    ]
    exam = replace(assembled("claims", asked, "yes-no-anywhere"), licence="CC0", source="us")
    write(exam, tmp_path / "claims")
    again = read(tmp_path / "claims")
    assert again.questions == exam.questions
    assert again.contrasts == exam.contrasts
    assert (again.name, again.rule, again.licence, again.source) == (
        "claims", "yes-no-anywhere", "CC0", "us",
    )  # fmt: skip


def test_a_folder_of_files_is_one_exam_in_parts(tmp_path: Path) -> None:
    for name in ("left", "right"):
        task = {"examples": [{"input": f"{name} or not?", "target": "Yes"}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(task))
    assert [q.id for q in read(tmp_path).questions] == ["left:#1", "right:#1"]
    (tmp_path / "other.jsonl").write_text(json.dumps({"prompt": "1 + 1?", "answer": "2"}))
    with pytest.raises(UnusableExam, match="different rules"):
        read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableExam, match=r"neither items\.jsonl"):
        read(tmp_path / "empty")
