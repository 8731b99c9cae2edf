"""The numbers, names and words of a sentence, and which of them a text does not have.

Rules that can be read, not understanding. They find a year, an amount or a person that the source
does not mention; they do not find a wrong verb or a missing "not".
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# ruff: noqa: RUF001 - the typographer's marks are meant


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


ENOUGH = 0.5  # share of a sentence's content words; a choice, not a measurement
STEM = 5  # characters of a long word that are compared: "indexes" and "indexing" agree

NUMBER = re.compile(r"\d{1,3}(?:[ \u00a0\u202f'’]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*")
WORD = re.compile(r"[^\W_]+")
LIST_MARK = re.compile(r"(?m)^\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s+")
BEFORE_FIRST = set(".!?:;\"'“”„«»‘’(—–|\n")  # behind these a capital says nothing
SPELLED = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}
ENDINGS = ("s", "es", "n", "en", "ian", "an", "ese")
COMMON = _listed(
    "the and for are but not you all any can had her was one our out has have his how its may new "
    "now old see who did get him let say she too use that this with from they been were what "
    "when where which while will would there their them then than these those such some into over "
    "also only other more most about between after before because through during each both does "
    "could should might must very just here upon under according answer question passage passages "
    "document documents source sources text yes i a an in on at by to of is it as or so no if be "
    "we he me my us up do am however therefore thus der die das und ist nicht ein eine einer eines "
    "einem einen von zu zum zur den dem des im in mit auf für als auch sich wird werden wurde "
    "wurden waren sind hat haben laut ja nein"
)
# Where every noun has a capital, a capital does not make a name.
GERMAN = _listed("der die das und ist nicht ein eine von zu den dem im mit wurde wird")


@dataclass(frozen=True, slots=True)
class Known:
    """What a text mentions.

    Attributes:
        numbers: In plain form; a number that can be read in two ways is there in both.
        words: Folded words.
        stems: Their beginnings.
    """

    numbers: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]

    def __or__(self, other: "Known") -> "Known":
        return Known(
            self.numbers | other.numbers, self.words | other.words, self.stems | other.stems
        )


def known(text: str) -> Known:
    """What a text mentions; a word that a line break divides is there whole and in parts."""
    whole = re.sub(r"-\s*\n\s*", "", text)
    words = frozenset(_words(text)) | frozenset(_words(whole))
    numbers = {value for found in NUMBER.finditer(_plain(text)) for value in _values(found[0])}
    numbers.update(SPELLED[word] for word in words & SPELLED.keys())
    return Known(frozenset(numbers), words, frozenset(word[:STEM] for word in words))


def unmentioned(sentence: str, by: Known) -> list[str]:
    """The numbers and names of a sentence that a text does not mention, in order.

    Numbers are digits, however grouped; a word for a number counts in the text, not in the
    sentence. Names are words with a capital that no sentence's beginning explains, and words with
    capitals or digits inside; in German, whose nouns all have one, only the latter.
    """
    plain = LIST_MARK.sub(lambda mark: " " * len(mark[0]), _plain(sentence))
    missing = [
        (found.start(), found[0])
        for found in NUMBER.finditer(plain)
        if not _values(found[0]) & by.numbers
    ]
    missing += [(at, name) for at, name in _names(plain) if not _mentions(by, name)]
    return list(dict.fromkeys(what for _, what in sorted(missing)))


def share(sentence: str, by: Known) -> float:
    """The share of a sentence's content words that a text has; 0 for a sentence without any."""
    words = [word for word in _words(LIST_MARK.sub("", sentence)) if _content(word)]
    return sum(word[:STEM] in by.stems for word in words) / len(words) if words else 0.0


def content_words(text: str) -> int:
    """How many words of a text say something by themselves."""
    return sum(_content(word) for word in _words(text))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _words(text: str) -> Iterable[str]:
    """Folded words; of scripts without spaces, each two neighbours."""
    for found in WORD.finditer(_plain(text).casefold()):
        word = found[0]
        if len(word) > 2 and any(unicodedata.category(c) == "Lo" for c in word):
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word


def _content(word: str) -> bool:
    dense = any(c.isdigit() or unicodedata.category(c) == "Lo" for c in word)
    return word not in COMMON and (len(word) > 2 or dense)


def _values(number: str) -> set[str]:
    """The plain forms of a written number: 1,500 is 1500 in one country and 1.5 in another."""
    number = re.sub(r"[ \u00a0\u202f'’]", "", number)
    grouped = re.fullmatch(r"\d{1,3}([.,]\d{3})+", number)
    values = {re.sub(r"[.,]", "", number)} if grouped else set()
    parts = re.split(r"[.,]", number)
    if len(parts) <= 2:
        values.add(_trimmed(parts[0], parts[1] if len(parts) == 2 else ""))
    elif not grouped:
        decimal = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})+)[.,](\d+)", number)
        whole = re.sub(r"[.,]", "", decimal[1]) if decimal else number
        values.add(_trimmed(whole, decimal[2]) if decimal else number)
    return {value.lstrip("0") or "0" for value in values}


def _trimmed(whole: str, fraction: str) -> str:
    fraction = fraction.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{fraction}" if fraction else whole


def _names(text: str) -> Iterable[tuple[int, str]]:
    found = list(WORD.finditer(text))
    german = sum(word[0].casefold() in GERMAN for word in found) >= 2
    for word, following in itertools.zip_longest(found, found[1:]):
        name = word[0]
        if len(name) < 2 or name.casefold() in COMMON or name.isdigit():
            continue
        inside = any(c.isupper() or c.isdigit() for c in name[1:]) and not name[0].isdigit()
        capital = name[0].isupper() and not german
        if inside or (capital and not (_first(text, word) and not _goes_on(text, word, following))):
            yield word.start(), name


def _first(text: str, word: re.Match[str]) -> bool:
    before = text[: word.start()].rstrip("*_` \t")
    return not before or before[-1] in BEFORE_FIRST


def _goes_on(text: str, word: re.Match[str], following: re.Match[str] | None) -> bool:
    """Whether the next word has a capital too, as in a name of two words."""
    return (
        following is not None
        and text[word.end() : following.start()] == " "
        and following[0][0].isupper()
        and following[0].casefold() not in COMMON
    )


def _mentions(by: Known, name: str) -> bool:
    word = name.casefold()
    forms = {word, *(word + end for end in ENDINGS), *(word.removesuffix(end) for end in ENDINGS)}
    parts = [part for part in _words(name) if len(part) > 1]
    return bool(forms & by.words) or (len(parts) > 1 and all(part in by.words for part in parts))
