"""The ways of ranking beside one another, and what each of their parts adds: nDCG@10.

    python -m benchmarks.ways
    python -m benchmarks.ways --sets nq xquad-de

The library's own parts, called directly: words, encoder, fusion, reranker. On xquad and nq a
document is a passage; the five Markdown files of chunks are cut as the index cuts them, and their
passages are judged; the filings of pdf are ranked by their best passage, or by all
of them where scores are logits. Intervals of 95% are by
resampling questions, paired. `benchmarks.quality` measures the same by the commands of a user,
and peers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, machine, ranking
from benchmarks.data import Collection, Span
from isoflop.documents import Document
from isoflop.measure.statistics.paired import difference
from isoflop.search import fuse, rerank
from isoflop.search.chunk import embedded_text, passages
from isoflop.search.encode import load
from isoflop.search.encoder import Encoder
from isoflop.search.lexical import Words
from isoflop.search.rank import NEAREST

DEPTH = 100
RERANKED = 20
DEFAULT = "reranked"
RANKS = ("bm25", "dense", "reciprocal ranks")  # a document stands where its best passage does
CUT = ("chunks", "pdf")  # sets whose documents are longer than a passage

Rows = list[tuple[int, float]]


@dataclass(frozen=True)
class Shelf:
    """Passages ready to be ranked: what the index would hold.

    Attributes:
        numbers: Of the documents, by name, as `documents` knows them.
    """

    spans: list[Span]
    texts: list[str]
    numbers: dict[str, int]
    vectors: np.ndarray
    words: Words
    documents: Words
    encoder: Encoder
    pieces: rerank.Pieces


def main() -> None:
    """Rank, judge, save and print."""
    options = _options()
    encoder = load()
    pieces = rerank.Pieces.load(encoder)
    results = {}
    for name in options.sets:
        print(name, file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            collection = data.collection(name)
            shelf = _shelf(collection, encoder, pieces, Path(folder))
            results[name] = measure(collection, shelf)
        _print(name, results[name])
    if set(options.sets) == set(data.SETS):
        result = {"depth": DEPTH, "reranked": RERANKED, "encoder": encoder.name, "sets": results}
        machine.save("ways", result)


def measure(collection: Collection, shelf: Shelf) -> dict[str, Any]:
    """nDCG@10 of every way, and how far the default is from the better of words and vectors."""
    gains: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for name, question in collection.questions.items():
        for way, (rows, took) in _ranked(shelf, question).items():
            gains.setdefault(way, []).append(_gain(collection, shelf, name, rows, way))
            seconds.setdefault(way, []).append(took)
    means = {way: statistics.fmean(values) for way, values in gains.items()}
    better = max(("bm25", "dense"), key=lambda way: means[way])
    gain = difference(gains[DEFAULT], gains[better], method="percentile")
    return {
        "passages": len(shelf.spans),
        "questions": len(collection.questions),
        "ndcg": {way: round(mean, 4) for way, mean in means.items()},
        "better_single": better,
        "gain": round(gain.value, 4),
        "gain_interval": [round(gain.low, 4), round(gain.high, 4)],
        "median_seconds": {way: statistics.median(took) for way, took in seconds.items()},
    }


def _ranked(shelf: Shelf, question: str) -> dict[str, tuple[Rows, float]]:
    """Rows and seconds by each way; a way's seconds include those of the ways it builds on."""
    start = time.perf_counter()
    words = shelf.words.search(question, DEPTH)
    worded = time.perf_counter() - start
    vectors = _nearest(shelf, question)
    embedded = time.perf_counter() - start - worded
    strange = fuse.strangeness(question, len(shelf.encoder.token_offsets(question)))
    context = _context(shelf, question, {id for id, _ in [*words, *vectors]})
    fused = fuse.fuse(words, vectors, DEPTH, strange=strange, context=context)
    whole = time.perf_counter() - start
    plain = fuse.fuse(words, vectors, DEPTH, context=context)
    alone = fuse.fuse(words, vectors, DEPTH, strange=strange)
    ranks = fuse.reciprocal_rank_fusion([words, vectors], DEPTH)
    start = time.perf_counter()
    met = _reranked(shelf, question, fused[:RERANKED])
    partly = whole + time.perf_counter() - start
    start = time.perf_counter()
    candidates = _reworded(shelf, question, fused[:RERANKED])
    paired = _reranked(shelf, question, candidates)
    reranked = _reranked(shelf, question, _uncrowded(shelf, candidates, vectors[:NEAREST]))
    last = whole + time.perf_counter() - start
    return {
        "bm25": (words, worded),
        "dense": (vectors, embedded),
        "reciprocal ranks": (ranks, whole),
        "fused, words never strange": (plain, whole),
        "fused, passages alone": (alone, whole),
        "fused": (fused, whole),
        "reranked, interaction alone": (met, partly),
        "reranked, and wording": (paired, last),
        "reranked": (reranked, last),
    }


def _nearest(shelf: Shelf, question: str) -> Rows:
    cosines = shelf.vectors @ shelf.encoder.encode([question]).vectors[0]
    best = np.argsort(-cosines, kind="stable")[:DEPTH]
    return [(int(place), float(cosines[place])) for place in best]


def _context(shelf: Shelf, question: str, ids: set[int]) -> dict[int, float]:
    """What whole documents say for their passages, as `isoflop.search.rank` adds it."""
    if not (weight := fuse.document_logits(len(shelf.documents), len(shelf.words))):
        return {}
    found = shelf.documents.search(question, DEPTH)
    points, least = dict(found), found[-1][1] if len(found) == DEPTH else 0.0
    return {id: weight * points.get(shelf.numbers[shelf.spans[id][0]], least) for id in ids}


def _reranked(shelf: Shelf, question: str, fused: Rows) -> Rows:
    candidates = [(id, score, shelf.texts[id]) for id, score in fused]
    rarity = shelf.words.rarity(question)
    return rerank.rerank(question, candidates, rarity, shelf.encoder, shelf.pieces)


def _reworded(shelf: Shelf, question: str, fused: Rows) -> Rows:
    pairs = shelf.words.wording(question, [shelf.texts[id] for id, _ in fused])
    return [
        (id, score + fuse.WORDS_LOGITS * more)
        for (id, score), more in zip(fused, pairs, strict=True)
    ]


def _uncrowded(shelf: Shelf, rows: Rows, nearest: Rows) -> Rows:
    own, others = ({id: shelf.vectors[id] for id, _ in some} for some in (rows, nearest))
    crowd = rerank.crowding(own, others)
    return [
        (id, score - fuse.COSINE_LOGITS * less / 2)
        for (id, score), less in zip(rows, crowd, strict=True)
    ]


def _gain(collection: Collection, shelf: Shelf, question: str, rows: Rows, way: str) -> float:
    found = [shelf.spans[id] for id, _ in rows]
    if not collection.spans:
        names = ranking.first_of_each(name for name, *_ in found)
        if way not in RANKS:
            documents = fuse.of_documents((shelf.spans[id][0], score) for id, score in rows)
            names = [name for name, _ in documents]
        return ranking.ndcg(names, collection.relevant[question])
    references = collection.spans[question]
    possible = [span for span in shelf.spans if span[0] == references[0][0]]
    return ranking.piece_ndcg(found, possible, references)


def _shelf(collection: Collection, encoder: Encoder, pieces: rerank.Pieces, folder: Path) -> Shelf:
    spans: list[Span] = []
    texts: list[str] = []
    for name, text in collection.documents.items():
        if collection.name in CUT:
            document = Document(name, text, name, "text/markdown", "")
            for passage in passages(document, encoder.token_offsets):
                spans.append((name, passage.start, passage.stop))
                texts.append(embedded_text(passage))
        else:
            spans.append((name, 0, len(text)))
            texts.append(text)
    words, documents = Words.create(folder / "words"), Words.create(folder / "documents")
    words.update((place, "", text) for place, text in enumerate(texts))
    numbers = {name: number for number, name in enumerate(collection.documents)}
    documents.update((numbers[name], name, text) for name, text in collection.documents.items())
    vectors = encoder.encode(texts).vectors
    return Shelf(spans, texts, numbers, vectors, words, documents, encoder, pieces)


def _print(name: str, result: dict[str, Any]) -> None:
    low, high = result["gain_interval"]
    print(f"{name}: {result['passages']} passages, {result['questions']} questions")
    for way, value in result["ndcg"].items():
        print(f"  {way:28} {value:.4f}  {result['median_seconds'][way] * 1000:6.1f} ms")
    print(
        f"  {DEFAULT} - {result['better_single']}: {result['gain']:+.4f} [{low:+.4f}, {high:+.4f}]"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(data.SETS), choices=data.SETS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
