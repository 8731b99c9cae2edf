"""Chance that repeats: the same key gives the same draws on every platform and Python version."""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Key = int | str


def number(*key: Key) -> int:
    """A number of 256 bits made of a key, by SHA-256 of its parts, each as its repr."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest(), "big")


class Chance:
    """Draws that depend on a key and on nothing else.

    Of the standard generator only `random()` is used, seeded with an integer: of these two the
    language's documentation promises that the sequence stays the same in later versions. The
    methods that the standard library builds on top (`choice`, `shuffle`, `sample`) have changed
    before and carry no such promise, so they are written here. `hash()` is never used.
    """

    def __init__(self, *key: Key) -> None:
        self._random = random.Random(number(*key)).random

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1, all equally likely to within n / 2^53."""
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def pick(self, things: Sequence[T]) -> T:
        """One of them."""
        return things[self.below(len(things))]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """All of them in random order (Fisher and Yates)."""
        return self.some(things, len(things))

    def some(self, things: Sequence[T], n: int) -> list[T]:
        """At most n different ones, in random order."""
        left = list(things)
        for place in range(min(n, len(left))):
            other = place + self.below(len(left) - place)
            left[place], left[other] = left[other], left[place]
        return left[:n]


def shuffled_index(index: int, size: int, *key: Key) -> int:
    """Where `index` goes in a fixed shuffle of 0 ... size - 1, without making the shuffle.

    A Feistel network of four rounds on numbers of 2k bits, repeated until the result is below
    `size`: a permutation, so different indices never collide, however many there are.

    Source:
        Black and Rogaway 2002, Ciphers with arbitrary finite domains, CT-RSA, method 2 and 3.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keys = _round_keys(key)
    while True:
        left, right = index >> half, index & mask
        for turn in keys:
            left, right = right, left ^ (_mixed(right, turn) & mask)
        index = (left << half) | right
        if index < size:
            return index


@lru_cache(1024)
def _round_keys(key: tuple[Key, ...]) -> tuple[int, ...]:
    return tuple(number(*key, turn) for turn in range(4))


def _mixed(value: int, key: int) -> int:
    """64 bits that depend on all bits of both (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = (value ^ key) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return x ^ (x >> 31)
