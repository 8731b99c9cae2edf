"""Decision rules by name: how the recorded answer to a question becomes the answer that counts."""

import math
from collections.abc import Callable, Mapping, Sequence

from isoflop.errors import UnusableExam, UsageError, did_you_mean
from isoflop.measure.exams import spans
from isoflop.measure.exams.exam import LETTERS
from isoflop.measure.exams.outputs import Output
from isoflop.measure.exams.parsers import PARSERS
from isoflop.questions import Question

Weigh = Callable[[float, float, str], float]

LIKELIHOODS: dict[str, Weigh] = {
    "sum": lambda total, alone, choice: total,
    "per-character": lambda total, alone, choice: total / max(len(choice), 1),
    "per-byte": lambda total, alone, choice: total / max(len(choice.encode()), 1),
    "pmi": lambda total, alone, choice: total - alone,
}
CREDITS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "squad-exact": spans.exact_match,
    "squad-f1": spans.f1,
}
CONTRAST = "pair-contrast"
RULES = (*PARSERS, *CREDITS, *LIKELIHOODS, CONTRAST)
READS_TEXT = frozenset({*PARSERS, *CREDITS})


def known(rule: str) -> str:
    """The rule, if there is one of that name.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    if rule in RULES:
        return rule
    raise UsageError(
        f"No rule called {rule!r}.{did_you_mean(rule, RULES)} Known: {', '.join(RULES)}."
    )


def answer(question: Question, output: Output, rule: str) -> str | None:
    """What an output answers by a rule; None when the rule finds no answer in it.

    Raises:
        UnusableExam: If the rule weighs likelihoods that were not recorded.
    """
    if rule in CREDITS:
        return output.text
    if rule in PARSERS:
        return None if output.text is None else PARSERS[rule](output.text, question)
    weighed = weights(question, output, rule)
    return LETTERS[weighed.index(max(weighed))]  # the first of equals


def weights(question: Question, output: Output, rule: str) -> list[float]:
    """What a rule of likelihoods gives each choice of a question, in nats.

    Raises:
        UnusableExam: If the likelihoods that it weighs were not recorded.
    """
    n = len(question.choices)
    if not n or len(output.likelihoods) != n:
        raise UnusableExam(
            f"Question {question.id!r} has {n} choices and {len(output.likelihoods)} recorded "
            f"log-likelihoods; the rule {rule!r} needs one for each."
        )
    if rule == "pmi" and len(output.unconditional) != n:
        raise UnusableExam(
            "The rule 'pmi' needs the log-likelihood of each choice without its question, "
            f"which was not recorded for {question.id!r}."
        )
    alone: Sequence[float] = output.unconditional or [0.0] * n
    each = zip(output.likelihoods, alone, question.choices, strict=True)
    return [LIKELIHOODS[rule](*one) for one in each]


def margin(output: Output) -> float | None:
    """By how much an output says yes rather than no, in nats where log-probabilities are recorded.

    From the likelihoods of yes and no where those were recorded; else from the alternatives at
    the first generated token that is not white space. Spellings of a word are added up; a word
    that is not among the recorded alternatives is given the least of them, which bounds it from
    above. Without log-probabilities a yes is +1 and a no -1. None when there is neither.
    """
    if len(output.likelihoods) == 2:
        return output.likelihoods[0] - output.likelihoods[1]
    place = first_word(output)
    if place:
        yes, no = mass(place, "yes"), mass(place, "no")
        if yes is not None or no is not None:
            least = min(place.values())
            return (least if yes is None else yes) - (least if no is None else no)
    said = PARSERS["yes-no"](output.text or "", _ANY)
    return {"yes": 1.0, "no": -1.0, None: None}[said]


_ANY = Question("", "")


def first_word(output: Output) -> Mapping[str, float]:
    """Alternatives at the place where the answer begins."""
    written = output.text or ""
    blank = len(written) - len(written.lstrip())
    for place in output.top:
        likeliest = max(place, key=place.__getitem__, default="")
        if likeliest.strip() or blank <= 0:
            return place
        blank -= len(likeliest)
    return {}


def mass(place: Mapping[str, float], word: str) -> float | None:
    """Log-probability of a word at a place, all its spellings together; None if it has none."""
    found = [value for token, value in place.items() if token.strip().lower() == word]
    if not found:
        return None
    top = max(found)
    return top + math.log(sum(math.exp(value - top) for value in found))
