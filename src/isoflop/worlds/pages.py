"""Documents about the subjects of a world, and which sentence states which fact."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from isoflop.documents import Document
from isoflop.worlds.chance import Chance
from isoflop.worlds.relations import Kind
from isoflop.worlds.truth import FOLDERS, Truth
from isoflop.worlds.write import Style, sentences

PARAGRAPH = 4  # facts told in one paragraph


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a document: `document.text[start:stop]`."""

    document: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Page:
    """A document and where it states each fact, by relation."""

    document: Document
    evidence: Mapping[str, Evidence]


def document_id(truth: Truth, kind: Kind, index: int) -> str:
    """The path of the document about a subject, such as "people/balda-kormin.md"."""
    words = truth.subject(kind, index).name.lower().split()
    return f"{FOLDERS[kind]}/{'-'.join(words)}.md"


def page(truth: Truth, kind: Kind, index: int) -> Page:
    """The document about one subject: a heading, and paragraphs that each name it first."""
    subject, known = truth.subject(kind, index), truth.relations(kind)
    chance = Chance("page", truth.seed, kind, index)
    style = Style(split=truth.split)
    told = chance.shuffled(
        [(known[name], value) for name, (value, _) in truth.links(kind, index).items()]
    )
    id_ = document_id(truth, kind, index)
    text = f"# {subject.name}\n"
    evidence: dict[str, Evidence] = {}
    for first in range(0, len(told), PARAGRAPH):
        part = told[first : first + PARAGRAPH]
        separator = "\n"
        for sentence in sentences(
            subject, part, chance, style=style, draw=lambda value: truth.another(value, chance)
        ):
            text += separator
            for place in sentence.facts:
                stop = len(text) + len(sentence.text)
                evidence[part[place][0].name] = Evidence(id_, len(text), stop)
            text += sentence.text
            separator = " "
        text += "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    document = Document(id_, text, id_, "text/markdown", digest, {"title": subject.name})
    return Page(document, evidence)
