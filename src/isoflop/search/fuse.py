"""Two rankings made one: scores of words and of vectors as evidence that adds up.

How the constants were found, what was tried beside them and what it measured stands in
docs/explanation/ranking.md.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

# A sentence-transformers encoder is trained on softmax(20 * cosine), so 20 * cosine is a logit.
COSINE_LOGITS = 20.0
WORDS_LOGITS = 0.25  # of one point of BM25; fitted
WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")

Row = tuple[int, float]


def strangeness(query: str, pieces: int) -> float:
    """How many pieces the encoder's tokenizer breaks a word of the query into, at least 1.

    A vocabulary made of one language breaks the words of others, and names it has never seen,
    into many pieces, and what is broken is poorly embedded: English questions take about 1.1
    pieces a word of an English vocabulary, German ones 2.0.

    Args:
        query: As asked; a mark of punctuation is a word of its own.
        pieces: Tokens of the query, special ones not counted.
    """
    return max(1.0, pieces / max(1, len(WORD_OR_MARK.findall(query))))


def document_logits(documents: int, passages: int) -> float:
    """What one point of BM25 over whole documents weighs for each passage of a document.

    A question names its subject, and what it asks about that. A passage says the second and
    often leaves the first to the rest of its document: a page of a report seldom says whose.
    BM25 adds up log-odds, so a point weighs 1, and no constant is fitted; but where a document is
    but one passage it would say again what the passage has said. So it weighs as much as the
    share of passages that have another one before them in their document.

    Args:
        documents: In the index, with at least one passage each.
        passages: In the index.

    Source:
        Callan 1994, Passage-level evidence in document retrieval, SIGIR, for the evidence of a
        passage and of its document together.
    """
    return max(0.0, 1 - documents / passages) if passages else 0.0


def fuse(
    words: Sequence[Row],
    vectors: Sequence[Row],
    k: int,
    *,
    strange: float = 1.0,
    context: Mapping[int, float] = MappingProxyType({}),
) -> list[Row]:
    """The k best of two rankings, by 20 * cosine + 0.25 * strange**2 * BM25, and their context.

    A softmax of cosines is what the encoder was trained for, and BM25 adds up log-odds, so both
    are logits of a passage being right, and logits of separate evidence add. What one ranking
    lacks gets the last score that ranking gave, the most it can have; but 0 from words when that
    ranking is the shorter, for then nothing else shares a word with the query.

    Args:
        words: (id, BM25), best first.
        vectors: (id, cosine), best first, asked for as many rows as words was.
        k: At most so many.
        strange: `strangeness` of the query.
        context: What else speaks for a passage, in logits.

    Returns:
        (id, score), best first, ties by id.

    Source:
        Bruch et al. 2022, An Analysis of Fusion Functions for Hybrid Retrieval, arXiv:2210.11934,
        for adding scores instead of ranks; Robertson and Zaragoza 2009, section 2.3, for BM25 as
        a sum of log-odds.
    """
    cosines, points = dict(vectors), dict(words)
    farthest = vectors[-1][1] if vectors else 0.0
    least = words[-1][1] if words and len(words) >= len(vectors) else 0.0
    weight = WORDS_LOGITS * strange**2
    scores = [
        (
            id,
            COSINE_LOGITS * cosines.get(id, farthest)
            + weight * points.get(id, least)
            + context.get(id, 0.0),
        )
        for id in cosines.keys() | points.keys()
    ]
    return sorted(scores, key=lambda row: (-row[1], row[0]))[:k]


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Row]], k: int, *, c: int = 60) -> list[Row]:
    """The k best of any rankings by the sum of 1 / (c + rank): for scores that cannot be added.

    Args:
        rankings: (id, score), best first; only the order counts.
        k: At most so many.
        c: How slowly a rank loses weight.

    Source:
        Cormack, Clarke and Buettcher 2009, SIGIR, Reciprocal rank fusion outperforms Condorcet.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (id, _) in enumerate(ranking, start=1):
            scores[id] = scores.get(id, 0.0) + 1 / (c + rank)
    return sorted(scores.items(), key=lambda row: (-row[1], row[0]))[:k]


def of_documents(passages: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Documents by the fused or reranked scores of their passages, best first, ties by id.

    Such scores are logits, so a document's is ln(sum(exp(score))) over its passages: it answers
    if any of them does. What many passages of one document say softly then counts against one
    passage of another that happens to share the words. Scores of BM25 or cosines alone are no
    logits; there a document ranks where its best passage does.

    Args:
        passages: (document, score).
    """
    scores: dict[str, list[float]] = {}
    for document, score in passages:
        scores.setdefault(document, []).append(score)
    logits = [(document, _log_sum_exp(values)) for document, values in scores.items()]
    return sorted(logits, key=lambda row: (-row[1], row[0]))


def _log_sum_exp(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log(math.fsum(math.exp(value - most) for value in values))
