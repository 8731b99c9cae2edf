"""Models that continue a text: passages, the question, and the answer on the same line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from isoflop.augment.answerer import Speed
from isoflop.augment.answerers.local import context_of, cost_of, measured_bill
from isoflop.augment.citations import NOT_ANSWERED
from isoflop.augment.sentences import sentences
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.lm.model import Generated, Message
from isoflop.meter import measured
from isoflop.questions import Answer, Citation, Hit, Question
from isoflop.worlds.reading import UNKNOWN, reading_prompt

MOST_TOKENS = 32
_HEADING = re.compile(r"^\s*#+ .*$", re.MULTILINE)


@dataclass(frozen=True)
class Continuing:
    """A causal model without a chat template.

    Attributes:
        model: A `CausalModel` that is a `Model` too.
        most_tokens: For one answer, which ends at the end of its line.
        speed: How fast it is, once that is known.
        tokens_alone: Written to a question that nothing before it answers, once that is known.
        tokens_found: Written to one behind a passage that was found for it, likewise.
        shown: Passages that it has read before every question, for citations.
    """

    model: Any
    most_tokens: int = MOST_TOKENS
    speed: Speed | None = None
    tokens_alone: float | None = None
    tokens_found: float | None = None
    shown: tuple[Passage, ...] = ()
    is_language_model: bool = True

    @property
    def name(self) -> str:
        """Of the model."""
        name: str = self.model.name
        return name

    @property
    def context_tokens(self) -> int | None:
        """What it was trained to read at once."""
        return context_of(self.model)

    def prompt(self, question: str, passages: Sequence[Passage]) -> str:
        """What it continues."""
        return reading_prompt([plain(passage) for passage in passages], question)

    def prompt_tokens(self, question: str, passages: Sequence[Passage]) -> int:
        """Tokens of the prompt, the one that begins a text included."""
        return len(self.model.encode_messages([Message("user", self.prompt(question, passages))]))

    def answer_tokens(self, question: Question, *, alone: bool = False) -> float:
        """Of an accepted answer and the end of its line."""
        seen = self.tokens_alone if alone or not question.answers else self.tokens_found
        if seen is not None:
            return seen
        said = question.answers[0] if question.answers else UNKNOWN
        return min(self.most_tokens, len(self.model.encode(f" {said}\n")))

    def asking(self, question: str, passages: Sequence[Passage], written: float) -> Bill:
        """A forecast of one prompt; see `Answerer.asking`."""
        return self.cost(self.prompt_tokens(question, passages), written)

    def cost(self, prompt: float, written: float, *, cached: float = 0, calls: float = 1) -> Bill:
        """A forecast; see `Answerer.cost`."""
        return cost_of(self.model, self.speed, prompt, written, cached, calls)

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """What it writes on the line after "Answer:", and the sentence in which that stands."""
        prompt = self.prompt(question, [hit.passage for hit in hits])
        with measured() as reading:
            made = self.model.generate(
                [Message("user", prompt)], most_tokens=self.most_tokens, stop=["\n"]
            )
        return self.answered(made, hits, measured_bill(self.model, made, reading))

    def answer_each(
        self, question: str, hits: Sequence[Hit], at_once: int
    ) -> list[tuple[Answer, float]]:
        """From each passage alone, with the log-probability of what was written, in nats."""
        from isoflop.lm.generate import Request, generate

        found: list[tuple[Answer, float]] = []
        request = Request(self.most_tokens, stop=("\n",), alternatives=0)
        for at in range(0, len(hits), at_once):
            some = hits[at : at + at_once]
            texts = [self.prompt(question, [hit.passage]) for hit in some]
            ids = [self.model.encode_messages([Message("user", text)]) for text in texts]
            with measured() as reading:
                made = generate(self.model, ids, request)
            reading.seconds /= len(some)
            reading.joules = None if reading.joules is None else reading.joules / len(some)
            for one, hit in zip(made, some, strict=True):
                answer = self.answered(one, [hit], measured_bill(self.model, one, reading))
                likely = one.scored.log_probability if one.scored else None
                found.append((answer, likely or 0.0))
        return found

    def answered(self, made: Generated, hits: Sequence[Hit], bill: Bill) -> Answer:
        """The answer that was written after these passages."""
        text = made.text.strip()
        if not text or text.casefold().rstrip(".") == UNKNOWN:
            return Answer(NOT_ANSWERED, (), tuple(hits), abstained=True, bill=bill)
        shown = [*(hit.passage for hit in hits), *self.shown]
        found = next((c for passage in shown if (c := quoted(text, passage))), None)
        return Answer(text, (found,) if found else (), tuple(hits), abstained=False, bill=bill)

    def exercise(
        self, question: str, passages: Sequence[Passage], said: str | None
    ) -> dict[str, Any]:
        """A record from which this answer is learned; None where there is none to give."""
        prompt = self.prompt(question, passages)
        return {"prompt": prompt, "completion": f" {said or UNKNOWN}\n"}

    def over(self, model: Any) -> "Continuing":
        """The same form over another model."""
        return replace(self, model=model)


def plain(passage: Passage) -> str:
    """A passage's text without Markdown headings, unless it has nothing else."""
    return _HEADING.sub("", passage.text).strip() or passage.text


def quoted(text: str, passage: Passage) -> Citation | None:
    """The sentence of a passage in which a text stands, word for word; None if it does not."""
    pattern = r"\s+".join(re.escape(word) for word in text.split())
    found = re.search(rf"(?<!\w){pattern}(?!\w)", passage.text, re.IGNORECASE)
    if found is None:
        return None
    for start, stop in sentences(passage.text):
        if start <= found.start() < stop:
            stop = max(stop, found.end())
            return Citation(
                passage, passage.text[start:stop], passage.start + start, passage.start + stop
            )
    return Citation(passage, found[0], passage.start + found.start(), passage.start + found.end())
