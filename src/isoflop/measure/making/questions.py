"""Four ways of asking about a sentence: a gap, choices, true or false, and what nobody said."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from isoflop.augment import facts
from isoflop.measure.exams.exam import LETTERS
from isoflop.measure.making.names import Name, perturbed
from isoflop.measure.making.sources import Sentence, words
from isoflop.measure.making.stock import Stock

Form = Literal["cloze", "choice", "truth", "unanswerable", "free"]
FORMS: tuple[Form, ...] = ("cloze", "choice", "truth", "unanswerable")  # without a language model

GAP = "_____"
UNANSWERABLE = "unanswerable"
CHOICES = 4
# A sentence with the exchanged name and this share of the twin's other words might answer it.
MIGHT_ANSWER = 0.5


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its key and the sentence it was made from.

    Attributes:
        id: Document, place of the sentence, form.
        form: How it is asked.
        prompt: As asked; choices are added when it is asked.
        statement: What of the prompt comes from the sentence.
        answers: Accepted; a letter where there are choices.
        source: Where the key can be read; of a twin, what it was made from.
        choices: For multiple choice.
    """

    id: str
    form: Form
    prompt: str
    statement: str
    answers: tuple[str, ...]
    source: Sentence
    choices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The item as a line of an exam."""
        source = self.source
        return {
            "id": self.id,
            "form": self.form,
            "prompt": self.prompt,
            **({"choices": list(self.choices)} if self.choices else {}),
            "answers": list(self.answers),
            "cluster": source.document,
            "evidence": {
                "document": source.document,
                "start": source.start,
                "stop": source.start + len(source.quote),
                "quote": source.quote,
            },
        }


def cloze(sentence: Sentence, stock: Stock, random: Random) -> list[Item]:
    """The sentence with a name or number left out."""
    for name in _shuffled(sentence.names, random):
        statement = _with(sentence, name, GAP)
        if stock.only(sentence, name) and is_hidden(name.text, _gap_prompt(sentence, statement)):
            return [_item(sentence, "cloze", statement, (name.text,))]
    return []


def choice(sentence: Sentence, stock: Stock, random: Random, place: int) -> list[Item]:
    """The same with choices: what the document names elsewhere in the same form.

    Args:
        sentence: What is asked about.
        stock: What the documents name.
        random: Decides among equals.
        place: Of the right one among the choices, from 0.
    """
    for name in _shuffled(sentence.names, random):
        statement = _with(sentence, name, GAP)
        if not stock.only(sentence, name):
            continue
        others = stock.others(sentence, name, random)[: CHOICES - 1]
        texts = [*others[:place], name.text, *others[place:]]
        asked = _choice_prompt(sentence, statement)
        if len(texts) == CHOICES and all(is_hidden(text, asked) for text in texts):
            return [_item(sentence, "choice", statement, (LETTERS[place],), choices=tuple(texts))]
    return []


def truth(sentence: Sentence, stock: Stock, random: Random, *, true: bool) -> list[Item]:
    """The sentence as it is, or with one number or name exchanged."""
    if {"yes", "no"} & set(words(sentence.text)):
        return []
    if true and sentence.names and all(stock.only(sentence, name) for name in sentence.names):
        return [_item(sentence, "truth", sentence.text, ("yes",))]
    for name in () if true else _shuffled(sentence.names, random):
        other = _exchanged(sentence, name, stock, random)
        rest = _with(sentence, name, GAP)
        if other is not None and stock.only(sentence, name) and is_hidden(name.text, rest):
            return [_item(sentence, "truth", _with(sentence, name, other), ("no",))]
    return []


def twins(sentence: Sentence, stock: Stock, random: Random) -> list[Item]:
    """A gap, and the same gap in a sentence that nobody wrote: another name beside it.

    No sentence of the documents holds the exchanged name with as much as half of the other words.
    """
    for answerable in cloze(sentence, stock, random):
        kept = [name for name in sentence.names if name.text not in answerable.answers]
        for name in _shuffled(tuple(kept), random):
            if name.text not in answerable.statement:
                continue
            for other in stock.others(sentence, name, random):
                statement = answerable.statement.replace(name.text, other)
                if statement.count(other) == 1 and not _might_answer(statement, other, stock):
                    unsaid = _item(sentence, "unanswerable", statement, (UNANSWERABLE,))
                    return [answerable, unsaid]
    return []


def is_hidden(answer: str, prompt: str) -> bool:
    """Whether no word of an answer stands in the question, inflected or, of a number, spelled."""
    seen, own = facts.known(prompt), facts.known(answer)
    return not (own.stems & seen.stems or own.numbers & seen.numbers)


def _item(
    sentence: Sentence,
    form: Form,
    statement: str,
    answers: tuple[str, ...],
    choices: tuple[str, ...] = (),
) -> Item:
    prompts = {"choice": _choice_prompt, "truth": _truth_prompt}
    prompt = prompts.get(form, _gap_prompt)(sentence, statement)
    id = f"{sentence.document}:{sentence.start}/{form}"
    return Item(id, form, prompt, statement, answers, sentence, choices)


def _gap_prompt(sentence: Sentence, statement: str) -> str:
    return (
        f"What belongs in the gap?\n\n{_where(sentence)}\n{statement}\n\n"
        f"Answer with what is missing and nothing else, or with {UNANSWERABLE!r} "
        "if the document does not say."
    )


def _choice_prompt(sentence: Sentence, statement: str) -> str:
    return f"What belongs in the gap?\n\n{_where(sentence)}\n{statement}"


def _truth_prompt(sentence: Sentence, statement: str) -> str:
    return f"Is this what the document says?\n\n{_where(sentence)}\n{statement}"


def _where(sentence: Sentence) -> str:
    place = f"{sentence.document}, {sentence.heading}" if sentence.heading else sentence.document
    return f"[{place}]"


def _with(sentence: Sentence, name: Name, other: str) -> str:
    return sentence.text[: name.start] + other + sentence.text[name.stop :]


def _exchanged(sentence: Sentence, name: Name, stock: Stock, random: Random) -> str | None:
    """Another number, or a name that the document has elsewhere; None when there is none."""
    if name.kind in ("year", "number"):
        other = perturbed(name, random)
        return None if other in sentence.text else other
    return next(iter(stock.others(sentence, name, random)), None)


def _might_answer(statement: str, name: str, stock: Stock) -> bool:
    telling = statement.replace(name, " ").replace(GAP, " ")
    return any(
        facts.share(telling, facts.known(text)) >= MIGHT_ANSWER for text in stock.holding(name)
    )


def _shuffled(names: tuple[Name, ...], random: Random) -> list[Name]:
    return random.sample(names, len(names))
