"""Every citation in a language model's answer, checked against the passages it was shown.

What is checked: that a cited number is the number of a passage; that quoted words occur in the
passage they are cited from, or in any if no number is given; that the numbers and names of a cited
sentence occur in what it cites; and, where nothing is quoted, that half of the sentence's content
words do. What is not: whether the passage means what the sentence says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from isoflop.augment.facts import ENOUGH, Known, content_words, known, share, unmentioned
from isoflop.augment.quotes import Folded, find_pieces, folded
from isoflop.augment.sentences import sentences
from isoflop.documents import Passage
from isoflop.questions import Citation, Hit

# ruff: noqa: RUF001 - the typographer's marks are meant

NOT_ANSWERED = "The documents do not answer this."
NOWHERE = Passage(document="", start=0, stop=0, text="")  # what a number without a passage cites
UNCITED = "(unsupported: this answer cites no passage)"

OPEN, CLOSE = "\"“”„«「'‘", "\"“”»「」'’"
NUMBERS = r"\d{1,6}(?:\s*(?:[,;&–-]|and)\s*\d{1,6})*"
BRACKET = re.compile(
    rf"[\[【]\s*(?:passages?\s*)?(?P<numbers>{NUMBERS})\s*"
    rf"(?:[:,]\s*(?:[{OPEN}](?P<quote>[^\n]{{1,1500}}?)[{CLOSE}]|(?P<bare>[^\[\]\n\d][^\[\]\n]{{0,600}}))"
    r"|†[^\[\]【】\n]{0,80})?\s*[\]】]",
    re.IGNORECASE,
)
NEXT_QUOTE = re.compile(rf"[{CLOSE}]\s*[,;]\s*(?:(?P<number>\d{{1,6}})\s*:\s*)?[{OPEN}]")
SPAN = re.compile(r"(?<!\w)[\"“„«](?=\S)(?P<quote>[^\"“”„«»\n]{1,1000}?)(?<=\S)[\"”“»](?!\w)")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
ABSTAINED = re.compile(
    r"\b(passages?|documents?|sources?|context|text)\b.{0,40}\b(do|does|did)(n['’]t| not)\b.{0,40}"
    r"\b(answer|contain|mention|say|state|provide|include|specify|give)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A model's answer after its citations were looked up.

    Attributes:
        text: The answer, with what is not supported marked in brackets.
        citations: In the order of the text.
        abstained: True when it says that the passages do not answer.
    """

    text: str
    citations: tuple[Citation, ...]
    abstained: bool


@dataclass(frozen=True, slots=True)
class _Mention:
    """One citation as written: numbers, or a quote, or both."""

    start: int
    stop: int
    numbers: tuple[int, ...]
    quote: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A passage as it is looked things up in."""

    passage: Passage
    folded: Folded
    known: Known


def check(text: str, hits: Sequence[Hit], question: str = "") -> Checked:
    """A model's answer with every citation looked up.

    Args:
        text: What the model wrote.
        hits: The passages it was shown, number 1 first.
        question: What was asked; words quoted from it need no passage.

    Returns:
        The answer, marked, and its citations. A citation of a passage as a whole has an empty
        quote; one whose words are not in its passage stands at the passage's start; one of a
        number that no passage has is of `NOWHERE`. An answer without any citation has none and is
        marked as a whole; one that abstains is the sentence that says so.
    """
    text = text.strip()
    shown = [_Shown(h.passage, folded(h.passage.text), known(_visible(h.passage))) for h in hits]
    mentions = _mentions(text)
    said = [m for m in mentions if m.numbers or not _found(m.quote, [folded(question)])]
    if _abstains(text, said):
        return Checked(NOT_ANSWERED, (), True)
    looked_up = [(m, *_looked_up(m, shown)) for m in said]
    if not any(citations for _, citations, _ in looked_up):
        marks = [(m.stop, why) for m, _, why in looked_up if why]
        return Checked(f"{_marked(text, marks).rstrip()}\n\n{UNCITED}", (), False)
    return _by_sentence(text, looked_up, shown)


def _visible(passage: Passage) -> str:
    """What the model could read of a passage: its text, headings and the document's name."""
    return f"{passage.document}\n{passage.heading}\n{passage.text}"


def _abstains(text: str, said: Sequence[_Mention]) -> bool:
    """Whether the answer is that there is none: our sentence, or a short one of that meaning."""
    if any(m.numbers for m in said):
        return False
    if folded(NOT_ANSWERED.rstrip(".")).text in folded(text).text:
        return True
    return len(text.split()) <= 40 and ABSTAINED.search(text) is not None


def _mentions(text: str) -> list[_Mention]:
    """Citations and quoted spans in order; code is neither."""
    code = [match.span() for match in CODE.finditer(text)]
    found: list[_Mention] = []
    for match in BRACKET.finditer(text):
        if not _within(match.start(), code):
            found += _bracketed(match)
    taken = [*code, *((m.start, m.stop) for m in found)]
    spans = [m for m in SPAN.finditer(text) if not _within(m.start(), taken)]
    spans = [m for m in spans if content_words(m["quote"])]  # "yes" and "and" are no citations
    return sorted(_bound(text, found, spans), key=lambda m: (m.start, m.stop))


def _within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place < stop for start, stop in spans)


def _bracketed(match: re.Match[str]) -> list[_Mention]:
    """The citations of one pair of brackets: numbers, each quote with its own."""
    start, stop = match.span()
    numbers = _numbers(match["numbers"])
    quotes = match["quote"] or (match["bare"] or "").strip()
    mentions: list[_Mention] = []
    end = 0
    for following in NEXT_QUOTE.finditer(quotes):
        mentions.append(_Mention(start, stop, numbers, quotes[end : following.start()]))
        numbers = (int(following["number"]),) if following["number"] else numbers
        end = following.end()
    return [*mentions, _Mention(start, stop, numbers, quotes[end:])]


def _numbers(listed: str) -> tuple[int, ...]:
    """The numbers of "1, 3-5"; a range of more than ten is its two ends."""
    numbers: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", listed):
        low, high = int(first), int(last or first)
        numbers += range(low, high + 1) if low <= high < low + 10 else (low, high)
    return tuple(dict.fromkeys(numbers))


def _bound(text: str, brackets: list[_Mention], spans: Sequence[re.Match[str]]) -> list[_Mention]:
    """Brackets and quoted spans, where a span right before a bare number belongs to it."""
    mentions = list(brackets)
    for span in spans:
        behind = re.compile(r"[\s.,;:!?)*_]*").match(text, span.end())
        place = behind.end() if behind else span.end()
        at = next((i for i, m in enumerate(mentions) if m.start == place and not m.quote), None)
        if at is None:
            mentions.append(_Mention(*span.span(), (), span["quote"]))
        else:
            mentions[at] = replace(mentions[at], start=span.start(), quote=span["quote"])
    return mentions


def _looked_up(mention: _Mention, shown: Sequence[_Shown]) -> tuple[list[Citation], str]:
    """The citations a mention stands for, and why it is not supported ("" if it is so far)."""
    there = [n for n in mention.numbers if 1 <= n <= len(shown)]
    absent = [n for n in mention.numbers if n not in there]
    if absent:
        citations = [Citation(NOWHERE, mention.quote, 0, 0, supported=False) for _ in absent]
        why = f"there is no passage {' or '.join(map(str, absent))}"
        return citations + [c for n in there for c in [_whole(shown[n - 1].passage)]], why
    if not mention.quote:
        return [_whole(shown[n - 1].passage) for n in there], ""
    if mention.numbers:
        return _quoted(mention, shown)
    return _unnumbered(mention.quote, shown)


def _quoted(mention: _Mention, shown: Sequence[_Shown]) -> tuple[list[Citation], str]:
    for n in mention.numbers:
        places = find_pieces(mention.quote, shown[n - 1].folded)
        if places and content_words(mention.quote):
            return [_quote(shown[n - 1].passage, *place) for place in places], ""
    passage = shown[mention.numbers[0] - 1].passage
    wrong = [Citation(passage, mention.quote, passage.start, passage.start, supported=False)]
    if not content_words(mention.quote):
        return wrong, "the quoted words say nothing by themselves"
    numbered = " or ".join(map(str, mention.numbers))
    at = _found(mention.quote, [s.folded for s in shown])
    return wrong, f"these words are not in passage {numbered}{f' but in {at}' if at else ''}"


def _unnumbered(quote: str, shown: Sequence[_Shown]) -> tuple[list[Citation], str]:
    """A quoted span without a number: a citation where it occurs, a mark where it does not."""
    at = _found(quote, [s.folded for s in shown])
    if at and content_words(quote):
        passage = shown[at - 1].passage
        places = find_pieces(quote, shown[at - 1].folded)
        return [_quote(passage, *place) for place in places], ""
    return [], "" if at or not content_words(quote) else "these words are in no passage"


def _found(quote: str, texts: Sequence[Folded]) -> int:
    """The number, from 1, of the first text that has a quote; 0 if none has."""
    return next((n for n, text in enumerate(texts, 1) if find_pieces(quote, text)), 0)


def _whole(passage: Passage) -> Citation:
    return Citation(passage, "", passage.start, passage.stop)


def _quote(passage: Passage, start: int, stop: int) -> Citation:
    at = passage.start
    return Citation(passage, passage.text[start:stop], at + start, at + stop)


_LookedUp = Sequence[tuple[_Mention, list[Citation], str]]


def _by_sentence(text: str, looked_up: _LookedUp, shown: Sequence[_Shown]) -> Checked:
    """Checks each sentence against what it cites, and marks what does not hold."""
    citations: list[Citation] = []
    marks: list[tuple[int, str]] = []
    for start, stop, claim in _claims(text, [m for m, _, _ in looked_up]):
        own = [entry for entry in looked_up if start <= entry[0].start < stop]
        marks += [(m.stop, why) for m, _, why in own if why]
        cited = [citation for _, found, _ in own for citation in found]
        why = _unsupported(claim, cited, shown) if any(c.supported for c in cited) else ""
        if why:
            marks.append((max(m.stop for m, _, _ in own), why))
            cited = [replace(citation, supported=False) for citation in cited]
        elif not own and _claims_something(claim):
            marks.append((stop, ""))
        citations += cited
    return Checked(_marked(text, marks), tuple(citations), False)


def _claims(text: str, mentions: Sequence[_Mention]) -> list[tuple[int, int, str]]:
    """Sentences with the citations behind their full stop, and their words without citations."""
    masked = FENCED.sub(lambda code: " " * len(code[0]), text)
    for m in mentions:
        masked = masked[: m.start] + " " * (m.stop - m.start) + masked[m.stop :]
    spans = sentences(masked) or [(0, len(text))]
    claims: list[tuple[int, int, str]] = []
    for i, (start, stop) in enumerate(spans):
        begin = claims[-1][1] if claims else 0
        end = spans[i + 1][0] if i + 1 < len(spans) else len(text)
        behind = [m.stop for m in mentions if stop <= m.start < end and _trails(masked, stop, m)]
        claims.append((begin, max([stop, *behind]), masked[start:stop]))
    if claims:  # a citation before the first word or alone on the last line
        claims[-1] = (claims[-1][0], len(text), claims[-1][2])
    return claims


def _trails(masked: str, stop: int, mention: _Mention) -> bool:
    """Whether a citation follows a sentence on its line, or has a line of its own."""
    rest = masked[mention.stop :].partition("\n")[0]
    return "\n" not in masked[stop : mention.start] or not rest.strip()


def _unsupported(claim: str, cited: Sequence[Citation], shown: Sequence[_Shown]) -> str:
    """Why what a sentence cites does not support it; "" if it does, as far as this can tell."""
    numbers = [n for n, s in enumerate(shown, 1) if any(c.passage == s.passage for c in cited)]
    if not numbers:
        return ""
    by = shown[numbers[0] - 1].known
    for n in numbers[1:]:
        by = by | shown[n - 1].known
    which = f"passage{'s' if len(numbers) > 1 else ''} {' and '.join(map(str, numbers))}"
    missing = unmentioned(claim, by)
    if missing:
        return f"{which} {'do' if len(numbers) > 1 else 'does'} not mention {', '.join(missing)}"
    if not any(c.quote for c in cited) and share(claim, by) < ENOUGH:
        return f"nothing is quoted and too few of these words are in {which}"
    return ""


def _claims_something(claim: str) -> bool:
    """Whether a sentence without a citation is more than a heading, a question or a lead-in."""
    bare = claim.strip().rstrip("*_")
    return content_words(bare) >= 3 and not bare.endswith((":", "?")) and not bare.startswith("#")


def _marked(text: str, marks: Sequence[tuple[int, str]]) -> str:
    """The text with a bracket behind each place that has marks; one without a reason is bare."""
    reasons: dict[int, list[str]] = {}
    for place, why in marks:
        reasons.setdefault(place, []).append(why)
    for place in sorted(reasons, reverse=True):
        whys = list(dict.fromkeys(why for why in reasons[place] if why))
        note = f" (unsupported: {'; '.join(whys)})" if whys else " (no citation)"
        text = text[:place] + note + text[place:]
    return text
