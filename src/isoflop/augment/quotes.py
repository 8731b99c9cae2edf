"""Whether words occur in a text, however a language model copied them.

A copy may differ from its source in case, in the shape of quote marks and dashes, in white space
and line breaks, in composed letters and ligatures, in the marks of Markdown and in footnote
numbers. It may not differ in a word or a digit.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# ruff: noqa: RUF001 - the look-alikes are the point

QUOTES = "\"'`´‘’‚‛“”„‟«»″′「」『』＂＇"
SAME = {
    **dict.fromkeys(QUOTES, "'"),
    **dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"),
    "‹": "<",
    "›": ">",
}
LETTER = r"[^\W\d_]"
DROPPED = re.compile(
    rf"(?<={LETTER})[^\S\n]*-\s*(?={LETTER})"  # hyphens and dashes, also where a line ends
    r"|[^\S\n]+(?=-)|(?<=-)[^\S\n]+"
    r"|(?P<space>\s*\n[>#*+•\s-]*(?<=[\s>])|\s+)"  # with a next line's quote or list mark
    r"|\[(?=[^\[\]\n]{1,300}\]\()|\]\([^()\s]{0,500}\)"  # [words](address)
    r"|(?<=[\w.,;:!?)'])\[\d{1,3}\]"  # footnote numbers
    r"|(?<!\w)[*_]{1,3}(?=[\w'(])|(?<=[\w.,;:!?)'])[*_]{1,3}(?!\w)"  # emphasis
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text without the differences that do not count.

    Attributes:
        text: What is left.
        places: For each character left, the place it has in the text as it was.
    """

    text: str
    places: tuple[int, ...]


def folded(text: str) -> Folded:
    """A text made comparable: folded case (NFKD), one kind of quote mark, dash and space."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in _folded(character):
            characters.append(part)
            places.append(place)
    whole = "".join(characters)
    left: list[str] = []
    kept: list[int] = []
    end = 0
    for match in DROPPED.finditer(whole):
        left.append(whole[end : match.start()])
        kept += places[end : match.start()]
        if match["space"]:
            left.append(" ")
            kept.append(places[match.start()])
        end = match.end()
    return Folded("".join(left) + whole[end:], (*kept, *places[end:]))


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    parts = unicodedata.normalize("NFKD", decomposed)
    return "".join(SAME.get(c, c) for c in parts if unicodedata.category(c) != "Cf")


def find(quote: str, within: Folded) -> tuple[int, int] | None:
    """Where a quote stands, as whole words; punctuation at its ends may differ.

    Args:
        quote: The words as they were copied.
        within: The folded text that they should come from.

    Returns:
        Start and stop in the text as it was, or None.
    """
    exact = folded(quote).text.strip()
    for words in (exact, exact.strip(" .,;:!?'…-")):
        at = within.text.find(words) if words else -1
        while at >= 0:
            stop = at + len(words)
            if not (_inside_word(within, at) or _inside_word(within, stop)):
                return within.places[at], within.places[stop - 1] + 1
            at = within.text.find(words, at + 1)
    return None


def find_pieces(quote: str, within: Folded) -> list[tuple[int, int]]:
    """Where a quote stands, or where its pieces do that "..." joins, one behind the other.

    Returns:
        The places, in order; none unless every piece is there.
    """
    whole = find(quote, within)
    if whole:
        return [whole]
    places: list[tuple[int, int]] = []
    for piece in re.split(r"\s*(?:\[?(?:…|\.\.\.+)\]?)\s*", quote):
        if not any(c.isalnum() for c in piece):
            continue
        place = find(piece, _behind(within, places[-1][1] if places else 0))
        if place is None:
            return []
        places.append(place)
    return places


def _behind(within: Folded, start: int) -> Folded:
    """The part of a folded text that begins at a place of the text as it was."""
    first = next((i for i, place in enumerate(within.places) if place >= start), len(within.text))
    return Folded(within.text[first:], within.places[first:])


def _inside_word(within: Folded, at: int) -> bool:
    """Whether the place between two characters cuts a word, a number or a letter in two.

    Scripts without spaces have no such places.
    """
    if not 0 < at < len(within.text):
        return False
    before, after = within.text[at - 1], within.text[at]
    apart = within.places[at] - within.places[at - 1]
    if apart == 0 or unicodedata.combining(after):
        return True
    if apart > 1:  # a hyphen stood there
        return False
    joined = all(c.isalnum() and unicodedata.category(c) != "Lo" for c in (before, after))
    decimal = before in ".," and after.isdigit() and at > 1 and within.text[at - 2].isdigit()
    return joined or decimal or _cut_number(within.text, at)


def _cut_number(text: str, at: int) -> bool:
    """Whether digits end at `at` although the number goes on behind a point or comma."""
    return (
        text[at - 1].isdigit()
        and text[at] in ".,"
        and at + 1 < len(text)
        and text[at + 1].isdigit()
    )
