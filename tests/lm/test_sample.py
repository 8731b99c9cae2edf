"""Penalties and filters against transformers' own, draws against their distribution."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from isoflop.errors import UsageError
from isoflop.lm.sample import Sampler, Sampling, filtered, penalised

VOCABULARY = 40
PROMPTS = torch.tensor([[3, 5, 5, 7], [0, 1, 2, 39]])


def logits(seed: int = 0, rows: int = 2) -> Tensor:
    return 3 * torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def empty() -> Tensor:
    return torch.zeros(2, VOCABULARY)


def seen(ids: Tensor) -> Tensor:
    return torch.zeros(len(ids), VOCABULARY, dtype=torch.bool).scatter(1, ids, True)


@given(
    temperature=st.floats(0.1, 3), top_k=st.integers(0, 50), top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1), seed=st.integers(0, 1000),
)  # fmt: skip
def test_filters_keep_what_transformers_keeps(
    temperature: float, top_k: int, top_p: float, min_p: float, seed: int
) -> None:
    scores = logits(seed)
    ours = filtered(scores, Sampling(temperature, top_k, top_p, min_p))
    ids: Any = PROMPTS  # transformers wants a LongTensor, which it is
    theirs = TemperatureLogitsWarper(temperature)(ids, scores)
    if top_k:
        theirs = TopKLogitsWarper(top_k)(ids, theirs)
    if top_p < 1:
        theirs = TopPLogitsWarper(top_p)(ids, theirs)
    if min_p:
        theirs = MinPLogitsWarper(min_p)(ids, theirs)
    torch.testing.assert_close(ours, theirs)


@given(by=st.floats(0.5, 2), seed=st.integers(0, 1000))
def test_the_repetition_penalty_is_that_of_transformers(by: float, seed: int) -> None:
    scores = logits(seed)
    ours = penalised(scores, empty(), seen(PROMPTS), Sampling(repetition_penalty=by))
    torch.testing.assert_close(ours, RepetitionPenaltyLogitsProcessor(by)(PROMPTS, scores))


def test_presence_and_frequency_penalties_count_the_output_and_not_the_prompt() -> None:
    sampling = Sampling(presence_penalty=0.5, frequency_penalty=0.25)
    sampler = Sampler(sampling, PROMPTS.tolist(), VOCABULARY, [0, 0])
    scores = torch.full((2, VOCABULARY), -9.0)
    scores[0, 4], scores[0, 6] = 1.0, 0.3
    scores[1, 8], scores[1, 9] = 1.0, 0.3
    # 1 - 0.5 - 0.25 = 0.25 falls behind 0.3, then 0.3 - 0.75 behind 0.25, then 1 - 1 and -0.45
    written = [sampler.choose(scores.clone()) for _ in range(4)]
    assert written == [[4, 8], [6, 9], [4, 8], [4, 8]]


@pytest.mark.parametrize("sampling", [Sampling(1), Sampling(0.7, top_k=5), Sampling(1, top_p=0.8)])
def test_tokens_are_drawn_as_often_as_their_probability_says(sampling: Sampling) -> None:
    rows = 20_000
    scores = logits(rows=1).expand(rows, -1)
    sampler = Sampler(sampling, [[0]] * rows, VOCABULARY, range(rows))
    drawn = torch.bincount(torch.tensor(sampler.choose(scores)), minlength=VOCABULARY) / rows
    expected = filtered(scores[:1], sampling).softmax(-1)[0]
    assert (drawn[expected == 0] == 0).all()
    # five standard errors of a proportion
    assert ((drawn - expected).abs() <= 5 * (expected * (1 - expected) / rows).sqrt()).all()


def test_what_a_row_draws_does_not_depend_on_the_rows_beside_it() -> None:
    sampling = Sampling(1, repetition_penalty=1.3)
    both = Sampler(sampling, PROMPTS.tolist(), VOCABULARY, [7, 8])
    alone = Sampler(sampling, PROMPTS[1:].tolist(), VOCABULARY, [8])
    together = [both.choose(logits(step))[1] for step in range(10)]
    assert together == [alone.choose(logits(step)[1:])[0] for step in range(10)]
    assert len(set(together)) > 3


def test_rows_that_are_kept_go_on_as_they_would_have() -> None:
    sampling = Sampling(1, frequency_penalty=0.5)
    one, other = (Sampler(sampling, PROMPTS.tolist(), VOCABULARY, [1, 2]) for _ in range(2))
    assert one.choose(logits()) == other.choose(logits())
    one.keep([1])
    assert one.choose(logits(1)[1:])[0] == other.choose(logits(1))[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}, {"min_p": 2.0},
        {"repetition_penalty": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_an_absurd_setting_is_refused_and_named(wrong: dict[str, float]) -> None:
    build: Callable[..., Sampling] = replace
    with pytest.raises(UsageError, match=next(iter(wrong))):
        build(Sampling(), **wrong)
