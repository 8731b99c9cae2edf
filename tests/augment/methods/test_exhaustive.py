"""Exhaustive reading: every passage alone, and the answer that gathers the most probability."""

import math
from pathlib import Path
from typing import Any

import pytest

from isoflop.augment.answerer import open_answerer
from isoflop.augment.answerers.continuing import Continuing
from isoflop.augment.method import CannotUse, Material
from isoflop.augment.methods.exhaustive import Exhaustive
from isoflop.bill import total
from isoflop.documents import Passage
from isoflop.questions import Hit, Question
from isoflop.search.encode import load
from tests.lm.models import own_model

SENTENCES = ("the cat sat on the mat.", "the dog ate the log.", "the log sat on the dog.") * 7
PASSAGES = tuple(Passage("a.md", 30 * n, 30 * n + len(t), t) for n, t in enumerate(SENTENCES))
ASKED = Question("q", "who sat on the mat?", (), ("the cat",))


def material(folder: Path, passages: tuple[Passage, ...] = PASSAGES) -> Material:
    return Material(None, passages, folder)  # type: ignore[arg-type]  # nothing is searched here


def reading(most: int = 3) -> Continuing:
    return Continuing(own_model(context=512), most_tokens=most)


def test_the_answer_has_the_most_probability_over_the_passages_that_gave_it(
    tmp_path: Path,
) -> None:
    answerer = reading()
    method = Exhaustive(answerer, material(tmp_path))
    mass: dict[str, float] = {}
    bills = []
    for passage in PASSAGES:  # one by one, not in batches
        [(answer, likely)] = answerer.answer_each(ASKED.text, [Hit(passage, 0.0, "bm25")], 1)
        bills.append(answer.bill)
        if not answer.abstained:
            key = " ".join(answer.text.casefold().split())
            mass[key] = mass.get(key, 0.0) + math.exp(likely)
    found = method.answer(ASKED)
    assert " ".join(found.text.casefold().split()) == max(mass, key=mass.__getitem__)
    assert len(found.hits) == len(PASSAGES)
    assert found.bill.prompt_tokens == total(bills).prompt_tokens
    assert found.bill.flops == pytest.approx(total(bills).flops)


def test_what_reading_everything_takes_is_forecast_from_the_tokens(tmp_path: Path) -> None:
    method = Exhaustive(reading(), material(tmp_path))
    forecast, bill = method.forecast([ASKED]), method.answer(ASKED).bill
    assert bill.prompt_tokens == forecast.each.middle.prompt_tokens
    assert (forecast.each.low.flops or math.inf) <= (bill.flops or 0)
    assert (bill.flops or 0) <= (method.worst(ASKED).flops or 0) * (1 + 1e-9)
    assert forecast.notes == (f"{len(PASSAGES)} passages are read for each question",)
    assert forecast.once.high.flops == 0


def test_passages_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    long = Passage("b.md", 0, 3000, "the cat sat. " * 230)
    small = Continuing(own_model(position="learned", context=128, kv_heads=4), most_tokens=3)
    method = Exhaustive(small, material(tmp_path, (PASSAGES[0], long, PASSAGES[1])))
    assert method.passages == [PASSAGES[0], PASSAGES[1]]
    for passages, says in (((long,), "no passage fits"), ((), "hold no passages")):
        with pytest.raises(CannotUse, match=says):
            Exhaustive(small, material(tmp_path, passages))


def test_quotes_come_from_the_passages_that_are_surest(tmp_path: Path) -> None:
    texts = [f"Building {n} was built of brick in {1800 + n} by local masons." for n in range(9)]
    texts[7] = "The harbour of Wexcombe was dredged in 1932 by the firm of Oakley."
    passages = tuple(Passage(f"{n}.md", 0, len(t), t) for n, t in enumerate(texts))
    quoting: Any = open_answerer("extractive", encoder=load("minilm"))
    method = Exhaustive(quoting, material(tmp_path, passages))
    question = Question("q", "When was the harbour of Wexcombe dredged?")
    answer = method.answer(question)
    assert answer.text == texts[7]
    hits = [Hit(passage, 0.0, "bm25") for passage in passages]
    parts = [quoting.answer(question.text, hits[at : at + 6]) for at in (0, 6)]
    assert answer.confidence == max(part.confidence for part in parts)
    assert answer.bill.flops == pytest.approx(sum(part.bill.flops for part in parts))
