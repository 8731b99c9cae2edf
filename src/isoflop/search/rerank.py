"""Late interaction without reading the passages again: question words in context meet word pieces.

ColBERT keeps a vector of every token of every passage. Here only the question is read in context,
which its embedding takes anyway; a piece of a passage is stood in for by one vector per entry of
the vocabulary, the same wherever it occurs. That table is made once from the encoder itself, so
there are no further weights, nothing is added to the index, and twenty passages take a few
milliseconds. docs/explanation/ranking.md has the measurements.
"""

import contextlib
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from isoflop.search import checkpoint, weights
from isoflop.search.encoder import Encoder
from isoflop.search.interaction import products
from isoflop.settings import cache_folder

INTERACTION_LOGITS = 0.6  # of a question word of rarity 1 that the passage has; fitted
SAMPLE = 2_000  # entries read by the encoder; the other vectors follow from theirs
NEIGHBOURS = 10  # of a passage, that crowd round it
RIDGE = 0.1  # keeps the linear map from fitting noise
FOLDER = "pieces"  # within the cache
EMBEDDINGS = "embeddings.word_embeddings.weight"
log = logging.getLogger(__name__)

WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")

Row = tuple[int, float]


class Pieces:
    """The word pieces of an encoder: how a text breaks into them, and a vector for each.

    Attributes:
        table: (vocabulary, width) float32 rows of unit length.
    """

    def __init__(self, tokenizer: Tokenizer, table: np.ndarray) -> None:
        self.table = table
        self._tokenizer = tokenizer
        self._of_word = lru_cache(maxsize=100_000)(self._broken)

    @classmethod
    def load(
        cls, encoder: Encoder, find: Callable[[], Path] = lambda: weights.locate(weights.MINILM)
    ) -> "Pieces":
        """The pieces of an encoder, made on first use (seconds) and kept in the user's cache.

        Args:
            encoder: As its name identifies it.
            find: Where its checkpoint is, called only if it is needed.

        Raises:
            MissingWeights: If the checkpoint is needed and not on this machine.
        """
        kept = cache_folder() / FOLDER / encoder.name.replace(":", "-").replace("/", "-")
        table_path, tokenizer_path = kept.with_suffix(".npy"), kept.with_suffix(".json")
        try:
            table = np.load(table_path, mmap_mode="r")
            tokenizer = _tokenizer(tokenizer_path.read_bytes())
        except (OSError, ValueError):  # absent or cut short
            folder = find()
            data = (folder / "tokenizer.json").read_bytes()
            tokenizer = _tokenizer(data)
            tensors = checkpoint.tensors(folder / checkpoint.WEIGHTS)
            table = piece_vectors(encoder, tokenizer, tensors[EMBEDDINGS])
            _keep(tokenizer_path, lambda path: path.write_bytes(data))
            _keep(table_path, lambda path: _save(path, table))
        return cls(tokenizer, table)

    def of(self, text: str) -> np.ndarray:
        """The distinct pieces of a text, ascending: (pieces,) int64."""
        words = set(WORD_OR_MARK.findall(unicodedata.normalize("NFC", text)))
        return np.array(sorted(set(chain.from_iterable(map(self._of_word, words)))), np.int64)

    def _broken(self, word: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(word, add_special_tokens=False).ids)


def piece_vectors(encoder: Encoder, tokenizer: Tokenizer, embeddings: np.ndarray) -> np.ndarray:
    """What the encoder makes of each piece alone, for most of them estimated.

    A sample of whole words is read by the encoder, one word a text. A linear map from their rows
    of the embedding matrix, each with its mean and scale taken out, to what came out is fitted by
    ridge regression, and maps the whole vocabulary. Its outputs have a cosine of 0.73 to the
    encoder's own, and rank as well (docs/explanation/ranking.md).

    Args:
        encoder: Reads the sample.
        tokenizer: Its own.
        embeddings: (vocabulary, width) float32 of its first layer.

    Returns:
        (vocabulary, width) float32 rows of unit length.
    """
    vocabulary = tokenizer.get_vocab()
    whole = sorted((id, word) for word, id in vocabulary.items() if word.isalpha())
    sample = whole[:: max(1, len(whole) // SAMPLE)]
    read = np.stack([rows[1] for rows in encoder.token_vectors([word for _, word in sample])])
    standard = embeddings - embeddings.mean(axis=1, keepdims=True)
    standard /= standard.std(axis=1, keepdims=True) + 1e-6
    inputs = np.hstack([standard, np.ones((len(standard), 1), np.float32)])
    known = inputs[[id for id, _ in sample]]
    gram = known.T @ known + RIDGE * np.eye(known.shape[1], dtype=np.float32)
    mapped = inputs @ np.linalg.solve(gram, known.T @ read)
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True) + 1e-6
    return np.asarray(mapped, np.float32)


def rerank(
    query: str,
    candidates: Sequence[tuple[int, float, str]],
    rarity: Sequence[tuple[int, int, float]],
    encoder: Encoder,
    pieces: Pieces,
) -> list[Row]:
    """Candidates by their fused score and by how well each word of the question is met in them.

    Adds 0.6 * sum over the question's tokens of rarity * best cosine with a piece of the passage.
    Fused scores are logits (`fuse`), and so is what is added.

    Args:
        query: As asked.
        candidates: (id, score so far, text with its heading).
        rarity: First character, one past the last and inverse document frequency of the query's
            words, as `Words.rarity` gives them; other tokens do not count.
        encoder: Reads the question.
        pieces: Of that encoder.

    Returns:
        (id, score), best first, ties by id.

    Source:
        Khattab and Zaharia 2020, ColBERT, arXiv:2004.12832, section 3.3, for the sum of best
        matches; the rest is described and measured in docs/explanation/ranking.md.
    """
    if not candidates:
        return []
    rows = encoder.token_vectors([query])[0][1:-1]
    importance = _importance(encoder.token_offsets(query)[: len(rows)], rarity)
    met = interaction(rows, importance, [pieces.of(text) for _, _, text in candidates], pieces)
    scores = [
        (id, score + INTERACTION_LOGITS * float(more))
        for (id, score, _), more in zip(candidates, met, strict=True)
    ]
    return sorted(scores, key=lambda row: (-row[1], row[0]))


def crowding(candidates: Mapping[int, np.ndarray], others: Mapping[int, np.ndarray]) -> list[float]:
    """How close each candidate is to those that are nearest to it: the mean of ten cosines.

    Some vectors are near to everything, and so to every question. Half of this is taken off a
    cosine, which leaves what a passage has that its neighbours have not.

    Args:
        candidates: Unit vectors (width,) by id.
        others: Likewise; a candidate among them is not its own neighbour.

    Returns:
        In the order of the candidates; 0 where there are no others.

    Source:
        Conneau et al. 2018, Word Translation Without Parallel Data, arXiv:1710.04087, section 2.3:
        CSLS with their k = 10, its neighbours here passages near the question.
    """
    if not candidates or not others:
        return [0.0] * len(candidates)
    close = products(np.stack(list(candidates.values())), np.stack(list(others.values())))
    itself = np.array(list(candidates))[:, None] == np.array(list(others))
    close = np.sort(np.where(itself, -np.inf, close))[:, -NEIGHBOURS:]  # (candidates, nearest)
    known = np.isfinite(close)
    total: np.ndarray = np.where(known, close, 0.0).sum(axis=1)
    return (total / np.maximum(known.sum(axis=1), 1)).tolist()  # type: ignore[no-any-return]


def interaction(
    rows: np.ndarray, importance: np.ndarray, passages: Sequence[np.ndarray], pieces: Pieces
) -> np.ndarray:
    """Sum over question tokens of importance * best cosine with a piece of the passage.

    Args:
        rows: (question tokens, width) of unit length.
        importance: (question tokens,).
        passages: Distinct pieces of each, ascending.
        pieces: Their vectors.

    Returns:
        (passages,); 0 for a passage without pieces.
    """
    met = np.zeros(len(passages), np.float32)
    if not len(rows):
        return met
    for place, passage in enumerate(passages):
        if len(passage):
            similar = products(rows, pieces.table[passage])  # (question tokens, pieces)
            met[place] = importance @ similar.max(axis=1)
    return met


def _importance(
    offsets: Sequence[tuple[int, int]], rarity: Sequence[tuple[int, int, float]]
) -> np.ndarray:
    """Of each token the rarity of the word it is in; 0 for marks and what is in no word."""
    found = np.zeros(len(offsets), np.float32)
    for start, stop, idf in rarity:
        for place, (first, last) in enumerate(offsets):
            if start <= first and last <= stop:
                found[place] = idf
    return found


def _tokenizer(data: bytes) -> Tokenizer:
    tokenizer: Tokenizer = Tokenizer.from_buffer(data)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _save(path: Path, table: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, table)


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    """Put a file in place in one step; a cache that cannot be written is done without."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        log.warning(
            "word pieces are read again next time, for they cannot be kept: %s. "
            "Choose a folder for them with ISOFLOP_CACHE.",
            error,
        )
