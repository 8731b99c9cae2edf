"""What documents name, and where: the stock of other answers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from isoflop.augment.sentences import sentences
from isoflop.documents import Document
from isoflop.measure.exams.parsers import canonical
from isoflop.measure.making.names import Name
from isoflop.measure.making.sources import Sentence, words


@dataclass(slots=True)
class Stock:
    """The names of documents by form, their sentences, and what fills each gap.

    Attributes:
        by_document: Names by document and form.
        fillers: For each sentence with a gap, all that the documents put there.
        lines: Every sentence of every document, whether it can be asked about or not.
    """

    by_document: dict[tuple[str, str], list[Name]] = field(default_factory=dict)
    fillers: dict[str, set[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def only(self, sentence: Sentence, name: Name) -> bool:
        """Whether nothing else stands in this gap in another sentence."""
        return len(self.fillers[_frame(sentence, name)]) == 1

    def others(self, sentence: Sentence, name: Name, random: Random) -> list[str]:
        """Names of the same document and form with no word of the sentence; the nearest first.

        Near is what follows the same word and has as many words. No two share a word.
        """
        found = self.by_document[sentence.document, name.kind]
        mine = random.sample(found, len(found))
        mine.sort(key=lambda one: (one.before != name.before, _unlike(one, name)))
        taken, others = set(words(sentence.text)), []
        for one in mine:
            own = set(words(one.text))
            if not own & taken:
                taken |= own
                others.append(one.text)
        return others

    def holding(self, name: str) -> list[str]:
        """Sentences with this name."""
        folded = name.casefold()
        return [line for line in self.lines if folded in line.casefold()]


def stock(documents: Iterable[Document], asked: Iterable[Sentence]) -> Stock:
    """The stock of these documents."""
    made = Stock()
    for document in documents:
        made.lines += (document.text[slice(*span)] for span in sentences(document.text))
    by_document: dict[tuple[str, str], list[Name]] = defaultdict(list)
    fillers: dict[str, set[str]] = defaultdict(set)
    for sentence in asked:
        for name in sentence.names:
            by_document[sentence.document, name.kind].append(name)
            fillers[_frame(sentence, name)].add(canonical(name.text))
    made.by_document, made.fillers = dict(by_document), dict(fillers)
    return made


def _frame(sentence: Sentence, name: Name) -> str:
    return f"{sentence.text[: name.start]}\0{sentence.text[name.stop :]}".casefold()


def _unlike(one: Name, other: Name) -> tuple[int, int]:
    """How the forms of two names differ: in words, and in characters of a number."""
    length = abs(len(one.text) - len(other.text)) if one.kind == "number" else 0
    return abs(one.text.count(" ") - other.text.count(" ")), length
