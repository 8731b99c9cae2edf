from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from isoflop.errors import UsageError
from isoflop.lm.open import open_model
from isoflop.lm.tokenizer import Tokenizer
from isoflop.measure.compression.coder import decode, encode
from isoflop.measure.likelihood import score
from isoflop.measure.ngram import NgramModel, discounts
from isoflop.measure.perplexity import perplexity
from isoflop.measure.windows import Reading


@pytest.fixture(scope="module")
def ngram(tokenizer: Tokenizer, prose: str) -> NgramModel:
    """Of the first half of the prose."""
    return NgramModel.of(tokenizer, tokenizer.encode(prose[:6000]))


def naive(tokenizer: Tokenizer, text: str, order: int):  # type: ignore[no-untyped-def]
    """Chen and Goodman's equations written down as they stand, one number at a time."""
    sequence = [tokenizer.end, *tokenizer.encode(text)]
    counts: dict[tuple[int, ...], int] = defaultdict(int)
    before: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for n in range(1, order + 1):
        for start in range(len(sequence) - n + 1):
            gram = tuple(sequence[start : start + n])
            counts[gram] += 1
            if start:
                before[gram].add(sequence[start - 1])
    opening = {tuple(sequence[:n]) for n in range(2, order + 1)}

    def c(gram: tuple[int, ...]) -> int:
        return counts[gram] if len(gram) == order or gram in opening else len(before[gram])

    words = range(tokenizer.vocabulary)
    taken = []
    for n in range(1, order + 1):
        seen = Counter(c(gram) for gram in list(counts) if len(gram) == n)
        n1, n2, n3, n4 = (seen[k] for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        taken.append((0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3))

    @cache
    def p(word: int, h: tuple[int, ...]) -> float:
        d = taken[len(h)]
        whole = sum(c((*h, w)) for w in words)
        lower = p(word, h[1:]) if h else 1 / len(words)
        if not whole:
            return lower
        gamma = sum(d[min(c((*h, w)), 3)] for w in words) / whole
        here = c((*h, word))
        return (here - d[min(here, 3)]) / whole + gamma * lower

    return p


def test_every_distribution_sums_to_one(ngram: NgramModel, tokenizer: Tokenizer) -> None:
    draw = np.random.default_rng(0)
    contexts = [[], [0], [0, 59], *draw.integers(0, tokenizer.vocabulary, (20, 4)).tolist()]
    tokens = tokenizer.encode("[1] Klorkind founded the brewery in")
    contexts += [tokens[:end] for end in range(len(tokens))]
    for context in contexts:
        p = ngram.probabilities(context)
        assert p.sum() == pytest.approx(1, abs=1e-12)
        assert p.min() > 0


@pytest.mark.parametrize("order", [2, 3])
def test_probabilities_are_those_of_the_equations(
    tokenizer: Tokenizer, prose: str, order: int
) -> None:
    text = prose[:2500]
    ngram = NgramModel.of(tokenizer, tokenizer.encode(text), order)
    p = naive(tokenizer, text, order)
    sequence = [tokenizer.end, *tokenizer.encode(text[:60] + "zzz q")]
    for place in range(1, len(sequence), 4):
        context = tuple(sequence[max(0, place - order + 1) : place])
        expected = p(sequence[place], context)
        assert ngram.probabilities(context)[sequence[place]] == pytest.approx(expected, rel=1e-9)


def test_a_text_read_in_windows_costs_its_chain_of_probabilities(
    ngram: NgramModel, prose: str
) -> None:
    text = prose[7000:7500]
    sequence = [ngram.beginning, *ngram.encode(text)]
    expected = -sum(
        np.log(ngram.probabilities(sequence[max(0, place - 4) : place])[sequence[place]])
        for place in range(1, len(sequence))
    )
    assert perplexity(ngram, text, reading=Reading(1000)).nats == pytest.approx(expected, rel=1e-6)
    sliding = score(ngram, text, reading=Reading(16, 12, piece=5))  # four before each
    assert sliding.nats == pytest.approx(expected, rel=1e-6)


def test_what_it_saw_is_likelier_than_what_it_did_not(ngram: NgramModel, prose: str) -> None:
    seen, unseen = prose[1000:2000], prose[8000:9000]
    assert perplexity(ngram, seen).bits_per_byte < 0.5 * perplexity(ngram, unseen).bits_per_byte


def test_it_compresses_to_its_entropy(ngram: NgramModel, prose: str) -> None:
    tokens = np.array(ngram.encode(prose[7000:7800]), np.int64)
    coded, ideal = encode(ngram, tokens, 2)
    assert 8 * len(coded) <= 1.003 * ideal + 64
    np.testing.assert_array_equal(decode(ngram, coded, len(tokens), 2), tokens)


def test_discounts_are_chen_and_goodmans() -> None:
    counts = [1] * 100 + [2] * 40 + [3] * 20 + [4] * 10
    y = 100 / 180
    expected = (1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 10 / 20)
    assert discounts(counts) == pytest.approx(expected)
    assert discounts([1, 1, 2]) == (0.5, 1.0, 1.5)


def test_it_is_opened_by_the_name_of_a_text(prose: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(prose[:3000])
    opened = open_model(f"ngram:{tmp_path / 'text.txt'}", needs=["logits"])
    assert opened.logits(torch.tensor([[opened.beginning, 5]])).shape == (1, 2, opened.vocabulary)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UsageError, match="is empty: there is nothing to count"):
        open_model(f"ngram:{tmp_path / 'empty.txt'}")
