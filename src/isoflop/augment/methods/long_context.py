"""Long context: as much of the corpus as fits stands before every question, in order.

In this process its keys and values are kept, so it is read once; a server's prefix cache does
the same, and what it counts as cached is billed as that.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import mean_each
from isoflop.augment.methods.groups import ASKED_TOKENS, Groups
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.questions import Answer, Hit, Question

if TYPE_CHECKING:
    from isoflop.lm.structured import Scheme


class _Kept(Groups):
    """The beginning of the corpus as one group, read once."""

    scheme: "Scheme" = "plain"

    def _texts(self) -> tuple[list[list[int]], tuple[Passage, ...]]:
        room = self._room() if self.answerer.context_tokens is not None else None
        ids: list[int] = []
        shown: list[Passage] = []
        for passage, text in zip(
            self.material.passages, self._written(self.material.passages), strict=True
        ):
            more = self.answerer.model.encode(text + "\n")
            if room is not None and len(ids) + len(more) > room:
                break
            ids += more
            shown.append(passage)
        if not shown:
            raise CannotUse("not even the first passage fits into the model's context")
        return [ids], tuple(shown)

    def notes(self) -> list[str]:
        """How much of the corpus it holds."""
        return [_share(len(self.shown), len(self.material.passages))]


class _Sent:
    """The same beginning sent with every question to a server."""

    def __init__(self, answerer: Answerer, material: Material) -> None:
        self.answerer, self.material = answerer, material
        room = (answerer.context_tokens or 10**9) - ASKED_TOKENS - answerer.most_tokens
        self.shown = _fitting(answerer, material.passages, room)
        if not self.shown:
            raise CannotUse("not even the first passage fits into the model's context")
        self._hits = [Hit(passage, 0.0, "bm25") for passage in self.shown]

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Everything with every question; what a prefix cache saves is not promised."""
        each = mean_each(self.answerer, questions, lambda _: self.shown)
        notes = [_share(len(self.shown), len(self.material.passages))]
        if getattr(self.answerer, "context", 0) is None:
            notes.append(
                f"its context is not known: {self.answerer.context_tokens:,} tokens are assumed"
            )
        return Forecast(Range.exact(Bill()), each, notes=tuple(notes))

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Nothing to do: the server is sent everything anew."""
        return {"passages": len(self.shown)}

    def worst(self, question: Question) -> Bill:
        """All passages read, none of them cached, and as many tokens as may be written."""
        tokens = self.answerer.prompt_tokens(question.text, self.shown)
        return self.answerer.cost(tokens, self.answerer.most_tokens)

    def answer(self, question: Question) -> Answer:
        """From the question behind the passages."""
        return self.answerer.answer(question.text, self._hits)


class LongContext:
    """Reads once where keys and values can be kept here, and sends again where not.

    A model with a chat template is sent everything too, in the turn that asks.
    """

    def __new__(cls, answerer: Answerer, material: Material) -> Any:
        """The one or the other, which are methods themselves."""
        if not answerer.is_language_model:
            raise CannotUse("needs a language model")
        kept = hasattr(answerer.model, "logits") and not getattr(answerer, "converses", False)
        return (_Kept if kept else _Sent)(answerer, material)


def _fitting(answerer: Answerer, passages: Sequence[Passage], room: int) -> Sequence[Passage]:
    """The longest beginning of the passages whose prompt fits, by halving."""
    low, high = 0, len(passages)
    while low < high:
        middle = (low + high + 1) // 2
        fits = answerer.prompt_tokens("", passages[:middle]) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return passages[:low]


def _share(shown: int, all_: int) -> str:
    return f"{shown:,} of {all_:,} passages fit" if shown < all_ else f"all {all_:,} passages fit"
