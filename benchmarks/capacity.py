"""How many facts fit in how many parameters: `python -m benchmarks.capacity FOLDER`.

Tiny models learn the questions about one invented world and their answers, closed book: nothing
but weights can hold the answers. What a model knows is the information in its answers less what
its own probabilities leave unknown, in bits; names of subjects and spellings are not counted, so
the figure is a lower bound. Runs are kept in FOLDER, go on where they were stopped, and end with
the processor time they are given in all.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import RESULTS, describe, save
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.plan.flops import parameters
from isoflop.train.batches import IGNORED
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.records import TrainingDocument, question_segments
from isoflop.train.shards import pack
from isoflop.worlds import World
from isoflop.worlds.truth import Fact

VOCABULARY = 512
TEMPERATURES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
CONTEXT, BATCH = 64, 32  # tokens of a row, rows of an update
SECONDS = 12 * 60.0  # of one core, all runs together
SEED = 2026  # the rates were chosen on the world of seed 1
RATES = Rates(matrices=0.05, tables=0.02, vectors=0.02, weight_decay=0.0, decay=0.5)
# Layers, width and people of each run in the order they are made: cheap and telling ones first.
RUNS = (
    (2, 8, 25), (2, 16, 25), (2, 16, 50), (2, 32, 50), (2, 16, 100), (2, 32, 25), (2, 32, 100),
    (2, 16, 200), (2, 64, 50), (2, 32, 200), (2, 64, 100), (2, 16, 400), (2, 32, 400), (2, 64, 200),
    (2, 64, 400),
)  # fmt: skip
EXPOSURES = 200  # of every fact; Allen-Zhu and Li take 100 and 1,000
Row = tuple[Fact, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows of a world.

    Attributes:
        facts: Asked.
        recalled: Of them, answered word for word.
        bits: In the world's answers.
        recalled_bits: In the answers recalled.
        stored: Bits less what the model's own probabilities leave unknown, not below zero in all.
    """

    facts: int
    recalled: int
    bits: float
    recalled_bits: float
    stored: float


def main() -> None:
    """Run what is left of the budget and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for layers, width, people in RUNS:
        spent = sum(run["processor_seconds"] for run in _runs())
        if spent >= arguments.seconds:
            break
        done = [(run["layers"], run["width"], run["people"]) for run in _runs()]
        if (layers, width, people) in done:
            continue
        run = one(arguments.folder, layers, width, people)
        save("capacity", {"exposures": EXPOSURES, "seed": SEED, "runs": _with(run)})
        print(json.dumps(run), flush=True)


def one(
    folder: Path,
    layers: int,
    width: int,
    people: int,
    *,
    seed: int = SEED,
    exposures: int = EXPOSURES,
    rates: Rates = RATES,
) -> dict[str, Any]:
    """Train a model on a world, or go on, and ask it everything."""
    place = folder / f"{layers}x{width}-{people}"
    rows = list(World(seed, people=people, gaps=0.0).asked())
    tokenizer = train_tokenizer((f"{text}\n {fact.value}" for fact, text in rows), VOCABULARY)
    shards = pack(_documents(rows), tokenizer, place / "data")
    configuration = Configuration(
        vocabulary=tokenizer.vocabulary, width=width, layers=layers, heads=max(2, width // 16),
        kv_heads=max(2, width // 16), hidden=4 * width, context=CONTEXT, position="alibi",
    )  # fmt: skip
    steps = math.ceil(exposures * shards.tokens / (BATCH * CONTEXT))
    recipe = Recipe(
        configuration, steps, BATCH, BATCH, seed, align="document", rates=rates,
        save_seconds=60.0, evaluate_steps=steps,
    )  # fmt: skip
    training = Training(recipe, shards, shards, tokenizer, place)
    training.run()
    known = ask(training.model, tokenizer, rows)
    size = parameters(configuration.architecture)
    return {
        "layers": layers,
        "width": width,
        "people": people,
        "parameters": size,
        "facts": known.facts,
        "bits": known.bits,
        "recalled": known.recalled / known.facts,
        "recalled_bits": known.recalled_bits,
        "stored_bits": known.stored,
        "recalled_bits_per_parameter": known.recalled_bits / size,
        "stored_bits_per_parameter": known.stored / size,
        "tokens": recipe.tokens,
        "flops": training.flops,
        "processor_seconds": training.processor_seconds,
        "date": describe()["date"],
    }


def ask(model: Transformer, tokenizer: Tokenizer, rows: Sequence[Row]) -> Known:
    """Answers word for word, and bits stored.

    The most likely token is right at every place exactly if greedy writing gives the answer and
    ends, so one pass over question and answer together tells both. Probabilities are taken at
    the temperature that fits best: small models end too sure of themselves.
    """
    model.eval()
    right: list[bool] = []
    nats = [0.0] * len(TEMPERATURES)
    for inputs, targets in _exams(tokenizer, rows):
        with torch.inference_mode():
            logits = model(inputs)
        counts = targets != IGNORED
        for number, temperature in enumerate(TEMPERATURES):
            scaled = (logits[counts] / temperature).log_softmax(-1)
            nats[number] -= float(scaled.gather(-1, targets[counts][:, None]).sum())
        right += ((logits.argmax(-1) == targets) | ~counts).all(dim=1).tolist()
    bits = [fact.bits for fact, _ in rows]
    recalled_bits = math.fsum(each for each, known in zip(bits, right, strict=True) if known)
    stored = math.fsum(bits) - min(nats) / math.log(2)
    return Known(len(rows), sum(right), math.fsum(bits), recalled_bits, max(0.0, stored))


def _exams(
    tokenizer: Tokenizer, rows: Sequence[Row], batch: int = 256
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Questions with answers, padded at the end; targets are the answer and the end token."""
    parts = [question_segments(text, fact.value) for fact, text in rows]
    asked = tokenizer.encode_batch([question.text for question, _ in parts])
    said = tokenizer.encode_batch([answer.text for _, answer in parts])
    for first in range(0, len(rows), batch):
        some = list(zip(asked[first : first + batch], said[first : first + batch], strict=True))
        width = max(len(q) + len(a) for q, a in some) + 1
        inputs = torch.full((len(some), width), tokenizer.end)
        targets = torch.full((len(some), width), IGNORED)
        for row, (q, a) in enumerate(some):
            inputs[row, 1 : 1 + len(q) + len(a)] = torch.tensor(q + a)
            targets[row, len(q) : len(q) + len(a) + 1] = torch.tensor([*a, tokenizer.end])
        yield inputs, targets


def _documents(rows: Sequence[Row]) -> Iterator[TrainingDocument]:
    for number, (fact, text) in enumerate(rows):
        yield TrainingDocument(str(number), tuple(question_segments(text, fact.value)))


def _runs() -> list[dict[str, Any]]:
    """Runs saved so far."""
    path = RESULTS / "capacity.json"
    return list(json.loads(path.read_text())["runs"]) if path.exists() else []


def _with(run: dict[str, Any]) -> list[dict[str, Any]]:
    def key(one: dict[str, Any]) -> tuple[int, int, int]:
        return one["parameters"], one["people"], one["layers"]

    return sorted([*(old for old in _runs() if key(old) != key(run)), run], key=key)


if __name__ == "__main__":
    main()
