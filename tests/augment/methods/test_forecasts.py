"""Where lengths are known, every method's forecast is its bill within 2 %."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.forecasts import known
from isoflop.augment.answerer import Speed
from isoflop.augment.answerers.local import tried
from isoflop.augment.method import METHODS, Material, Row
from isoflop.bill import Bill, total
from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.measure.comparison.ways import Way, ways_of
from isoflop.questions import Hit, Question
from isoflop.search.index import Index
from isoflop.worlds import World

WORLD = World(3, people=2, towns=2, firms=2, gaps=0.0)
ASKED = tuple(WORLD.questions(8, kinds=("fact", "unanswerable")))
LEARNED = [Question(f"l{n}", q, (), (f.value,)) for n, (f, q) in enumerate(WORLD.asked())][:6]
OPTIONS = {"epochs": 1.0, "k": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that says something, though it never learned to."""
    texts = [document.text for document in WORLD.documents()]
    tokenizer = train_tokenizer(texts, 400)
    model = Transformer(
        Configuration(
            vocabulary=tokenizer.vocabulary, width=32, layers=2, heads=2, kv_heads=2, hidden=64,
            context=768, query_key_norm=True,
        )
    )  # fmt: skip
    model.initialise(1)
    draw = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if name.endswith(("embedding.weight", "out.weight", "down.weight")):
            torch.nn.init.normal_(weight, std=0.3, generator=draw)
    folder = tmp_path_factory.mktemp("base") / "model"
    checkpoint.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def ways(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Way]:
    """Every method with the small model, and those that go with none."""
    folder = tmp_path_factory.mktemp("compared")
    for document in WORLD.documents():
        path = folder / "documents" / document.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text)
    index = Index.open(folder / "documents", into=folder / "index")
    index.update()
    material = Material(
        index, tuple(index.passages()), folder, made=lambda count: LEARNED[:count], options=OPTIONS
    )
    made, left = ways_of(["extractive", f"isoflop:{base}"], [], material)
    assert {each.reason for each in left} == {"needs a language model"}
    return {f"{way.method}, {way.model.partition(':')[0]}": way for way in made}


NAMES = [
    "retrieval, extractive",
    "exhaustive, extractive",
    *(f"{name}, isoflop" for name in METHODS),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_of_known_lengths_is_the_bill_within_two_percent(
    ways: dict[str, Way], name: str
) -> None:
    torch.set_num_threads(1)
    way, paid = ways[name], list[Bill]()
    once = way.does.forecast(ASKED).once.middle

    def pay(key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        row, bill = call()
        paid.append(bill)
        return row

    way.does.prepare(pay, lambda *_: None)
    bills = [way.does.answer(question).bill for question in ASKED]
    mean = total(bills) * (1 / len(bills))
    assert (mean.flops or 0) > 0
    assert known(way, ASKED, bills).flops == pytest.approx(mean.flops, rel=0.02)
    # what is read or learned once is known beforehand; passages to learn from are found by words
    apart = 0.1 if name.startswith("retrieval-fine-tuning") else 0.02
    assert total(paid).flops == pytest.approx(once.flops, rel=apart)


def test_a_trial_tells_how_much_is_written_with_and_without_a_passage(
    ways: dict[str, Way],
) -> None:
    way = ways["retrieval, isoflop"]
    does: Any = way.does
    hits = [Hit(does.material.passages[0], 0.0, "bm25")]
    some = [question for question in ASKED if question.answers][:5]
    answerer = replace(does.answerer, tokens_alone=None, tokens_found=None)
    guess = answerer.answer_tokens(some[0])
    found = tried(answerer, ASKED, lambda question: hits)
    alone, behind = (
        sum(answerer.answer(q.text, shown).bill.output_tokens or 0 for q in some) / len(some)
        for shown in ((), hits)
    )
    assert found.answer_tokens(some[0], alone=True) == alone != guess
    assert found.answer_tokens(some[0]) == behind != guess
    slow = replace(answerer, speed=Speed(1.0, 1.0))
    assert tried(slow, ASKED, lambda question: hits) == slow


def test_the_range_of_a_forecast_holds_every_number_of_passages_that_may_be_chosen(
    tmp_path: Path, documents: Path
) -> None:
    index = Index.open(documents)
    index.update()
    asked = [Question(str(n), f"What is told in part {n}?", (), ("x",)) for n in range(4)]

    def forecast(**options: int) -> tuple[float, float, float]:
        passages = tuple(index.passages())
        material = Material(index, passages, tmp_path, tuning=tuple(asked), options=options)
        (way,), _ = ways_of(["extractive"], ["retrieval"], material)
        each = way.does.forecast(asked).each
        return each.low.flops or 0, each.middle.flops or 0, each.high.flops or 0

    low, _, high = forecast()
    for k in (1, 3, 5, 8):
        assert low <= forecast(k=k)[1] <= high
    fixed = forecast(k=5)
    assert fixed[0] > low
