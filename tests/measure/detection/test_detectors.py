import math
from collections import Counter

import numpy as np
import pytest
import torch

from isoflop.errors import UsageError
from isoflop.lm.own import OwnModel
from isoflop.measure.detection import detectors
from isoflop.measure.detection.detectors import DETECTORS, Scored, scores
from isoflop.measure.detection.perturb import Resampled, Swapped, detect_gpt, perturbation
from isoflop.measure.detection.reading import of_text, score_texts
from isoflop.measure.likelihood import score


@pytest.fixture(scope="module")
def text(prose: str) -> str:
    return " ".join(prose[:700].split())


def log_p(model: OwnModel, text: str) -> torch.Tensor:
    """Log-probabilities of the whole vocabulary at each place, (T, V)."""
    ids = [model.beginning, *model.encode(text)]
    return model.logits(torch.tensor([ids[:-1]]))[0].double().log_softmax(-1)


def test_analytic_fast_detect_gpt_is_what_sampling_1e5_texts_gives(
    model: OwnModel, make_model: object, text: str
) -> None:
    other = make_model(1)  # type: ignore[operator]
    text = text[:120]
    for reference in (model, other):
        found = Scored.of(text, score(model, text, reference=reference))
        ours, theirs = log_p(model, text), log_p(reference, text).exp()
        draw = torch.Generator().manual_seed(5)
        tokens = torch.multinomial(theirs, 100_000, replacement=True, generator=draw)  # (T, N)
        sampled = ours.gather(1, tokens).sum(0)  # one figure per sampled text
        excess = -found.stream.nats - float(sampled.mean())
        spread = float(sampled.std())
        value = detectors.fast_detect_gpt(found)
        # of (x - mean) / deviation: errors of the mean, and of the deviation by its kurtosis
        kurtosis = float(((sampled - sampled.mean()) ** 4).mean()) / spread**4
        error = math.sqrt((1 + (excess / spread) ** 2 * (kurtosis - 1) / 4) / 100_000)
        assert value == pytest.approx(excess / spread, abs=3 * error)


def test_with_one_model_binoculars_is_mean_log_loss_over_mean_entropy(
    model: OwnModel, text: str
) -> None:
    text = text[:120]  # within one window, as the oracle reads it
    alone = Scored.of(text, score(model, text))
    twice = Scored.of(text, score(model, text, reference=model))
    probabilities = log_p(model, text)
    entropy = -float((probabilities.exp() * probabilities).sum(-1).mean())
    loss = alone.stream.nats / len(alone.stream)
    assert detectors.binoculars(alone) == pytest.approx(loss / entropy, rel=1e-5)
    assert detectors.binoculars(twice) == pytest.approx(detectors.binoculars(alone), rel=1e-6)


def test_every_score_is_its_published_formula(model: OwnModel, text: str) -> None:
    text = text[:120]
    found = scores(Scored.of(text, score(model, text)))
    probabilities = log_p(model, text)
    ids = torch.tensor(model.encode(text))[:, None]
    targets = probabilities.gather(1, ids)
    ranks = (probabilities > targets).sum(-1).double() + 1
    assert found["likelihood"] == pytest.approx(float(targets.mean()), rel=1e-5)
    assert found["rank"] == pytest.approx(-float(ranks.mean()))
    assert found["log-rank"] == pytest.approx(-float(ranks.log().mean()))
    assert found["lrr"] == pytest.approx(-float(targets.sum() / ranks.log().sum()), rel=1e-5)


def test_sentences_tile_the_text_and_its_tokens(model: OwnModel) -> None:
    text = "The harbour was dredged. Who paid for it? Nobody knew, naïve as they were! 中文。"
    found = Scored.of(text, score(model, text))
    assert "".join(text[start:stop] for (start, stop), _ in found.parts) == text
    assert [part.start for _, part in found.parts[1:]] == [p.stop for _, p in found.parts[:-1]]
    assert found.parts[-1][1].stop == len(found.stream)
    assert len(found.parts) >= 3
    nats = sum(found.stream[part].nats for _, part in found.parts)
    assert nats == pytest.approx(found.stream.nats)


def test_burstiness_is_the_deviation_of_sentence_perplexities(model: OwnModel, text: str) -> None:
    found = Scored.of(text, score(model, text))
    perplexities = [
        math.exp(found.stream[part].nats / (part.stop - part.start)) for _, part in found.parts
    ]
    assert len(perplexities) > 2
    assert detectors.burstiness(found) == pytest.approx(float(np.std(perplexities, ddof=1)))
    one = Scored.of("A word", score(model, "A word"))
    assert detectors.burstiness(one) is None


def test_all_detectors_of_a_text_cost_one_pass_and_the_bill_says_so(
    model: OwnModel, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    logits = model.logits

    def counted(tokens: torch.Tensor, **rest: object) -> torch.Tensor:
        read.append(tokens.numel())
        return logits(tokens, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "logits", counted)  # counts, and reads all the same
    short = text[:120].strip()
    (scored,), bill = score_texts(model, [of_text("a", short)])
    assert all(value is not None for value in scores(scored).values())
    assert sum(read) == len(model.encode(short)) == bill.prompt_tokens
    assert bill.flops == model.forward_flops(len(model.encode(short)))


def test_a_single_token_has_the_scores_that_need_no_second(model: OwnModel) -> None:
    found = scores(Scored.of("a", score(model, "a")))
    assert found["likelihood"] is not None
    assert found["burstiness"] is None


@pytest.mark.parametrize("by", [Resampled(), Swapped()])
def test_copies_differ_from_the_text_in_a_few_places(
    model: OwnModel, text: str, by: Resampled | Swapped
) -> None:
    copies = by.perturb(model, text, 5, seed=1)
    assert copies == by.perturb(model, text, 5, seed=1)
    assert len(set(copies)) == 5
    before = text.split()
    for copy in copies:
        shared = (Counter(before) & Counter(copy.split())).total()
        assert 0.4 * len(before) < shared <= len(before)


def test_detect_gpt_standardises_by_the_copies(model: OwnModel, text: str) -> None:
    own = Scored.of(text, score(model, text))
    mean = detectors.likelihood(own)
    assert mean is not None
    found = detect_gpt(model, text, mean, Swapped(), copies=6, seed=3)
    streams = [score(model, copy) for copy in Swapped().perturb(model, text, 6, 3)]
    means = [-stream.nats / len(stream) for stream in streams]
    expected = (mean - np.mean(means)) / np.std(means, ddof=1)
    assert found.value == pytest.approx(float(expected), rel=1e-4)
    assert found.bill.prompt_tokens is not None
    assert found.bill.prompt_tokens >= sum(map(len, streams))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean binoculars"):
        detectors.find("binocular")
    with pytest.raises(UsageError, match="Did you mean resample"):
        perturbation("resampled")
    assert detectors.find("lrr") is DETECTORS["lrr"]
