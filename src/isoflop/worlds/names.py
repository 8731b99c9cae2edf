"""Invented names: words made of syllables, and of them people, towns, firms and the like.

A word is a head and a tail, and in long words a middle between them. A head ends with l, n or r
and no other part begins or ends so before a vowel, so a word can be taken apart in one way only:
there are as many words as combinations. A word belongs to the test split when the numbers of its
parts sum to a multiple of five, and to the train split otherwise: no word of one is ever a word
of the other, while every syllable occurs in both.
"""

from itertools import product
from typing import Literal

from isoflop.worlds.chance import shuffled_index

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
PARTS = 5  # one word in five is for tests


def _syllables(*parts: str) -> tuple[str, ...]:
    return tuple(map("".join, product(*(part.split() for part in parts))))


# few enough that each becomes a token of its own where a tokenizer is trained on such names
HEADS = _syllables(
    "B Br D Dr F G H J K Kr L M N P R S Sh St T Th Tr V W Z", "al an ar el en il or un"
)
MIDDLES = _syllables("b d f g k m p s t v w z", "a e i o")
TAILS = _syllables("b d f g k m p s t v w z", "a o i ak en et is um ov eth")
CONSONANTS, LETTERS = tuple("bcdfghjklmnpqrstvwxz"), tuple("aeiouy")
SECOND = {  # the second word of names that have one from a list
    "firm": ("Works", "Mills", "Foundry", "Press", "Trading", "Motors", "Brewery", "Labs"),
    "school": ("College", "Academy", "Institute", "School"),
}


def count(split: Split, *, long: bool) -> int:
    """How many words a split has."""
    tails = len(TAILS) // PARTS * (1 if split == "test" else PARTS - 1)
    return len(HEADS) * tails * (len(MIDDLES) if long else 1)


def word(index: int, split: Split, *, long: bool) -> str:
    """The word of a split with that index, from 0 to `count` - 1.

    All parts but the tail are free; the tail is one of those that bring the sum of the parts'
    numbers to the split's remainders.
    """
    index, head = divmod(index, len(HEADS))
    index, middle = divmod(index, len(MIDDLES)) if long else (index, 0)
    fives, wanted = (index, 0)
    if split == "train":
        fives, wanted = divmod(index, PARTS - 1)
        wanted += 1
    tail = (wanted - head - middle) % PARTS + PARTS * fives
    return HEADS[head] + (MIDDLES[middle] if long else "") + TAILS[tail]


def odd_word(index: int, split: Split) -> str:
    """Such as "Qadix": five letters of any sort, never one of the words made of syllables.

    Those have two consonants in a row, these have none; split as those are.
    """
    parts, total = [], 0
    for choices in (CONSONANTS, LETTERS, CONSONANTS, LETTERS):
        index, place = divmod(index, len(choices))
        parts.append(choices[place])
        total += place
    fives, wanted = divmod(index, PARTS - 1) if split == "train" else (index, -1)
    return "".join(parts).capitalize() + CONSONANTS[(wanted + 1 - total) % PARTS + PARTS * fives]


def odd_count(split: Split) -> int:
    """How many odd words a split has."""
    ends = len(CONSONANTS) // PARTS * (1 if split == "test" else PARTS - 1)
    return len(CONSONANTS) ** 2 * len(LETTERS) ** 2 * ends


class Names:
    """Names of one seed and split: any number of them by index, no two alike within a kind.

    Args:
        seed: The same seed gives the same names.
        split: Which words they are made of.
        odd: Words of any letters instead of syllables.
    """

    def __init__(self, seed: int | str, split: Split, *, odd: bool = False) -> None:
        self.seed, self.split, self.odd = seed, split, odd
        self.short, self.long = count(split, long=False), count(split, long=True)
        if odd:
            self.short = self.long = odd_count(split)

    def most(self, kind: str) -> int:
        """How many different names there are of a kind."""
        if kind == "person":
            return self.short**2
        return self.short * len(SECOND[kind]) if kind in SECOND else self.long

    def name(self, kind: str, index: int) -> str:
        """The name with that index, from 0 to `most(kind)` - 1, of a kind of thing."""
        place = shuffled_index(index, self.most(kind), self.seed, kind)
        if kind == "person":
            first, last = divmod(place, self.short)
            return f"{self._word(first)} {self._word(last)}"
        if kind not in SECOND:
            return self._word(place, long=True)
        first, second = divmod(place, len(SECOND[kind]))
        return f"{self._word(first)} {SECOND[kind][second]}"

    def _word(self, index: int, *, long: bool = False) -> str:
        return odd_word(index, self.split) if self.odd else word(index, self.split, long=long)
