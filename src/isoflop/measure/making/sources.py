"""Which sentences of documents can be asked about: whole, short, and clear by themselves."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isoflop.augment.sentences import sentences
from isoflop.documents import Document
from isoflop.measure.making.names import Name, names
from isoflop.search.read import Refusal, read
from isoflop.search.walk import walk


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


FEWEST_WORDS, MOST_WORDS = 8, 45  # shorter ones say little, longer ones several things
MARKUP = re.compile(r"[|{}<>\[\]=`*_~\\]|https?:|\.\.\.|…")
# The word would be taken for the request for an answer, see exams/asking.py.
ASKING = re.compile(r"\banswer", re.IGNORECASE)
BEGINS = re.compile(r"[\"“„]?[^\W_]")
# Who is meant stands before a sentence that begins with one of these.
LEANING = _listed(
    "he she it they we you i his her its their our my your this that these those such here there "
    "then thus so but and or nor yet however therefore hence moreover furthermore also instead "
    "otherwise both neither either another others former latter first second third next "
    "finally again still similarly likewise meanwhile what which who er sie es wir ihr ihre ihren "
    "ihrem ihrer sein seine seinen dies diese dieser dieses dort dann aber und oder doch jedoch "
    "deshalb daher auch beide"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence that may be asked about.

    Attributes:
        document: Id of its document.
        start: First character in the document's text.
        quote: Verbatim.
        names: What may be left out or exchanged; places are those in `text`.
        heading: The innermost heading above it; empty without one.
        text: The quote in one line.
    """

    document: str
    start: int
    quote: str
    names: tuple[Name, ...]
    heading: str
    text: str


def documents(folder: Path, *, besides: Path | None = None) -> tuple[list[Document], list[Refusal]]:
    """Every document of a folder or file, and what could not be read.

    Args:
        folder: Read as `isoflop index` reads it.
        besides: A file that is left out: the exam that was made before.

    Raises:
        UsageError: If there is nothing at `folder`.
    """
    readable, refused = [], []
    for found in walk(folder):
        if besides is not None and found.path.resolve() == besides.resolve():
            continue
        for one in read(found.path, found.id):
            if isinstance(one, Refusal):
                refused.append(one)
            else:
                readable.append(one)
    return readable, refused


def asked_about(document: Document) -> Iterator[Sentence]:
    """The sentences of a document that stand for themselves, in order, each once."""
    seen: set[str] = set()
    outside = [span for span in document.spans if span.kind in ("table", "code", "heading")]
    for start, stop in sentences(document.text):
        quote = document.text[start:stop]
        text = " ".join(quote.split())
        if text in seen or not _stands_alone(text):
            continue
        if any(span.start < stop and start < span.stop for span in outside):
            continue
        seen.add(text)
        yield Sentence(
            document.id, start, quote, tuple(names(text)), _heading(document, start), text
        )


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return re.findall(r"[^\W_]+", text.casefold())


def _stands_alone(text: str) -> bool:
    count = len(text.split())
    return (
        FEWEST_WORDS <= count <= MOST_WORDS
        and text[-1] in ".。"
        and BEGINS.match(text) is not None
        and not text.lstrip('"“„')[0].islower()
        and words(text)[0] not in LEANING
        and not MARKUP.search(text)
        and not ASKING.search(text)
        and text.count("(") == text.count(")")
        and text.count('"') % 2 == 0
        and _is_prose(text.split())
    )


def _is_prose(parts: Iterable[str]) -> bool:
    """Whether most words are written small, which titles and lists of names are not."""
    small = [part[0].islower() for part in parts]
    return 2 * sum(small) > len(small)


def _heading(document: Document, place: int) -> str:
    above = [span for span in document.spans if span.kind == "heading" and span.start <= place]
    return " ".join(above[-1].label.split()) if above else ""
