"""The texts that are measured on: passages of even and of mixed length, and judged questions.

Nothing of it is kept in the repository. The texts lie in a folder named by ISOFLOP_EVALDATA, or
in `shared/evaldata` beside the checkout.
"""

from __future__ import annotations

import csv
import fnmatch
import gzip
import json
import os
import shutil
import statistics
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdfium2
from tokenizers import Tokenizer

from benchmarks.machine import ROOT

WINDOW = 254  # word pieces beside the two special tokens: the longest input of the encoder
SETS = ("xquad-en", "xquad-de", "nq", "chunks", "pdf")

Span = tuple[str, int, int]  # document id, first character, character after the last


@dataclass(frozen=True)
class Collection:
    """Documents, questions about them and which documents (and characters) answer.

    `files` holds those documents that must be read from a file of another kind; their text here
    is what other readers are given.
    """

    name: str
    documents: dict[str, str]
    questions: dict[str, str]
    relevant: dict[str, frozenset[str]]
    spans: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Lay the documents into a folder, one file each, named by their ids."""
        for name, text in self.documents.items():
            if name in self.files:
                shutil.copyfile(self.files[name], folder / name)
            else:
                (folder / name).write_text(text, encoding="utf-8", newline="")


def evaldata() -> Path:
    """The folder of development data.

    Raises:
        SystemExit: If there is none; the message says where it is looked for.
    """
    folder = Path(os.environ.get("ISOFLOP_EVALDATA", ROOT.parent / "shared" / "evaldata"))
    if not folder.is_dir():
        raise SystemExit(f"No development data at {folder}. Set ISOFLOP_EVALDATA to its folder.")
    return folder


def collection(name: str) -> Collection:
    """One of `SETS`, read from the development data."""
    if name.startswith("xquad-"):
        return _xquad(name)
    return {"nq": _natural_questions, "chunks": _chunks, "pdf": _filings}[name]()


def even_passages(count: int, tokenizer: Tokenizer) -> list[str]:
    """Passages of exactly `WINDOW` word pieces each, cut from technical prose and novels alike.

    A passage is kept only when it still has that many pieces when tokenised alone, so that no
    system gains by shorter input.
    """
    sources = [_even(texts, tokenizer) for texts in (_proposals(), _novels())]
    passages: list[str] = []
    while len(passages) < count:
        passages.extend(next(source) for source in sources)
    return passages[:count]


def mixed_passages(count: int, tokenizer: Tokenizer) -> list[str]:
    """Paragraphs as their authors cut them, none longer than the encoder reads.

    Half come from technical documents, half from encyclopedia passages and novels. Lengths vary
    from a line to `WINDOW` pieces, in the order of the sources.
    """
    sources = [_paragraphs(texts, tokenizer) for texts in (_proposals(), _encyclopedia_novels())]
    passages: list[str] = []
    while len(passages) < count:
        passages.extend(next(source) for source in sources)
    return passages[:count]


def lengths(texts: list[str], tokenizer: Tokenizer) -> dict[str, float]:
    """Tokens of the texts with special tokens: total, mean, median, shortest and longest."""
    counts = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return {
        "total": sum(counts),
        "mean": round(statistics.fmean(counts), 1),
        "median": statistics.median(counts),
        "shortest": min(counts),
        "longest": max(counts),
    }


def _even(texts: Iterator[str], tokenizer: Tokenizer) -> Iterator[str]:
    for text in texts:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        first = 0
        while first + WINDOW <= len(offsets):
            passage = text[offsets[first][0] : offsets[first + WINDOW - 1][1]]
            if len(tokenizer.encode(passage, add_special_tokens=False).ids) == WINDOW:
                yield passage
            first += WINDOW


def _paragraphs(texts: Iterator[str], tokenizer: Tokenizer) -> Iterator[str]:
    for text in texts:
        for paragraph in text.split("\n\n"):
            stripped = paragraph.strip()
            if len(stripped) < 40:  # rules, page numbers, lone headings
                continue
            if len(tokenizer.encode(stripped, add_special_tokens=False).ids) <= WINDOW:
                yield stripped


def _proposals() -> Iterator[str]:
    yield from _archived("peps.tar.xz", ".rst")


def _novels() -> Iterator[str]:
    yield from _archived("text/novels.tar.xz", ".txt")


def _encyclopedia_novels() -> Iterator[str]:
    yield from _natural_questions().documents.values()
    yield from _novels()


def _archived(name: str, suffix: str) -> Iterator[str]:
    with tarfile.open(evaldata() / name) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(suffix):
                stream = archive.extractfile(member)
                assert stream is not None
                yield stream.read().decode("utf-8", errors="replace").replace("\r\n", "\n")


def _xquad(name: str) -> Collection:
    path = evaldata() / "xquad" / f"{name.replace('-', '.')}.json"
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    documents, questions, relevant = {}, {}, {}
    for number, paragraph in enumerate(paragraphs):
        document = f"paragraph-{number:03}.txt"
        documents[document] = paragraph["context"]
        for entry in paragraph["qas"]:
            questions[entry["id"]] = entry["question"]
            relevant[entry["id"]] = frozenset({document})
    return Collection(name, documents, questions, relevant)


def _natural_questions() -> Collection:
    path = evaldata() / "nq" / "nq-open-oracle.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    names: dict[str, str] = {}
    questions, relevant = {}, {}
    for number, row in enumerate(rows):
        gold = row["ctxs"][0]
        text = f"{gold['title']}\n\n{gold['text']}"
        document = names.setdefault(text, f"passage-{len(names):04}.txt")
        questions[f"q{number:04}"] = row["question"]
        relevant[f"q{number:04}"] = frozenset({document})
    return Collection("nq", {name: text for text, name in names.items()}, questions, relevant)


def _chunks() -> Collection:
    folder = evaldata() / "chunks"
    documents = {
        path.name: path.read_bytes().decode("utf-8")
        for path in sorted((folder / "corpora").glob("*.md"))
    }
    questions: dict[str, str] = {}
    relevant: dict[str, frozenset[str]] = {}
    spans: dict[str, tuple[Span, ...]] = {}
    for number, row in enumerate(_rows(folder / "questions_df.csv")):
        question, document = f"q{number:03}", f"{row['corpus_id']}.md"
        questions[question] = row["question"]
        relevant[question] = frozenset({document})
        references = json.loads(row["references"])
        spans[question] = tuple((document, r["start_index"], r["end_index"]) for r in references)
    return Collection("chunks", documents, questions, relevant, spans)


def _filings() -> Collection:
    folder = evaldata() / "pdf"
    # run files separate their columns by blanks, so names may not hold any
    files = {path.name.replace(" ", "-"): path for path in sorted(folder.glob("*.pdf"))}
    questions, relevant = {}, {}
    for number, row in enumerate(_rows(folder / "qna_data.csv")):
        pattern = f"{row['Source Docs']}.pdf".replace(" ", "-")
        sources = frozenset(fnmatch.filter(files, pattern))
        if sources:
            questions[f"q{number:03}"] = row["Question"]
            relevant[f"q{number:03}"] = sources
    texts = {name: _pdf_text(path) for name, path in files.items()}
    return Collection("pdf", texts, questions, relevant, files=files)


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _pdf_text(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return "\n\n".join(page.replace("\r\n", "\n") for page in pages)
