"""Free questions written by a model, through the Protocol and through a real server."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from isoflop.cli import group
from isoflop.documents import Document
from isoflop.errors import BudgetReached, UnusableExam
from isoflop.lm.model import Generated, Message, OnText
from isoflop.measure.exams import formats
from isoflop.measure.making.free import checked, passages, write
from isoflop.measure.making.make import leaks
from isoflop.measure.making.sources import documents
from tests.lm.servers import Body, Handler, Server, TwoTokens
from tests.measure.making.test_make import ORRIN, VELMA

QUESTIONS = {
    "Velma": (
        ("Which engineer planned Velma's harbour?", "Ingrid Solberg"),
        ("What wrecked the former lighthouse of Velma?", "A storm"),
        ("How many barrels went to Ostrava in a summer?", "2,400"),
    ),
    "Orrin": (
        ("When was the bridge of Orrin completed?", "1788"),
        ("Who noted the wells of Orrin on a map?", "Maria Lindt"),
        ("Where did most weavers near Orrin come from?", "Picardy"),
    ),
}
BAD = (
    ("Who dug the harbour of Velma?", "Peter Falk", "an answer that is not in the passage"),
    ("Which engineer was Ingrid?", "Ingrid Solberg", "a word of the answer in the question"),
    ("When did he dig the harbour?", "1843", "a question that needs the passage"),
    ("What year does the passage name for the harbour?", "1843", "a question that needs"),
    ("Name the engineer of Velma's harbour.", "Ingrid Solberg", "no question"),
    ("Why Velma?", "1843", "no question"),
    ("Which composer from Leipzig conducted symphonies?", "Ingrid Solberg", "something else"),
    ("What was damaged in Velma at sea?", "2", "an answer that is not in the passage"),  # of 2,400
)


def said(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)


class Scripted:
    """Writes what it is given about the town that it reads of."""

    name = "script:towns"

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies, self.read = replies, list[str]()

    def generate(
        self,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> Generated:
        self.read.append(messages[0].content)
        town = next(town for town in self.replies if town in messages[0].content)
        return Generated(self.replies[town], 100, 0, 30, 0.5, "stop", self.name)


@pytest.fixture
def towns(tmp_path: Path) -> list[Document]:
    folder = tmp_path / "towns"
    folder.mkdir()
    (folder / "velma.md").write_text(VELMA)
    (folder / "orrin.md").write_text(ORRIN)
    return documents(folder)[0]


def test_questions_are_kept_with_the_sentence_that_answers_them(towns: list[Document]) -> None:
    model = Scripted({town: said(pairs) for town, pairs in QUESTIONS.items()})
    made = write(passages(towns), model, count=20)
    texts = {document.id: document.text for document in towns}
    assert {(item.statement, item.answers[0]) for item in made.items} == {
        pair for pairs in QUESTIONS.values() for pair in pairs
    }
    for item in made.items:
        source = item.source
        assert item.answers[0] in source.text
        assert texts[source.document][source.start :].startswith(source.quote)
    assert len({item.id for item in made.items}) == len(made.items)
    storm = next(item for item in made.items if item.answers[0] == "A storm")
    assert storm.answers == ("A storm", "storm")
    assert not made.refused
    assert (made.bill.prompt_tokens, made.bill.output_tokens) == (100 * made.asked, 30 * made.asked)


def test_the_overlap_of_free_questions_is_reported(towns: list[Document]) -> None:
    model = Scripted({town: said(pairs) for town, pairs in QUESTIONS.items()})
    (found,) = leaks(write(passages(towns), model, count=20).items)
    assert (found.form, found.questions, found.guessed) == ("free", 6, None)
    assert 0.2 < found.overlap < 0.9  # asked in other words; a gap has 1


@pytest.mark.parametrize(("question", "answer", "reason"), BAD)
def test_what_cannot_be_checked_is_not_asked(
    towns: list[Document], question: str, answer: str, reason: str
) -> None:
    passage = next(one for one in passages(towns) if one.document == "velma.md")
    found = checked(passage, question, answer)
    assert isinstance(found, str)
    assert reason in found


def test_nothing_is_asked_twice(towns: list[Document]) -> None:
    twice = (*QUESTIONS["Velma"], ("Which engineer had planned Velma's harbour?", "Ingrid Solberg"))
    model = Scripted({"Velma": said(twice), "Orrin": said(QUESTIONS["Orrin"])})
    made = write(passages(towns), model, count=20)
    assert len(made.items) == 6
    assert dict(made.refused) == {"a question that was asked already": 1}


@pytest.mark.parametrize(
    "form",
    ["**Question:** {q}\n**Answer:** {a}", "1. Question: {q}\n   Answer: {a}\n", "Q: {q}\nA: {a}"],
)
def test_the_usual_ways_of_writing_pairs_are_read(towns: list[Document], form: str) -> None:
    replies = {
        town: "\n\n".join(form.format(q=q, a=a) for q, a in pairs)
        for town, pairs in QUESTIONS.items()
    }
    assert len(write(passages(towns), Scripted(replies), count=20).items) == 6


def test_no_passage_is_read_once_there_are_enough(towns: list[Document]) -> None:
    model = Scripted({town: said(pairs) for town, pairs in QUESTIONS.items()})
    made = write(passages(towns), model, count=2)
    assert (len(made.items), made.asked, len(model.read)) == (2, 1, 1)


def test_a_model_that_writes_nothing_of_use_is_named_with_the_reasons(
    towns: list[Document],
) -> None:
    replies = {"Velma": "I cannot help.", "Orrin": said([("Who was he?", "Henry Pascoe")])}
    with pytest.raises(UnusableExam, match=r"script:towns .* 1 with no question with an answer"):
        write(passages(towns), Scripted(replies), count=5)


def chat(to: Handler, body: Body) -> None:
    """A chat server that asks about the town in the message; it does not stream."""
    asked = body["messages"][-1]["content"]
    town = next(town for town in QUESTIONS if town in asked)
    message = {"role": "assistant", "content": said(QUESTIONS[town])}
    usage = {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    to.say(200, {"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(TwoTokens("a b c")) as server:
        server.answer = chat
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_exam_written_by_a_served_model_can_be_read_and_quotes_its_evidence(
    towns: list[Document], tmp_path: Path, server: Server
) -> None:
    out, folder = tmp_path / "exam.jsonl", tmp_path / "towns"
    asked = ["exam", "make", str(folder), "--out", str(out), "--model", "openai:m", "--json"]
    run = CliRunner().invoke(group, [*asked, "--base-url", server.url], catch_exceptions=False)
    printed = json.loads(run.stdout)
    assert printed["questions"] == 6
    assert printed["leaks"][0]["form"] == "free"
    assert printed["bill"]["prompt_tokens"] == 200 * printed["passages"]
    assert "forecast, at most" in run.stderr
    exam = formats.read(out)
    assert {question.cluster for question in exam.questions} == {"velma.md", "orrin.md"}
    for line in map(json.loads, out.read_text("utf-8").splitlines()):
        evidence = line["evidence"]
        text = (folder / evidence["document"]).read_text("utf-8")
        assert text[evidence["start"] : evidence["stop"]] == evidence["quote"]
        assert line["answers"][0] in evidence["quote"]


def test_nothing_is_asked_beyond_the_budget(
    towns: list[Document], tmp_path: Path, server: Server
) -> None:
    out = tmp_path / "exam.jsonl"
    asked = ["exam", "make", str(tmp_path / "towns"), "--out", str(out), "--model", "openai:m"]
    run = CliRunner().invoke(group, [*asked, "--base-url", server.url, "--budget", "1"])
    assert isinstance(run.exception, BudgetReached)  # its price is not known
    assert not server.bodies
    assert not out.exists()
