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

# Words of which the hash is remembered: some 150 MB.
MOST_KNOWN = 1 << 20
BLOCK_CHARACTERS = 1 << 20
BLOCK_GRAMS = 1 << 9  # times 120 hash functions fits the cache of a processor

Hashes = NDArray[np.uint64]


class Sketches:
    """Signatures of texts, from which near duplicates among them are found."""

    def __init__(self) -> None:
        self.signatures = bytearray()  # of one text after another: 480 bytes each
        self.known: dict[str, int] = {}
        random = np.random.default_rng(20251125)
        size = BANDS * ROWS
        self.factors = random.integers(0, 2**64, (size, 1), np.uint64) | np.uint64(1)
        self.offsets = random.integers(0, 2**64, (size, 1), np.uint64)
        self.places = random.integers(0, 2**64, WORDS, np.uint64) | np.uint64(1)

    def add(self, text: str) -> None:
        """Take the signature of a text in normal form: its words, one space between them."""
        grams = self.grams(text)
        least = np.full(BANDS * ROWS, 2**32 - 1, np.uint32)
        for start in range(0, grams.size, BLOCK_GRAMS):
            block = grams[start : start + BLOCK_GRAMS]
            hashed = (block * self.factors + self.offsets) >> np.uint64(32)
            least = np.minimum(least, hashed.min(axis=1).astype(np.uint32))
        self.signatures += least.tobytes()

    def near_duplicates(self, text: Callable[[int], str], threshold: float = NEAR) -> list[int]:
        """Which texts overlap at least `threshold` with an earlier one that is kept.

        Args:
            text: Gives back the text that was added so many texts after the first.
            threshold: Jaccard of the sets of word 5-grams.

        Returns:
            Numbers of the texts to leave out, ascending.
        """
        gone: set[int] = set()
        for later, earlier in self._pairs(threshold - SLACK):
            if later in gone or earlier in gone:
                continue
            if jaccard(self.grams(text(later)), self.grams(text(earlier))) >= threshold:
                gone.add(later)
        return sorted(gone)

    def grams(self, text: str) -> Hashes:
        """A text's word 5-grams, hashed, in their order; of a shorter text, all words as one."""
        hashes = np.concatenate([self._word_hashes(block.split()) for block in _blocks(text)])
        length = min(WORDS, max(1, hashes.size))
        count = hashes.size - length + 1
        grams = np.zeros(count, np.uint64)
        for place in range(length):
            grams = _mixed(grams + hashes[place : place + count] * self.places[place])
        return grams

    def _word_hashes(self, words: list[str]) -> Hashes:
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        for word in set(words).difference(self.known):
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8)
            self.known[word] = int.from_bytes(digest.digest(), "little")
        return np.fromiter(map(self.known.__getitem__, words), np.uint64, len(words))

    def _keys(self, band: NDArray[np.uint32]) -> Hashes:
        """One number for each row of a band, equal for equal rows."""
        keys = np.zeros(len(band), np.uint64)
        for column, factor in zip(band.T, self.factors[:ROWS, 0], strict=True):
            keys = _mixed(keys + column * factor)
        return keys

    def _pairs(self, least: float) -> list[tuple[int, int]]:
        """Pairs (later, earlier) that share a band and agree in a share `least` of places."""
        signatures = np.frombuffer(self.signatures, np.uint32).reshape(-1, BANDS * ROWS)
        found: set[tuple[int, int]] = set()
        for start in range(0, BANDS * ROWS, ROWS):
            for members in _alike(self._keys(signatures[:, start : start + ROWS])):
                for place in range(1, members.size):
                    near = max(NEIGHBOURS, place - NEIGHBOURS)
                    others = np.concatenate((members[:place][:NEIGHBOURS], members[near:place]))
                    agree = (signatures[others] == signatures[members[place]]).mean(axis=1)
                    found.update((int(members[place]), int(o)) for o in others[agree >= least])
        return sorted(found)


def jaccard(left: Hashes, right: Hashes) -> float:
    """Share of the two sets' members that are in both."""
    left, right = _distinct(left), _distinct(right)
    both = np.intersect1d(left, right, assume_unique=True).size
    return both / (left.size + right.size - both)


def _distinct(hashes: Hashes) -> Hashes:
    """Without repetition; ten times as fast as numpy.unique, which hashes (numpy 2.4)."""
    hashes = np.sort(hashes)
    return hashes[np.concatenate(([True], hashes[1:] != hashes[:-1]))]


def _blocks(text: str) -> Iterator[str]:
    """A text in parts of about a million characters, cut between words."""
    start = 0
    while (cut := text.find(" ", start + BLOCK_CHARACTERS)) >= 0:
        yield text[start:cut]
        start = cut
    yield text[start:]


def _alike(keys: Hashes) -> Iterator[NDArray[np.int64]]:
    """The places of each key that is there more than once, ascending."""
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same, [0]))))
    for start, stop in edges.reshape(-1, 2):
        yield order[start : stop + 1]


def _mixed(hashes: Hashes) -> Hashes:
    """Bits spread over the whole word: the finaliser of MurmurHash3 (Appleby 2011)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))
