"""No language model: the sentences that answer, quoted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoflop import catalog
from isoflop.augment.evidence import PADDING
from isoflop.augment.extractive import PASSAGES, THRESHOLD, Selection, answered, select
from isoflop.augment.methods.forecasting import UNKNOWN
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import UsageError
from isoflop.meter import measured
from isoflop.plan.flops import forward_flops
from isoflop.plan.price import run_bill
from isoflop.plan.retrieval import assumed_speed, saved_speed
from isoflop.questions import Answer, Hit, Question
from isoflop.search.chunk import embedded_text
from isoflop.settings import cache_folder

MIDDLING = 256.0  # tokens of a passage, for the part of attention in a forecast
CALL_SECONDS = 0.003  # of looking at words and sentences, beside the encoder; assumed
BEGIN_AND_END = 2  # tokens that the encoder puts around a text


@dataclass(frozen=True)
class Quoting:
    """`extractive`, with the encoder of the index.

    Attributes:
        encoder: Reads question and passages.
        most_sentences: Quoted at most; one where answers are compared with a key.
        most_tokens: It writes none.
        threshold: Confidence below which it does not answer.
    """

    encoder: Any
    most_sentences: int = 1
    most_tokens: int = 0
    name: str = "extractive"
    is_language_model: bool = False
    context_tokens: int | None = None
    model: None = None
    threshold: float = THRESHOLD

    def prompt_tokens(self, question: str, passages: Sequence[Passage]) -> int:
        """Tokens that the encoder reads, padding included."""
        parts = max(1, -(-len(passages) // PASSAGES))  # the question is read with each
        texts = [*[question] * parts, *(embedded_text(passage) for passage in passages)]
        lengths = [len(self.encoder.token_offsets(text)) + BEGIN_AND_END for text in texts]
        return sum(-(-length // PADDING) * PADDING for length in lengths)

    def answer_tokens(self, question: Question) -> float:
        """None are written."""
        return 0.0

    def cost(self, prompt: float, written: float, *, cached: float = 0, calls: float = 1) -> Bill:
        """Of reading so many tokens in passages of middling length."""
        shape = self.encoder.architecture
        if shape is None:
            return Bill.forecast(prompt_tokens=prompt, flops=None) + UNKNOWN
        flops = (prompt - cached) / MIDDLING * forward_flops(shape, [MIDDLING])
        machine = catalog.this_machine()
        speed = saved_speed(cache_folder()) or assumed_speed(machine, shape)
        counted = Bill.forecast(flops=flops, prompt_tokens=prompt)
        if speed is None:
            return counted + UNKNOWN
        seconds = flops / speed.flops_per_second + calls * CALL_SECONDS
        return Bill.forecast(prompt_tokens=prompt) + run_bill(
            machine, seconds=seconds, flops=flops, basis="forecast"
        )

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The best sentences of these passages, or the sentence that none answers."""
        with measured() as reading:
            selection = self._best(question, hits)
        return answered(selection, hits, reading)

    def _best(self, question: str, hits: Sequence[Hit]) -> Selection:
        """Of all hits, so many at a time as `select` reads; the surest selection."""
        parts = [hits[at : at + PASSAGES] for at in range(0, max(1, len(hits)), PASSAGES)]
        found = [
            select(
                question,
                part,
                self.encoder,
                most_sentences=self.most_sentences,
                threshold=self.threshold,
            )
            for part in parts
        ]
        best = max(found, key=lambda each: each.confidence)
        flops = [each.flops for each in found]
        return Selection(
            best.citations, best.abstained, best.confidence,
            sum(each.tokens for each in found),
            sum(each.padded_tokens for each in found),
            None if None in flops else sum(each or 0.0 for each in flops),
        )  # fmt: skip

    def exercise(
        self, question: str, passages: Sequence[Passage], said: str | None
    ) -> dict[str, Any]:
        """There is none."""
        raise UsageError("extractive is no language model: it learns nothing.")

    def over(self, model: Any) -> "Quoting":
        """There is none."""
        raise UsageError("extractive is no language model: nothing can be read before or tuned.")
