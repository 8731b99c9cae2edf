"""Fine-tuning as a way of answering: learned once, paid once, within the budget."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from isoflop.augment.answerer import Speed, open_answerer
from isoflop.augment.answerers.continuing import Continuing
from isoflop.augment.answerers.quoting import Quoting
from isoflop.augment.method import CannotUse, Material, Row
from isoflop.augment.methods.finetuned import FineTuning, Lora, RetrievalFineTuning
from isoflop.augment.methods.learning import training_flops
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import BudgetReached, DamagedRun
from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.questions import Question
from isoflop.search.index import Index
from isoflop.train.ledger import Ledger
from isoflop.worlds import World
from isoflop.worlds.reading import UNKNOWN, reading_prompt

WORLD = World(3, people=2, towns=2, firms=2, gaps=0.0)
ROWS = tuple(WORLD.asked())[:12]
LEARNED = tuple(Question(f"q{n}", text, (), (fact.value,)) for n, (fact, text) in enumerate(ROWS))
PASSAGES = tuple(Passage(d.id, 0, len(d.text), d.text) for d in islice(WORLD.documents(), 2))
Call = Callable[[], tuple[Row, Bill]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for _, text in World(3, people=6).asked()]
    tokenizer = train_tokenizer([*texts, *(p.text for p in PASSAGES)], 400)
    model = Transformer(
        Configuration(
            vocabulary=tokenizer.vocabulary, width=32, layers=2, heads=2, kv_heads=2, hidden=64,
            context=128, query_key_norm=True,
        )
    )  # fmt: skip
    model.initialise(1)
    draw = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():  # as after a training: all of it says something
        if name.endswith(("embedding.weight", "out.weight", "down.weight")):
            torch.nn.init.normal_(weight, std=0.3, generator=draw)
    folder = tmp_path_factory.mktemp("base") / "model"
    checkpoint.save(model, tokenizer, folder)
    return folder


@pytest.fixture
def answerer(base: Path) -> Continuing:
    made = open_answerer(f"isoflop:{base}", most_tokens=12)
    assert isinstance(made, Continuing)
    return replace(made, speed=Speed(1e-4, 1e-3))


def material(folder: Path, index: Any = None, **options: Any) -> Material:
    return Material(
        index, PASSAGES, folder, made=lambda count: LEARNED[:count],
        options={"epochs": 4, "times": 5.0, **options},
    )  # fmt: skip


class Payments:
    """Pays once for a key, and remembers."""

    def __init__(self, seconds: float = float("inf")) -> None:
        self.rows: dict[str, Row] = {}
        self.bills: dict[str, Bill] = {}
        self.worst: dict[str, Bill] = {}
        self.left = seconds

    def __call__(self, key: str, worst: Bill, call: Call) -> Row:
        if key not in self.rows:
            if worst.seconds is not None and worst.seconds > self.left:
                raise BudgetReached("no time is left")
            self.worst[key], self.left = worst, self.left - (worst.seconds or 0.0)
            self.rows[key], self.bills[key] = call()
            self.left += worst.seconds or 0.0
        return self.rows[key]


def silent(stage: str, done: int, total: int) -> None:
    pass


def test_all_weights_learn_the_answers_and_are_asked_without_passages(
    answerer: Continuing, tmp_path: Path
) -> None:
    method = FineTuning(answerer, material(tmp_path, epochs=40))
    before = [answerer.answer(q.text, ()).text for q in LEARNED]
    method.prepare(Payments(), silent)
    answers = [method.answer(q) for q in LEARNED]
    right = [a.text == q.answers[0] for a, q in zip(answers, LEARNED, strict=True)]
    assert sum(right) >= 0.9 * len(right)
    assert [a.text for a in answers] != before
    assert all(not a.hits for a in answers)
    for q, a in zip(LEARNED, answers, strict=True):
        assert a.bill.prompt_tokens == answerer.prompt_tokens(q.text, ())
        assert a.bill.flops is not None
        assert a.bill.flops <= (method.worst(q).flops or 0)


@pytest.mark.parametrize("way", [Lora, FineTuning])
def test_the_flops_of_the_training_are_forecast_within_two_percent(
    answerer: Continuing, tmp_path: Path, way: type[FineTuning]
) -> None:
    method, pay = way(answerer, material(tmp_path, rank=4)), Payments()
    forecast = method.forecast(LEARNED).once
    torch.set_num_threads(2)
    settings = method.prepare(pay, silent)
    assert torch.get_num_threads() == 2  # the trial of a training chooses its own
    counted = pay.bills["tune"]
    assert counted.flops == pytest.approx(forecast.middle.flops, rel=0.02)
    assert counted.prompt_tokens == forecast.middle.prompt_tokens
    assert (counted.flops or 0) <= (pay.worst["tune"].flops or 0)
    assert counted.basis_of("flops") == "measured"
    per_rank = 2 * (4 * (32 + 32) + 3 * (32 + 64))  # two layers of four and three matrices
    parameters = answerer.model.parameters
    assert settings["trained"] == (4 * per_rank if way is Lora else parameters)


def test_what_was_interrupted_goes_on_and_nothing_is_paid_twice(
    answerer: Continuing, tmp_path: Path
) -> None:
    method, pay = Lora(answerer, material(tmp_path)), Payments()

    def stop(stage: str, done: int, total: int) -> None:
        if done == total // 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        method.prepare(pay, stop)
    again = Lora(answerer, material(tmp_path))
    steps: list[int] = []
    again.prepare(pay, lambda stage, done, total: steps.append(done))
    assert steps[0] == again.steps.steps // 2 + 1
    assert pay.bills["tune"].flops == pytest.approx(again.forecast(LEARNED).once.middle.flops, 0.02)
    answer = again.answer(LEARNED[0])
    third = Lora(answerer, material(tmp_path))
    third.prepare(pay, lambda stage, done, total: pytest.fail("it was trained again"))
    assert third.answer(LEARNED[0]).text == answer.text


def test_a_model_that_was_paid_for_and_is_gone_is_not_trained_again_unasked(
    answerer: Continuing, tmp_path: Path
) -> None:
    pay = Payments()
    pay.rows["tune"] = {"trained": 1}
    with pytest.raises(DamagedRun, match="is gone"):
        Lora(answerer, material(tmp_path)).prepare(pay, silent)


def test_a_budget_of_seconds_stops_it_in_time_and_more_of_it_goes_on(
    answerer: Continuing, tmp_path: Path
) -> None:
    # a thousandth of the time it takes: what is set aside has passed at the first step
    hurried = replace(answerer, speed=Speed(1e-9, 1e-9))
    method = Lora(hurried, material(tmp_path))
    aside = method.forecast(LEARNED).once.middle.seconds or 0.0
    with pytest.raises(BudgetReached):
        method.prepare(Payments(seconds=3 * aside), silent)
    lines = Ledger(tmp_path / "run").read()
    assert [line["step"] for line in lines if line["kind"] == "stop"] == [1]
    pay, steps = Payments(), list[int]()
    Lora(hurried, material(tmp_path)).prepare(pay, lambda stage, done, total: steps.append(done))
    assert steps[0] == 2
    assert "tune" in pay.bills


def test_questions_are_learned_exactly_as_they_are_asked(
    answerer: Continuing, tmp_path: Path
) -> None:
    unanswered = Question("none", "Who is the mayor of Nowhere?", (), ())
    asked = replace(material(tmp_path), tuning=(unanswered, LEARNED[0]))
    records = list(FineTuning(answerer, asked).exercises())
    texts = [record["text"] for record in records if "text" in record]
    assert [" ".join(text.split()) for text in texts if text in PASSAGES[0].text]
    prompts = {record["prompt"]: record["completion"] for record in records if "prompt" in record}
    assert prompts[reading_prompt((), LEARNED[0].text)] == f" {LEARNED[0].answers[0]}\n"
    assert prompts[reading_prompt((), unanswered.text)] == f" {UNKNOWN}\n"
    assert len(prompts) == len(LEARNED) + 1
    longest = max(len(answerer.model.encode(text)) for text in texts)
    assert longest < 128


def test_small_corpora_are_read_more_often_than_large_ones(
    answerer: Continuing, tmp_path: Path
) -> None:
    def epochs(times: int) -> float:
        many = tuple(
            replace(q, id=f"{n} {q.id}", text=f"{n} {q.text}")
            for n in range(times) for q in LEARNED
        )  # fmt: skip
        of = replace(material(tmp_path, epochs=None), made=lambda count: many)
        return FineTuning(answerer, of).steps.epochs

    assert epochs(1) > 2 * epochs(300) > 6


def test_what_cannot_be_tuned_is_left_out_with_the_reason(
    answerer: Continuing, tmp_path: Path
) -> None:
    with pytest.raises(CannotUse, match="language model"):
        FineTuning(Quoting(None), material(tmp_path))
    with pytest.raises(CannotUse, match="ranks of 1 to 32"):
        Lora(answerer, material(tmp_path, rank=33))


def test_retrieval_is_learned_from_passages_that_are_found(
    answerer: Continuing, tmp_path: Path
) -> None:
    (tmp_path / "documents").mkdir()
    for number, (_, sentence) in enumerate(islice(WORLD.statements(1), len(LEARNED))):
        (tmp_path / "documents" / f"{number}.txt").write_text(sentence)
    index = Index.open(tmp_path / "documents")
    index.update()
    held = replace(material(tmp_path, index, k=1), passages=tuple(index.passages()))
    method, pay = RetrievalFineTuning(answerer, held), Payments()
    forecast = method.forecast(LEARNED)
    method.prepare(pay, silent)
    assert pay.bills["tune"].flops == pytest.approx(
        (forecast.once.middle.flops or 0) - (method._searching().flops or 0), rel=0.05
    )
    assert (pay.bills["tune"].flops or 0) <= (pay.worst["tune"].flops or 0)
    assert (pay.bills["search"].flops or 0) > 0
    lines = (tmp_path / "learned.jsonl").read_text().splitlines()
    records = [json.loads(line)["prompt"] for line in lines]
    assert all(record.startswith("[1] ") for record in records)
    answer = method.answer(LEARNED[0])
    assert len(answer.hits) == 1


def test_no_more_is_counted_than_every_token_meeting_the_head(
    answerer: Continuing, tmp_path: Path
) -> None:
    steps = FineTuning(answerer, material(tmp_path)).steps
    few, all_of_them = (
        training_flops(answerer.model, steps, None, counted) for counted in (steps.counted, 1.0)
    )
    head = answerer.model.model.configuration.architecture.head_parameters
    assert few is not None
    assert all_of_them is not None
    assert all_of_them - few == pytest.approx(6 * head * steps.tokens * (1 - steps.counted))
