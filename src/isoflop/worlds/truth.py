"""What is true in a world: its people, towns and firms, and the facts of each."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Names, Split
from isoflop.worlds.relations import KINDS, SYMMETRIC, Kind, Relation, relations
from isoflop.worlds.values import NAMED, plain, possible
from isoflop.worlds.write import Subject

FOLDERS: Mapping[Kind, str] = {"person": "people", "town": "towns", "firm": "firms"}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is true.

    Attributes:
        subject: Of whom, by name.
        kind: What the subject is.
        relation: What is said.
        value: What is true, as it is written.
        bits: Base-2 logarithm of how many values it could have had, all equally likely.
    """

    subject: str
    kind: Kind
    relation: str
    value: str
    bits: float


class Truth:
    """What is true in a world; every part is made when it is asked for.

    What is true of one subject depends on the seed, the sizes and the subject's number alone, so a
    world of millions takes no memory, and its document number 700,000 no longer than its first.

    Args:
        seed: The same seed and sizes give the same world on every machine.
        people: How many people.
        towns: How many towns; by default one per five people, as far as names last.
        firms: How many firms; by default one per four people, as far as names last.
        split: Whose names and wordings: those of "test" never occur in "train".
        gaps: Share of facts that no document states and nobody knows.

    Raises:
        UsageError: If a size is below 2 or the names of the split do not suffice.
    """

    def __init__(
        self,
        seed: int,
        *,
        people: int = 100,
        towns: int | None = None,
        firms: int | None = None,
        split: Split = "train",
        gaps: float = 0.2,
    ) -> None:
        self.seed, self.split, self.gaps = seed, split, gaps
        self.names = Names(seed, split)
        # a symmetric relation is one fact of two subjects, which would be counted twice
        self._relations = {
            kind: {
                name: relation
                for name, relation in relations(kind).items()
                if name not in SYMMETRIC
            }
            for kind in KINDS
        }
        self.sizes: dict[str, int] = {
            "person": people,
            "town": self._usual("town", people // 5) if towns is None else towns,
            "firm": self._usual("firm", people // 4) if firms is None else firms,
        }
        self._check()
        self.sizes["river"] = max(2, self.sizes["town"] // 2)
        self.sizes["region"] = max(2, self.sizes["town"] // 8)
        self.sizes["school"] = max(2, min(people // 10, 1_000))
        self.sizes["language"] = max(2, min(people // 10, 30))

    def _usual(self, kind: Kind, size: int) -> int:
        return min(max(2, size), self.names.most(kind) // 2)  # the other half is of strangers

    def _check(self) -> None:
        """Refuse sizes that cannot be."""
        for kind in KINDS:
            size, most = self.sizes[kind], self.names.most(kind)
            if not 2 <= size <= most:
                raise UsageError(
                    f"A world of {size:,} {FOLDERS[kind]} cannot be made: from 2 to {most:,} "
                    f"have different names in the {self.split} split."
                )
        if not 0 <= self.gaps < 1:
            raise UsageError(f"gaps={self.gaps}: the share left out is at least 0 and below 1.")

    def __len__(self) -> int:
        """How many subjects, which is how many documents."""
        return sum(self.sizes[kind] for kind in KINDS)

    def place(self, number: int) -> tuple[Kind, int]:
        """Kind and number within the kind of the subject with that number.

        Raises:
            IndexError: If there are not so many.
        """
        left = number
        for kind in KINDS:
            if 0 <= left < self.sizes[kind]:
                return kind, left
            left -= self.sizes[kind]
        raise IndexError(f"The world has no subject number {number}; there are {len(self)}.")

    def subject(self, kind: Kind, index: int) -> Subject:
        """The subject of a kind with that number, from 0."""
        chance = Chance("subject", self.seed, kind, index)
        pronoun = chance.pick(("she", "he")) if kind == "person" else "it"
        return Subject(self.names.name(kind, index), kind, pronoun)

    def relations(self, kind: Kind) -> Mapping[str, Relation]:
        """What can be true of a kind of subject here, by name."""
        return self._relations[kind]

    def links(self, kind: Kind, index: int) -> dict[str, tuple[str, int | None]]:
        """What is true of a subject: value by relation, and the value's number if it has a name."""
        chance, true = Chance("facts", self.seed, kind, index), {}
        for name, relation in self.relations(kind).items():
            known, drawn = not chance.happens(self.gaps), self._drawn(kind, relation, index, chance)
            if known:
                true[name] = drawn
        return true

    def _drawn(
        self, subject: Kind, relation: Relation, index: int, chance: Chance
    ) -> tuple[str, int | None]:
        kind = relation.value
        if kind not in NAMED:
            return plain(kind, chance), None
        choice = chance.below(self.choices(subject, relation))
        if kind == subject and choice >= index:
            choice += 1  # nobody is their own teacher
        return self.names.name(kind, choice), choice

    def choices(self, kind: Kind, relation: Relation) -> int:
        """How many values this relation of a kind of subject can have, all equally likely."""
        if relation.value not in NAMED:
            return possible(relation.value)
        return self.sizes[relation.value] - (relation.value == kind)

    def facts(self) -> Iterator[Fact]:
        """Every fact, subject by subject."""
        for number in range(len(self)):
            yield from self.facts_of(*self.place(number))

    def facts_of(self, kind: Kind, index: int) -> list[Fact]:
        """The facts of one subject."""
        name, known = self.subject(kind, index).name, self.relations(kind)
        return [
            Fact(name, kind, relation, value, math.log2(self.choices(kind, known[relation])))
            for relation, (value, _) in self.links(kind, index).items()
        ]

    def bits(self, *, names: bool = False) -> float:
        """Information in all facts, in bits: the sum of their logarithms, as they are independent.

        Args:
            names: Whether to count which names of all possible ones the subjects bear, too.
        """
        total = math.fsum(fact.bits for fact in self.facts())
        if names:
            total += math.fsum(
                _log2_choose(self.names.most(kind), self.sizes[kind]) for kind in KINDS
            )
        return total

    def another(self, value: str, chance: Chance) -> str:
        """Some value of a kind; a name is that of something in this world."""
        if value not in NAMED:
            return plain(value, chance)
        return self.names.name(value, chance.below(self.sizes[value]))


def _log2_choose(n: int, k: int) -> float:
    """Base-2 logarithm of the number of ways to choose k of n."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)
