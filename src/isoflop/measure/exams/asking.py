"""How isoflop asks a question: visible text, the same for every model."""

import re
from collections.abc import Iterable

from isoflop.measure.exams import parsers
from isoflop.measure.exams.exam import LETTERS, YES_NO, is_yes_no
from isoflop.questions import Question

CUE = "\n\nAnswer:"  # before a continuation whose likelihood is read
# What a choice is likely without its question: Holtzman et al. 2021, arXiv:2104.08315, section 2.
PREMISE = "Answer:"
REASONED = 1024  # tokens that an answer with reasons may take
SHORT = 32  # tokens for a letter, a word or a name

_ASKS = re.compile(r"\banswer\b", re.IGNORECASE)


def asked(question: Question) -> str:
    """The question with its choices in lines, unless its text has them."""
    if not question.choices or all(choice in question.text for choice in question.choices):
        return question.text
    return "\n".join((question.text, *(f"{name}. {text}" for name, text in lettered(question))))


def prompt(question: Question) -> str:
    """What a model is asked to write an answer to.

    A question that says how to answer is asked as it is; others get a line that says so.
    """
    text = asked(question)
    return text if _ASKS.search(text[-300:]) else f"{text}\n\n{instruction(question)}"


def instruction(question: Question) -> str:
    """The line that says how to answer."""
    if question.choices:
        several = any(len(answer) > 1 for answer in question.answers)
        return f"Answer with the letter{'s' if several else ''} only."
    if is_yes_no(question):
        return "Answer with one word, yes or no."
    if all(parsers.as_number(answer) for answer in question.answers):
        return "Reason step by step, then give the answer as a number on the last line."
    return "Answer with as few words as possible and nothing else."


def spellings(question: Question) -> Iterable[str]:
    """Ways in which the question may have been asked: by isoflop, as it stands, by AGIEval."""
    yield question.text
    yield asked(question)
    yield prompt(question)
    if question.choices:
        inline = (f"({letter}){text}" for letter, text in lettered(question))
        yield f"{question.text} Answer Choices: {' '.join(inline)}"


def most_tokens(question: Question) -> int:
    """Tokens that the answer may take."""
    text = prompt(question)[-300:].lower()
    return REASONED if "step" in text or "reason" in text else SHORT


def continuations(question: Question) -> tuple[str, ...]:
    """What is weighed after the cue: the choices, or yes and no."""
    found = YES_NO if is_yes_no(question) else question.choices
    return tuple(f" {text}" for text in found)


def lettered(question: Question) -> Iterable[tuple[str, str]]:
    """Choices with their letters."""
    return zip(LETTERS, question.choices, strict=False)
