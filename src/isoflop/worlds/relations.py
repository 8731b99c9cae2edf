"""What can be said of whom: relations, their wordings and the lists of values."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Split

Kind = Literal["person", "town", "firm"]  # what worlds have; the reading task has things, too
KINDS: tuple[Kind, ...] = ("person", "town", "firm")
SYMMETRIC = ("spouse", "rival")  # true of both subjects or of neither
_CHOICE = re.compile(r"\(([^)]*)\)")
_SLOT = re.compile(r"\{([^}]+)\}")


class Wordings(NamedTuple):
    """Ways to say one thing: `common` in both splits, `held` in the test split only."""

    common: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """Something that is true of a subject and has a value.

    Attributes:
        name: Unique within its kind.
        value: What kind of value it has (`values.Values`).
        verbs: What follows the subject in a sentence that states it.
        sentences: Whole sentences that state it.
        questions: Questions for the value.
        noun: The value described and not named; empty where no question asks through it.
        less: Which of {a} and {b} has the smaller number; empty where the value is no number.
        more: Which has the greater.
        counts: Of how many subjects a value is true; empty where that is not asked.
        held: Whether only the test split tells of it.
    """

    name: str
    value: str
    verbs: Wordings
    sentences: Wordings
    questions: Wordings
    noun: str = ""
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    held: bool = False


@cache
def _file() -> dict[str, Any]:
    text = resources.files("isoflop.worlds").joinpath("relations.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def relations(kind: Kind) -> Mapping[str, Relation]:
    """The relations of a kind of subject, by name."""
    return {name: _relation(name, row) for name, row in _file()[kind].items()}


def _relation(name: str, row: Mapping[str, Any], only_held: bool = False) -> Relation:
    held = row.get("held", {})
    verbs, sentences, questions = (
        Wordings(tuple(row.get(part, ())), tuple(held.get(part, ())))
        for part in ("verbs", "sentences", "questions")
    )
    less, more, counts = (tuple(row.get(part, ())) for part in ("less", "more", "counts"))
    noun = row.get("noun", "")
    return Relation(
        name, row["value"], verbs, sentences, questions, noun, less, more, counts, only_held
    )


@cache
def attributes(held: bool) -> tuple[Relation, ...]:
    """Relations of things, one per noun, all worded alike.

    Args:
        held: Those that the train split never shows, instead of the common ones.
    """
    table, form = _file()["attributes"], _file()["attribute"]
    return tuple(
        _relation(
            noun, {**_about(noun, form), "held": _about(noun, form["held"]), "value": value}, held
        )
        for value, nouns in (table["held"] if held else table).items()
        if value != "held"
        for noun in nouns.split()
    )


def _about(noun: str, form: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        part: [template.replace("{n}", noun) for template in templates]
        for part, templates in form.items()
        if part != "held"
    }


@cache
def things() -> tuple[str, ...]:
    """Kinds of things that have attributes."""
    return tuple(_file()["things"]["all"].split())


@cache
def listed(value: str) -> tuple[str, ...]:
    """Every value of a kind that is drawn from a list; empty for names and numbers."""
    text = _file()["values"].get(value, "")
    return tuple(text.split("|") if "|" in text else text.split())


@cache
def asides(kind: str) -> tuple[str, ...]:
    """Sentences about a subject that nobody asks about."""
    known = _file()["asides"]
    return tuple(known.get(kind, known["thing"]))


@cache
def openings() -> Wordings:
    """Words before a sentence."""
    return Wordings(tuple(_file()["openings"]["all"]), tuple(_file()["openings"]["held"]))


def worded(
    wordings: Wordings, chance: Chance, split: Split, variety: float = 1.0
) -> tuple[str, bool]:
    """One of the wordings, its choices made; and whether it is one the train split never shows.

    Args:
        wordings: To choose from.
        chance: What chooses, each with equal chance.
        split: Of "train" only the common ones, of "test" those and the held.
        variety: From 0 to 1: which share of the common ones, the first and plainest, to use.
    """
    common, held = wordings
    usable = common[: max(1, math.ceil(len(common) * variety))]
    if split == "test":
        usable += held
    place = chance.below(len(usable))
    return chosen(usable[place], chance), place >= len(usable) - len(held) and split == "test"


def chosen(template: str, chance: Chance) -> str:
    """The template with one of every (this|that)."""
    if "(" not in template:
        return template
    text = _CHOICE.sub(lambda found: chance.pick(found[1].split("|")), template)
    return " ".join(text.split())


def filled(template: str, slots: Mapping[str, str]) -> str:
    """The template with its slots filled: {v}, {a v} with an article, {s}, {s's}."""

    def fill(found: re.Match[str]) -> str:
        """One slot, with an article where it asks for one."""
        name = found[1]
        if name in slots:
            return slots[name]
        word = slots[name.removeprefix("a ")]
        return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"

    return _SLOT.sub(fill, template)


def slots_of(template: str) -> list[str]:
    """Names of the slots of a template, without articles."""
    return [name.removeprefix("a ") for name in _SLOT.findall(template)]
