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
from functools import cached_property
from typing import TYPE_CHECKING, Any

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import SAMPLE, SEEN, mean_of, widened, written_to
from isoflop.bill import Bill, total
from isoflop.documents import Passage
from isoflop.lm.model import Message
from isoflop.questions import Answer, Question

if TYPE_CHECKING:
    from isoflop.lm.structured import Scheme

ASKED_TOKENS = 64  # room for a question beside its answer, where groups have a bound


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
        self.written: float | None = None  # tokens of an answer, once some were seen

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
        """Of all groups, as they are read."""
        return sum(map(len, self.texts)) + len(self.texts) * self._begins

    @property
    def kept(self) -> int:
        """Of these, tokens that a question attends to: of parallel groups one alone is begun."""
        again = len(self.texts) - 1 if self.scheme == "parallel" else 0
        return self.tokens - again * self._begins

    @property
    def _begins(self) -> int:
        """Tokens before a group: one that begins a text, or none."""
        return int(self.answerer.model.beginning is not None)

    @cached_property
    def _begun(self) -> int:
        """Tokens that begin a prompt, which it has not after groups."""
        model = self.answerer.model
        return int(model.encode_messages([Message("user", "?")])[:1] == [model.beginning])

    def _reading(self) -> Bill:
        """A forecast of reading all groups."""
        return total(self.answerer.cost(self._begins + len(text), 0) for text in self.texts)

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Reading all groups once; then the question alone, attending to all of them."""
        some, most = questions[:SAMPLE], self.answerer.most_tokens
        low, middle, high = (
            mean_of(
                self._asked(q, min(most, max(1.0, times * self._answer_tokens(q)))) for q in some
            )
            for times in (0.5, 1.0, 2.0)
        )
        each = widened(Range(low, middle, high))
        once = widened(Range.exact(self._reading())) + each * len(self._seen)
        return Forecast(once, each, notes=tuple(self.notes()))

    @property
    def _seen(self) -> Sequence[Question]:
        """Questions that are asked to see how much is written: a scheme may never end as usual."""
        return self.material.tuning[:SEEN]

    def _asked(self, question: Question, written: float) -> Bill:
        asked = self.answerer.prompt_tokens(question.text, ()) - self._begun
        return self.answerer.cost(self.kept + asked, written, cached=self.kept)

    def _answer_tokens(self, question: Question) -> float:
        """An answer if the passage that has it is shown; else as to a question alone."""
        if self.written is not None:
            return self.written
        shown = len(self.shown) / len(self.material.passages)
        answer, alone = (self.answerer.answer_tokens(question, alone=a) for a in (False, True))
        return shown * answer + (1 - shown) * alone

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

        row = pay(f"read/{self.scheme}", self._reading() * 2, call)
        if self._after is None:  # paid for earlier: it lies on disk
            call()
        self.written = written_to(self._seen, self.worst, self.answer, pay)
        return {"groups": row["groups"], "tokens": row["tokens"]}

    def worst(self, question: Question) -> Bill:
        """As many tokens as may be written."""
        return self._asked(question, self.answerer.most_tokens)

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
