"""The sentences that answer, quoted; or the decision that none does.

Fitted weights of a linear score over the features of `evidence`, and of the confidence that the
documents answer at all. `benchmarks/extractive.py` fits them and measures what they are worth on
questions that they were not fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from isoflop.augment.asked import stems
from isoflop.augment.evidence import FEATURES, Evidence, evidence
from isoflop.questions import Citation, Hit

if TYPE_CHECKING:
    from isoflop.search.encode import Encoder

PASSAGES = 8  # read for one answer

WEIGHTS = {
    "rank": 1.3,
    "passage cosine": 4.6,
    "passage words": 3.2,
    "sentence cosine": 4.6,
    "late interaction": 6.5,
    "words": 6.8,
    "words before": 3.7,
    "words after": 2.4,
    "word pairs": 1.5,
    "length": 0.0,
    "number": 2.3,
    "date": 1.7,
    "person": 2.8,
    "place": 0.8,
}
FARTHEST = 4.0  # score a further quote may lie below the best
ALIKE = 0.8  # share of common words beyond which a quote says nothing new
THRESHOLD = 0.5  # confidence below which the documents are said not to answer


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, and whether it is offered as an answer.

    Attributes:
        citations: Verbatim quotes, best first. When abstained, the nearest there is.
        abstained: Whether the passages do not seem to answer.
        confidence: Estimated probability that they do.
        tokens: Read by the encoder.
        padded_tokens: The same with padding.
        flops: Of the encoder.
    """

    citations: tuple[Citation, ...]
    abstained: bool
    confidence: float
    tokens: int
    padded_tokens: int
    flops: float


def select(
    question: str, hits: Sequence[Hit], encoder: "Encoder", *, most_sentences: int = 3
) -> Selection:
    """The sentences of the found passages that answer a question, best first.

    Args:
        question: As asked.
        hits: Found passages, best first. Only the first `PASSAGES` are read.
        encoder: Whose token vectors are compared.
        most_sentences: Quotes at most.

    Returns:
        Quotes that lie close enough to the best one and do not repeat each other.
    """
    if not hits:
        return Selection((), True, 0.0, 0, 0, 0.0)
    found = evidence(question, hits[:PASSAGES], encoder)
    scores = [_score(features) for features in found.features]
    confidence = _confidence(scores)
    return Selection(
        tuple(_chosen(hits, found, scores, most_sentences)),
        confidence < THRESHOLD,
        confidence,
        found.tokens,
        found.padded_tokens,
        found.flops,
    )


def _score(features: tuple[float, ...]) -> float:
    return sum(WEIGHTS[name] * value for name, value in zip(FEATURES, features, strict=True))


def _confidence(scores: Sequence[float]) -> float:
    """Estimated probability that one of these sentences answers."""
    return 1 / (1 + exp(14.0 - max(scores))) if scores else 0.0


def _chosen(
    hits: Sequence[Hit], found: Evidence, scores: Sequence[float], most: int
) -> list[Citation]:
    """The best sentences that are close to the best and unlike each other."""
    chosen: list[Citation] = []
    said: list[frozenset[str]] = []
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
