"""What a sentence names: people, places, years, amounts; rules, no model.

The kind of a name is its form, so that one can stand for another without looking out of place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from isoflop.augment.facts import BEFORE_FIRST, COMMON, GERMAN, NUMBER

Kind = Literal["year", "number", "month", "acronym", "name", "full name"]

# ruff: noqa: RUF001 - the typographer's marks are meant


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+|['’](?!s\b)[^\W\d_]+)*")
# One number, with marks between its thousands or one before its fraction; no version.
ONE = re.compile(r"\d+(?:[.,]\d+)?|\d{1,3}(?:\D\d{3})+(?:[.,]\d+)?")
# A name that began before: an initial, "Duke of", "the All" before "India Muslim League".
BEGUN = re.compile(r"\b(?:[^\W\d_]\.|[A-Z][^\W\d_]* (?:of|de|von|van)) $|(?<=\s)[A-Z][^\W\d_]* $")
# A name that goes on: "Werner" before "von Braun", "Central" before "and Eastern Europe".
GOES_ON = re.compile(r"[\w&/'’-]| (?:of|de|von|van|and|or|&) [A-Z]| \d|\. [a-z]")
YEAR = re.compile(r"1[0-9]\d\d|20\d\d")
MONTHS = _listed(
    "January February March April May June July August September October November December "
    "Januar Februar März Mai Juni Juli Oktober Dezember"
)
DAYS = _listed(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Montag Dienstag Mittwoch Donnerstag "
    "Freitag Samstag Sonntag"
)
NEAREST_YEARS = 19  # by which a changed year is off at most


@dataclass(frozen=True, slots=True)
class Name:
    """One name or number in a sentence.

    Attributes:
        start: First character in the sentence.
        stop: One past the last.
        text: As written.
        kind: Its form.
        before: The word before it, folded: "in" before a place or a year, "by" before a person.
    """

    start: int
    stop: int
    text: str
    kind: Kind
    before: str


def names(sentence: str) -> Iterator[Name]:
    """Names and numbers of a sentence, numbers first; the first word is never one.

    In German, whose nouns all have a capital, only numbers, acronyms and names of two words.
    """
    yield from _numbers(sentence)
    parts = [part.casefold() for part in WORD.findall(sentence)]
    german = sum(part in GERMAN for part in parts) >= 2
    for start, stop in _capitalised(sentence):
        text = sentence[start:stop]
        kind = _kind(text)
        if not (german and kind == "name"):
            yield Name(start, stop, text, kind, _before(sentence, start))


def perturbed(number: Name, random: Random) -> str:
    """Another number of the same form: as many digits, the same marks, the same trailing zeros."""
    if number.kind == "year":
        return str(int(number.text) + random.choice((-1, 1)) * random.randint(1, NEAREST_YEARS))
    digits = [place for place, mark in enumerate(number.text) if mark.isdigit()]
    telling = [place for place in digits if number.text[place] != "0"][:2] or digits[-1:]
    place = random.choice(telling)
    others = [digit for digit in "123456789" if digit != number.text[place]]
    return number.text[:place] + random.choice(others) + number.text[place + 1 :]


def _numbers(sentence: str) -> Iterator[Name]:
    for found in NUMBER.finditer(sentence):
        before, after = sentence[: found.start()], sentence[found.end() :]
        if not before or before[-1:] in "-–/.,#§+:" or before[-1].isalnum():
            continue  # part of a word, a date, a version; or the sentence begins with it
        if not ONE.fullmatch(found[0]) or after[:1].isalnum():
            continue
        if re.match(r"[-–/:]|[.,]\d", after) or _is_day(before, after):
            continue
        kind: Kind = "year" if YEAR.fullmatch(found[0]) else "number"
        yield Name(found.start(), found.end(), found[0], kind, _before(sentence, found.start()))


def _is_day(before: str, after: str) -> bool:
    """Whether it is the day of a month, whose neighbours among numbers may not exist."""
    around = [*WORD.findall(before)[-1:], *WORD.findall(after[:20])[:1]]
    return any(part in MONTHS for part in around)


def _capitalised(sentence: str) -> Iterator[tuple[int, int]]:
    """Runs of words with a capital, each but a space from the next, none at a beginning."""
    run: list[re.Match[str]] = []
    for found in WORD.finditer(sentence):
        goes_on = bool(run) and sentence[run[-1].end() : found.start()] == " "
        if run and not (goes_on and _is_capital(found[0])):
            yield from _unless_first(sentence, run)
            run = []
        if _is_capital(found[0]):
            run.append(found)
    yield from _unless_first(sentence, run)


def _unless_first(sentence: str, run: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    if not run:
        return
    before = sentence[: run[0].start()].rstrip()
    if before and before[-1] not in BEFORE_FIRST and _is_whole(sentence, run):
        yield run[0].start(), run[-1].end()


def _is_whole(sentence: str, run: list[re.Match[str]]) -> bool:
    """Whether nothing of the name stands beyond it: no initial, no digit, no hyphen."""
    before, after = sentence[: run[0].start()], sentence[run[-1].end() :]
    return (
        (before[-1:] == " " or before[-1:] in '("“„')
        and not BEGUN.search(before)
        and not GOES_ON.match(after)
        and len(run[-1][0]) > 1
    )


def _is_capital(word: str) -> bool:
    plain = word.casefold() in COMMON or word in DAYS
    return word in MONTHS or (word[0].isupper() and not plain)


def _kind(text: str) -> Kind:
    if text in MONTHS:
        return "month"
    if " " in text:
        return "full name"
    return "acronym" if text.isupper() and len(text) > 1 else "name"


def _before(sentence: str, start: int) -> str:
    found = WORD.findall(sentence[:start])
    return found[-1].casefold() if found else ""
