"""What is asked, what was found, and what was answered."""

from dataclasses import dataclass
from typing import Literal

from isoflop.bill import Bill
from isoflop.documents import Passage

Way = Literal["bm25", "dense", "fused", "reranked"]
WAYS: tuple[Way, ...] = ("bm25", "dense", "fused", "reranked")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what counts as a right answer.

    Attributes:
        id: Unique within its set.
        text: As asked.
        choices: For multiple choice; empty for free answers.
        answers: Accepted answers; empty when the documents do not answer.
        cluster: What it shares with others (an article, a page): the unit of resampling.
        weight: Its share in a weighted mean.
    """

    id: str
    text: str
    choices: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    cluster: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; hits come sorted by score, ties by passage.

    Attributes:
        passage: What was found.
        score: Higher is better; comparable within one answer only.
        by: The way of ranking that found it.
    """

    passage: Passage
    score: float
    by: Way


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote and where it stands.

    Attributes:
        passage: The passage it is quoted from.
        quote: Verbatim; empty when a model cited the passage as a whole.
        start: First character of the quote in the document's text.
        stop: One past the last.
        supported: False when the quote or the number does not occur where it was said to.
    """

    passage: Passage
    quote: str
    start: int
    stop: int
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, from what, at what price.

    Attributes:
        text: The answer; when abstained, the sentence that says so.
        citations: An extractive answer is made of these and nothing else.
        hits: What was searched for it, best first.
        abstained: True when the documents do not answer.
        bill: What it took.
        refused: Why there is no answer, where that says nothing of the documents: the question is
            too long for the model or holds its marks, or the model wrote nothing. Empty else.
        confidence: Estimated probability that the documents answer; None where nothing estimates
            it, as with language models.
    """

    text: str
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    abstained: bool
    bill: Bill
    refused: str = ""
    confidence: float | None = None
