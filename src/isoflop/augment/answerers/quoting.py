"""No language model: the sentences that answer, quoted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoflop import catalog
from isoflop.augment.evidence import padded_tokens
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

LONGEST = 256.0  # tokens of a text that the encoder reads, for the part of attention
CALL_SECONDS = 0.003  # of looking at words and sentences, beside the encoder; assumed


def _parts(passages: Sequence[Passage]) -> int:
    """Times that so many passages are read, and the question with each."""
    return max(1, -(-len(passages) // PASSAGES))


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
        return sum(self._lengths(question, passages))

    def _lengths(self, question: str, passages: Sequence[Passage]) -> list[int]:
        """Tokens of each text that the encoder reads, padding included."""
        texts = [
            *[question] * _parts(passages),
            *(embedded_text(passage) for passage in passages),
        ]
        return [padded_tokens(self.encoder, text) for text in texts]

    def answer_tokens(self, question: Question, *, alone: bool = False) -> float:
        """None are written."""
        return 0.0

    def asking(self, question: str, passages: Sequence[Passage], written: float) -> Bill:
        """Of reading these texts, each by itself."""
        lengths, shape = self._lengths(question, passages), self.encoder.architecture
        flops = None if shape is None else forward_flops(shape, lengths)
        return self._reading(sum(lengths), flops, _parts(passages))

    def cost(self, prompt: float, written: float, *, cached: float = 0, calls: float = 1) -> Bill:
        """Of reading so many tokens in texts as long as the encoder takes: no others cost more."""
        shape = self.encoder.architecture
        whole = None if shape is None else forward_flops(shape, [LONGEST])
        flops = None if whole is None else (prompt - cached) / LONGEST * whole
        return self._reading(prompt, flops, calls)

    def _reading(self, prompt: float, flops: float | None, calls: float) -> Bill:
        """Of so much work of the encoder."""
        shape = self.encoder.architecture
        if shape is None or flops is None:
            return Bill.forecast(prompt_tokens=prompt, flops=None) + UNKNOWN
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
