"""A handful of passages about subjects that are easily confused, and what may be asked of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Names, Split
from isoflop.worlds.relations import (
    KINDS,
    SYMMETRIC,
    Relation,
    attributes,
    filled,
    relations,
    things,
    worded,
)
from isoflop.worlds.values import NAMED, plain
from isoflop.worlds.write import Sentence, Style, Subject, sentences

FORMS = ("person", *KINDS, "thing")  # what scenes are about, people twice as often


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a scene.

    Attributes:
        question: Its text.
        value: The answer; empty where the passages do not say.
        kind: "fact", "absent" (no passage is about the subject) or "unsaid" (one is and does
            not say).
        passage: Which passage answers.
        sentence: The sentence that answers.
        unseen: Whether statement or question is worded as the train split never is.
    """

    question: str
    value: str
    kind: Literal["fact", "absent", "unsaid"]
    passage: int | None
    sentence: str
    unseen: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """A passage: whom it is about, what it states, in which sentences."""

    subject: Subject
    facts: Mapping[str, str]  # value by relation, in the order of the sentences' numbers
    sentences: tuple[Sentence, ...]

    def sentence_of(self, relation: str) -> Sentence:
        place = list(self.facts).index(relation)
        return next(sentence for sentence in self.sentences if place in sentence.facts)


ODD = 0.15  # share of scenes whose names are words of any letters, so that copying is general


class Scene:
    """Passages about subjects of one kind that state facts of a few relations.

    Every relation is stated of several subjects where there are several, so an answer takes the
    right subject and the right relation, and not merely the right kind of value.

    Args:
        chance: What decides everything.
        split: Whose names and wordings.
        count: Number of passages.
        difficulty: From 0 (short and plain) to 1.
        odd: Share of scenes, at difficulty 1, whose names are words of any letters.
        value_first: As in `Style`.
    """

    def __init__(
        self,
        chance: Chance,
        split: Split,
        count: int,
        difficulty: float,
        odd: float = ODD,
        value_first: float = 0.0,
    ) -> None:
        self._chance = chance
        seed, any_letters = str(chance.below(1 << 48)), chance.happens(odd * difficulty)
        self._names = Names(seed, split, odd=any_letters)
        self._given: dict[str, list[str]] = {}  # names of each kind so far
        self._split = split
        self._style = Style(
            pronouns=0.6 * difficulty,
            joins=0.35 * difficulty,
            asides=0.25 * difficulty,
            openings=0.1 * difficulty,
            split=split,
            variety=difficulty,
            value_first=value_first,
        )
        kind = chance.pick(FORMS)
        *present, self._absent = self._subjects(kind, count + 1, difficulty)
        self._told = self._tell(present, self._relations(kind), difficulty)
        self.passages = tuple(
            " ".join(sentence.text for sentence in told.sentences) for told in self._told
        )

    def _relations(self, kind: str) -> Sequence[Relation]:
        """What may be told of subjects of a kind."""
        for known in KINDS:
            if kind == known:
                return tuple(relations(known).values())
        unseen = attributes(held=True) if self._split == "test" else ()
        return (*attributes(held=False), *unseen)

    def _subjects(self, kind: str, count: int, difficulty: float) -> list[Subject]:
        """Subjects with different names, of which some people share a surname."""
        made: list[Subject] = []
        for _ in range(count):
            name = self._fresh(kind)
            if kind == "person" and made and self._chance.happens(0.2 * difficulty):
                family = self._chance.pick(made).short
                name = f"{name.partition(' ')[0]} {family}"
            pronoun = self._chance.pick(("she", "he")) if kind == "person" else "it"
            if kind == "thing":
                sort = self._chance.pick(things())
                made.append(Subject(f"the {sort} {name}", sort, pronoun))
            else:
                made.append(Subject(name, kind, pronoun))
        return made

    def _tell(
        self, subjects: list[Subject], known: Sequence[Relation], difficulty: float
    ) -> list[_Told]:
        chance = self._chance
        facts = 2 + round(chance.between(1, 5) * difficulty)
        # a few more relations than facts, so that each is stated of several and missing of some
        self._pool = chance.some(known, facts + 1 + chance.below(3))
        told = []
        for subject in subjects:
            stated = [
                (relation, self._value(relation, subject, subjects))
                for relation in chance.some(self._pool, max(1, facts - chance.below(2)))
            ]
            written = sentences(subject, stated, chance, style=self._style, draw=self._drawn)
            values = {relation.name: value for relation, value in stated}
            told.append(_Told(subject, values, tuple(written)))
        return told

    def _value(self, relation: Relation, subject: Subject, subjects: list[Subject]) -> str:
        """A value; a person or firm is sometimes one that another passage is about."""
        if relation.value == subject.kind and relation.name not in SYMMETRIC:
            others = [other.name for other in subjects if other is not subject]
            if others and self._chance.happens(0.3):
                return self._chance.pick(others)
        return self._drawn(relation.value)

    def _drawn(self, value: str) -> str:
        """A value of a kind; of towns and firms sometimes one that was named before."""
        if value not in NAMED:
            return plain(value, self._chance)
        given = [name for name in self._given.get(value, ()) if name != self._absent.name]
        if given and value != "person" and self._chance.happens(0.25):
            return self._chance.pick(given)
        return self._fresh(value)

    def _fresh(self, value: str) -> str:
        """A name that this scene has not used."""
        given = self._given.setdefault(value, [])
        given.append(self._names.name(value, len(given)))
        return given[-1]

    def answered(self, chance: Chance) -> Iterator[Asked]:
        """Every question that a passage answers, once, in random order."""
        pairs = [(n, name) for n, told in enumerate(self._told) for name in told.facts]
        known = {relation.name: relation for relation in self._pool}
        for number, name in chance.shuffled(pairs):
            told = self._told[number]
            text, unseen = self._question(known[name], told.subject, chance)
            sentence = told.sentence_of(name)
            yield Asked(
                text, told.facts[name], "fact", number, sentence.text, unseen or sentence.unseen
            )

    def unanswered(self, chance: Chance) -> Iterator[Asked]:
        """Every question that none answers though others like it are answered, in random order."""
        stated = {name for told in self._told for name in told.facts}
        asked = [relation for relation in self._pool if relation.name in stated]
        absent = [(self._absent, relation) for relation in asked]
        unsaid = [
            (told.subject, relation)
            for told in self._told
            for relation in asked
            if relation.name not in told.facts
        ]
        # of either kind the same number, where there are enough
        pairs = [*chance.some(unsaid, len(absent)), *absent]
        for subject, relation in chance.shuffled(pairs):
            text, unseen = self._question(relation, subject, chance)
            kind: Literal["absent", "unsaid"] = "absent" if subject is self._absent else "unsaid"
            yield Asked(text, "", kind, None, "", unseen)

    def _question(self, relation: Relation, subject: Subject, chance: Chance) -> tuple[str, bool]:
        template, unseen = worded(relation.questions, chance, self._split, self._style.variety)
        text = filled(template, {"s": subject.name, "s's": f"{subject.name}'s"})
        return text, unseen or relation.held
