"""Near duplicates: documents whose word 5-grams are mostly those of an earlier one.

MinHash (Broder 1997) makes of each document a signature in which two documents agree, in
expectation, in as large a share of places as their sets of 5-grams overlap (Jaccard). Bands of the
signature (locality-sensitive hashing; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets,
section 3.4) find the pairs worth comparing, and those are compared exactly, on the sets.
"""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

NEAR = 0.8
WORDS = 5
# A pair at 0.8 shares one of 24 bands of 5 with probability 1 - (1 - 0.8^5)^24 = 0.99993.
BANDS, ROWS = 24, 5
# Pairs that agree in fewer places are not compared: at 0.8 the standard deviation over 120 places
# is 0.037, so this is five of them below.
SLACK = 0.18
# In a band, each document meets the first and the last so many that share it with them.
NEIGHBOURS = 32

Hashes = NDArray[np.uint64]


def near_duplicates(count: int, text: Callable[[int], str], threshold: float = NEAR) -> list[int]:
    """Which of `count` texts overlap at least `threshold` with an earlier one that is kept.

    Args:
        count: Number of texts.
        text: The normalised text at a place, read again for each comparison.
        threshold: Jaccard of the sets of word 5-grams.

    Returns:
        Places of the texts to leave out, ascending.
    """
    hasher = Hasher()
    signatures = np.empty((count, BANDS * ROWS), np.uint32)
    for place in range(count):
        signatures[place] = hasher.signature(hasher.shingles(text(place)))
    gone: set[int] = set()
    for later, earlier in _pairs(signatures, threshold - SLACK):
        if later in gone or earlier in gone:
            continue
        if jaccard(hasher.shingles(text(later)), hasher.shingles(text(earlier))) >= threshold:
            gone.add(later)
    return sorted(gone)


def jaccard(left: Hashes, right: Hashes) -> float:
    """Share of two sets that is in both; the sets are arrays without repetition."""
    both = np.intersect1d(left, right, assume_unique=True).size
    return both / (left.size + right.size - both)


class Hasher:
    """Turns texts into sets of hashed 5-grams, and those into signatures."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        random = np.random.default_rng(20251125)
        size = BANDS * ROWS
        self.factors = random.integers(0, 2**64, size, np.uint64) | np.uint64(1)
        self.offsets = random.integers(0, 2**64, size, np.uint64)
        self.places = random.integers(0, 2**64, WORDS, np.uint64) | np.uint64(1)

    def shingles(self, text: str) -> Hashes:
        """The set of a text's word 5-grams, hashed; of a shorter text, all its words as one."""
        known, words = self.words, text.split()
        for word in words:
            if word not in known:
                digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8)
                known[word] = int.from_bytes(digest.digest(), "little")
        hashes = np.array([known[word] for word in words], np.uint64)
        length = min(WORDS, max(1, hashes.size))
        grams = max(0, hashes.size - length + 1)
        total = np.zeros(grams, np.uint64)
        for place in range(length if grams else 0):
            total = _mixed(total + hashes[place : place + grams] * self.places[place])
        return np.unique(total)

    def signature(self, shingles: Hashes) -> NDArray[np.uint32]:
        """For each of the hash functions, its least value over a set: shape (BANDS * ROWS,)."""
        least = np.full(BANDS * ROWS, 2**32 - 1, np.uint32)
        for start in range(0, shingles.size, 1 << 12):
            block = shingles[start : start + (1 << 12)]
            hashed = (block * self.factors[:, None] + self.offsets[:, None]) >> np.uint64(32)
            least = np.minimum(least, hashed.min(axis=1).astype(np.uint32))
        return least


def _mixed(hashes: Hashes) -> Hashes:
    """Bits spread over the whole word: the finaliser of MurmurHash3 (Appleby 2011)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))


def _pairs(signatures: NDArray[np.uint32], least: float) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) that share a band and agree in a share `least` of places, sorted."""
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        keys = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        view = keys.view(np.dtype((np.void, keys.dtype.itemsize * ROWS))).ravel()
        order = np.argsort(view, kind="stable")
        same = view[order[1:]] == view[order[:-1]]
        edges = np.flatnonzero(np.diff(np.concatenate(([0], same, [0]))))
        for start, stop in edges.reshape(-1, 2):
            members = order[start : stop + 1]
            for place in range(1, members.size):
                near = max(NEIGHBOURS, place - NEIGHBOURS)
                others = np.concatenate((members[: min(place, NEIGHBOURS)], members[near:place]))
                agree = (signatures[others] == signatures[members[place]]).mean(axis=1)
                found.update((int(members[place]), int(o)) for o in others[agree >= least])
    yield from sorted(found)
