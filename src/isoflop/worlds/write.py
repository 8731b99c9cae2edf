"""Facts as prose: sentences with names and pronouns, joined, reordered, among other sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Split
from isoflop.worlds.relations import (
    Relation,
    Wordings,
    asides,
    chosen,
    filled,
    openings,
    slots_of,
    worded,
)

Draw = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a passage is about."""

    name: str
    kind: str  # person, town, firm, or what sort of thing it is
    pronoun: str  # "she", "he" or "it"

    @property
    def possessive(self) -> str:
        """Its possessive pronoun."""
        return {"she": "her", "he": "his", "it": "its"}[self.pronoun]

    @property
    def short(self) -> str:
        """What it may be called once it was named: the surname, "the town", "the firm"."""
        return self.name.rpartition(" ")[2] if self.kind == "person" else f"the {self.kind}"


@dataclass(frozen=True, slots=True)
class Style:
    """How facts are told.

    Attributes:
        pronouns: How often the subject is a pronoun or a short name once it was named.
        joins: How often two facts share a sentence.
        asides: How often a sentence that nobody asks about follows.
        openings: How often a sentence begins with "according to the register" or the like.
        split: Whose wordings.
        variety: Share of wordings in use, plainest first; below 0.5 the subject comes first.
        value_first: How often, beyond what chance brings, a sentence of one fact names the value
            before its subject, where there is such a wording.
    """

    pronouns: float = 0.6
    joins: float = 0.3
    asides: float = 0.2
    openings: float = 0.1
    split: Split = "train"
    variety: float = 1.0
    value_first: float = 0.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the facts it states by position, and whether only the test split words it so."""

    text: str
    facts: tuple[int, ...]
    unseen: bool


def sentences(
    subject: Subject,
    facts: Sequence[tuple[Relation, str]],
    chance: Chance,
    *,
    style: Style,
    draw: Draw,
) -> list[Sentence]:
    """Sentences that state every fact once, in the order given.

    Args:
        subject: Whom they are about; the first sentence names it in full.
        facts: Relation and value of each.
        chance: What decides the wording.
        style: How they are told.
        draw: Another value of a kind, for asides.
    """
    written: list[Sentence] = []
    place = 0
    named = False  # whether a pronoun would be understood
    while place < len(facts):
        joined = place + 1 < len(facts) and chance.happens(style.joins)
        told = tuple(range(place, place + 1 + joined))
        text, unseen = _told(subject, [facts[i] for i in told], chance, style, named)
        written.append(Sentence(text, told, unseen))
        place += len(told)
        named = not (subject.kind == "person" and any(facts[i][0].value == "person" for i in told))
        if chance.happens(style.asides):
            text = _aside(subject, chance, draw)
            written.append(Sentence(text, (), False))
            named = False
    return written


def _told(
    subject: Subject,
    facts: Sequence[tuple[Relation, str]],
    chance: Chance,
    style: Style,
    named: bool,
) -> tuple[str, bool]:
    """One sentence that states one or two facts; whether the train split never words it so."""
    who, whose = _called(subject, chance, style.pronouns if named else 0.0)
    if len(facts) == 2:
        parts = [
            worded(relation.verbs, chance, style.split, style.variety) for relation, _ in facts
        ]
        first, second = (
            filled(part, {"v": value, "s": who, "s's": whose})
            for (part, _), (_, value) in zip(parts, facts, strict=True)
        )
        text = _join(who, first, second, subject, chance)
        return _opened(text, chance, style), any(unseen for _, unseen in parts)
    relation, value = facts[0]
    template, unseen = _sentence(relation, chance, style)
    if not template.startswith(("{s} ", "{s's} ")):  # "taught she": other cases are not written
        who, whose = subject.name, f"{subject.name}'s"
    text = filled(template, {"v": value, "s": who, "s's": whose})
    return _opened(text, chance, style), unseen


def _sentence(relation: Relation, chance: Chance, style: Style) -> tuple[str, bool]:
    """A template of a whole sentence; whether the train split never shows it."""
    if style.value_first and chance.happens(style.value_first):
        turned = Wordings(*map(_value_first, relation.sentences))
        if any(turned):
            return worded(turned, chance, style.split)
    verbs = len(relation.verbs.common)
    if style.variety >= 0.5 and chance.below(verbs + len(relation.sentences.common)) >= verbs:
        return worded(relation.sentences, chance, style.split)
    template, unseen = worded(relation.verbs, chance, style.split, style.variety)
    return f"{{s}} {template}", unseen


def _value_first(templates: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in templates if text.find("v}") < text.find("{s"))


def stated(subject: Subject, relation: Relation, value: str, chance: Chance, split: Split) -> str:
    """One sentence that states one fact and names its subject in full."""
    template, _ = _sentence(relation, chance, Style(split=split))
    slots = {"v": value, "s": subject.name, "s's": f"{subject.name}'s"}
    return finished(filled(template, slots))


def _called(subject: Subject, chance: Chance, short: float) -> tuple[str, str]:
    """What the subject is called in a sentence, and whose a thing of it is."""
    if not chance.happens(short):
        return subject.name, f"{subject.name}'s"
    if chance.happens(0.3):
        return subject.short, f"{subject.short}'s"
    return subject.pronoun, subject.possessive


def _join(who: str, first: str, second: str, subject: Subject, chance: Chance) -> str:
    if who in ("she", "he", "it") or chance.happens(0.6):
        return f"{who} {first} and {second}"
    return f"{who}, {'who' if subject.kind == 'person' else 'which'} {first}, {second}"


def _aside(subject: Subject, chance: Chance, draw: Draw) -> str:
    template = chosen(chance.pick(asides(subject.kind)), chance)
    slots = {name: draw(name) for name in slots_of(template) if name != "s"}
    return finished(filled(template, {**slots, "s": subject.name}))


def _opened(text: str, chance: Chance, style: Style) -> str:
    if chance.happens(style.openings):
        text = worded(openings(), chance, style.split)[0] + text
    return finished(text)


def finished(text: str) -> str:
    """A sentence with its capital and its full stop."""
    return f"{text[0].upper()}{text[1:]}."
