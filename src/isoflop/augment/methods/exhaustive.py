"""Exhaustive reading: every passage is read for every question. An upper bound, and its price.

Each passage is asked alone; of the answers the one is given that is likeliest, summed over the
passages that gave it, where the model's likelihoods are at hand, and else the most frequent one.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import widened
from isoflop.bill import Bill, total
from isoflop.documents import Passage
from isoflop.questions import Answer, Hit, Question

AT_ONCE = 16  # passages read in one batch


class Exhaustive:
    """No search can miss what is read in full."""

    def __init__(self, answerer: Answerer, material: Material) -> None:
        if not material.passages:
            raise CannotUse("the documents hold no passages")
        self.answerer = answerer
        self.passages = self._fitting(material.passages)
        if not self.passages:
            raise CannotUse("no passage fits into the model's context")
        self.hits = [Hit(passage, 0.0, "bm25") for passage in self.passages]

    def _fitting(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those that fit into a prompt."""
        room = self.answerer.context_tokens
        if room is None:
            return list(passages)
        most = room - self.answerer.most_tokens
        return [p for p in passages if self.answerer.prompt_tokens("", [p]) <= most]

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Every passage with a question of middling length."""
        middle = sorted(questions, key=lambda q: len(q.text))[len(questions) // 2]
        written = self.answerer.answer_tokens(middle)
        low, mid, high = (
            self._all(middle, tokens)
            for tokens in (min(written, 2.0), written, self.answerer.most_tokens)
        )
        note = f"{len(self.passages):,} passages are read for each question"
        return Forecast(Range.exact(Bill()), widened(Range(low, mid, high)), notes=(note,))

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Nothing to prepare."""
        return {"passages": len(self.passages)}

    def worst(self, question: Question) -> Bill:
        """As many tokens as may be written, after every passage."""
        return self._all(question, self.answerer.most_tokens)

    def _all(self, question: Question, written: float) -> Bill:
        calls = len(self.passages)
        asked = self.answerer.prompt_tokens(question.text, ())
        tokens = self._passage_tokens + calls * asked
        return self.answerer.cost(tokens, calls * written, calls=calls)

    @property
    def _passage_tokens(self) -> int:
        if not hasattr(self, "_counted"):
            alone = self.answerer.prompt_tokens("", ())
            self._counted = sum(self.answerer.prompt_tokens("", [p]) - alone for p in self.passages)
        return self._counted

    def answer(self, question: Question) -> Answer:
        """The likeliest answer of all passages."""
        if not self.answerer.is_language_model:
            return self.answerer.answer(question.text, self.hits)
        ask = getattr(self.answerer, "answer_each", None)
        found = (
            ask(question.text, self.hits, AT_ONCE)
            if ask is not None
            else [(self.answerer.answer(question.text, [hit]), 0.0) for hit in self.hits]
        )
        return _chosen(found, self.hits)


def _chosen(found: Sequence[tuple[Answer, float]], hits: Sequence[Hit]) -> Answer:
    """The answer with the greatest sum of probabilities; none if every passage gave none."""
    bill = total(answer.bill for answer, _ in found)
    mass: dict[str, float] = defaultdict(float)
    best: dict[str, tuple[float, Answer]] = {}
    for answer, log_probability in found:
        if answer.abstained:
            continue
        key = " ".join(answer.text.casefold().split())
        mass[key] += math.exp(log_probability)
        if key not in best or log_probability > best[key][0]:
            best[key] = (log_probability, answer)
    if not mass:
        return replace(found[0][0], hits=tuple(hits), bill=bill)
    return replace(best[max(mass, key=mass.__getitem__)][1], hits=tuple(hits), bill=bill)
