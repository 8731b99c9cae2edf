"""Context without end: the corpus is read once in groups, kept, and attended to all at once.

`structured-prompting` ends all groups just before the question and weighs the question by their
number; `parallel-windows` begins all at the same place, with weight 1. Reading is paid once; a
question then attends to every token of the corpus and reads only itself.

Source:
    Hao et al. 2022, Structured Prompting, arXiv:2212.06713; Ratner et al. 2022, Parallel Context
    Windows, arXiv:2212.10947.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import widened
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.questions import Answer, Question

if TYPE_CHECKING:
    from isoflop.lm.structured import Scheme

ASKED_TOKENS = 64  # room for a question beside its answer, where groups have a bound
SAMPLE = 50


class Groups:
    """What both schemes, and one long context that is read once, have in common."""

    scheme: "Scheme" = "structured"

    def __init__(self, answerer: Answerer, material: Material) -> None:
        if not answerer.is_language_model:
            raise CannotUse("needs a language model")
        if not hasattr(answerer.model, "logits"):
            raise CannotUse("needs the model in this process; a server keeps no groups")
        if not material.passages:
            raise CannotUse("the documents hold no passages")
        asked: Any = answerer
        self.answerer: Answerer = replace(asked, shown=material.passages)
        self.material = material
        self.texts, self.shown = self._texts()
        self._after: Any = None

    def _texts(self) -> tuple[list[list[int]], tuple[Passage, ...]]:
        """Token ids of each group, and the passages in them."""
        from isoflop.lm.groups import pack

        passages = self.material.passages
        return pack(self.answerer.model, self._written(passages), self._room()), passages

    def _written(self, passages: Sequence[Passage]) -> list[str]:
        """Passages as they stand before a question."""
        from isoflop.augment.answerers.continuing import plain

        return [f"[{n % 5 + 1}] {' '.join(plain(p).split())}" for n, p in enumerate(passages)]

    def _room(self) -> int:
        """Tokens of a group: what the model holds, less the question and the answer."""
        holds = self.answerer.context_tokens
        if holds is None:
            return max(1024, *(len(p.text) for p in self.material.passages))
        asked = ASKED_TOKENS
        if getattr(self.answerer, "converses", False):  # what it is told stands with the question
            asked += self.answerer.prompt_tokens("", ())
        room = holds - asked - self.answerer.most_tokens - 1
        if room < 1:
            raise CannotUse(f"the model holds {holds} tokens, too few for a group and a question")
        return room

    @property
    def tokens(self) -> int:
        """Of all groups, a beginning token each."""
        return sum(map(len, self.texts)) + len(self.texts)

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Reading all groups once; then the question alone, attending to all of them."""
        once = self.answerer.cost(self.tokens, 0, calls=len(self.texts))
        some = questions[:SAMPLE]
        asked = fmean(self.answerer.prompt_tokens(q.text, ()) for q in some)
        written = fmean(self.answerer.answer_tokens(q) for q in some)
        low, middle, high = (
            self.answerer.cost(self.tokens + asked, tokens, cached=self.tokens)
            for tokens in (max(1.0, written / 2), written,
                           min(2 * written, self.answerer.most_tokens))
        )  # fmt: skip
        return Forecast(
            widened(Range.exact(once)), widened(Range(low, middle, high)), notes=tuple(self.notes())
        )

    def notes(self) -> list[str]:
        """What a user should know."""
        return [f"{len(self.texts)} groups of up to {max(map(len, self.texts))} tokens"]

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Read the groups, or take them from disk where they were read before."""
        from isoflop.lm.structured import read_groups

        folder = self.material.folder / "groups"

        def call() -> tuple[Row, Bill]:
            """What is not on disk is read, and billed; groups that are cost nothing."""
            from isoflop.augment.answerers.local import flops_of, placed_bill

            model = self.answerer.model
            self._after = read_groups(model, self.texts, scheme=self.scheme, folder=folder)
            fresh = [len(g.tokens) for g in self._after.groups if not g.stored]
            flops = [flops_of(model, length, 0, 0) for length in fresh]
            counted = None if None in flops else sum(each or 0.0 for each in flops)
            bill = placed_bill(replace(self._after.bill, flops=counted))
            return {"groups": len(self.texts), "tokens": self.tokens}, bill

        worst = self.answerer.cost(self.tokens, 0, calls=len(self.texts)) * 2
        row = pay(f"read/{self.scheme}", worst, call)
        if self._after is None:  # paid for earlier: it lies on disk
            call()
        return {"groups": row["groups"], "tokens": row["tokens"]}

    def worst(self, question: Question) -> Bill:
        """As many tokens as may be written."""
        asked = self.answerer.prompt_tokens(question.text, ())
        return self.answerer.cost(
            self.tokens + asked, self.answerer.most_tokens, cached=self.tokens
        )

    def answer(self, question: Question) -> Answer:
        """After all groups."""
        over: Any = self.answerer.over(self._after)
        over = replace(over, shown=self.shown)
        found: Answer = over.answer(question.text, ())
        return found


class StructuredPrompting(Groups):
    """Groups end just before the question, whose own part is weighed by their number."""


class ParallelWindows(Groups):
    """Groups begin at the same place; weight 1."""

    scheme: "Scheme" = "parallel"
