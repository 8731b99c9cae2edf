"""What cannot give a number to be trusted is refused, and why is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import UnusableExam, UsageError
from isoflop.measure.exams.formats import read
from isoflop.measure.exams.library import open_exam
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import score

ITEM = {"id": "1", "prompt": "Wet?", "answers": ["yes"]}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def lines(*rows: dict[str, Any], name: str = "exam.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return lines


def test_an_exam_without_answers(write: Write) -> None:
    with pytest.raises(UnusableExam, match=r"1 of 2 questions have no accepted answer.*'2'"):
        read(write(ITEM, {"id": "2", "prompt": "Dry?"}))
    assert len(read(write(ITEM, {"id": "2", "prompt": "Dry?"}), as_published=True).questions) == 1


def test_duplicated_ids(write: Write) -> None:
    rows = [ITEM, {**ITEM, "prompt": "Dry?"}, {**ITEM, "prompt": "Hot?"}]
    with pytest.raises(UnusableExam, match=r"1 ids are given to more than one question.*'1'"):
        read(write(*rows))
    numbered = read(write(*rows), as_published=True)
    assert [q.id for q in numbered.questions] == ["1", "1/2", "1/3"]


def test_contradictory_keys(write: Write) -> None:
    rows = [ITEM, {**ITEM, "id": "2", "answers": ["no"]}]
    with pytest.raises(UnusableExam, match=r"'1' and '2' ask the same.*\(yes and no\)"):
        read(write(*rows))
    assert len(read(write(*rows), as_published=True).questions) == 2


def test_two_spans_that_answer_one_question_do_not_contradict(write: Write) -> None:
    asked = {"prompt": "Who built it?", "answers": ["Oakley"]}
    rows = [{**asked, "id": "1"}, {**asked, "id": "2", "answers": ["the firm of Oakley"]}]
    assert len(read(write(*rows)).questions) == 2


def test_a_key_that_is_no_choice(write: Write) -> None:
    with pytest.raises(UnusableExam, match="the answer 'D' is none of its 2 choices"):
        read(write({**ITEM, "choices": ["a", "b"], "answers": ["D"]}))


def test_outputs_of_other_questions(write: Write) -> None:
    exam = read(write(ITEM))
    other = Recording("m", (Output("Wet?", "yes"), Output("Is it cold there?", "yes")))
    with pytest.raises(UnusableExam, match=r"1 of 2 recorded prompts match[\s\S]*cold there"):
        score(exam, other)
    assert score(exam, other, partial=True).joined.unmatched == 1


def test_outputs_whose_ids_name_other_questions(write: Write) -> None:
    exam = read(write(ITEM, {**ITEM, "id": "2", "prompt": "Dry?"}))
    moved = Recording("m", (Output("Wet?", "yes", "2"), Output("Dry?", "yes", "1")))
    with pytest.raises(UnusableExam, match=r"0 of 2 recorded prompts match.*2 occur there under"):
        score(exam, moved)
    assert score(exam, moved, any_id=True).accuracy.interval.value == 1


def test_outputs_without_prompts_are_not_joined_by_row(write: Write) -> None:
    with pytest.raises(UnusableExam, match="not joined by row"):
        score(read(write(ITEM)), Recording("m", (Output(None, "yes"),)))


def test_a_file_in_several_encodings(tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    first = json.dumps(ITEM).encode()
    path.write_bytes(first + b'\n{"id": "2", "prompt": "Gr\xf6\xdfe?", "answers": ["3"]}\n')
    with pytest.raises(UnusableExam, match="line 2: byte 0xf6 is not utf-8"):
        read(path)


def test_truncated_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    whole = json.dumps(ITEM)
    path.write_text(f"{whole}\n{whole[:20]}")
    with pytest.raises(UnusableExam, match="breaks off in line 2, its last"):
        read(path)
    path.write_text(f"{whole}\n{whole[:20]}\n{whole}\n")
    with pytest.raises(UnusableExam, match="line 2, is not JSON"):
        read(path)
    path.write_text(whole[:20])
    with pytest.raises(UnusableExam, match="breaks off"):
        read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"[]", "is an empty list"),
        (b"[1, 2]", "entry 1 is int"),
        (b"just a text", "neither JSON"),
        (b"id,prompt\n1,a,b\n", "row 2: 3 cells under 2 column names"),
        (b"\x00\xff\x00\x01", "is not utf-8"),
        (b'{"x": 1}', "no exam is recognised in fields x"),
    ],
)
def test_files_that_are_no_exam(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "exam"
    path.write_bytes(content)
    with pytest.raises(UnusableExam, match=said):
        read(path)


def test_files_that_are_no_recording(write: Write) -> None:
    with pytest.raises(UnusableExam, match="no recorded answers are recognised in fields id"):
        recordings(write(ITEM))
    with pytest.raises(UnusableExam, match="There is no file"):
        recordings(Path("absent.jsonl"))


def test_an_exam_that_does_not_exist_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="Did you mean causality"):
        open_exam("causalty")


def test_a_rule_or_a_policy_that_does_not_fit(write: Write) -> None:
    exam = read(write({"prompt": "Capital?", "answers": ["Wexcombe"]}))
    said = Recording("m", (Output("Capital?", None),))
    with pytest.raises(UsageError, match="Did you mean letter"):
        score(exam, said, rule="leter")
    with pytest.raises(UsageError, match="asks none so"):
        score(exam, said, rule="pair-contrast")
    with pytest.raises(UsageError, match="policy 'no' is for yes/no"):
        score(exam, said, policy="no")
    with pytest.raises(UsageError, match="policy 'chance' is for questions with choices"):
        score(exam, said, policy="chance")
    with pytest.raises(UsageError, match="credit of 2"):
        score(exam, said, policy=2.0)
    with pytest.raises(UnusableExam, match="finds no answer in any output"):
        score(exam, said, policy="omit")


def test_likelihoods_that_were_not_recorded(write: Write) -> None:
    exam = read(write({"prompt": "Which?", "choices": ["a", "b"], "answers": ["A"]}))
    with pytest.raises(UnusableExam, match="2 choices and 0 recorded log-likelihoods"):
        score(exam, Recording("m", (Output("Which?", "A"),)), rule="sum")
    with pytest.raises(UnusableExam, match="without its question"):
        score(exam, Recording("m", (Output("Which?", None, likelihoods=(-1.0, -2.0)),)), rule="pmi")
