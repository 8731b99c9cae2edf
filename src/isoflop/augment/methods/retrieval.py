"""Retrieval: the passages found for a question stand before it.

Way of ranking, number of passages and their width are chosen on the tuning questions, unless the
user names them: first the way that finds accepted answers most often, which takes searches alone,
then number and width by the answers themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from operator import attrgetter
from statistics import fmean
from typing import TYPE_CHECKING

from isoflop import catalog
from isoflop.augment.answerer import UNASKED, Answerer, unasked
from isoflop.augment.evidence import padded_tokens
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.abstaining import Tried, best_threshold
from isoflop.augment.methods.forecasting import SAMPLE, UNKNOWN, mean_each
from isoflop.bill import Bill, total
from isoflop.documents import Passage
from isoflop.plan.retrieval import (
    QUESTION_TOKENS,
    Corpus,
    Speed,
    assumed_speed,
    question_forecast,
    saved_speed,
)
from isoflop.questions import WAYS, Answer, Hit, Question, Way
from isoflop.settings import cache_folder

if TYPE_CHECKING:
    from isoflop.search.index import Found

USUAL = 5  # passages, where there is nothing to choose by
TRIED = ((1, 1), (3, 1), (5, 1), (8, 1), (1, 3), (3, 3))  # number of passages, width of each
MOST_TUNED = 20  # questions that settings are chosen by


class Retrieval:
    """Search, then read what was found."""

    def __init__(self, answerer: Answerer, material: Material) -> None:
        options = material.options
        self.answerer, self.material = answerer, material
        self.k: int = options.get("k") or USUAL
        self.width: int = options.get("width") or 1
        self.by: Way = options.get("by") or material.index.default_way
        # For a forecast passages are found by words, which takes no FLOPs: those that answer are
        # longer than others.
        self.forecast_by: Way = "bm25"
        self._chosen = False
        self.written: float | None = None  # tokens of an answer, once some were seen
        self._place = {passage.id: n for n, passage in enumerate(material.passages)}
        if not material.passages:
            raise CannotUse("the documents hold no passages")

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Passages that words find stand for those that will be found."""
        each = self._typical(questions, self.k, self.width)
        some = [] if self.material.options.get("k") else self._choosing
        tried = [self._typical(some, k, width) for k, width in TRIED] if some else []
        if not self._chosen:
            tokens = attrgetter("middle.prompt_tokens")
            ends = [each, *tried]
            each = replace(each, low=min(ends, key=tokens).low, high=max(ends, key=tokens).high)
        return Forecast(self._tuning(tried), each, before=self.material.indexing or Bill())

    def _typical(self, questions: Sequence[Question], k: int, width: int) -> Range:
        """Of searching and reading, for one question."""
        return Range.exact(self.searched(questions)) + mean_each(
            self.answerer, questions, lambda q: self.worded(q.text, k, width), apart=1.3,
            written=self.written,
        )  # fmt: skip

    def worded(self, question: str, k: int, width: int) -> Sequence[Passage]:
        """Passages that stand in a forecast for those that will be found."""
        found = self.found(question, k, width, by=self.forecast_by)
        return [hit.passage for hit in found.hits]

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Choose the way of ranking, the number of passages and their width."""
        some = self._choosing
        if some and not self.material.options.get("by"):
            self.by = self._best_way(some, pay)
        if some and not self.material.options.get("k"):
            self.k, self.width = self._best_shape(some, pay, progress)
        self._chosen = True
        settings: Row = {"k": self.k, "width": self.width, "by": self.by, "tuned_on": len(some)}
        if self._weighs:
            limit = self._best_threshold(pay)
            self.answerer = replace(self.answerer, threshold=limit)  # type: ignore[type-var]  # a dataclass
            settings["threshold"] = limit
        return settings

    @property
    def _weighs(self) -> bool:
        """Whether it can heed what a wrong answer loses, and there is something to heed."""
        known = self.material.options.get("threshold") is not None
        return hasattr(self.answerer, "threshold") and (known or self.material.wrong > 0)

    @property
    def _unsure(self) -> tuple[Question, ...]:
        """Questions to choose the threshold by, those included that have no answer."""
        return self.material.tuning[: 2 * MOST_TUNED]

    def _best_threshold(self, pay: Pay) -> float:
        """The confidence below which it pays not to answer."""
        usual: float = self.answerer.threshold  # type: ignore[attr-defined]  # see `_weighs`
        if (chosen := self.material.options.get("threshold")) is not None:
            return float(chosen)
        sure = replace(self.answerer, threshold=0.0)  # type: ignore[type-var]  # a dataclass
        rows = [
            pay(f"sure/{self.by}/{self.k}x{self.width}/{q.id}", self.worst(q),
                partial(self._weighed, q, sure))
            for q in self._unsure
        ]  # fmt: skip
        tried = [Tried(row["confidence"], row["given"], row["kept"]) for row in rows]
        return round(best_threshold(tried, usual), 4)

    def _weighed(self, question: Question, sure: Answerer) -> tuple[Row, Bill]:
        """What answering a question scores, and what not to answer would."""
        found = self.found(question.text, self.k, self.width)
        answer = sure.answer(question.text, found.hits)
        kept = replace(answer, abstained=True)
        row = {
            "confidence": answer.confidence or 0.0,
            "given": self.material.score(question, answer),
            "kept": self.material.score(question, kept),
        }
        return row, found.bill + answer.bill

    def worst(self, question: Question) -> Bill:
        """The longest passages, and as many tokens as may be written."""
        return _more(self.searched()) + self._read_at_most(question, self.k * self.width)

    def answer(self, question: Question) -> Answer:
        """From the passages found, with the bill of the search."""
        return self.answered(question, self.k, self.width)

    def answered(self, question: Question, k: int, width: int) -> Answer:
        """The same with other settings."""
        found = self.found(question.text, k, width)
        try:
            answer = self.answerer.answer(question.text, found.hits)
        except UNASKED as why:  # paid for is the search alone
            answer = unasked(why, found.hits)
        return replace(answer, bill=found.bill + answer.bill)

    def found(self, question: str, k: int, width: int, *, by: Way | None = None) -> "Found":
        """What stands before a question, as much as the context holds."""
        found = self.material.index.find(question, k, by=by or self.by)
        hits = self.widened(found.hits, width)
        kept = self.fitting(question, [hit.passage for hit in hits])
        return replace(found, hits=tuple(hits[: len(kept)]))

    def widened(self, hits: Sequence[Hit], width: int) -> list[Hit]:
        """Hits with the passages beside them, each passage shown once."""
        shown: list[Hit] = []
        for hit in hits:
            passage = self._with_neighbours(hit.passage, width // 2)
            if not any(_inside(hit.passage, other.passage) for other in shown):
                shown.append(replace(hit, passage=passage))
        return shown

    def _with_neighbours(self, passage: Passage, reach: int) -> Passage:
        at = self._place.get(passage.id)
        if at is None or not reach:
            return passage
        every = self.material.passages
        around = every[max(0, at - reach) : at + reach + 1]
        return joined([each for each in around if each.document == passage.document])

    def fitting(self, question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
        """The longest beginning that the context holds."""
        room = self.answerer.context_tokens
        if room is None:
            return passages
        for count in range(len(passages), 0, -1):
            tokens = self.answerer.prompt_tokens(question, passages[:count])
            if tokens + self.answerer.most_tokens <= room:
                return passages[:count]
        return passages[:0]

    def searched(self, questions: Sequence[Question] = (), by: Way | None = None) -> Bill:
        """A forecast of one search, the mean of those for these questions.

        Args:
            questions: Of usual length where there are none.
            by: Another way of ranking than the one that is used.
        """
        encoder, by = self.material.index.encoder, by or self.by
        shape = getattr(encoder, "architecture", None)
        if shape is None:
            return Bill.forecast(flops=None) + UNKNOWN
        corpus = Corpus(self._characters, len(self.material.passages))
        machine = catalog.this_machine()
        some = [padded_tokens(encoder, q.text) for q in questions[:SAMPLE]]
        tokens = fmean(some) if some else float(QUESTION_TOKENS)
        speed = saved_speed(cache_folder()) or assumed_speed(machine, shape)
        if speed is None:
            timeless = Speed(1.0, dict.fromkeys(WAYS, 0.0))
            flops = question_forecast(machine, timeless, shape, corpus, by, tokens).flops
            return Bill.forecast(flops=flops, prompt_tokens=tokens) + UNKNOWN
        return question_forecast(machine, speed, shape, corpus, by, tokens)

    @cached_property
    def _characters(self) -> int:
        return sum(len(passage.text) for passage in self.material.passages)

    @property
    def _choosing(self) -> list[Question]:
        """Tuning questions that settings are chosen by."""
        return [q for q in self.material.tuning if q.answers][:MOST_TUNED]

    def _tuning(self, tried: Sequence[Range]) -> Range:
        """Choosing on the tuning questions, of which each takes so much by each shape."""
        some, whole = self._choosing, Range.exact(Bill())
        if some and not self.material.options.get("by"):
            searches = total(self.searched(some, way) for way in self._usable)
            whole = whole + Range.exact(searches * len(some))
        for each in tried:
            whole = whole + each * len(some)
        if self._weighs and self._unsure and self.material.options.get("threshold") is None:
            asked = self._typical(self._unsure, self.k, self.width)
            whole = whole + asked * len(self._unsure)
        return whole

    def _best_way(self, some: Sequence[Question], pay: Pay) -> Way:
        """The way of ranking that finds an accepted answer soonest; of equals the cheapest."""
        worth = {}
        for way in self._usable:
            rows = [
                pay(
                    f"search/{way}/{q.id}",
                    _more(self.searched()),
                    partial(self._rank, q, way),
                )
                for q in some
            ]
            worth[way] = fmean(row["reciprocal_rank"] for row in rows)
        cheapest = self._usable.index
        return max(self._usable, key=lambda way: (round(worth[way], 9), -cheapest(way)))

    @cached_property
    def _usable(self) -> list[Way]:
        """Ways of ranking that this index has, cheapest first."""
        reranks = self.material.index.default_way == "reranked"
        return [way for way in WAYS if way != "reranked" or reranks]

    def _rank(self, question: Question, way: Way) -> tuple[Row, Bill]:
        found = self.material.index.find(question.text, max(k for k, _ in TRIED), by=way)
        held = [_holds(hit.passage, question.answers) for hit in found.hits]
        rank = held.index(True) + 1 if True in held else None
        return {"reciprocal_rank": 1 / rank if rank else 0.0}, found.bill

    def _best_shape(
        self, some: Sequence[Question], pay: Pay, progress: Callable[[str, int, int], None]
    ) -> tuple[int, int]:
        """Number and width of passages with the best answers; of equals the least text."""
        worth: dict[tuple[int, int], float] = {}
        written: dict[tuple[int, int], float] = {}
        for done, (k, width) in enumerate(TRIED):
            rows = [
                pay(
                    f"tune/{self.by}/{k}x{width}/{q.id}",
                    _more(self.searched()) + self._read_at_most(q, k * width),
                    partial(self._tried, q, k, width),
                )
                for q in some
            ]
            worth[k, width] = fmean(row["score"] for row in rows)
            written[k, width] = fmean(row["tokens"] for row in rows)
            progress("choosing passages", done + 1, len(TRIED))
        best = max(worth, key=lambda shape: (round(worth[shape], 9), -shape[0] * shape[1]))
        self.written = written[best]
        return best

    def _tried(self, question: Question, k: int, width: int) -> tuple[Row, Bill]:
        answer = self.answered(question, k, width)
        tokens = answer.bill.output_tokens or 0.0
        return {"score": self.material.score(question, answer), "tokens": tokens}, answer.bill

    def _read_at_most(self, question: Question, passages: int) -> Bill:
        """Reading the longest passages there are, cut to the context."""
        longest = self.longest[:passages]
        tokens = self.answerer.prompt_tokens(question.text, longest)
        room = self.answerer.context_tokens
        if room is not None:
            tokens = min(tokens, max(0, room - self.answerer.most_tokens))
        return self.answerer.cost(tokens, self.answerer.most_tokens)

    @cached_property
    def longest(self) -> list[Passage]:
        """As many passages as it ever shows, those of the most tokens."""
        most = max(k * width for k, width in TRIED)
        most = max(most, self.k * self.width)
        count = partial(self.answerer.prompt_tokens, "")
        return sorted(self.material.passages, key=lambda p: -count([p]))[:most]


def joined(passages: Sequence[Passage]) -> Passage:
    """Passages that follow each other in one document, as one; overlaps are told once."""
    first, text = passages[0], passages[0].text
    stop = first.stop
    for passage in passages[1:]:
        text += passage.text[max(0, stop - passage.start) :]
        stop = max(stop, passage.stop)
    return replace(first, stop=stop, text=text)


def _inside(passage: Passage, other: Passage) -> bool:
    same = passage.document == other.document
    return same and other.start <= passage.start and passage.stop <= other.stop


def _holds(passage: Passage, answers: Sequence[str]) -> bool:
    text = " ".join(passage.text.casefold().split())
    return any(" ".join(answer.casefold().split()) in text for answer in answers)


def _more(bill: Bill) -> Bill:
    """What a search may take at most: a forecast of milliseconds may be several times off."""
    return bill * 5
