"""Exhaustive reading: every passage is read for every question. An upper bound, and its price.

Each passage is asked alone; of the answers the one is given that is likeliest, summed over the
passages that gave it, where the model's likelihoods are at hand, and else the most frequent one.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from statistics import fmean, pstdev

from isoflop.augment.answerer import Answerer
from isoflop.augment.extractive import PASSAGES
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import SAMPLE, mean_of, widened
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
        """Every passage with every question."""
        some = questions[:SAMPLE]
        low, mid, high = (
            mean_of(self._all(q, tokens(self._written(q))) for q in some)
            for tokens in (partial(min, 2.0), float, lambda _: self.answerer.most_tokens)
        )
        note = f"{len(self.passages):,} passages are read for each question"
        return Forecast(Range.exact(Bill()), widened(Range(low, mid, high)), notes=(note,))

    def _written(self, question: Question) -> float:
        """Mean tokens after a passage: after one an answer, after the others that none is."""
        none = self.answerer.answer_tokens(question, alone=True)
        more = self.answerer.answer_tokens(question) - none
        return none + more / len(self.passages)

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Nothing to prepare."""
        return {"passages": len(self.passages)}

    def worst(self, question: Question) -> Bill:
        """As many tokens as may be written, after every passage."""
        return self._all(question, self.answerer.most_tokens)

    def _all(self, question: Question, written: float) -> Bill:
        """Of so many tokens after every passage."""
        if not self.answerer.is_language_model:
            return self._quoted(question)
        asked = self.answerer.prompt_tokens(question.text, ())
        return total(
            self.answerer.cost(calls * (asked + tokens), calls * written, calls=calls)
            for calls, tokens in self._lengths
        )

    @cached_property
    def _lengths(self) -> Sequence[tuple[float, float]]:
        """Calls, and tokens of a passage, with the mean and the variance of all passages.

        What a call takes grows with the tokens and their square, so half of the calls one standard
        deviation shorter and half one longer take together what all passages take.
        """
        alone = self.answerer.prompt_tokens("", ())
        tokens = [self.answerer.prompt_tokens("", [p]) - alone for p in self.passages]
        mean, apart, calls = fmean(tokens), pstdev(tokens), float(len(tokens))
        if not apart:
            return ((calls, mean),)
        return ((calls / 2, mean - apart), (calls / 2, mean + apart))

    def _quoted(self, question: Question) -> Bill:
        """Passages are read one by one, and the question with every few of them."""
        asking = self.answerer.asking
        more = asking(question.text, (), 0) - asking("", (), 0)
        return self._unasked + more * -(-len(self.passages) // PASSAGES)

    @cached_property
    def _unasked(self) -> Bill:
        return self.answerer.asking("", self.passages, 0)

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
