"""The reading task is fair: answers stand where it says, and nothing else gives them away."""

import hashlib
import json
import re

import pytest

from isoflop.worlds import Item, reading_exam, reading_prompt, reading_records

EXAM = list(reading_exam(7, 400))
RECORDS = list(reading_records(7, 300))


def test_the_same_seed_gives_the_same_records_everywhere() -> None:
    text = json.dumps(list(reading_records(3, 20)))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "09953266c23ec000"


def test_an_answer_stands_in_the_sentence_and_passage_that_the_item_names() -> None:
    facts = [item for item in EXAM if item.kind == "fact"]
    assert len(facts) > 300
    for item in facts:
        assert item.passage is not None
        assert item.sentence in item.passages[item.passage]
        assert f" {item.answers[0]}" in f" {item.sentence}"


def test_between_15_and_20_percent_of_the_questions_have_no_answer() -> None:
    answers = [s[0] for record in RECORDS for s in record["segments"] if s[1]]
    assert 0.15 < answers.count(" unknown\n") / len(answers) < 0.22


def test_a_question_about_an_absent_subject_never_finds_its_name() -> None:
    for item in EXAM:
        if item.kind == "absent":
            assert not re.search(rf"\b{re.escape(_subject(item))}\b", " ".join(item.passages))


def _subject(item: Item) -> str:
    """The capitalised words of a question, but for the first."""
    words = item.question.rstrip("?").split()[1:]
    return " ".join(word.removesuffix("'s") for word in words if word[0].isupper())


def test_no_word_of_the_tests_names_occurs_in_training() -> None:
    trained = set(re.findall(r"\w+", " ".join(s[0] for r in RECORDS for s in r["segments"])))  # type: ignore[misc]
    asked = {word for item in EXAM for word in _subject(item).split()}
    common = {"Works", "Mills", "Foundry", "Press", "Trading", "Motors", "Brewery", "Labs"}
    assert len(asked) > 300
    assert not (asked - common) & trained


def test_records_and_prompts_have_one_form() -> None:
    item = EXAM[0]
    assert reading_prompt(item.passages, item.question) == item.prompt
    form = re.compile(r"(\[\d\] [^\n]+\n)+Question: [^\n]+\?\nAnswer:")
    assert all(form.fullmatch(item.prompt) for item in EXAM)
    for record in RECORDS:
        texts = [s[0] for s in record["segments"]]
        assert form.fullmatch(str(texts[0]))
        assert all(re.fullmatch(r" [^\n]+\n", str(text)) for text in texts[1::2])
        assert [s[1] for s in record["segments"]] == [0, 1] * (len(texts) // 2)


def test_passages_are_put_on_one_line_each() -> None:
    prompt = reading_prompt(["one\ntwo", " three  four "], "Who?")
    assert prompt == "[1] one two\n[2] three four\nQuestion: Who?\nAnswer:"


def test_difficulty_zero_is_short_and_plain() -> None:
    texts = [
        "".join(str(s[0]) for s in r["segments"]) for r in reading_records(1, 100, difficulty=0)
    ]
    assert not any("[3]" in text for text in texts)
    assert not any(re.search(r"\b(She|He) ", text) for text in texts)


@pytest.mark.parametrize("kind", ["fact", "absent", "unsaid"])
def test_an_exam_has_questions_of_every_kind(kind: str) -> None:
    assert sum(item.kind == kind for item in EXAM) > 15
