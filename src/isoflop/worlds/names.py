"""Invented names: words made of syllables, and of them people, towns, firms and the like.

A word is onset, vowel, middle, vowel, end. Onsets, middles and ends are made of consonants only,
so a word can be taken apart in one way only and different parts make different words: there are
as many words as combinations. A word belongs to the test split when its numbered parts sum to a
multiple of five, and to the train split otherwise: no word of one is ever a word of the other,
while every syllable occurs in both.
"""

from typing import Literal

from isoflop.worlds.chance import shuffled_index

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
PARTS = 5  # one word in five is for tests


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ONSETS = _parts("B Br D Dr F Fl G Gr H J K Kl Kr L M N P Pr R S Sh Sk St T Th Tr V W Y Z")
VOWELS = _parts("a e i o u ai eo")
MIDDLES = _parts("b d f g k l m n p r s t v z ld lk lm lv mb nd nt rd rk rn rv ss st th tt")
ENDS = ("", "k", "l", "m", "n", "nd", "r", "s", "t", "th")  # twice PARTS
FIRMS = ("Works", "Mills", "Foundry", "Press", "Trading", "Motors", "Brewery", "Labs")
SCHOOLS = ("College", "Academy", "Institute", "School")
WORDS = {  # how many words each split has
    split: len(ONSETS) * len(VOWELS) * len(MIDDLES) * len(VOWELS) * ends
    for split, ends in (("train", len(ENDS) - len(ENDS) // PARTS), ("test", len(ENDS) // PARTS))
}


def word(index: int, split: Split) -> str:
    """The word of a split with that index, from 0 to `WORDS[split]` - 1.

    All parts but the end are free; the end is one of those that bring the sum of the parts'
    numbers to the split's remainders.
    """
    parts, total = [], 0
    for choices in (ONSETS, VOWELS, MIDDLES, VOWELS):
        index, digit = divmod(index, len(choices))
        parts.append(choices[digit])
        total += digit
    wanted, tens = (
        (0, index) if split == "test" else (1 + index % (PARTS - 1), index // (PARTS - 1))
    )
    return "".join(parts) + ENDS[(wanted - total) % PARTS + PARTS * tens]


class Names:
    """Names of one seed and split: any number of them by index, no two alike within a kind.

    Args:
        seed: The same seed gives the same names.
        split: Which words they are made of.
    """

    def __init__(self, seed: int | str, split: Split) -> None:
        self.seed, self.split = seed, split
        self.words = WORDS[split]

    def word(self, kind: str, index: int) -> str:
        """A single word, such as that of a town or a river."""
        return word(shuffled_index(index, self.words, self.seed, kind), self.split)

    def person(self, index: int) -> str:
        """A first name and a surname."""
        both = shuffled_index(index, self.words**2, self.seed, "person")
        first, last = divmod(both, self.words)
        return f"{word(first, self.split)} {word(last, self.split)}"

    def firm(self, index: int) -> str:
        """A word and a trade."""
        return f"{self.word('firm', index)} {FIRMS[index % len(FIRMS)]}"

    def school(self, index: int) -> str:
        """A word and a kind of school."""
        return f"{self.word('school', index)} {SCHOOLS[index % len(SCHOOLS)]}"
