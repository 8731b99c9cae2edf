"""Where the sentences of a text stand.

Prose is cut at full stops that end something; everything else is cut by its lines: list items,
table rows, headings, lines of code. Rules and short lists, no model: a quote must be where a
reader would have put it, in any of several languages, in time linear in the text.
"""

import itertools
import re
from collections.abc import Iterator

# ruff: noqa: RUF001 - the typographer's marks are meant

Span = tuple[int, int]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# A full stop after these belongs to them; what follows may well be capitalised.
ABBREVIATIONS = _words(
    "mr mrs ms messrs dr prof rev col lt sgt capt cmdr gov e.g i.e eg ie viz vs approx esp incl "
    "z.b d.h u.a u.ä o.ä s.o s.u bzw vgl evtl ggf inkl zzgl bspw sog geb gest dipl hrsg "
    "mme mlle mlles p.ex sra srta dña ud uds p.ej dott sigg bijv d.w.z o.a dhr mevr"
)
# These end a sentence only when what follows can hardly be anything but a beginning.
DOUBTFUL = _words(
    "etc inc ltd co corp bros jr sr st mt al ca cf ed eds gen maj sen hon rep pres hl mm sig env "
    "jan feb mar apr jun jul aug sep sept oct nov dec mio mrd str usw usf jh chr dept ave blvd "
    "rd v ph.d"
)
# These belong to the number behind them, and are words of their own elsewhere.
BEFORE_NUMBERS = _words(
    "no nos nr nrs núm art arts abs tab kap fig figs sec secs ch chap vol vols pp pág págs aufl bd "
    "abb op eq eqs ca tel"
)
BEGINNINGS = _words(
    "a an the this that these those he she it they we you i his her its their our my your in on at "
    "by for from to with as after before during since when while where if although though however "
    "but and or so yet there here one some many most both each all another other such no not what "
    "who why how then thus also because despite until under over between among "
    "der die das den dem ein eine einer eines er sie es wir ihr sein seine ihre im am zum zur vom "
    "nach vor bei mit auf aus für seit während wenn als obwohl dieser diese dieses jedoch und oder "
    "aber auch "
    "le la les un une des il elle ils elles ce cette ces dans en au aux el los las una unos su sus "
    "lo gli uno nel nella o os as um uma no na de het een zij hij"
)
# After one of these a number with a full stop is an ordinal, as in "am 3. Oktober".
BEFORE_ORDINALS = _words(
    "am im vom zum zur der die das dem den des beim bis seit ab jeder jeden jedem ihr ihre sein "
    "seine und oder den til fra"
)

# A stop: its marks, closing quotes and brackets, reference marks, then space or the end.
# Scripts that write no spaces end at the mark itself.
STOP = re.compile(
    r"""[.!?…؟]+['"”’»“)\]]{0,4}(?:\[[^\]\[\n]{1,12}\]){0,8}(?::\d[\d,–-]{0,20})?(?=\s|$)"""
    r"""|[。！？｡।]+[」』”’）】]{0,4}"""
)
LAST_WORD = re.compile(r"[^\s(\[{\"'“„«‘’/—–]*\Z")
NEXT_WORD = re.compile(r"[\s\"'“„«‘(\[¿¡*_-]*(\w*\.?)")
LIST_ITEM = re.compile(r"\s*(?:[-*+•‣◦▪–—·]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|#{1,6})\s+\S")
FENCE = re.compile(r"\s*(?:```|~~~)")
INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_]{1,2})*")
WINDOW = 48  # characters looked at on either side of a stop; longer words are no abbreviations


def sentences(text: str, *, rows: bool = False) -> list[Span]:
    """Spans of the sentences of `text`: in order, apart, none with blanks at its ends.

    Together they cover everything but whitespace. A line counts as a sentence of its own when
    it is a list item, a table row, a heading, code, or a short line before a capital (a title,
    an address, a verse); otherwise lines are joined as wrapped prose.

    Args:
        text: Any text: prose, Markdown, tables, code, one line of 50,000 characters.
        rows: Whether every line is a row, as in CSV.

    Returns:
        (start, stop) for each, with `stop` one past the last character.
    """
    return [
        span
        for start, stop in _blocks(text, rows)
        for span in _cut(text, start, stop)
        if span[0] < span[1]
    ]


def _blocks(text: str, rows: bool) -> Iterator[Span]:
    """Stretches that no sentence crosses: paragraphs, items, rows, lines of code."""
    fenced = False
    paragraph: list[Span] = []
    for start, stop in _lines(text):
        line = text[start:stop]
        fence = FENCE.match(line) is not None
        if rows or fence or fenced or not line.strip() or _stands_alone(line):
            yield from _joined(text, paragraph)
            paragraph = []
            yield start, stop
        elif LIST_ITEM.match(line):
            yield from _joined(text, paragraph)
            paragraph = [(start, stop)]
        else:
            paragraph.append((start, stop))
        fenced ^= fence
    yield from _joined(text, paragraph)


def _lines(text: str) -> Iterator[Span]:
    start = 0
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        yield start, stop
        start = stop + 1


def _stands_alone(line: str) -> bool:
    """Whether the line is a table row, a heading, a rule or a line of code."""
    bare = line.strip()
    return (
        bare.startswith(("#", "|"))
        or " | " in bare
        or "\t" in bare
        or bare.endswith(("{", "}", ";", "::"))
        or not any(map(str.isalnum, bare))
    )


def _joined(text: str, lines: list[Span]) -> Iterator[Span]:
    """A paragraph's lines as one block, cut behind lines that stop short before a capital."""
    if not lines:
        return
    width = max(stop - start for start, stop in lines)
    first = lines[0][0]
    for (start, stop), (following, _) in itertools.pairwise(lines):
        ahead = text[following : following + WINDOW].lstrip()
        short = stop - start < 0.6 * width or width < 40
        if short and ahead[:1].isupper() and text[start:stop].rstrip()[-1:] not in ",-–":
            yield first, stop
            first = following
    yield first, lines[-1][1]


def _cut(text: str, start: int, stop: int) -> Iterator[Span]:
    """The block's sentences, without the blanks around them."""
    first = start
    for mark in STOP.finditer(text, start, stop):
        if mark.end() < stop and _ends(text, first, mark, stop):
            yield stripped(text, first, mark.end())
            first = mark.end()
    yield stripped(text, first, stop)


def stripped(text: str, start: int, stop: int) -> Span:
    """The span without blanks at its ends."""
    while start < stop and text[start].isspace():
        start += 1
    while start < stop and text[stop - 1].isspace():
        stop -= 1
    return start, stop


def _ends(text: str, first: int, mark: re.Match[str], stop: int) -> bool:
    """Whether the sentence that began at `first` ends with this mark."""
    if mark[0][0] in "。！？｡।":
        return True
    found = NEXT_WORD.match(text, mark.end(), min(stop, mark.end() + WINDOW))
    following = found[1] if found else ""
    if following[:1].islower():
        return False
    if mark[0][0] != "." or mark[0].startswith(".."):
        return True
    before = text[max(first, mark.start() - WINDOW) : mark.start()]
    return _full_stop_ends(before, following, whole=mark.start() - first <= WINDOW)


def _full_stop_ends(before: str, following: str, *, whole: bool) -> bool:
    """Whether a full stop between these words ends a sentence.

    Args:
        before: What stands before it, back to the sentence's beginning or further than a word.
        following: The word after it, with its full stop if it has one.
        whole: Whether `before` is all of the sentence so far.
    """
    found = LAST_WORD.search(before)
    word = found[0] if found else ""
    if word.lower() in ABBREVIATIONS:
        return False
    if word.lower() in BEFORE_NUMBERS and following[:1].isdigit():
        return False
    if word.isdigit():
        lead = before[: len(before) - len(word)].split()
        if not lead:
            return not whole  # the number of a list item
        return not (len(word) <= 2 and lead[-1].lower() in BEFORE_ORDINALS and following != "")
    if INITIALS.fullmatch(word) or word.lower() in DOUBTFUL:
        return following.lower() in BEGINNINGS
    return True
