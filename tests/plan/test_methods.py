"""Methods: counts by hand, what is kept and read again, who overtakes whom, what does not fit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.plan.copies import CannotHold
from isoflop.plan.flops import attention_flops, forward_flops, matmul_parameters
from isoflop.plan.methods import (
    METHODS,
    Costs,
    agent,
    break_even,
    busy_share,
    closed_book,
    estimate,
    full_finetuning,
    groups,
    long_context,
    long_context_cached,
    lora,
    retrieval,
)
from isoflop.workload import Workload

LLAMA = catalog.architecture("llama-3.1-8b")
W = Workload(LLAMA, catalog.machine("1xh100-sxm"), 1e5)


def decoded(context: float) -> float:
    """FLOPs of one token written after so many, every one of which is attended to."""
    return 2 * matmul_parameters(LLAMA) + attention_flops(LLAMA, LLAMA.layers * context)


def test_a_closed_book_answer_is_one_reading_and_its_writing() -> None:
    each = closed_book(W).each
    # 130 tokens asked, 200 written after about 230
    by_hand = forward_flops(LLAMA, [130]) + 200 * decoded(230)
    assert each.flops == pytest.approx(by_hand, rel=0.01)
    assert (each.prompt_tokens, each.output_tokens) == (130, 200)
    assert closed_book(W).once == Bill()


def test_a_long_context_is_read_again_for_every_question() -> None:
    each = long_context(W).each
    by_hand = forward_flops(LLAMA, [100_130]) + 200 * decoded(100_230)
    assert each.flops == pytest.approx(by_hand, rel=0.01)


def test_a_cached_prefix_is_paid_once() -> None:
    cached, anew = long_context_cached(W), long_context(W)
    assert cached.once.flops == pytest.approx(forward_flops(LLAMA, [1e5]))
    assert cached.each.cached_tokens == 1e5
    both = (cached.once + cached.each).flops
    assert both == pytest.approx(anew.each.flops, rel=1e-6)
    assert long_context_cached(replace(W, cache_hits=0)).each.seconds == pytest.approx(
        anew.each.seconds
    )


def test_groups_of_a_short_corpus_are_a_long_context() -> None:
    assert groups(W) == long_context_cached(W)


def test_groups_are_read_apart_so_reading_grows_with_the_corpus_and_not_its_square() -> None:
    short = replace(LLAMA, context=8192)
    one, two = (groups(replace(W, architecture=short, corpus_tokens=n)) for n in (1e5, 2e5))
    size = 8192 - 130 - 200
    by_hand = 12 * forward_flops(LLAMA, [size]) + forward_flops(LLAMA, [1e5 - 12 * size])
    assert one.once.flops == pytest.approx(by_hand)
    assert two.once.flops == pytest.approx(2 * by_hand, rel=0.01)
    # a question sees all groups in every layer, whatever the context of one
    assert one.each.flops == groups(W).each.flops


def test_retrieval_reads_its_passages_and_embeds_the_corpus_once() -> None:
    costs = retrieval(W)
    assert costs.each.prompt_tokens == 130 + 5 * 230
    minilm = catalog.architecture("minilm")
    assert costs.once.flops == pytest.approx(1e5 / 230 * forward_flops(minilm, [230]))
    few = retrieval(replace(W, corpus_tokens=500))
    assert few.each.prompt_tokens == 130 + 500  # never more than there is


def test_frozen_weights_need_no_gradient() -> None:
    costs = lora(W)
    # llama-3.1-8b multiplies 7.50e9 entries a token; 4 FLOPs each rather than 6, 3 epochs
    low = 3e5 * 4 * 7.504e9
    assert low < (costs.once.flops or 0) < 1.15 * low
    big = replace(W, machine=catalog.machine("8xh100-sxm"))
    ratio = (full_finetuning(big).once.flops or 0) / (lora(big).once.flops or 1)
    assert ratio == pytest.approx(1.5, abs=0.06)
    assert lora(W).each == closed_book(W).each


def test_an_agent_reads_again_what_it_has_read_unless_it_is_kept() -> None:
    # contexts: 130; + 100 written + 1,150 found; three times
    contexts = [130, 1380, 2630, 3880]
    anew, kept = agent(replace(W, cache_hits=0)).each, agent(W).each
    assert anew.prompt_tokens == sum(contexts)
    assert anew.output_tokens == 3 * 100 + 200
    assert anew.cached_tokens == 0
    # all but the passages just found: what was asked, written and found before
    assert kept.cached_tokens == sum(context - 1150 for context in contexts[1:])
    assert (kept.flops or 0) < (anew.flops or 0)
    half = agent(replace(W, cache_hits=0.5)).each
    assert half.flops == pytest.approx(((kept.flops or 0) + (anew.flops or 0)) / 2)


@pytest.mark.parametrize(
    ("method", "workload", "message"),
    [
        (long_context, replace(W, corpus_tokens=5e6), "the model holds 131,072"),
        (long_context_cached, replace(W, corpus_tokens=5e6), "the model holds 131,072"),
        (groups, replace(W, corpus_tokens=5e6), "keys and values take 655 GB"),
        (long_context, replace(W, batch=8), "keys and values take 105 GB"),
        (full_finetuning, W, "Nothing fits on 1 x h100-sxm"),
        (retrieval, replace(W, corpus_tokens=1e6, passages=1000), "the model holds 131,072"),
        (agent, replace(W, steps=200), "the model holds 131,072"),
    ],
)
def test_what_cannot_be_held_is_said(method: object, workload: Workload, message: str) -> None:
    with pytest.raises(CannotHold, match=message):
        method(workload)  # type: ignore[operator]


def test_a_model_larger_than_the_machine_is_refused() -> None:
    big = catalog.architecture("llama-3.1-8b")
    with pytest.raises(UsageError, match="have 26 GB"):
        closed_book(replace(W, architecture=replace(big, layers=64), machine=catalog.machine("l4")))


def test_break_even_is_where_the_lines_cross() -> None:
    dear_first = Costs(Bill.forecast(dollars=10.0), Bill.forecast(dollars=0.1))
    dear_later = Costs(Bill(), Bill.forecast(dollars=0.3))
    assert break_even(dear_first, dear_later, "dollars") == pytest.approx(50)
    assert break_even(dear_later, dear_first, "dollars") == pytest.approx(50)
    assert dear_first.total(50).dollars == pytest.approx(dear_later.total(50).dollars)
    always = Costs(Bill.forecast(dollars=20.0), Bill.forecast(dollars=0.3))
    assert break_even(dear_first, always, "dollars") is None
    unknown = Costs(Bill(), Bill.assumed(dollars=None))
    assert break_even(dear_first, unknown, "dollars") is None


@given(
    name=st.sampled_from(sorted(METHODS)),
    field=st.sampled_from(["corpus_tokens", "question_tokens", "answer_tokens", "passages"]),
    factor=st.floats(1.1, 2),
)
def test_no_input_makes_a_question_cheaper_when_it_grows(
    name: str, field: str, factor: float
) -> None:
    w = replace(W, corpus_tokens=20_000, machine=catalog.machine("8xh100-sxm"))
    more = replace(w, **{field: getattr(w, field) * factor})
    one, two = METHODS[name](w).total(100), METHODS[name](more).total(100)
    for figure in ("flops", "seconds", "joules", "dollars", "grams_co2e"):
        assert getattr(two, figure) >= getattr(one, figure) * (1 - 1e-9)


def test_an_unknown_price_is_unknown_and_intervals_hold_the_figure() -> None:
    free = replace(W.machine, accelerator=replace(W.machine.accelerator, dollars_per_hour=None))
    each = retrieval(replace(W, machine=free)).each
    assert each.dollars is None
    assert estimate(each, "dollars") is None
    seconds = estimate(each, "seconds")
    assert seconds is not None
    assert seconds.low < (each.seconds or 0) < seconds.high


def test_more_questions_than_a_machine_answers_are_more_machines() -> None:
    daily = replace(W, questions=1000, period_seconds=86400)
    costs = closed_book(daily)
    assert busy_share(daily, costs) == pytest.approx(1000 * (costs.each.seconds or 0) / 86400)
    eight = replace(daily, machine=catalog.machine("8xh100-sxm"))
    assert busy_share(eight, closed_book(eight)) == pytest.approx(
        (busy_share(daily, costs) or 0) / 8
    )
    assert busy_share(W, costs) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("corpus_tokens", 0), ("answer_tokens", -1), ("cache_hits", 1.5), ("batch", 0), ("steps", 0)],
)
def test_a_workload_that_cannot_be_is_refused_and_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        replace(W, **{field: value})  # type: ignore[arg-type]
