"""What is taken out of a text before it is scored, because it tells who typed and not who wrote.

White space and look-alike letters differ between sources for reasons of copying, layout or
evasion. A detector that sees them measures those.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

# ruff: noqa: RUF001 - look-alikes are meant

# Letters of other scripts that look like Latin ones: Unicode, confusables.txt (UTS #39, 15.1,
# 2023), the Cyrillic and Greek rows whose target is one basic Latin letter.
LOOK_ALIKES = str.maketrans(
    dict(
        zip(
            "аеорсухіјѕһԁԛԝАВЕКМНОРСТХУІЈЅοαινΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
            "aeopcyxijshdqwABEKMHOPCTXYIJSoaivABEZHIKMNOPTYX",
            strict=True,
        )
    )
)
UNSEEN = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
WIDE = re.compile("[\uff01-\uff5e]+")  # full-width forms of ASCII
BLANKS = re.compile(r"\s+")
WORD = re.compile(r"[^\W\d_]+")
LATIN = re.compile("[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text and how many characters of each kind were changed.

    Attributes:
        text: Runs of white space are one space each, none at the ends; letters are their own.
        changes: By kind, without zeros.
    """

    text: str
    changes: dict[str, int]


def normalised(text: str) -> Normalised:
    """Take out invisible characters, full-width forms, look-alike letters and layout.

    A word of look-alikes becomes Latin only if it also has Latin letters, or if most words of the
    text are Latin, so a Russian or Greek text stays what it is.
    """
    changes: Counter[str] = Counter()

    def count(kind: str, old: str, new: str) -> str:
        changes[kind] += len(old)
        return new

    text = UNSEEN.sub(lambda found: count("invisible characters", found[0], ""), text)
    text = WIDE.sub(
        lambda found: count("full-width forms", found[0], unicodedata.normalize("NFKC", found[0])),
        text,
    )
    mostly_latin = len(LATIN.findall(text)) * 2 > sum(map(len, WORD.findall(text)))
    text, found = _latin(text, mostly_latin)
    changes["look-alike letters"] += found
    changes["line ends"] += text.strip().count("\n")
    changes["other white space"] += sum(
        len(run) - (run[0] == " ") for run in BLANKS.findall(text.strip()) if "\n" not in run
    )
    return Normalised(BLANKS.sub(" ", text).strip(), {k: n for k, n in changes.items() if n})


def _latin(text: str, mostly_latin: bool) -> tuple[str, int]:
    """The text with look-alikes in Latin words replaced, and how many there were."""
    replaced = 0

    def mend(found: re.Match[str]) -> str:
        """The word without look-alikes, if it was meant to be read as Latin."""
        nonlocal replaced
        word = found[0]
        if word.isascii():
            return word
        mended = word.translate(LOOK_ALIKES)
        if not (LATIN.search(word) or (mostly_latin and mended.isascii())):
            return word
        replaced += sum(old != new for old, new in zip(word, mended, strict=True))
        return mended

    return WORD.sub(mend, text), replaced
