"""A world: what is true in it, documents that say so, and questions about it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from isoflop.documents import Document
from isoflop.worlds.ask import QUESTION_KINDS, WorldQuestion, question_of, questions
from isoflop.worlds.chance import Chance
from isoflop.worlds.pages import page
from isoflop.worlds.relations import Relation
from isoflop.worlds.truth import Fact, Truth
from isoflop.worlds.write import Subject, stated


class World(Truth):
    """Invented people, towns and firms: facts, documents, statements and questions.

    The arguments are those of `Truth`.
    """

    def documents(self) -> Iterator[Document]:
        """A Markdown document about every subject."""
        for number in range(len(self)):
            yield page(self, *self.place(number)).document

    def statements(self, wordings: int = 3) -> Iterator[tuple[Fact, str]]:
        """Every fact in so many sentences, each of which names its subject in full.

        Args:
            wordings: Sentences per fact; fewer where it has not so many different ones.

        Yields:
            The fact and a sentence that states it.
        """
        for fact, subject, relation, chance in self._each("statement"):
            write = partial(stated, subject, relation, fact.value, chance, self.split)
            yield from ((fact, text) for text in _different(write, wordings))

    def asked(self, wordings: int = 1) -> Iterator[tuple[Fact, str]]:
        """Every fact with so many questions that its value answers, as `statements` yields them."""
        for fact, subject, relation, chance in self._each("asked"):
            write = partial(question_of, relation, subject.name, chance, self.split)
            yield from ((fact, text) for text in _different(write, wordings))

    def _each(self, purpose: str) -> Iterator[tuple[Fact, Subject, Relation, Chance]]:
        for number in range(len(self)):
            kind, index = self.place(number)
            subject, known = self.subject(kind, index), self.relations(kind)
            for fact in self.facts_of(kind, index):
                chance = Chance(purpose, self.seed, kind, index, fact.relation)
                yield fact, subject, known[fact.relation], chance

    def questions(
        self, count: int, *, kinds: Sequence[str] = QUESTION_KINDS
    ) -> Iterator[WorldQuestion]:
        """So many questions, the kinds in turn; a subject may be asked about more than once.

        Args:
            count: How many; fewer are the first of more.
            kinds: Some of `QUESTION_KINDS`.

        Raises:
            UsageError: If there is no such kind of question, or this world has none of it.
        """
        return questions(self, count, kinds)


def _different(write: Callable[[], str], count: int) -> list[str]:
    """Different texts in the order of writing; fewer where chance only repeats itself."""
    return list(dict.fromkeys(write() for _ in range(4 * count)))[:count]
