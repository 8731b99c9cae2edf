"""How much likelier counting models find the probe's sentence than its words reversed.

    python -m benchmarks.probe

The threshold in `isoflop.lm.probe` must lie below what the weakest real model shows and above what
numbers that are no log-probabilities of the text show. Models of counts stand for the weakest.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from benchmarks.data import evaldata
from benchmarks.machine import ROOT
from isoflop.lm.probe import LEAST_DIFFERENCE, SENTENCE, TWIN

DISCOUNT = 0.75  # of absolute discounting; the usual value
Encode = Callable[[str], list[int]]


class Counts:
    """Absolute discounting over up to `order` tokens, interpolated down to equal chances."""

    def __init__(self, ids: Sequence[int], order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        self.after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for i, token in enumerate(ids):
            for length in range(min(order, i + 1)):
                self.after[tuple(ids[i - length : i])][token] += 1

    def nats(self, before: Sequence[int], token: int) -> float:
        """The log-probability of a token after these."""
        chance = 1 / self.vocabulary
        for length in range(min(self.order, len(before) + 1)):
            counts = self.after.get(tuple(before[len(before) - length :]))
            if counts is None:
                break
            total = counts.total()
            rest = DISCOUNT * len(counts) / total
            chance = max(counts[token] - DISCOUNT, 0) / total + rest * chance
        return math.log(chance)

    def text(self, ids: Sequence[int], late: int = 0) -> float:
        """Of all tokens but the first; read `late` places too far on, as a faulty server does."""
        places = range(1, len(ids))
        return sum(self.nats(ids[: min(max(i + late, 0), len(ids))], ids[i]) for i in places)


def byte_pairs(text: str, size: int) -> Encode:
    """A byte-level BPE of this text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return lambda each: list(tokenizer.encode(each).ids)


def texts() -> dict[str, str]:
    """Prose, plays and technical pages."""
    here = evaldata() / "text"
    docs = sorted(ROOT.glob("docs/**/*.md"))
    return {
        "alice29": (here / "alice29.txt").read_text(encoding="latin-1"),
        "warandpeace": (here / "warandpeace.txt").read_text(encoding="utf-8")[:1_300_000],
        "tinyshakespeare": (here / "tinyshakespeare.txt").read_text(encoding="utf-8"),
        "our documentation": "\n".join(page.read_text() for page in docs),
    }


def main() -> None:
    """Print the table."""
    print(f"nats per byte; at least {LEAST_DIFFERENCE} is asked for\n")
    print("| counts of | tokens | 1 | 2 | 3 | 5 | 3, a place late |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, text in texts().items():
        for label, size in (("bytes", 256), ("BPE 1,000", 1000), ("BPE 4,000", 4000)):
            encode = (lambda each: list(each.encode())) if size == 256 else byte_pairs(text, size)
            print(f"| {name} | {label} | {' | '.join(row(encode, text, size))} |")


def row(encode: Encode, text: str, vocabulary: int) -> list[str]:
    """Differences for 1, 2, 3 and 5 tokens, and for 3 read one place late."""
    ids, twins = encode(text), (encode(SENTENCE), encode(TWIN))
    shown = []
    for order, late in ((1, 0), (2, 0), (3, 0), (5, 0), (3, 1)):
        model = Counts(ids, order, vocabulary)
        one, other = (model.text(twin, late) for twin in twins)
        shown.append(f"{(one - other) / len(SENTENCE):.3f}")
    return shown


if __name__ == "__main__":
    main()
