"""From a query to ranked passage ids, by each way of ranking."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from isoflop.bill import Bill
from isoflop.questions import Way
from isoflop.search.chunk import embedded_text
from isoflop.search.dense import Vectors
from isoflop.search.encode import Encoder
from isoflop.search.fuse import document_logits, fuse, strangeness
from isoflop.search.lexical import Words
from isoflop.search.rerank import Pieces, rerank
from isoflop.search.truth import Truth

DEPTH = 100  # candidates of each list that are fused, at least
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
        return self._reranked(fused, generation)[:k]

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

    def _reranked(self, fused: list[tuple[int, float]], generation: int) -> list[tuple[int, float]]:
        encoder = self.encoder()
        found = self.truth.passages([id for id, _ in fused], generation)
        candidates = [(id, score, embedded_text(found[id])) for id, score in fused if id in found]
        rarity = self.words.rarity(self.query)
        return rerank(self.query, candidates, rarity, encoder, self.pieces())

    def _exact(self, ids: Sequence[int]) -> np.ndarray:
        """Vectors of these passages as stored: (ids, width) float16."""
        stored = self.truth.vectors(ids)
        joined = b"".join([stored[id] for id in ids])
        return np.frombuffer(joined, np.float16).reshape(len(ids), -1)
