from collections.abc import Iterator
from dataclasses import fields
from itertools import product

import numpy as np
import pytest
import torch

from isoflop.errors import IsoflopError, UsageError
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.measure.likelihood import (
    TokenStream,
    score,
    score_all,
    score_pieces,
    statistics,
)
from isoflop.measure.windows import Reading, pieces_of
from tests.measure.conftest import MakeModel


class Unbegun(OwnModel):
    """A model without a token that begins a text, as GPT-2 is used."""

    @property
    def beginning(self) -> None:  # type: ignore[override]
        """There is none."""


def without_beginning(model: OwnModel) -> OwnModel:
    made = Unbegun.__new__(Unbegun)
    made.__dict__.update(model.__dict__)
    return made


def naive(model: OwnModel, text: str, window: int, stride: int) -> Iterator[list[float]]:
    """Log-probability, rank, mean and variance of each token, one token and window at a time."""
    sequence = [model.beginning, *model.encode(text)]
    for place in range(1, len(sequence)):
        later = -(-max(0, place - window) // stride)  # windows after the first
        seen = torch.tensor([sequence[later * stride : place]])
        log_p = model.logits(seen)[0, -1].double().log_softmax(-1)
        mean = (log_p.exp() * log_p).sum()
        variance = (log_p.exp() * (log_p - mean) ** 2).sum()
        rank = 1 + (log_p > log_p[sequence[place]]).sum()
        yield [float(x) for x in (log_p[sequence[place]], rank, mean, variance)]


@pytest.mark.parametrize(("window", "stride"), [(64, 64), (48, 16), (7, 3), (1000, 1000)])
def test_figures_are_those_of_one_token_after_another(
    model: OwnModel, prose: str, window: int, stride: int
) -> None:
    text = prose[:300]
    stream = score(model, text, reading=Reading(window, stride))
    expected = np.array(list(naive(model, text, window, stride))).T
    found = [stream.log_probabilities, stream.ranks, stream.means, stream.variances]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert stream.contexts.max() <= window
    assert min(stream.contexts[window:], default=window - stride + 1) == window - stride + 1


@pytest.mark.parametrize("position", ["alibi", "rope", "none"])
def test_batches_and_pieces_change_nothing(
    make_model: MakeModel, prose: str, position: str
) -> None:
    model = make_model(position=position)
    whole = score(model, prose[:900], reading=Reading(64, 40))
    for batch, piece in product((1, 3, 32), (64, 17)):
        other = score(model, prose[:900], reading=Reading(64, 40, batch, piece))
        assert other.nats == pytest.approx(whole.nats, rel=1e-5)
        for column in ("log_probabilities", "means", "variances"):
            np.testing.assert_allclose(getattr(other, column), getattr(whole, column), atol=2e-4)


def test_texts_read_together_are_as_read_alone(model: OwnModel, prose: str) -> None:
    texts = [prose[:500], prose[900:907], prose[1000:3000], "a"]
    for text, stream in zip(texts, score_all(model, texts), strict=True):
        alone = score(model, text)
        assert stream.byte_lengths.sum() == len(text.encode())
        np.testing.assert_array_equal(stream.tokens, alone.tokens)
        np.testing.assert_allclose(stream.log_probabilities, alone.log_probabilities, atol=1e-5)


def test_a_text_in_pieces_is_the_text(model: OwnModel, prose: str) -> None:
    text = prose[:6000] + "\u00e9\u4e2d\U0001f600" + prose[6000:9000]
    blocks = (text[start : start + 77] for start in range(0, len(text), 77))
    pieces = list(pieces_of(blocks, characters=1000))
    assert len(pieces) > 5
    assert "".join(pieces) == text
    streams = list(score_pieces(model, pieces, reading=Reading(64, 32)))
    whole = score(model, text, reading=Reading(64, 32))
    np.testing.assert_array_equal(np.concatenate([s.tokens for s in streams]), whole.tokens)
    log_probabilities = np.concatenate([s.log_probabilities for s in streams])
    np.testing.assert_allclose(log_probabilities, whole.log_probabilities, atol=1e-5)
    assert sum(s.bill.flops or 0 for s in streams) == pytest.approx(whole.bill.flops)


def test_cross_moments_are_sums_under_the_reference(
    model: OwnModel, make_model: MakeModel, prose: str
) -> None:
    reference = make_model(seed=5)
    stream = score(model, prose[:200], reference=reference, reading=Reading(200))
    sequence = torch.tensor([[model.beginning, *model.encode(prose[:200])]])
    log_p = model.logits(sequence)[0, :-1].double().log_softmax(-1)
    other = reference.logits(sequence)[0, :-1].double().softmax(-1)
    mean = (other * log_p).sum(-1)
    assert stream.cross_means is not None
    assert stream.cross_variances is not None
    np.testing.assert_allclose(stream.cross_means, mean, atol=1e-5)
    second = (other * log_p**2).sum(-1)
    np.testing.assert_allclose(stream.cross_variances, second - mean**2, atol=1e-4)
    np.testing.assert_allclose(stream.means, (log_p.exp() * log_p).sum(-1), atol=1e-5)


def test_a_model_as_its_own_reference_has_its_own_moments(model: OwnModel, prose: str) -> None:
    stream = score(model, prose[:900], reference=model)
    assert stream.cross_means is not None
    np.testing.assert_allclose(stream.cross_means, stream.means, atol=1e-6)


def test_without_a_beginning_token_the_first_is_not_scored(model: OwnModel, prose: str) -> None:
    unbegun = without_beginning(model)
    stream = score(unbegun, prose[:600], reading=Reading(32))
    assert stream.scored.tolist() == [False] + [True] * (len(stream) - 1)
    assert np.isnan(stream.log_probabilities[0])
    assert stream.ranks[0] == 0
    assert stream.byte_lengths.sum() == 600
    with pytest.raises(UsageError, match=r"single token.*nothing of it can be scored"):
        score(unbegun, "a")


def test_the_bill_counts_the_tokens_and_flops_of_the_pass(model: OwnModel, prose: str) -> None:
    text = model.decode(model.encode(prose)[: 5 * 64 + 10])
    stream = score(model, text, reading=Reading(64, batch=4))
    assert 5 * 64 < len(stream) < 6 * 64  # the last window is padded to the fifth
    assert stream.bill.prompt_tokens == 6 * 64
    assert stream.bill.flops == 6 * model.forward_flops(64)
    assert stream.bill.seconds
    half = score(model, text, reading=Reading(64, 32, batch=1))
    starts = range(0, len(half) - 32, 32)
    expected = sum(model.forward_flops(min(64, len(half) - start)) for start in starts)
    assert half.bill.flops == pytest.approx(expected)


def test_a_part_of_a_stream_is_those_tokens(model: OwnModel, prose: str) -> None:
    stream = score(model, prose[:300])
    part = stream[3:8]
    assert len(part) == 5
    for column in fields(TokenStream):
        value = getattr(part, column.name)
        if column.name not in ("bill", "cross_means", "cross_variances"):
            np.testing.assert_array_equal(value, getattr(stream, column.name)[3:8])


def test_a_rank_counts_the_likelier_tokens() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, 1.0]]).repeat(4, 1)
    found = statistics(logits, torch.arange(4))
    assert found[1].tolist() == [4, 1, 2, 2]


def test_an_empty_text_is_refused(model: OwnModel) -> None:
    with pytest.raises(UsageError, match="The text is empty"):
        score(model, "")
    with pytest.raises(UsageError, match="The text is empty"):
        list(score_pieces(model, []))


def test_a_window_the_model_cannot_read_is_refused(make_model: MakeModel, prose: str) -> None:
    model = make_model(position="learned")
    with pytest.raises(UsageError, match="window=65 is more than the 64 tokens"):
        score(model, prose, reading=Reading(65))
    with pytest.raises(UsageError, match="window=8, stride=9"):
        score(model, prose, reading=Reading(8, 9))


def test_a_reference_with_other_tokens_is_refused(model: OwnModel, prose: str) -> None:
    other = OwnModel.of(model.model, train_tokenizer([prose[::-1]], 400), "isoflop:other")
    with pytest.raises(UsageError, match=r"isoflop:other has other tokens than isoflop:small-0"):
        score(model, prose, reference=other)


def test_logits_that_are_no_numbers_are_refused(make_model: MakeModel, prose: str) -> None:
    model = make_model(seed=3)
    model.model.embedding.weight[0, 0] = torch.nan
    with pytest.raises(IsoflopError, match=r"log-probability nan"):
        score(model, prose)
