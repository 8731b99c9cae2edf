"""Free answers beside accepted ones, as SQuAD compares them.

Source:
    Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1; evaluate-v2.0.py for empty answers.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(answer: str) -> list[str]:
    """The words that count: without case, ASCII punctuation and English articles, in that order."""
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()


def exact_match(said: str, accepted: Sequence[str]) -> float:
    """1 if the words are those of an accepted answer, in order; else 0."""
    mine = words(said)
    return float(any(mine == words(answer) for answer in accepted))


def f1(said: str, accepted: Sequence[str]) -> float:
    """Overlap of words with the nearest accepted answer, from 0 to 1.

    The harmonic mean of the shares of shared words in both, each word as often as it occurs in
    both. Where either has no words, it is 1 if neither has any, else 0.
    """
    return max(_overlap(words(said), words(answer)) for answer in accepted)


def _overlap(mine: list[str], theirs: list[str]) -> float:
    if not mine or not theirs:
        return float(mine == theirs)
    shared = (Counter(mine) & Counter(theirs)).total()
    return 2 * shared / (len(mine) + len(theirs))
