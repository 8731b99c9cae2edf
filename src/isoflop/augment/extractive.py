"""The sentences that answer, quoted; or the decision that none does.

Fitted weights of a linear score over the features of `evidence`, and of the confidence that the
documents answer at all. `benchmarks/extractive.py` fits them and measures what they are worth on
questions that they were not fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from isoflop import catalog
from isoflop.augment.asked import stems
from isoflop.augment.citations import NOT_ANSWERED
from isoflop.augment.evidence import FEATURES, Evidence, evidence
from isoflop.meter import Reading
from isoflop.plan.price import run_bill
from isoflop.questions import Answer, Citation, Hit

if TYPE_CHECKING:
    from isoflop.search.encoder import Encoder

PASSAGES = 6  # read for one answer: more take longer and answer no more

# Fitted by benchmarks/extractive.py, and explained in docs/explanation/extractive.md.
# Score of a sentence: what each feature of `evidence` adds, times its value.
WEIGHTS = {
    "passage cosine": 14.2,
    "late interaction": 9.5,
    "weakest match": 3.6,
    "passage words": 3.3,
    "words": 2.5,
    "topic words": -1.2,
    "words before": 1.1,
    "words after": 1.5,
    "number": 2.8,
    "date": 2.7,
    "person": 3.5,
}
# Logit of the confidence: what the highest value of a feature over all sentences adds.
CONFIDENCE = {"late interaction": 13.6, "passage cosine": 4.8, "passage words": 2.2}
CONSTANT = -11.0
THRESHOLD = 0.23  # confidence below which the documents are said not to answer
# Chosen: a further quote may have e**4 = 55 times less probability than the best.
FARTHEST = 4.0
ALIKE = 0.8  # share of common words from which on a quote says nothing new


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, and whether it is offered as an answer.

    Attributes:
        citations: Verbatim quotes, best first. When abstained, the nearest there is.
        abstained: Whether the passages do not seem to answer.
        confidence: Estimated probability that they do.
        tokens: Read by the encoder.
        padded_tokens: The same with padding.
        flops: Of the encoder; None where a server computed them.
    """

    citations: tuple[Citation, ...]
    abstained: bool
    confidence: float
    tokens: int
    padded_tokens: int
    flops: float | None


def select(
    question: str,
    hits: Sequence[Hit],
    encoder: "Encoder",
    *,
    most_sentences: int = 3,
    threshold: float = THRESHOLD,
) -> Selection:
    """The sentences of the found passages that answer a question, best first.

    Args:
        question: As asked.
        hits: Found passages, best first. Only the first `PASSAGES` are read.
        encoder: Whose token vectors are compared.
        most_sentences: Quotes at most.
        threshold: Confidence below which the documents are said not to answer.

    Returns:
        Quotes that lie close enough to the best one and do not repeat each other.
    """
    if not hits:
        return Selection((), True, 0.0, 0, 0, 0.0)
    found = evidence(question, hits[:PASSAGES], encoder)
    sure = confidence(found.features)
    return Selection(
        tuple(_chosen(hits, found, most_sentences)),
        sure < threshold,
        sure,
        found.tokens,
        found.padded_tokens,
        found.flops,
    )


def answered(selection: Selection, hits: Sequence[Hit], reading: Reading) -> Answer:
    """The quotes as an answer, or that nothing answers; with what choosing them took here.

    Args:
        selection: What was chosen.
        hits: What it was chosen from.
        reading: Time and energy of choosing.
    """
    bill = run_bill(
        catalog.this_machine(),
        seconds=reading.seconds,
        joules=reading.joules,
        flops=selection.flops,
        prompt_tokens=selection.padded_tokens,
    )
    if selection.abstained:
        return Answer(NOT_ANSWERED, (), tuple(hits), True, bill, confidence=selection.confidence)
    text = "\n".join(citation.quote for citation in selection.citations)
    return Answer(
        text, selection.citations, tuple(hits), False, bill, confidence=selection.confidence
    )


def score(features: Sequence[float]) -> float:
    """How well a sentence answers, on a scale that is comparable within one question."""
    return sum(WEIGHTS[name] * value for name, value in zip(FEATURES, features, strict=True))


def confidence(features: Sequence[Sequence[float]]) -> float:
    """Estimated probability that one of these sentences answers.

    Made from the best value of single features, not from the best score: a score says which
    sentence is better, these say how well anything matches at all.
    """
    if not features:
        return 0.0
    best = dict(zip(FEATURES, map(max, zip(*features, strict=True)), strict=True))
    logit = CONSTANT + sum(weight * best[name] for name, weight in CONFIDENCE.items())
    return 1 / (1 + exp(-logit))


def _chosen(hits: Sequence[Hit], found: Evidence, most: int) -> list[Citation]:
    """The best sentences that are close to the best and unlike each other."""
    chosen: list[Citation] = []
    said: list[frozenset[str]] = []
    scores = [score(features) for features in found.features]
    ranked = sorted(range(len(scores)), key=lambda number: -scores[number])
    for number in ranked:
        if len(chosen) == most or scores[number] < scores[ranked[0]] - FARTHEST:
            break
        citation = _citation(hits, *found.places[number])
        words = frozenset(stems(citation.quote))
        if not any(_alike(words, other) for other in said):
            chosen.append(citation)
            said.append(words)
    return chosen


def _citation(hits: Sequence[Hit], number: int, start: int, stop: int) -> Citation:
    passage = hits[number].passage
    return Citation(passage, passage.text[start:stop], passage.start + start, passage.start + stop)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sentences have nearly the same words, or one has all of the other's."""
    return len(one & other) >= ALIKE * max(1, min(len(one), len(other)))
