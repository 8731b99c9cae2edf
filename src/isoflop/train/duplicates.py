"""Near duplicates: documents whose word 5-grams are mostly those of an earlier one.

MinHash (Broder 1997) makes of each document a signature in which two documents agree, in
expectation, in as large a share of places as their sets of 5-grams overlap (Jaccard). Bands of the
signature (locality-sensitive hashing; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets,
section 3.4) find the pairs worth comparing, and those are compared exactly, on the sets.
"""

import hashlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

NEAR = 0.8
WORDS = 5
# A pair at 0.8 shares one of 24 bands of 5 with probability 1 - (1 - 0.8^5)^24 = 0.99993.
BANDS, ROWS = 24, 5
# Pairs that agree in fewer places are not compared: at 0.8 the standard deviation over 120 places
# is 0.037, so this is five of them below.
SLACK = 0.18
# So that texts made after one pattern, alike and no duplicates, do not take the square of their
# number: in a band each meets the first and the last so many before it, and of all it met it is
# compared with the most alike.
NEIGHBOURS = 16
MOST_COMPARED = 16
BLOCK_PAIRS = 1 << 12
# Words of which the hash is remembered: some 150 MB.
MOST_KNOWN = 1 << 20
BLOCK_CHARACTERS = 1 << 20
BLOCK_GRAMS = 1 << 9  # times 120 hash functions fits the cache of a processor
MOST_HELD = 1 << 8  # sets of texts that are compared again and again

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


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
        held: dict[int, Hashes] = {}

        def grams(number: int) -> Hashes:
            """Of a text, kept while there is room: near duplicates come in clusters."""
            if number not in held:
                if len(held) == MOST_HELD:
                    held.clear()
                held[number] = _distinct(self.grams(text(number)))
            return held[number]

        gone: set[int] = set()
        for later, candidates in self._candidates(threshold - SLACK):
            left = [earlier for earlier in candidates if earlier not in gone][:MOST_COMPARED]
            if any(overlap(grams(later), grams(earlier)) >= threshold for earlier in left):
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

    def _candidates(self, least: float) -> Iterator[tuple[int, list[int]]]:
        """For each text that has any, ascending: the earlier ones like it, the most alike first."""
        signatures = np.frombuffer(self.signatures, np.uint32).reshape(-1, BANDS * ROWS)
        # a number for each pair, of 28 bits, 7 and 28: later, places in which they differ, earlier
        found = [np.zeros(0, np.int64)]
        for start in range(0, BANDS * ROWS, ROWS):
            for later, earlier in _neighbours(self._keys(signatures[:, start : start + ROWS])):
                differ = (signatures[later] != signatures[earlier]).sum(axis=1)
                pairs = later << 35 | differ << 28 | earlier
                found.append(pairs[differ <= (1 - least) * BANDS * ROWS])
        pairs = _distinct(np.concatenate(found).view(np.uint64)).view(np.int64)
        edges = np.flatnonzero(np.diff(pairs >> 35, prepend=-1, append=-1))
        for start, stop in pairwise(edges.tolist()):
            yield int(pairs[start] >> 35), (pairs[start:stop] & (1 << 28) - 1).tolist()


def overlap(left: Hashes, right: Hashes) -> float:
    """Jaccard: the share of two sets' members that are in both; arrays without repetition."""
    both = np.intersect1d(left, right, assume_unique=True).size
    return both / (left.size + right.size - both)


def _distinct(hashes: Hashes) -> Hashes:
    """Without repetition; ten times as fast as numpy.unique, which hashes (numpy 2.4)."""
    hashes = np.sort(hashes)
    first = np.ones(hashes.size, np.bool_)
    first[1:] = hashes[1:] != hashes[:-1]
    return hashes[first]


def _blocks(text: str) -> Iterator[str]:
    """A text in parts of about a million characters, cut between words."""
    start = 0
    while (cut := text.find(" ", start + BLOCK_CHARACTERS)) >= 0:
        yield text[start:cut]
        start = cut
    yield text[start:]


def _neighbours(keys: Hashes) -> Iterator[tuple[Places, Places]]:
    """Pairs (later, earlier) of places with the same key: each with the first and the last ones."""
    order = np.argsort(keys, kind="stable")
    here = np.arange(order.size)
    starts = np.flatnonzero(np.concatenate(([True], keys[order[1:]] != keys[order[:-1]])))
    first = np.repeat(starts, np.diff(starts, append=order.size))  # of the same key: (keys,)
    for step in range(NEIGHBOURS):
        last, early = here - 1 - step, first + step
        for other, met in ((last, last >= first), (early, early < here - NEIGHBOURS)):
            (later,) = np.nonzero(met)
            for start in range(0, later.size, BLOCK_PAIRS):
                part = later[start : start + BLOCK_PAIRS]
                yield order[part], order[other[part]]


def _mixed(hashes: Hashes) -> Hashes:
    """Bits spread over the whole word: the finaliser of MurmurHash3 (Appleby 2011)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))
