"""What several methods share when they forecast: the mean over questions, and how far off."""

from collections.abc import Callable, Sequence
from statistics import fmean

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import Range
from isoflop.bill import FIGURES, Bill
from isoflop.documents import Passage
from isoflop.questions import Question

SAMPLE = 50  # questions that stand for all in a forecast
# Of a figure that is only a guess, to either side: seconds by the noise of a short trial, energy
# by that and the power; tokens and FLOPs by the lengths alone.
SECONDS, JOULES = 1.5, 1.7
UNKNOWN = Bill.forecast(seconds=None, joules=None, dollars=None, grams_co2e=None)


def mean_each(
    answerer: Answerer,
    questions: Sequence[Question],
    shown: Callable[[Question], Sequence[Passage]],
    *,
    cached: float = 0.0,
    apart: float = 1.0,
    tokens: float | None = None,
) -> Range:
    """Of answering one question from the passages that it is shown.

    Args:
        answerer: Who answers.
        questions: The first few stand for all.
        shown: Passages for a question, or as many that stand for them.
        cached: Tokens of each prompt that are kept, beside those of the passages shown.
        apart: Factor by which lengths of passages may be off.
        tokens: Of what is shown, where that was seen already; then `shown` is not asked.
    """
    some = questions[:SAMPLE]
    alone = fmean(answerer.prompt_tokens(question.text, ()) for question in some)
    written = fmean(answerer.answer_tokens(question) for question in some)
    more = tokens
    if more is None:
        more = fmean(answerer.prompt_tokens(q.text, shown(q)) for q in some) - alone
    least = 1.0 if answerer.most_tokens else 0.0
    bills = [
        answerer.cost(cached + alone + more * factor, said, cached=cached)
        for factor, said in (
            (1 / apart, max(least, written / 2)),
            (1.0, written),
            (apart, min(answerer.most_tokens, 2 * written)),
        )
    ]
    return widened(Range(*bills))


def widened(of: Range) -> Range:
    """With seconds, energy and what follows from them as uncertain as they are."""
    return Range(
        _scaled(of.low, 1 / SECONDS, 1 / JOULES), of.middle, _scaled(of.high, SECONDS, JOULES)
    )


def _scaled(bill: Bill, seconds: float, joules: float) -> Bill:
    by = {"seconds": seconds, "joules": joules, "grams_co2e": joules}
    if bill.flops is not None:  # at a server, dollars follow from tokens
        by["dollars"] = seconds
    figures = {
        name: None if (value := getattr(bill, name)) is None else value * by.get(name, 1.0)
        for name in FIGURES
    }
    return Bill(**figures, bases=bill.bases)
