"""Closed book: the model answers from what it knows; the documents are not read."""

from collections.abc import Callable, Sequence

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.forecasting import mean_each
from isoflop.bill import Bill
from isoflop.questions import Answer, Question


class ClosedBook:
    """No passages; the floor that every other method must beat to be worth anything."""

    def __init__(self, answerer: Answerer, material: Material) -> None:
        if not answerer.is_language_model:
            raise CannotUse("needs a language model")
        self.answerer = answerer
        self.written: float | None = None  # tokens of an answer, once some were seen

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """Each question alone; nothing once."""
        each = mean_each(self.answerer, questions, lambda _: (), written=self.written)
        return Forecast(Range.exact(Bill()), each)

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Nothing to prepare."""
        return {}

    def worst(self, question: Question) -> Bill:
        """As many tokens as it may write."""
        prompt = self.answerer.prompt_tokens(question.text, ())
        return self.answerer.cost(prompt, self.answerer.most_tokens)

    def answer(self, question: Question) -> Answer:
        """From memory."""
        return self.answerer.answer(question.text, ())
