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


class Names:
    """Names of one seed and split: any number of them by index, no two alike within a kind.

    Args:
        seed: The same seed gives the same names.
        split: Which words they are made of.
    """

    def __init__(self, seed: int | str, split: Split) -> None:
        self.seed, self.split = seed, split
        self.short, self.long = count(split, long=False), count(split, long=True)

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
            return f"{word(first, self.split, long=False)} {word(last, self.split, long=False)}"
        if kind not in SECOND:
            return word(place, self.split, long=True)
        first, second = divmod(place, len(SECOND[kind]))
        return f"{word(first, self.split, long=False)} {SECOND[kind][second]}"
