"""What several methods share when they forecast: the mean over questions, and how far off."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import fmean

from isoflop.augment.answerer import Answerer
from isoflop.augment.method import Pay, Range, Row
from isoflop.bill import FIGURES, Bill, total
from isoflop.documents import Passage
from isoflop.questions import Answer, Question

SAMPLE = 50  # questions that stand for all in a forecast
SEEN = 5  # tuning questions that a way answers to see how much it writes after groups
# Of a figure that is only a guess, to either side: seconds by the noise of a short trial, energy
# by that and the power; tokens and FLOPs by the lengths alone.
SECONDS, JOULES = 1.5, 1.7
UNKNOWN = Bill.forecast(seconds=None, joules=None, dollars=None, grams_co2e=None)


def mean_each(
    answerer: Answerer,
    questions: Sequence[Question],
    shown: Callable[[Question], Sequence[Passage]],
    *,
    apart: float = 1.0,
    written: float | None = None,
) -> Range:
    """Of answering one question from the passages that it is shown.

    Args:
        answerer: Who answers.
        questions: The first few stand for all.
        shown: Passages for a question, or as many that stand for them.
        apart: Factor by which lengths of passages may be off.
        written: Tokens of an answer, where some were seen already.
    """
    some = questions[:SAMPLE]
    middle = mean_of(_asked(answerer, q, shown(q), written) for q in some)
    alone = fmean(answerer.prompt_tokens(question.text, ()) for question in some)
    more, written = (middle.prompt_tokens or 0.0) - alone, middle.output_tokens or 0.0
    least = 1.0 if answerer.most_tokens else 0.0
    typical = answerer.cost(alone + more, written)
    low, high = (
        middle + answerer.cost(alone + more * factor, said) - typical
        for factor, said in (
            (1 / apart, max(least, written / 2)),
            (apart, min(answerer.most_tokens, 2 * written)),
        )
    )
    return widened(Range(low, middle, high))


def _asked(
    answerer: Answerer, question: Question, passages: Sequence[Passage], written: float | None
) -> Bill:
    if written is None:
        written = answerer.answer_tokens(question, alone=not passages)
    return answerer.asking(question.text, passages, written)


def written_to(
    questions: Sequence[Question],
    worst: Callable[[Question], Bill],
    answer: Callable[[Question], Answer],
    pay: Pay,
) -> float | None:
    """Mean tokens of the answers of a way that is prepared; None without questions.

    Args:
        questions: A few that are not measured.
        worst: What an answer may take.
        answer: Gives one.
        pay: Pays for them.
    """

    def call(question: Question) -> tuple[Row, Bill]:
        bill = answer(question).bill
        return {"tokens": bill.output_tokens or 0.0}, bill

    rows = [pay(f"see/{q.id}", worst(q), partial(call, q)) for q in questions]
    return fmean(row["tokens"] for row in rows) if rows else None


def mean_of(bills: Iterable[Bill]) -> Bill:
    """Of at least one."""
    every = list(bills)
    return total(every) * (1 / len(every))


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
