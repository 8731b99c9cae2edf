"""How many facts fit in how many parameters: `python -m benchmarks.capacity [--seconds S]`.

Tiny models learn the facts of an invented world by heart, and are asked each of them, closed book:
nothing but weights can hold the answers. A fact that could have had n values holds log2 n bits;
what a model stores of a world is the bits of its facts less the bits that the model's own
probabilities leave open.

So that no parameter goes into spelling, facts are written as briefly as can be: a subject is its
number, a relation is a token, and a value is its number among all that the relation could have
had, in digits to the base 64. Numbers leave no name to be remembered and no list of words to be
learned, so the bits are all there is to know of the world, no more and no less.

Runs are made in the order of `RUNS`, kept in the result as they end, and end with the processor
time they are given in all; the same command goes on. The picture is drawn anew each time.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.capacity_picture import draw
from benchmarks.machine import RESULTS, describe, save
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.plan.flops import parameters, training_flops_per_token
from isoflop.train.batches import IGNORED
from isoflop.train.loss import summed_loss
from isoflop.train.optimize import Optimizer, Rates
from isoflop.worlds import World
from isoflop.worlds.relations import KINDS, Kind, Relation, listed
from isoflop.worlds.values import DAYS, NAMED, NUMBERS, spelled

BASE = 64  # of the digits
LAYERS, BATCH = 2, 64  # blocks of a model, subjects of an update
SEED = 2026  # rates, depth and batch were chosen on the world of seed 1
RATES = Rates(matrices=0.01, tables=0.01, vectors=0.01, weight_decay=0.0, decay=0.5)
SECONDS = 60 * 60.0  # of one core, all runs together
# Width, people and exposures of each run in the order they are made.
RUNS = (
    (16, 40, 1000), (16, 160, 1000), (16, 320, 1000), (16, 80, 1000), (16, 20, 1000),
    (16, 480, 1000), (16, 40, 100), (16, 80, 100), (16, 160, 100), (16, 320, 100),
    (32, 600, 1000), (32, 300, 1000), (32, 150, 1000), (32, 75, 1000),
    (32, 150, 100), (32, 300, 100), (32, 600, 100), (32, 900, 100),
    (32, 900, 1000), (16, 320, 3000), (24, 320, 1000), (24, 160, 1000), (24, 80, 1000),
    (24, 480, 1000), (24, 40, 1000),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coded:
    """A fact in tokens: of its relation, and the digits of its value; and how many bits it is."""

    tokens: tuple[int, ...]
    bits: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject in tokens, of its kind and its number; and what is true of it."""

    tokens: tuple[int, ...]
    facts: tuple[Coded, ...]


class Code:
    """A world in numbers.

    Attributes:
        world: What is true.
        vocabulary: Tokens: 64 digits, relations and kinds.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        relations = [(kind, name) for kind in KINDS for name in world.relations(kind)]
        self._relation = {each: BASE + number for number, each in enumerate(relations)}
        first = BASE + len(relations)
        self._kind = {kind: first + number for number, kind in enumerate(KINDS)}
        self._numbers: dict[tuple[Kind, str], dict[str, int]] = {}
        self.vocabulary = first + len(KINDS)

    @cached_property
    def subjects(self) -> list[Subject]:
        """All of the world."""
        return [self._subject(*self.world.place(n)) for n in range(len(self.world))]

    def _subject(self, kind: Kind, index: int) -> Subject:
        facts = []
        for fact in self.world.facts_of(kind, index):
            known = self._values(kind, fact.relation)
            value = digits(known[fact.value], len(known))
            facts.append(Coded((self._relation[kind, fact.relation], *value), fact.bits))
        number = digits(index, self.world.sizes[kind])
        return Subject((self._kind[kind], *number), tuple(facts))

    def _values(self, kind: Kind, relation: str) -> dict[str, int]:
        """Number of every value that a relation can have."""
        if (kind, relation) not in self._numbers:
            values = possible(self.world, self.world.relations(kind)[relation])
            self._numbers[kind, relation] = {value: n for n, value in enumerate(values)}
        return self._numbers[kind, relation]


def digits(number: int, choices: int) -> list[int]:
    """A number below `choices`, to the base 64, in as many digits as the largest needs."""
    count = 1
    while BASE**count < choices:
        count += 1
    return [number // BASE**place % BASE for place in reversed(range(count))]


def possible(world: World, relation: Relation) -> Sequence[str]:
    """Every value that a relation could have, as it is written."""
    value = relation.value
    if value in NAMED:
        return [world.names.name(value, number) for number in range(world.sizes[value])]
    if value in NUMBERS:
        low, high = NUMBERS[value]
        return [spelled(value, number) for number in range(low, high + 1)]
    if value == "day":
        return [f"{day + 1} {month}" for month, days in DAYS.items() for day in range(days)]
    return listed(value)


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows of a world.

    Attributes:
        facts: Asked.
        recalled: Of them, those whose digits are all the likeliest.
        bits: In the world's facts.
        recalled_bits: In the facts recalled.
        stored: Bits less what the model's own probabilities leave open, not below zero in all.
    """

    facts: int
    recalled: int
    bits: float
    recalled_bits: float
    stored: float


def ask(model: Transformer, subjects: Sequence[Subject], batch: int = 1024) -> Known:
    """Every fact asked alone: the subject and the relation are read, the value's digits written.

    One pass over question and answer together tells both figures: the likeliest token is right at
    every place exactly if greedy writing gives the answer.
    """
    model.eval()
    asked = [(subject, fact) for subject in subjects for fact in subject.facts]
    right, nats = [], 0.0
    for first in range(0, len(asked), batch):
        some = asked[first : first + batch]
        inputs, targets = padded([(subject.tokens, (fact,)) for subject, fact in some])
        with torch.inference_mode():
            logits = model(inputs)
        nats += float(functional.cross_entropy(logits.mT, targets, reduction="sum"))
        right += ((logits.argmax(-1) == targets) | (targets == IGNORED)).all(dim=1).tolist()
    bits = [fact.bits for _, fact in asked]
    recalled = math.fsum(each for each, known in zip(bits, right, strict=True) if known)
    stored = max(0.0, math.fsum(bits) - nats / math.log(2))
    return Known(len(asked), sum(right), math.fsum(bits), recalled, stored)


Written = tuple[tuple[int, ...], Sequence[Coded]]


def padded(rows: Sequence[Written]) -> tuple[Tensor, Tensor]:
    """Inputs and targets (B, T), padded at the end; targets are the digits of values."""
    width = max(len(head) + sum(len(fact.tokens) for fact in facts) for head, facts in rows)
    tokens = np.zeros((len(rows), width), np.int64)
    counts = np.zeros((len(rows), width), bool)
    for row, (head, facts) in enumerate(rows):
        written, counted = list(head), [False] * len(head)
        for fact in facts:
            written += fact.tokens
            counted += [False] + [True] * (len(fact.tokens) - 1)
        tokens[row, : len(written)], counts[row, : len(written)] = written, counted
    targets = np.where(counts[:, 1:], tokens[:, 1:], IGNORED)
    return torch.from_numpy(tokens[:, :-1]), torch.from_numpy(targets)


def batches(
    subjects: Sequence[Subject], exposures: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Updates: every subject so many times, in a new order each time, its facts as well."""
    draw_order = np.random.default_rng(seed)
    rounds = (draw_order.permutation(len(subjects)) for _ in range(exposures))
    order: NDArray[np.int64] = np.concatenate(list(rounds))
    for first in range(0, len(order), BATCH):
        some = [subjects[place] for place in order[first : first + BATCH]]
        shuffled = [[s.facts[n] for n in draw_order.permutation(len(s.facts))] for s in some]
        yield padded([(s.tokens, facts) for s, facts in zip(some, shuffled, strict=True)])


def one(
    width: int, people: int, exposures: int, *, seed: int = SEED, rates: Rates = RATES
) -> dict[str, Any]:
    """Train a model on a world, and ask it everything."""
    code = Code(World(seed, people=people, gaps=0.0))
    configuration = Configuration(
        vocabulary=code.vocabulary, width=width, layers=LAYERS, heads=2, kv_heads=2,
        hidden=4 * width, context=64, position="alibi",
    )  # fmt: skip
    model = Transformer(configuration)
    model.initialise(seed)
    optimizer, tokens, began = Optimizer(model, rates), 0, time.process_time()
    steps = math.ceil(exposures * len(code.subjects) / BATCH)
    model.train()
    for step, (inputs, targets) in enumerate(batches(code.subjects, exposures, seed)):
        loss = summed_loss(model, inputs, targets) / int((targets != IGNORED).sum())
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.collect()
        optimizer.step(rates.factor(step, steps))
        tokens += inputs.numel()
    seconds, known = time.process_time() - began, ask(model, code.subjects)
    size = parameters(configuration.architecture)
    return {
        "width": width,
        "people": people,
        "exposures": exposures,
        "parameters": size,
        "facts": known.facts,
        "bits": known.bits,
        "recalled": known.recalled / known.facts,
        "recalled_bits": known.recalled_bits,
        "stored_bits": known.stored,
        "recalled_bits_per_parameter": known.recalled_bits / size,
        "stored_bits_per_parameter": known.stored / size,
        "tokens": tokens,
        "flops": tokens * training_flops_per_token(configuration.architecture, 64),
        "processor_seconds": seconds,
        "date": describe()["date"],
    }


def main() -> None:
    """Make the runs that are left, save each as it ends, and draw them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    for width, people, exposures in RUNS:
        done = {(run["width"], run["people"], run["exposures"]) for run in _runs()}
        if sum(run["processor_seconds"] for run in _runs()) >= seconds:
            break
        if (width, people, exposures) in done:
            continue
        run = one(width, people, exposures)
        save(
            "capacity", {"seed": SEED, "layers": LAYERS, "runs": sorted([*_runs(), run], key=_key)}
        )
        print(json.dumps(run), flush=True)
    draw(_runs())


def _runs() -> list[dict[str, Any]]:
    """Runs saved so far."""
    path = RESULTS / "capacity.json"
    return list(json.loads(path.read_text())["runs"]) if path.exists() else []


def _key(run: dict[str, Any]) -> tuple[int, int, int]:
    return run["parameters"], run["exposures"], run["people"]


if __name__ == "__main__":
    main()
