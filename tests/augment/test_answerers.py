"""Models of every kind as answerers: their prompts, citations and bills."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from torch.utils.flop_counter import FlopCounterMode

from isoflop.augment.answerer import Answerer, open_answerer
from isoflop.augment.answerers.continuing import Continuing, plain, quoted
from isoflop.augment.answerers.instructed import Instructed, Served
from isoflop.augment.answerers.local import architecture_of, flops_of, trial
from isoflop.augment.citations import NOT_ANSWERED
from isoflop.documents import Passage
from isoflop.errors import UsageError
from isoflop.lm.model import Generated, Message
from isoflop.lm.structured import read_groups
from isoflop.plan.flops import answering_flops
from isoflop.questions import Hit, Question
from isoflop.worlds import reading_prompt
from tests.lm.models import hugging_face_model, own_model

TOWN = "# The harbour\n\nThe harbour was dredged in 1932. Three ferries use it."
PASSAGE = Passage("harbour.md", 100, 100 + len(TOWN), TOWN)
CAT = Passage("cat.md", 0, 24, "the cat sat on the mat. ")


def hits(*passages: Passage) -> list[Hit]:
    return [Hit(passage, 1.0, "bm25") for passage in passages]


def test_the_sentence_in_which_an_answer_stands_is_its_citation() -> None:
    found = quoted("1932", PASSAGE)
    assert found is not None
    assert found.quote == "The harbour was dredged in 1932."
    assert TOWN[found.start - 100 : found.stop - 100] == found.quote


@pytest.mark.parametrize("said", ["193", "1932 1933", "harbours", "(1932", "ferries use us"])
def test_what_does_not_stand_there_word_for_word_is_not_cited(said: str) -> None:
    assert quoted(said, PASSAGE) is None


def test_headings_are_left_out_unless_there_is_nothing_else() -> None:
    assert plain(PASSAGE) == "The harbour was dredged in 1932. Three ferries use it."
    alone = replace(PASSAGE, text="# The harbour\n")
    assert plain(alone) == "# The harbour\n"


def test_a_continuing_model_is_asked_in_the_form_of_the_reading_task() -> None:
    model = Continuing(own_model())
    prompt = model.prompt("who sat?", [CAT])
    assert prompt == reading_prompt(["the cat sat on the mat."], "who sat?")
    turns = [Message("user", prompt)]
    assert model.prompt_tokens("who sat?", [CAT]) == len(model.model.encode_messages(turns))


def test_a_bill_has_the_tokens_that_were_read_and_written() -> None:
    model = Continuing(own_model(context=512), most_tokens=5)
    answer = model.answer("who sat?", hits(CAT))
    assert answer.bill.prompt_tokens == model.prompt_tokens("who sat?", [CAT])
    assert 1 <= (answer.bill.output_tokens or 0) <= 5
    assert answer.bill.basis_of("seconds") == "measured"
    forecast = model.cost(answer.bill.prompt_tokens or 0, answer.bill.output_tokens or 0)
    assert forecast.flops == pytest.approx(answer.bill.flops)


@pytest.mark.parametrize("written", [1, 6])
@pytest.mark.parametrize("kind", ["own", "llama"])
def test_counted_flops_are_those_of_the_products_that_run(kind: str, written: int) -> None:
    # norms and softmax are not in either; torch counts attention of a prompt in full, not causal
    model = own_model(context=512) if kind == "own" else hugging_face_model("llama")
    answerer = Continuing(model, most_tokens=written)
    with FlopCounterMode(display=False) as counter:
        answer = answerer.answer("who sat on the mat?", hits(CAT))
    bill = answer.bill
    counted = flops_of(model, bill.prompt_tokens or 0, bill.output_tokens or 0, 0)
    assert counted == bill.flops
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.12)


@pytest.mark.parametrize(("prompt", "written", "cached"), [(40, 6, 0), (40, 1, 30), (7, 0, 0)])
def test_flops_of_a_served_model_are_those_of_the_same_model_here(
    prompt: int, written: int, cached: int
) -> None:
    model = own_model(context=512)
    shape = architecture_of(model)
    assert shape is not None
    here = flops_of(model, prompt, written, cached)
    assert answering_flops(shape, prompt, written, cached) == here


def test_after_groups_the_groups_are_cached_tokens_and_attended_to() -> None:
    model = own_model(context=512)
    texts = ["the cat sat on the mat. ", "the dog ate the log. "]
    after = Continuing(model, most_tokens=3).over(read_groups(model, texts))
    after = replace(after, shown=(CAT,))
    bill = after.answer("who sat?", ()).bill
    alone = Continuing(model, most_tokens=3).answer("who sat?", ()).bill
    kept = bill.cached_tokens or 0
    assert kept == sum(len(model.encode(text)) + 1 for text in texts)
    assert bill.flops == flops_of(model, bill.prompt_tokens or 0, bill.output_tokens or 0, kept)
    assert (bill.flops or 0) > (alone.flops or 0)


def test_every_passage_is_asked_alone_as_it_would_be_by_itself() -> None:
    model = Continuing(own_model(context=512), most_tokens=4)
    together = model.answer_each("who sat?", hits(CAT, PASSAGE, CAT), 2)
    for (answer, log_probability), passage in zip(together, (CAT, PASSAGE, CAT), strict=True):
        assert answer.text == model.answer("who sat?", hits(passage)).text
        assert log_probability <= 0


def test_a_model_with_a_chat_template_is_instructed() -> None:
    model = own_model(context=2048)
    answerer = Instructed(model, most_tokens=6)
    answer = answerer.answer("Who sat?", hits(CAT))
    assert answer.bill.prompt_tokens == answerer.prompt_tokens("Who sat?", [CAT])
    assert (answer.bill.flops or 0) > 0


class Scripted:
    """A served model that says what it was told to."""

    name = "openai:scripted"
    base_url = "http://127.0.0.1:1"

    def __init__(self, text: str) -> None:
        self.text = text

    def generate(self, messages: Sequence[object], *, most_tokens: int, **_: object) -> object:
        return Generated(self.text, 100, 40, 7, 0.5, "stop", "scripted")


def served(text: str) -> Answerer:
    return Served(Scripted(text), {"prompt": 1e-6, "cached": 1e-7, "output": 4e-6})


def test_a_served_model_is_paid_by_the_token_and_its_flops_are_unknown() -> None:
    answer = served('The harbour was dredged in 1932 [1: "dredged in 1932"].').answer(
        "When was the harbour dredged?", hits(PASSAGE)
    )
    assert answer.citations[0].supported
    assert answer.bill.dollars == pytest.approx(60e-6 + 4e-6 + 28e-6)
    assert answer.bill.flops is None
    assert answer.bill.joules is None


def test_a_served_model_may_say_that_it_does_not_know() -> None:
    answer = served(NOT_ANSWERED).answer("When?", ())
    assert answer.abstained
    assert answer.citations == ()


def test_what_needs_the_model_here_is_refused_at_a_server() -> None:
    with pytest.raises(UsageError, match="runs on a server"):
        served("yes").over(object())


def test_an_unknown_model_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean extractive"):
        open_answerer("extractve")


def test_answer_lengths_are_forecast_from_accepted_answers() -> None:
    model = Continuing(own_model())
    question = Question("1", "who sat?", answers=("the cat",))
    assert model.answer_tokens(question) == len(model.model.encode(" the cat\n"))


def test_a_trial_gives_seconds_that_grow_with_tokens() -> None:
    speed = trial(own_model(context=512), tokens=64)
    assert speed.seconds(0, 0) > 0
    assert speed.seconds(1000, 0) >= speed.seconds(10, 0)
    assert speed.seconds(10, 100) >= speed.seconds(10, 1)
