"""Accuracy of a many-label task as examples grow beyond one context, beside retrieved examples.

    python -m benchmarks.structured

An example is a word and a label. Each of 64 labels has two words of 160, chosen anew for every
task, and one word in ten is another one. A model of 0.1 M parameters learns, on one core, to label
from 32 examples of tasks with 2 to 16 labels. Then it meets tasks of 64 labels with up to 32
contexts of examples: read as groups, or, for each question, those with its word retrieved and read
before it, or all examples as one long text.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import machine
from benchmarks.learning import learn
from isoflop.lm.own import OwnModel
from isoflop.lm.structured import Scheme, read_groups
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer

WORDS, LABELS, NOISE = 160, 64, 0.1
SHOTS = 32  # examples in one context
STEPS, BATCH = 300, 32
MOST_LEARNED = 16  # labels of a task to learn from
TASKS, QUESTIONS = 12, 50
GROUPS = (1, 2, 4, 8, 16, 32)
RETRIEVED = (1, 2, 4, 8, 16, 31)
AMORTISED = 1000  # questions that reading the groups once is shared by
SEED = 11
FIRST_WORD, FIRST_LABEL = 1, 1 + WORDS  # token 0 begins a text
VOCABULARY = FIRST_LABEL + LABELS


@dataclass(frozen=True)
class Task:
    """Examples of one assignment of words to labels, as tokens (n, 2)."""

    examples: Tensor
    questions: Tensor


def main() -> None:
    """Train, measure, save and print."""
    torch.set_num_threads(1)
    model, training = trained()
    draw = torch.Generator().manual_seed(SEED + 1)
    tasks = [_task(draw) for _ in range(TASKS)]
    result = {
        "machine": machine.describe(("torch", "tokenizers", "numpy")),
        "training": training,
        "labels": LABELS,
        "shots": SHOTS,
        "tasks": TASKS,
        "questions": QUESTIONS,
        "amortised": AMORTISED,
        "groups": [
            grouped(model, tasks, count, scheme)
            for scheme, counts in SCHEMES.items()
            for count in counts
        ],
        "retrieved": [
            retrieved(model, tasks, count, shots) for count in GROUPS for shots in RETRIEVED
        ],
    }
    for row in result["groups"] + result["retrieved"]:
        print(row)
    print(machine.save("structured", result))


SCHEMES: dict[Scheme, Sequence[int]] = {
    "structured": GROUPS,
    "parallel": GROUPS,
    "plain": GROUPS,
}


def trained() -> tuple[OwnModel, dict[str, float]]:
    """A model that has learned to label from examples before it."""
    configuration = Configuration(
        vocabulary=VOCABULARY,
        width=64,
        layers=2,
        heads=4,
        kv_heads=4,
        hidden=128,
        context=1 + 2 * SHOTS,
        tied=False,  # else predicting labels makes all words alike
        rope_theta=1e6,  # most of a head's rotations are slow, so words match at any distance
    )
    model = Transformer(configuration)
    model.initialise(SEED)
    _start(model)
    draw = torch.Generator().manual_seed(SEED)

    def loss(model: Transformer, step: int) -> Tensor:
        few = int(torch.randint(2, MOST_LEARNED + 1, (1,), generator=draw))
        rows = _examples(few, BATCH, SHOTS, draw)
        begun = functional.pad(rows.flatten(1), (1, 0))  # (B, 1 + 2 n)
        states = model.states(begun[:, :-1])[:, 1::2]  # at each word
        return functional.cross_entropy(model.logits(states).flatten(0, 1), rows[..., 1].flatten())

    training = learn(model, loss, STEPS, "labels") | {
        "parameters": sum(p.numel() for p in model.parameters())
    }
    return OwnModel.of(model, train_tokenizer(["none"], 257)), training


def _start(model: Transformer) -> None:
    """Start the layers as what they would have to find: words matched, and their labels copied.

    Left to itself such a circuit forms too, but not within minutes on one core: after 1,500 steps
    models still guessed among the labels they had seen. Here the first layer looks one token back,
    by queries and keys of a fixed direction (a constant in the embedding) turned by one step of
    the three fastest rotations, and adds what it finds there, turned into a space of its own. The
    second matches words with that and adds what stands there. All of it is then trained.
    """
    c = model.configuration
    one = torch.eye(c.width)
    draw = torch.Generator().manual_seed(SEED)
    turn = torch.linalg.qr(torch.randn(c.width, c.width, generator=draw))[0]
    rates = c.rope_theta ** (-torch.arange(3) * 2 / c.key_width)
    query, key, half = torch.zeros(c.key_width), torch.zeros(c.key_width), c.key_width // 2
    query[:3], key[:3], key[half : half + 3] = 4, 4 * rates.cos(), 4 * rates.sin()
    back, match = (block.attention for block in model.blocks)
    assert model.head is not None
    with torch.no_grad():
        model.embedding.weight.mul_(25)  # so that what layers add does not drown the words
        model.embedding.weight[:, 0] = 1
        model.head.weight.copy_(0.3 * model.embedding.weight)
        model.head.weight[:, 0] = 0
        model.head.weight[:FIRST_LABEL] = 0
        looks = torch.zeros(2, c.heads, c.key_width, c.width)
        looks[0, ..., 0], looks[1, ..., 0] = query, key
        back.qkv.weight.copy_(torch.cat([looks.flatten(0, 2), one]))
        back.out.weight.copy_(0.5 * turn)
        match.qkv.weight.copy_(torch.cat([2 * one, 2 * turn.T, one]))
        match.out.weight.copy_(2 * one)


def _examples(labels: int, tasks: int, count: int, draw: torch.Generator) -> Tensor:
    """Examples (tasks, count, 2) of new tasks: a word, and the label that it stands for."""
    words = torch.rand(tasks, WORDS, generator=draw).argsort(1)[:, : 2 * labels]
    names = torch.rand(tasks, LABELS, generator=draw).argsort(1)[:, :labels]
    which = torch.randint(2 * labels, (tasks, count), generator=draw)
    said = words.gather(1, which)
    other = torch.randint(WORDS, said.shape, generator=draw)
    said = torch.where(torch.rand(said.shape, generator=draw) < NOISE, other, said)
    return torch.stack([FIRST_WORD + said, FIRST_LABEL + names.gather(1, which // 2)], dim=-1)


def _task(draw: torch.Generator) -> Task:
    rows = _examples(LABELS, 1, max(GROUPS) * SHOTS + QUESTIONS, draw)[0]
    return Task(rows[:-QUESTIONS], rows[-QUESTIONS:])


def grouped(model: OwnModel, tasks: list[Task], count: int, scheme: Scheme) -> dict[str, Any]:
    """Accuracy and cost where so many contexts of examples were read once, as groups."""
    right, seconds = [], []
    for task in tasks:
        texts = task.examples[: count * SHOTS].reshape(count, -1).tolist()
        groups = read_groups(model, texts, scheme=scheme)
        start = time.process_time()
        logits = groups.logits_of(task.questions[:, :1].tolist())
        seconds.append((time.process_time() - start) / QUESTIONS)
        right.append(_right(torch.stack([each[-1] for each in logits]), task))
    once = groups.bill.flops or 0.0
    return {
        "scheme": scheme,
        "groups": count,
        "examples": count * SHOTS,
        "accuracy": statistics.fmean(right),
        "standard_error": statistics.stdev(right) / len(right) ** 0.5,
        "flops_once": once,
        "flops_each": groups.forward_flops(1),
        "processor_seconds_each": statistics.median(seconds),
    }


def retrieved(model: OwnModel, tasks: list[Task], count: int, shots: int) -> dict[str, Any]:
    """Accuracy and cost where the most similar examples are read before each question.

    Similar is who has the same word; of equals, the first. The most similar stand last.
    """
    right, seconds = [], []
    for task in tasks:
        pool = task.examples[: count * SHOTS]
        shared = (pool[None, :, 0] == task.questions[:, None, 0]).int()  # (Q, n)
        nearest = shared.sort(dim=1, descending=True, stable=True).indices[:, :shots].flip(1)
        before = pool[nearest].flatten(1)  # (Q, 2 k)
        rows = functional.pad(torch.cat([before, task.questions[:, :1]], dim=1), (1, 0))
        start = time.process_time()
        right.append(_right(model.logits(rows, last=True)[:, -1], task))
        seconds.append((time.process_time() - start) / QUESTIONS)
    return {
        "examples": count * SHOTS,
        "retrieved": shots,
        "accuracy": statistics.fmean(right),
        "standard_error": statistics.stdev(right) / len(right) ** 0.5,
        "flops_each": model.forward_flops(2 * shots + 2),
        "processor_seconds_each": statistics.median(seconds),
    }


def _right(logits: Tensor, task: Task) -> float:
    """Share of the questions whose label is the most likely one."""
    return float((logits.argmax(-1) == task.questions[:, 1]).float().mean())


if __name__ == "__main__":
    main()
