"""What a question asks for: its telling words, and what kind of thing the answer is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

WORD = re.compile(r"[^\W_]+")
STEM = 6  # letters that are compared; endings of longer words are cut off


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Words that say nothing about what is asked, in English and German.
COMMON = _words(
    "a an the of in on at to for by with from as is are was were be been being do does did has "
    "have had and or but not it its he she his her their they this that these those what which "
    "who whom whose when where why how many much long often far old would could should can will "
    "may might there i you we than then into about also between over under during after before "
    "such other one name called type kind s t "
    "der die das den dem des ein eine einen einem einer eines und oder aber nicht ist sind war "
    "waren wird werden wurde wurden hat haben hatte hatten kann können in im an am auf aus bei "
    "mit nach von vom vor zu zum zur für durch über unter um als wie was wer wem wen wessen wo "
    "wohin woher wann warum weshalb welche welcher welches welchen welchem wieviel viele es er "
    "sie ihr ihre sein seine sich auch noch nur so dass daß"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred "
    "thousand million billion half third quarter dozen "
    "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig hundert tausend "
    "millionen milliarden hälfte drittel viertel"
)
MONTHS = _words(
    "january february march april may june july august september october november december "
    "januar februar märz mai juni juli oktober dezember"
)
DATE = re.compile(r"1\d{3}|20\d\d|1\d{3}er|\d{3,4}s|\d{1,2}(?:st|nd|rd|th)")

# The first kind that matches is the kind of the answer.
KINDS = (
    re.compile(
        r"\bhow (?:many|much|long|far|old|tall|high|large|big|deep|fast|often|wide|heavy)\b"
        r"|\b(?:percent\w*|population|number of|what (?:number|amount|age))\b"
        r"|\bwie ?(?:viele?|lange?|weit|alt|hoch|groß|tief|schnell|oft|breit|schwer)\b|\banzahl\b"
    ),
    re.compile(
        r"\bwhen\b|\bwh(?:at|ich) (?:\w+ )?(?:year|date|day|month|century|decade|time|era)\b"
        r"|\bwann\b|\bwelche\w* (?:\w+ )?(?:jahr\w*|datum|tag|monat|zeit)\b"
    ),
    re.compile(
        r"\bwho(?:m|se)?\b|\bwh(?:at|ich) (?:person|people|man|woman|king|queen|president|emperor"
        r"|actor|player|author|scientist)\b|\bwe(?:r|m|n|ssen)\b"
    ),
)


def stems(text: str) -> list[str]:
    """The words of a text, small, without the ends that grammar changes."""
    return [stem(word) for word in WORD.findall(text)]


def stem(word: str) -> str:
    """What a word has in common with its other forms: "studies" and "studied" give "study"."""
    small = word.lower()
    if len(small) > 4 and small.endswith(("ies", "ied")):
        small = small[:-3] + "y"
    elif len(small) > 3 and small.endswith("s") and not small.endswith("ss"):
        small = small[:-1]
    for ending in ("ing", "ed"):
        if len(small) > len(ending) + 3 and small.endswith(ending):
            small = small[: -len(ending)]
            break
    return small[:STEM]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question taken apart.

    Attributes:
        words: All its words, small.
        stems: Stems of the words that say something; of all words if none does.
        kind: Which of `KINDS` is asked for: 0 a number, 1 a date, 2 a person; None for anything
            else.
    """

    words: frozenset[str]
    stems: frozenset[str]
    kind: int | None

    @classmethod
    def of(cls, question: str) -> Self:
        """The question, taken apart."""
        words = WORD.findall(question)
        telling = [word for word in words if word.lower() not in COMMON] or words
        small = question.lower()
        return cls(
            frozenset(word.lower() for word in words),
            frozenset(map(stem, telling)),
            next((kind for kind, form in enumerate(KINDS) if form.search(small)), None),
        )

    def found(self, stemmed: Iterable[str]) -> frozenset[str]:
        """Which telling words are among these stems."""
        return self.stems.intersection(stemmed)

    def kinds_in(self, sentence: str) -> list[float]:
        """For each kind, how well the sentence holds one; 0 for kinds that are not asked for."""
        held = [0.0] * len(KINDS)
        if self.kind is not None:
            held[self.kind] = _holds(self.kind, WORD.findall(sentence), self.words)
        return held


def _holds(kind: int, words: Sequence[str], known: frozenset[str]) -> float:
    """From 0 to 1, how well these words hold a number, date or name that is not yet known."""
    new = [word for word in words if word.lower() not in known]
    if kind == 0:
        return float(any(map(_is_number, new)))
    if kind == 1:
        return float(any(DATE.fullmatch(word) or word.lower() in MONTHS for word in new))
    names = [word for word in new if word[0].isupper() and word.lower() not in COMMON]
    return min(3, len(names)) / 3


def _is_number(word: str) -> bool:
    """Whether it counts something; a year does not."""
    return word.lower() in NUMBERS or (word[0].isdigit() and not DATE.fullmatch(word))
