"""An exam from documents: which sentences are asked about, in which form, and what leaks."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from random import Random

from isoflop.augment import facts
from isoflop.documents import Document
from isoflop.errors import UnusableExam
from isoflop.measure.making.questions import (
    CHOICES,
    FORMS,
    Form,
    Item,
    choice,
    cloze,
    truth,
    twins,
)  # fmt: skip
from isoflop.measure.making.sources import (
    FEWEST_WORDS,
    MOST_WORDS,
    Sentence,
    asked_about,
    words,
)  # fmt: skip
from isoflop.measure.making.stock import Stock, stock

# Mean over the 1,190 questions that people asked for XQuAD-en, each beside the sentence in which
# its answer begins: 0.647 by the same measure, 25 November 2026.
HUMAN = 0.65
FREE: Form = "free"
# Sentences that share this much of their words are asked about once.
SAME = 0.8


@dataclass(frozen=True, slots=True)
class Leak:
    """What questions of one form give away.

    Attributes:
        form: How they are asked.
        questions: How many there are.
        overlap: Mean share of a question's content words that its source sentence has.
        guessed: Share that the best constant answer gets; None where answers are free.
    """

    form: Form
    questions: int
    overlap: float
    guessed: float | None


def make(documents: Sequence[Document], *, count: int, seed: int = 0) -> list[Item]:
    """Questions about documents, as many of each form as there can be.

    No sentence gives two questions but a gap and its unanswerable twin; sentences that say nearly
    the same are asked about once; documents take turns.

    Args:
        documents: What is asked about.
        count: Questions at most.
        seed: The same seed makes the same exam of the same documents.

    Raises:
        UnusableExam: If there is no text, no sentence to ask about, or nothing named in any.
    """
    random = Random(seed)
    by_document = [list(asked_about(document)) for document in documents]
    everything = list(chain.from_iterable(by_document))
    _refuse_nothing(documents, everything)
    shelf = stock(documents, everything)
    items: list[Item] = []
    for sentence in _apart(_in_turns(by_document, random)):
        made = _asked(sentence, shelf, random, items)
        if len(items) + len(made) <= count:
            items += made
        if len(items) == count:
            break
    if not items:
        raise UnusableExam(
            f"None of the {len(everything):,} sentences that stand by themselves names a "
            "person, a place or a number that the rest of it does not give away, so there is "
            "nothing to ask. Add documents with facts in them."
        )
    return items


def leaks(items: Sequence[Item]) -> list[Leak]:
    """What an exam gives away, form by form."""
    return [
        Leak(
            form,
            len(mine),
            statistics.fmean(
                facts.share(item.statement, facts.known(item.source.text)) for item in mine
            ),
            _guessed(mine) if form in ("choice", "truth") else None,
        )
        for form in (*FORMS, FREE)
        if (mine := [item for item in items if item.form == form])
    ]


def _guessed(items: Sequence[Item]) -> float:
    return max(Counter(item.answers for item in items).values()) / len(items)


def _refuse_nothing(documents: Sequence[Document], found: Sequence[Sentence]) -> None:
    if not documents:
        raise UnusableExam(
            "There are no documents to ask about: no file was found that can be read. Hidden "
            "files and those in .gitignore are left out."
        )
    if not any(document.text.strip() for document in documents):
        raise UnusableExam(
            f"Of {len(documents)} documents none holds any text. Name a folder with documents."
        )
    if not found:
        raise UnusableExam(
            f"No sentence of {FEWEST_WORDS} to {MOST_WORDS} words stands by itself in "
            f"{len(documents)} documents: they are too short, or hold tables, code or titles "
            "only. Add documents with prose."
        )


def _in_turns(by_document: Sequence[list[Sentence]], random: Random) -> Iterator[Sentence]:
    """One sentence of each document, then another of each, in random order."""
    shuffled = [random.sample(mine, len(mine)) for mine in by_document]
    random.shuffle(shuffled)
    for turn in zip_longest(*shuffled):
        yield from (sentence for sentence in turn if sentence is not None)


def _apart(found: Iterator[Sentence]) -> Iterator[Sentence]:
    """Sentences but those that nearly repeat an earlier one."""
    seen: list[frozenset[str]] = []
    for sentence in found:
        own = frozenset(words(sentence.text))
        if not any(len(own & other) >= SAME * len(own | other) for other in seen):
            seen.append(own)
            yield sentence


def _asked(sentence: Sentence, shelf: Stock, random: Random, items: Sequence[Item]) -> list[Item]:
    """The sentence asked in the form that is rarest so far, else in the next."""
    so_far = Counter(item.form for item in items)
    true = sum(item.answers == ("yes",) for item in items if item.form == "truth")
    for form in sorted(FORMS, key=lambda form: so_far[form]):
        made = {
            "cloze": lambda: cloze(sentence, shelf, random),
            "choice": lambda: choice(sentence, shelf, random, so_far["choice"] % CHOICES),
            "truth": lambda: truth(
                sentence, shelf, random, true=2 * true < so_far["truth"] or not so_far["truth"]
            ),
            "unanswerable": lambda: twins(sentence, shelf, random),
        }[form]()
        if made:
            return made
    return []
