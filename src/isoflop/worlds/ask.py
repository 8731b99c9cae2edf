"""Questions about a world, their answers and the sentences that prove them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isoflop.errors import UsageError, did_you_mean
from isoflop.questions import Question
from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Split
from isoflop.worlds.pages import Evidence, page
from isoflop.worlds.relations import KINDS, Kind, Relation, Wordings, filled, worded
from isoflop.worlds.truth import Truth

QuestionKind = Literal["fact", "two-hop", "comparison", "count", "unanswerable"]
QUESTION_KINDS: tuple[QuestionKind, ...] = (
    "fact", "two-hop", "comparison", "count", "unanswerable",
)  # fmt: skip
MOST_COUNTED = 20
WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
TRIES = 200


@dataclass(frozen=True, slots=True)
class WorldQuestion(Question):
    """A question whose answer and evidence are known.

    Attributes:
        kind: What it takes: one fact, two in a chain, two numbers compared, all that count, or
            to notice that nothing answers.
        evidence: The sentences it takes, in the order they are needed; none if unanswerable.
    """

    kind: QuestionKind = "fact"
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """Text, accepted answers and evidence of a question, before it is numbered."""

    text: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class Asker:
    """Makes questions about a world, one by one; counts only after it read the whole world."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self._tally: Mapping[tuple[str, str], Sequence[int]] | None = None

    def question(self, number: int, kind: QuestionKind) -> WorldQuestion:
        """Question `number`, of that kind; the same whoever asks and whenever.

        Raises:
            UsageError: If this world has none, such as no pair of towns to compare.
        """
        ways: dict[QuestionKind, Callable[[Chance], _Found | None]] = {
            "fact": self._fact,
            "two-hop": self._two_hop,
            "comparison": self._comparison,
            "count": self._count,
            "unanswerable": self._unanswerable,
        }
        chance = Chance("question", self.truth.seed, kind, number)
        for _ in range(TRIES):
            found = ways[kind](chance)
            if found is not None:
                cluster = found.evidence[0].document if found.evidence else ""
                return WorldQuestion(
                    f"{kind}-{number}", found.text, answers=found.answers, cluster=cluster,
                    kind=kind, evidence=found.evidence,
                )  # fmt: skip
        raise UsageError(
            f"This world of {len(self.truth):,} subjects has no question of kind {kind!r}: make it "
            "larger, change its gaps, or leave that kind out."
        )

    def _fact(self, chance: Chance) -> _Found | None:
        kind, index = self._someone(chance)
        links, known = self.truth.links(kind, index), self.truth.relations(kind)
        if not links:
            return None
        name = chance.pick(tuple(links))
        text = self._worded(known[name], self._name(kind, index), chance)
        return _Found(text, (links[name][0],), (page(self.truth, kind, index).evidence[name],))

    def _two_hop(self, chance: Chance) -> _Found | None:
        kind, index = self._someone(chance)
        known = self.truth.relations(kind)
        first = [
            (name, place)
            for name, (_, place) in self.truth.links(kind, index).items()
            if known[name].noun and place is not None and known[name].value in KINDS
        ]
        if not first:
            return None
        name, place = chance.pick(first)
        middle = next(kind for kind in KINDS if kind == known[name].value)
        links = self.truth.links(middle, place)
        if not links:
            return None
        second = chance.pick(tuple(links))
        described = filled(known[name].noun, {"s": self._name(kind, index)})
        text = self._worded(self.truth.relations(middle)[second], described, chance)
        return _Found(
            text,
            (links[second][0],),
            (
                page(self.truth, kind, index).evidence[name],
                page(self.truth, middle, place).evidence[second],
            ),
        )

    def _comparison(self, chance: Chance) -> _Found | None:
        kind, index = self._someone(chance)
        other = chance.below(self.truth.sizes[kind])
        ours, theirs = self.truth.links(kind, index), self.truth.links(kind, other)
        shared = [
            relation
            for name, relation in self.truth.relations(kind).items()
            if relation.less and name in ours and name in theirs and ours[name] != theirs[name]
        ]
        if not shared:
            return None
        relation = chance.pick(shared)
        more = chance.happens(0.5)
        text = filled(
            chance.pick(relation.more if more else relation.less),
            {"a": self._name(kind, index), "b": self._name(kind, other)},
        )
        numbers = {
            place: int(links[relation.name][0].replace(",", ""))
            for place, links in ((index, ours), (other, theirs))
        }
        winner = (max if more else min)(numbers, key=lambda place: numbers[place])
        proof = tuple(page(self.truth, kind, n).evidence[relation.name] for n in numbers)
        return _Found(text, (self._name(kind, winner),), proof)

    def _count(self, chance: Chance) -> _Found | None:
        kind, index = self._someone(chance)
        links, known = self.truth.links(kind, index), self.truth.relations(kind)
        names = [name for name in links if known[name].counts]
        if not names:
            return None
        name = chance.pick(names)
        value = links[name][0]
        all_ = self._subjects_with(kind, name, value)
        if len(all_) > MOST_COUNTED:
            return None
        text = filled(chance.pick(known[name].counts), {"v": value})
        answers = (str(len(all_)), *WORDS[len(all_) : len(all_) + 1])
        return _Found(text, answers, tuple(page(self.truth, kind, n).evidence[name] for n in all_))

    def _subjects_with(self, kind: Kind, name: str, value: str) -> Sequence[int]:
        """Of which subjects of a kind the value is true; the first time, the world is read."""
        if self._tally is None:
            tally: dict[tuple[str, str], list[int]] = defaultdict(list)
            for number in range(len(self.truth)):
                of, index = self.truth.place(number)
                for relation, (true, _) in self.truth.links(of, index).items():
                    if self.truth.relations(of)[relation].counts:
                        tally[f"{of}.{relation}", true].append(index)
            self._tally = tally
        return self._tally[f"{kind}.{name}", value]

    def _unanswerable(self, chance: Chance) -> _Found | None:
        """About someone who is not in this world, or what nobody knows of someone who is."""
        kind, index = self._someone(chance)
        known = self.truth.relations(kind)
        beyond = self.truth.sizes[kind] + chance.below(self.truth.sizes[kind])
        if chance.happens(0.5) and beyond < self.truth.names.most(kind):
            return self._unanswered(chance.pick(tuple(known.values())), kind, beyond, chance)
        links = self.truth.links(kind, index)
        unsaid = [relation for name, relation in known.items() if name not in links]
        return self._unanswered(chance.pick(unsaid), kind, index, chance) if unsaid else None

    def _unanswered(self, relation: Relation, kind: Kind, index: int, chance: Chance) -> _Found:
        return _Found(self._worded(relation, self._name(kind, index), chance), (), ())

    def _someone(self, chance: Chance) -> tuple[Kind, int]:
        kind = chance.pick(KINDS)
        return kind, chance.below(self.truth.sizes[kind])

    def _name(self, kind: Kind, index: int) -> str:
        return self.truth.subject(kind, index).name

    def _worded(self, relation: Relation, name: str, chance: Chance) -> str:
        return question_of(relation, name, chance, self.truth.split)


def question_of(relation: Relation, name: str, chance: Chance, split: Split) -> str:
    """A question for what a relation says of a subject."""
    wordings = relation.questions
    if name.startswith("the "):  # "the mayor of Torbezum's birthday" would be misread
        wordings = Wordings(*(tuple(t for t in ts if "{s}" in t) for ts in wordings))
    template, _ = worded(wordings, chance, split)
    return filled(template, {"s": name, "s's": f"{name}'s"})


def questions(truth: Truth, count: int, kinds: Sequence[str]) -> Iterator[WorldQuestion]:
    """So many questions about a world, the kinds in turn.

    Raises:
        UsageError: If there is no such kind, or this world has no question of it.
    """
    wanted = [_kind(name) for name in kinds]
    asker = Asker(truth)
    for number in range(count):
        yield asker.question(number, wanted[number % len(wanted)])


def _kind(name: str) -> QuestionKind:
    for known in QUESTION_KINDS:
        if name == known:
            return known
    raise UsageError(
        f"No kind of question called {name!r}.{did_you_mean(name, QUESTION_KINDS)} "
        f"Known: {', '.join(QUESTION_KINDS)}."
    )
