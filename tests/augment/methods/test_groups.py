"""Corpora that are read once in groups, or as one beginning, and asked about many times."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from isoflop.augment.answerer import open_answerer
from isoflop.augment.answerers.continuing import Continuing
from isoflop.augment.answerers.instructed import AFTER, Instructed
from isoflop.augment.answerers.local import flops_of
from isoflop.augment.method import CannotUse, Material, Row
from isoflop.augment.methods.groups import (
    ASKED_TOKENS,
    Groups,
    ParallelWindows,
    StructuredPrompting,
)
from isoflop.augment.methods.long_context import LongContext
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.lm.model import Message
from isoflop.lm.tokenizer import END, train_tokenizer
from isoflop.questions import Question
from tests.lm.models import SIZES, TEXT, TOKENIZER, own_model, randomised

SENTENCES = ("the cat sat on the mat.", "the dog ate the log.", "the log sat on the dog.") * 4
PASSAGES = tuple(Passage("a.md", 30 * n, 30 * n + len(t), t) for n, t in enumerate(SENTENCES))
ASKED = Question("q", "who sat on the mat?", (), ("the cat",))
SCHEMES = [StructuredPrompting, ParallelWindows]
Call = Callable[[], tuple[Row, Bill]]


@cache
def folder(*, chat: bool) -> Path:
    """A tiny Llama of random weights, with a chat template or without."""
    tokenizer = TOKENIZER if chat else train_tokenizer([TEXT * 20], 300, special=(END,))
    config: Any = transformers.LlamaConfig
    sizes = {**SIZES, "vocab_size": tokenizer.vocabulary, "max_position_embeddings": 900}
    model: Any = transformers.AutoModelForCausalLM
    made = Path(tempfile.mkdtemp(prefix="isoflop-test-"))
    randomised(model.from_config(config(**sizes, num_key_value_heads=2))).save_pretrained(made)
    tokenizer.save(made)
    return made


def answerer(kind: str) -> Any:
    """By its kind: "base" and "chat" of transformers, "own" of ours."""
    if kind == "own":
        return Continuing(own_model(context=512), most_tokens=8)
    return open_answerer(f"hf:{folder(chat=kind == 'chat')}", most_tokens=8)


def material(into: Path, passages: tuple[Passage, ...] = PASSAGES) -> Material:
    return Material(None, passages, into)  # type: ignore[arg-type]  # nothing is searched here


class Payments:
    """Pays once for a key, and remembers."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.bills: list[Bill] = []
        self.worst: list[Bill] = []

    def __call__(self, key: str, worst: Bill, call: Call) -> Row:
        if key not in self.rows:
            self.rows[key], bill = call()
            self.bills.append(bill)
            self.worst.append(worst)
        return self.rows[key]


def silent(stage: str, done: int, total: int) -> None:
    pass


@pytest.mark.parametrize("kind", ["own", "base", "chat"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_reading_and_asking_take_is_forecast_from_the_tokens(
    scheme: type[Groups], kind: str, tmp_path: Path
) -> None:
    method, pay = scheme(answerer(kind), material(tmp_path)), Payments()
    forecast = method.forecast([ASKED])
    method.prepare(pay, silent)
    [read] = pay.bills
    assert read.prompt_tokens == method.tokens == forecast.once.middle.prompt_tokens
    assert read.flops == pytest.approx(forecast.once.middle.flops)
    assert (read.flops or 0) <= (pay.worst[0].flops or 0)
    answer = method.answer(ASKED)
    prompt, cached = answer.bill.prompt_tokens or 0, answer.bill.cached_tokens or 0
    assert cached == method.kept
    assert prompt == method.worst(ASKED).prompt_tokens
    written = answer.bill.output_tokens or 0
    assert answer.bill.flops == flops_of(method.answerer.model, prompt, written, cached)
    assert (answer.bill.flops or 0) <= (method.worst(ASKED).flops or 0)


@pytest.mark.parametrize("kind", ["own", "base", "chat"])
def test_every_passage_is_in_a_group_and_every_group_leaves_room_to_ask(
    kind: str, tmp_path: Path
) -> None:
    method = StructuredPrompting(answerer(kind), material(tmp_path, PASSAGES * 12))
    model, holds = method.answerer.model, method.answerer.context_tokens or 0
    assert len(method.texts) > 1
    text = "".join(model.decode(ids) for ids in method.texts)
    assert [line[4:] for line in text.split("\n\n") if line] == [p.text for p in PASSAGES * 12]
    asked = len(model.encode_messages([Message("user", ASKED.text)]))
    assert asked < ASKED_TOKENS
    room = holds - max(map(len, method.texts)) - method.answerer.most_tokens
    assert room > method.answerer.prompt_tokens(ASKED.text, ())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_chat_model_is_asked_in_its_template_after_the_groups(
    scheme: type[Groups], tmp_path: Path
) -> None:
    method = scheme(answerer("chat"), material(tmp_path))
    assert isinstance(method.answerer, Instructed)
    method.prepare(Payments(), silent)
    asked = method.answerer.prompt_tokens(ASKED.text, ())
    turns = [Message("system", AFTER), Message("user", ASKED.text)]
    assert asked == len(method.answerer.model.encode_messages(turns))
    bill = method.answer(ASKED).bill
    assert (bill.prompt_tokens or 0) - (bill.cached_tokens or 0) == asked


def test_what_a_chat_model_copies_after_groups_is_cited(tmp_path: Path) -> None:
    chat = replace(answerer("chat"), shown=PASSAGES)

    class Saying:
        """The same model, once it has decided what to say."""

        def __init__(self, text: str) -> None:
            self.text = text

        def __getattr__(self, name: str) -> Any:
            return getattr(chat.model, name)

        def generate(self, messages: Any, *, most_tokens: int) -> Any:
            return replace(chat.model.generate(messages, most_tokens=1), text=self.text)

    found = chat.over(Saying("on the mat")).answer("who sat?", ())
    assert [c.quote for c in found.citations] == ["the cat sat on the mat."]
    for silence in ("", "<think>so</think>", "The documents do not answer this."):
        none = chat.over(Saying(silence)).answer("who sat?", ())
        assert none.abstained
        assert none.citations == ()


def test_a_second_call_takes_the_groups_from_disk(tmp_path: Path) -> None:
    pay = Payments()
    first = StructuredPrompting(answerer("own"), material(tmp_path))
    first.prepare(pay, silent)
    second = StructuredPrompting(answerer("own"), material(tmp_path))
    second.prepare(pay, silent)
    assert len(pay.bills) == 1
    assert all(group.stored for group in second._after.groups)
    assert second.answer(ASKED).text == first.answer(ASKED).text


@pytest.mark.parametrize("kind", ["own", "base"])
def test_long_context_is_read_once_and_says_the_same_as_when_it_is_sent(
    kind: str, tmp_path: Path
) -> None:
    asked = answerer(kind)
    method = LongContext(asked, material(tmp_path))
    method.prepare(Payments(), silent)
    answer = method.answer(ASKED)
    texts = "".join(f"[{n % 5 + 1}] {p.text}\n" for n, p in enumerate(PASSAGES))
    alone = f"Question: {ASKED.text}\nAnswer:"
    assert asked.prompt(ASKED.text, ()).strip() == alone
    sent = asked.model.generate(
        [Message("user", texts + asked.prompt(ASKED.text, ()))], most_tokens=8, stop=["\n"]
    )
    assert answer.text == sent.text.strip() or answer.abstained
    assert answer.bill.prompt_tokens == pytest.approx(sent.prompt_tokens, abs=1)


def test_long_context_holds_the_longest_beginning_that_fits(tmp_path: Path) -> None:
    asked = answerer("own")
    method = LongContext(asked, material(tmp_path, PASSAGES * 6))
    shown = len(method.shown)
    assert 0 < shown < len(PASSAGES * 6)
    assert method.shown == (PASSAGES * 6)[:shown]
    assert method.forecast([ASKED]).notes == (f"{shown} of {len(PASSAGES * 6)} passages fit",)
    room = 512 - ASKED_TOKENS - asked.most_tokens - 1
    lengths = [len(asked.model.encode(f"[{n % 5 + 1}] {p.text}\n"))
               for n, p in enumerate(PASSAGES * 6)]  # fmt: skip
    assert sum(lengths[:shown]) <= room < sum(lengths[: shown + 1])


def test_a_chat_model_is_sent_the_long_context_with_each_question(tmp_path: Path) -> None:
    asked = answerer("chat")
    method = LongContext(asked, material(tmp_path, PASSAGES[:1]))
    assert method.prepare(Payments(), silent) == {"passages": 1}
    assert method.worst(ASKED).prompt_tokens == asked.prompt_tokens(ASKED.text, PASSAGES[:1])


@pytest.mark.parametrize("way", [*SCHEMES, LongContext])
def test_what_cannot_be_read_is_left_out_with_the_reason(way: Any, tmp_path: Path) -> None:
    small = Continuing(own_model(position="learned", context=64, kv_heads=4), most_tokens=8)
    with pytest.raises(CannotUse, match=r"too few for a group|not even the first passage"):
        way(small, material(tmp_path))
    with pytest.raises(CannotUse, match="needs a language model"):
        way(open_answerer("extractive"), material(tmp_path))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_few_questions_after_groups_show_how_much_is_written(tmp_path: Path) -> None:
    asked = (ASKED, replace(ASKED, id="other", text="Who sat on the mat, and when?"))
    method, pay = ParallelWindows(answerer("own"), material(tmp_path)), Payments()
    method.material = replace(method.material, tuning=asked)
    before = method.forecast([ASKED])
    method.prepare(pay, silent)
    _, *answered = pay.bills
    written = sum(bill.output_tokens or 0 for bill in answered) / len(asked)
    assert method.forecast([ASKED]).each.middle.output_tokens == written
    assert before.each.middle.output_tokens != written
    assert len(answered) == len(asked)
    each, plain = (before.each.middle.flops or 0, replace(method.material, tuning=()))
    method.material = plain
    reading = method.forecast([ASKED]).once.middle.flops or 0
    assert before.once.middle.flops == pytest.approx(reading + len(asked) * each)
