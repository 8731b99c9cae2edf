"""The sentences that answer, and the decision that none does."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.architecture import Architecture
from isoflop.augment.evidence import FEATURES, evidence
from isoflop.augment.extractive import (
    ALIKE,
    CONFIDENCE,
    FARTHEST,
    THRESHOLD,
    WEIGHTS,
    confidence,
    score,
    select,
)
from isoflop.documents import Passage
from isoflop.questions import Citation, Hit
from isoflop.search.chunk import embedded_text
from isoflop.search.encoder import Encoder

HARBOUR = (
    "The harbour of Wexcombe was dredged in 1932 by the firm of Oakley. "
    "It is eleven metres deep. Three ferries and a coal barge use it."
)
BRIDGE = (
    "A stone bridge with five arches crosses the river Tarn. Ann Cole built the bridge in 1788."
)
BAKERY = "The bakery in Mill Lane opens at six. It sells rye bread and almond buns."


def hits(*texts: str, headings: tuple[str, ...] = ()) -> list[Hit]:
    """Hits whose passages do not begin where their documents do."""
    return [
        Hit(Passage(f"{n}.txt", 100, 100 + len(text), text, headings), 1 / (1 + n), "fused")
        for n, text in enumerate(texts)
    ]


def is_verbatim(citation: Citation) -> bool:
    passage = citation.passage
    start, stop = citation.start - passage.start, citation.stop - passage.start
    return citation.quote == passage.text[start:stop] == citation.quote.strip() != ""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the harbour dredged?", "1932"),
        ("How deep is the harbour of Wexcombe?", "eleven metres"),
        ("Who built the bridge in 1788?", "Ann Cole"),
        ("What can one buy at the bakery?", "almond buns"),
    ],
)
def test_the_answer_is_in_the_first_quote(minilm: Encoder, question: str, answer: str) -> None:
    selection = select(question, hits(BAKERY, BRIDGE, HARBOUR), minilm)
    assert answer in selection.citations[0].quote
    assert not selection.abstained


@pytest.mark.parametrize(
    "question",
    ["Who won the chess championship of 1972?", "What is the boiling point of helium?"],
)
def test_it_abstains_when_nothing_is_near(minilm: Encoder, question: str) -> None:
    selection = select(question, hits(BAKERY, BRIDGE, HARBOUR), minilm)
    assert selection.abstained
    assert selection.confidence < THRESHOLD


def test_nothing_found_is_an_abstention_that_costs_nothing(minilm: Encoder) -> None:
    selection = select("When?", [], minilm)
    assert selection.abstained
    assert selection.citations == ()
    assert selection.flops == selection.tokens == selection.padded_tokens == 0


def test_a_heading_says_what_a_sentence_is_about(minilm: Encoder) -> None:
    ferry, barge = (
        hits("It carries 40 people.", headings=("The ferry",))[0],
        hits("It carries coal.")[0],
    )
    assert (
        "40"
        in select("How many people can the ferry carry?", [barge, ferry], minilm).citations[0].quote
    )


def test_a_sentence_said_twice_is_quoted_once(minilm: Encoder) -> None:
    selection = select("When was the harbour dredged?", hits(HARBOUR, HARBOUR), minilm)
    quotes = [citation.quote for citation in selection.citations]
    assert len(quotes) == len(set(quotes))


def test_no_more_sentences_than_asked_for(minilm: Encoder) -> None:
    found = hits(BAKERY, BRIDGE, HARBOUR)
    for most in (1, 2, 3):
        assert (
            1 <= len(select("river bridge", found, minilm, most_sentences=most).citations) <= most
        )


def test_the_same_question_gets_the_same_answer(minilm: Encoder) -> None:
    found = hits(BAKERY, BRIDGE, HARBOUR)
    assert select("What is stone?", found, minilm) == select("What is stone?", found, minilm)


@settings(max_examples=25, deadline=None)
@given(
    st.text(min_size=1, max_size=80),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=300), max_size=3),
)
def test_whatever_is_found_quotes_are_verbatim(
    minilm: Encoder, question: str, texts: list[str]
) -> None:
    selection = select(question, hits(*texts, BRIDGE), minilm)
    assert selection.citations
    assert all(map(is_verbatim, selection.citations))
    assert 0 <= selection.confidence <= 1


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return x + 1\n\n\nclass A:\n    pass\n",
        "| a | b |\n|---|---|\n| harbour | 1932 |\n",
        "x" * 50_000,
        "word " * 10_000,
        "-----\n=====\n",
        "What is it?",
        "\x00\x01",
    ],
    ids=["code", "table", "one word", "one sentence", "rules", "only a question", "control"],
)
def test_passages_of_any_content_are_borne(minilm: Encoder, text: str) -> None:
    selection = select("When was the harbour dredged?", hits(text), minilm)
    assert all(map(is_verbatim, selection.citations))


def test_the_bill_is_that_of_reading_question_and_passages_once(minilm: Encoder) -> None:
    question, found = "When was it?", hits(BRIDGE, HARBOUR, headings=("Wexcombe",))
    selection = select(question, found, minilm)
    read = minilm.encode([question, *(embedded_text(hit.passage) for hit in found)])
    assert selection.tokens == read.tokens
    assert selection.padded_tokens == read.padded_tokens
    assert selection.flops == read.flops


@dataclass
class WithoutTokens:
    """An encoder as an endpoint gives it: vectors of texts only, nothing said of the model."""

    encoder: Encoder
    architecture: Architecture | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        raise AssertionError("endpoints have none")


def test_an_encoder_behind_an_endpoint_compares_whole_sentences(minilm: Encoder) -> None:
    found = hits(BAKERY, BRIDGE, HARBOUR)
    selection = select("When was the harbour dredged?", found, WithoutTokens(minilm))
    assert "1932" in selection.citations[0].quote
    assert selection.tokens > 0


def test_every_feature_has_a_weight_and_every_confidence_is_of_a_feature() -> None:
    assert tuple(WEIGHTS) == FEATURES
    assert set(CONFIDENCE) <= set(FEATURES)
    assert 0 < ALIKE <= 1
    assert FARTHEST > 0


def test_features_are_shares_and_cosines(minilm: Encoder) -> None:
    found = evidence("When was the harbour of Wexcombe dredged?", hits(HARBOUR, BRIDGE), minilm)
    assert len(found.features) == len(found.places) == 5
    named = [dict(zip(FEATURES, features, strict=True)) for features in found.features]
    assert all(-1 <= value <= 2 for features in named for value in features.values())
    assert named[0]["words"] == pytest.approx(max(features["words"] for features in named))
    assert [features["date"] for features in named] == [1, 0, 0, 0, 1]
    assert named[0]["passage words"] > named[4]["passage words"]


def test_a_better_match_is_never_less_sure() -> None:
    rows = [[share] * len(FEATURES) for share in (0.0, 0.3, 0.6, 0.9)]
    sure = [confidence([row]) for row in rows]
    assert sure == sorted(sure)
    assert confidence([]) == 0
    assert confidence(rows) == pytest.approx(sure[-1])


def test_a_score_is_the_weighted_sum() -> None:
    assert score([1.0] * len(FEATURES)) == pytest.approx(sum(WEIGHTS.values()))


@pytest.mark.slow
def test_two_thirds_of_natural_questions_are_answered_in_the_first_quote_of_their_passage(
    minilm: Encoder, evaldata: Path
) -> None:
    with gzip.open(evaldata / "nq" / "nq-open-oracle.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:2000:20]
    right = 0
    for row in rows:
        gold = row["ctxs"][0]
        found = hits(f"{gold['title']}\n\n{gold['text']}")
        quote = select(row["question"], found, minilm, most_sentences=1).citations[0].quote
        right += any(answer in quote for answer in row["answers"])
    assert right / len(rows) > 0.6
