"""From a query to ranked passage ids, by each way of ranking."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from isoflop.bill import Bill
from isoflop.questions import Way
from isoflop.search.chunk import embedded_text
from isoflop.search.dense import Vectors
from isoflop.search.encode import Encoder
from isoflop.search.fuse import (
    COSINE_LOGITS,
    WORDS_LOGITS,
    document_logits,
    fuse,
    strangeness,
)
from isoflop.search.lexical import Words
from isoflop.search.rerank import Pieces, crowding, rerank
from isoflop.search.truth import Truth

DEPTH = 100  # candidates of each list that are fused, at least
NEAREST = 50  # passages by their vectors, among which those that crowd round a candidate are sought
RERANKED = 20  # candidates that are read once more, at least; 30 gained nothing


class Ranking:
    """One query against one published state, and the work done for it.

    Attributes:
        work: FLOPs and tokens of the encoder, and FLOPs of the vectors compared. Ranking words
            takes no matrix arithmetic and counts 0.
    """

    def __init__(
        self,
        truth: Truth,
        words: Words,
        documents: Words | None,
        vectors: Vectors,
        encoder: Callable[[], Encoder],
        pieces: Callable[[], Pieces],
        query: str,
        allowed: Sequence[int] | None,
    ) -> None:
        self.truth, self.vectors, self.encoder = truth, vectors, encoder
        self.words, self.documents = words, documents
        self.pieces, self.query, self.allowed = pieces, query, allowed
        self.work = Bill()
        self._stored: dict[int, bytes] = {}

    def by(self, way: Way, k: int, generation: int) -> list[tuple[int, float]]:
        """Ids and scores of the k best passages, best first."""
        if way == "bm25":
            return self._by_words(k)
        if way == "dense":
            return self._by_vectors(k)
        depth = max(DEPTH, 2 * k)
        strange = strangeness(self.query, len(self.encoder().token_offsets(self.query)))
        words, vectors = self._by_words(depth), self._by_vectors(depth)
        context = self._context({id for id, _ in [*words, *vectors]})
        if way == "fused":
            return fuse(words, vectors, k, strange=strange, context=context)
        fused = fuse(words, vectors, max(k, RERANKED), strange=strange, context=context)
        nearest = [id for id, _ in vectors[:NEAREST]]
        return self._reranked(fused, nearest, generation)[:k]

    def _by_words(self, k: int) -> list[tuple[int, float]]:
        return self.words.search(self.query, k, self.allowed)

    def _by_vectors(self, k: int) -> list[tuple[int, float]]:
        encoder = self.encoder()
        encoded = encoder.encode([self.query])
        self.work += Bill.measured(flops=encoded.flops, prompt_tokens=encoded.padded_tokens)
        self.work += Bill.measured(flops=2.0 * len(self.vectors) * encoder.width)
        allowed = None if self.allowed is None else np.asarray(self.allowed, np.int64)
        return self.vectors.search(encoded.vectors[0], k, allowed=allowed, exact=self._exact)

    def _context(self, passages: Collection[int]) -> dict[int, float]:
        """What the words of its whole document say for each passage, in logits."""
        if self.documents is None:
            return {}
        weight = document_logits(len(self.documents), len(self.words))
        if not weight:
            return {}
        found = self.documents.search(self.query, DEPTH)
        points, least = dict(found), found[-1][1] if len(found) == DEPTH else 0.0
        return {
            passage: weight * points.get(document, least)
            for passage, document in self.truth.documents_of(passages).items()
        }

    def _reranked(
        self, fused: list[tuple[int, float]], nearest: Sequence[int], generation: int
    ) -> list[tuple[int, float]]:
        found = self.truth.passages([id for id, _ in fused], generation)
        fused = [row for row in fused if row[0] in found]
        if not fused:
            return []
        ids, texts = [id for id, _ in fused], [embedded_text(found[id]) for id, _ in fused]
        pairs, crowd = self.words.wording(self.query, texts), self._crowding(ids, nearest)
        candidates = [
            (id, score + WORDS_LOGITS * more - COSINE_LOGITS * less / 2, text)
            for (id, score), more, less, text in zip(fused, pairs, crowd, texts, strict=True)
        ]
        rarity = self.words.rarity(self.query)
        return rerank(self.query, candidates, rarity, self.encoder(), self.pieces())

    def _crowding(self, ids: Sequence[int], nearest: Sequence[int]) -> list[float]:
        every = list(dict.fromkeys([*ids, *nearest]))
        vectors = dict(zip(every, self._exact(every), strict=True))
        self.work += Bill.measured(flops=2.0 * len(ids) * len(nearest) * self.vectors.width)
        return crowding({id: vectors[id] for id in ids}, {id: vectors[id] for id in nearest})

    def _exact(self, ids: Sequence[int]) -> np.ndarray:
        """Vectors of these passages as stored: (ids, width) float32; each is read once."""
        missing = [id for id in ids if id not in self._stored]
        self._stored |= self.truth.vectors(missing) if missing else {}
        return np.stack([np.frombuffer(self._stored[int(id)], np.float16) for id in ids]).astype(
            np.float32
        )
