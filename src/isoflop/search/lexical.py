"""BM25 over passages, or over whole documents, in a Tantivy index of one folder.

Words are folded to plain lower-case letters and cut to their stem by the English rules of
Porter2 (which helped German questions too: docs/explanation/ranking.md). Scripts that put no
spaces between words are cut into overlapping pairs of characters.
"""

import math
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import tantivy

from isoflop.errors import DamagedIndex

HEAP_BYTES = 64_000_000  # Tantivy writes out a segment whenever so much is waiting
LONGEST_WORD = 64  # bytes; what is longer is a key or a picture in base64
QUERY_CHARACTERS = 10_000  # of a longer query only so much is read
BATCH = 1_000  # passages added, or ids deleted, at once
BATCH_CHARACTERS = 8_000_000  # added at once, or one text alone
QUERY_TERMS = 64  # of a query with more distinct words, the rarest
FILTERED_INSIDE = 1_000  # so many allowed ids are looked up by Tantivy; more are sieved after it
ANALYZER = "isoflop"

# Thai, Lao, Burmese, Khmer, Japanese kana, Chinese characters
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
WORD = re.compile(r"[^\W_]+")

Row = tuple[int, float]


class Words:
    """BM25 over passages. The row key is the passage's integer id.

    The constants are Tantivy's: k1 = 1.2, b = 0.75. Deleted passages count in the rarity of words
    until their segment is merged.

    Source:
        Robertson and Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond.
    """

    def __init__(
        self, index: tantivy.Index, links: tempfile.TemporaryDirectory[str] | None = None
    ) -> None:
        self._index, self._links = index, links
        self._analyzer = _analyzer()
        self._index.register_tokenizer(ANALYZER, self._analyzer)

    @classmethod
    def open(cls, folder: Path) -> "Words":
        """The index in `folder`, which may be read-only.

        Raises:
            DamagedIndex: If what is there, if anything, is not a whole index.
        """
        try:
            links = None if os.access(folder, os.W_OK) else _linked(folder)
            return cls(tantivy.Index.open(links.name if links else str(folder)), links)
        except (OSError, ValueError) as error:
            raise DamagedIndex(
                f"{folder}: the index of words cannot be read ({error}). "
                "Delete the folder; it is made again from the passages."
            ) from error

    @classmethod
    def create(cls, folder: Path, old: Path | None = None) -> "Words":
        """An index in `folder`, instead of what was there: without passages, or as that in `old`.

        Tantivy writes every file once and replaces its lists of files by new ones, so the files
        are linked where the disk can do that, and what happens in `folder` leaves `old` as it is.

        Raises:
            DamagedIndex: If what is in `old` is not a whole index.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if old is None:
            return cls(tantivy.Index(_schema(), path=str(folder)))
        for path in old.iterdir():
            if path.suffix != ".lock":
                _link(path, folder / path.name)
        return cls.open(folder)

    def update(self, add: Iterable[tuple[int, str, str]], delete: Iterable[int] = ()) -> None:
        """Delete passages, then add others, in one commit: readers see all of it or nothing.

        Args:
            add: (id, heading, text). An id that is there already is replaced.
            delete: Ids; those that are not there are passed over.
        """
        writer = self._index.writer(HEAP_BYTES, 1)
        going = iter(delete)
        while ids := list(islice(going, BATCH)):
            self._delete(writer, ids)
        for rows in _batches(add):
            self._delete(writer, [id for id, _, _ in rows])
            for id, heading, text in rows:
                document = tantivy.Document()
                document.add_unsigned("id", id)
                document.add_text("text", _spaced(f"{heading}\n{text}"))
                writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def search(self, query: str, k: int, allowed: Collection[int] | None = None) -> list[Row]:
        """The k best passages that share a word with the query.

        Args:
            query: Any text; it has no syntax. Its distinct words count once each.
            k: At most so many.
            allowed: Only these ids; None for all.

        Returns:
            (id, score), best first, ties by id.
        """
        searcher = self._index.searcher()
        terms = self._rarest(searcher, self._terms(query[:QUERY_CHARACTERS]))
        if k < 1 or not terms or (allowed is not None and not allowed):
            return []
        schema = self._index.schema
        matching = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", term, "freq"))
                for term in terms
            ]
        )
        if allowed is None:
            return _best(searcher, matching, k, lambda id: True)
        if len(allowed) <= FILTERED_INSIDE:
            matching = _restricted(schema, matching, allowed)
        return _best(searcher, matching, k, frozenset(allowed).__contains__)

    def rarity(self, query: str) -> list[tuple[int, int, float]]:
        """How rare each word of the query is among the passages.

        Returns:
            First character, one past the last, and BM25's inverse document frequency
            ln(1 + (N - n + 1/2) / (n + 1/2)) for n of N passages. Of a word in an unspaced
            script, the mean over its pairs of characters.
        """
        searcher = self._index.searcher()
        rows = []
        for match in WORD.finditer(query[:QUERY_CHARACTERS]):
            if terms := self._terms(match.group()):
                mean = sum(_idf(searcher, term) for term in terms) / len(terms)
                rows.append((match.start(), match.end(), mean))
        return rows

    def wording(self, query: str, texts: Sequence[str]) -> list[float]:
        """How much of the query each text says in the same words side by side.

        Returns:
            Of each text, the sum over pairs of neighbouring words of the query that it has next to
            each other and in that order, of the inverse document frequency of the commoner word.

        Source:
            Metzler and Croft 2005, A Markov random field model for term dependencies, SIGIR: the
            ordered pairs of their sequential dependence model.
        """
        searcher = self._index.searcher()
        asked = self._analyzer.analyze(_spaced(query[:QUERY_CHARACTERS]))
        rarity = {term: _idf(searcher, term) for term in set(asked)}
        wanted = {(one, two): min(rarity[one], rarity[two]) for one, two in pairwise(asked)}
        return [
            sum(
                wanted[pair] for pair in wanted.keys() & set(pairwise(self._analyzer.analyze(text)))
            )
            for text in map(_spaced, texts)
        ]

    def __len__(self) -> int:
        return int(self._index.searcher().num_docs)

    def _delete(self, writer: tantivy.IndexWriter, ids: list[int]) -> None:
        # by a query, because tantivy 0.27's delete_documents_by_term deletes nothing by a number
        writer.delete_documents_by_query(
            tantivy.Query.term_set_query(self._index.schema, "id", ids)
        )

    def _terms(self, text: str) -> list[str]:
        """Distinct terms as the passages were analysed, in the order of the text."""
        terms: list[str] = self._analyzer.analyze(_spaced(text))
        return list(dict.fromkeys(terms))

    @staticmethod
    def _rarest(searcher: tantivy.Searcher, terms: list[str]) -> list[str]:
        if len(terms) <= QUERY_TERMS:
            return terms
        return sorted(terms, key=lambda term: -_idf(searcher, term))[:QUERY_TERMS]


def _batches(rows: Iterable[tuple[int, str, str]]) -> Iterator[list[tuple[int, str, str]]]:
    """Rows in lists that are bounded in number and in characters."""
    batch: list[tuple[int, str, str]] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row[2])
        if len(batch) >= BATCH or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _link(path: Path, link: Path) -> None:
    """A second name for a file, or a copy where the disk gives a file only one."""
    try:
        link.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, link)


def _linked(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder of links: Tantivy must write a lock beside its files even to read them."""
    files = list(folder.iterdir())
    links = tempfile.TemporaryDirectory(prefix="isoflop-words-")
    for path in files:
        if path.suffix != ".lock":
            Path(links.name, path.name).symlink_to(path.resolve())
    return links


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_text_field("text", tokenizer_name=ANALYZER, index_option="freq")
    return builder.build()


def _analyzer() -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(LONGEST_WORD),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


def _spaced(text: str) -> str:
    """Text in one Unicode form, unspaced scripts as overlapping pairs of characters."""
    text = unicodedata.normalize("NFKC", text)
    return UNSPACED.sub(lambda match: _pairs(match.group()), text)


def _pairs(run: str) -> str:
    pairs = [run[place : place + 2] for place in range(len(run) - 1)] or [run]
    return f" {' '.join(pairs)} "


def _idf(searcher: tantivy.Searcher, term: str) -> float:
    holding = searcher.doc_freq("text", term)
    # deleted passages are counted among the holding, not among the total, until a merge
    others = max(0, searcher.num_docs - holding)
    return math.log1p((others + 0.5) / (holding + 0.5))


def _restricted(
    schema: tantivy.Schema, matching: tantivy.Query, allowed: Collection[int]
) -> tantivy.Query:
    """The same query and scores, over some ids."""
    among = tantivy.Query.term_set_query(schema, "id", sorted(allowed))
    return tantivy.Query.boolean_query(
        [
            (tantivy.Occur.Must, matching),
            (tantivy.Occur.Must, tantivy.Query.const_score_query(among, 0.0)),
        ]
    )


def _best(
    searcher: tantivy.Searcher, query: tantivy.Query, k: int, keep: Callable[[int], bool]
) -> list[Row]:
    """The k best that are kept, ties by id.

    Tantivy breaks ties by its own order, so more are asked for until the k-th is really better
    than the first one left out.
    """
    limit = k + 16
    while True:
        hits = searcher.search(query, limit, count=False).hits
        ids = searcher.fast_field_values("id", [address for _, address in hits])
        found = [(int(id or 0), float(hit[0])) for id, hit in zip(ids, hits, strict=True)]
        rows = [row for row in found if keep(row[0])]
        if len(hits) < limit or (len(rows) > k and rows[-1][1] < rows[k - 1][1]):
            return sorted(rows, key=lambda row: (-row[1], row[0]))[:k]
        limit *= 4
