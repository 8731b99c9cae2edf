"""A trial of about a second: how fast this machine indexes and answers questions."""

import random
import statistics
import tempfile
from pathlib import Path

from isoflop.plan.retrieval import Speed
from isoflop.questions import WAYS
from isoflop.search.encode import Encoder
from isoflop.search.index import Index

FILES = 24
WORDS_PER_FILE = 170  # about one full passage
QUESTIONS = 7
SYLLABLES = ("ba", "con", "de", "fer", "gra", "in", "lo", "men", "pre", "ro", "sta", "ter", "ver")


def measure_speed(encoder: str = "minilm") -> Speed:
    """Index made-up text in a temporary folder and ask it made-up questions.

    The words mean nothing, but they are read, cut, embedded and searched by the real parts.
    """
    draw = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="isoflop-trial-") as name:
        for number in range(FILES):
            text = _text(draw, WORDS_PER_FILE)
            Path(name, f"{number:03}.txt").write_text(text, encoding="utf-8")
        index = Index.open(name, encoder=encoder)
        _warm(index.encoder)
        bill = index.update().bill
        questions = [_text(draw, 9) for _ in range(QUESTIONS)]
        seconds: dict[str, float] = {
            way: statistics.median(
                index.find(question, by=way).bill.seconds or 0.0 for question in questions
            )
            for way in WAYS
        }
        index.close()
    assert bill.flops
    assert bill.seconds
    return Speed(bill.flops / bill.seconds, seconds)


def _warm(encoder: Encoder) -> None:
    encoder.encode(["The first text waits until everything is loaded."])


def _text(draw: random.Random, words: int) -> str:
    made = ("".join(draw.choices(SYLLABLES, k=draw.randint(1, 3))) for _ in range(words))
    return " ".join(made).capitalize() + "."
