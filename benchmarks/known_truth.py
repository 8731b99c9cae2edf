"""Whether compare finds what must be so: `python -m benchmarks.known_truth FOLDER [CASE...]`.

A model holds about 2 bits for each parameter that learns (docs/explanation/capacity.md), and a
world's facts have known bits. Where they fit, tuning on them must answer as well as retrieval and
overtake it in cost after as many questions as the forecast said; where they do not fit, retrieval
must win. That it wins because the facts do not fit, and not because the training is poor, is what
a control shows: the same training of the same model on a few subjects of the same world. Every
fact is asked in some wordings to learn from, and in another one to measure by.

The test of the same chain, tests/measure/comparison/test_known_truth.py, runs smaller cases.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, describe, save
from isoflop.bill import Bill
from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration
from isoflop.measure.comparison import compare
from isoflop.measure.comparison.plan import FORECAST
from isoflop.questions import Question
from isoflop.run import read_rows
from isoflop.search.index import Index
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.records import Segment, TrainingDocument
from isoflop.train.shards import pack
from isoflop.worlds import World
from isoflop.worlds.reading import reading_prompt
from isoflop.worlds.relations import Kind
from isoflop.worlds.truth import Fact

BITS_PER_PARAMETER = 2.0
BAR = 1.5  # between break-even questions forecast and measured
VOCABULARY, CONTEXT, BATCH = 512, 128, 16
BASE_SEED, SEED = 7, 2026


@dataclass(frozen=True, slots=True)
class Tiny:
    """A small model that has learned another world, to know how things are asked and answered.

    Attributes:
        width: Of its two layers.
        steps: Updates.
        people: Of that world.
        wordings: In which each of its facts was asked.
    """

    width: int
    steps: int
    people: int
    wordings: int


@dataclass(frozen=True, slots=True)
class Case:
    """A world, the model that learns it, and which of two must be better.

    Attributes:
        people: Of the world.
        tuned: The method that learns.
        fits: Whether the facts fit into what learns.
        base: That learns; None for `isoflop:reading`.
        wordings: In which every fact is learned; it is measured in one more.
        options: Of the methods.
        most: Questions to measure on.
        subjects: So many first ones of the world are learned and asked about; None for all.
    """

    people: int
    tuned: str
    fits: bool
    base: Tiny | None
    wordings: int
    options: dict[str, Any] = field(default_factory=dict)
    most: int = 60
    subjects: int | None = None


BASE = Tiny(width=64, steps=900, people=30, wordings=8)
LOW_RANK = {"rank": 1, "times": 4.0}
CASES = {
    "tiny, within": Case(8, "fine-tuning", True, BASE, 7, {"epochs": 16}),
    "tiny, within, one wording": Case(8, "fine-tuning", True, BASE, 1, {"epochs": 48}),
    "tiny, beyond": Case(60, "lora", False, BASE, 5, {"epochs": 24, **LOW_RANK}),
    # as many updates
    "tiny, beyond, control": Case(
        60, "lora", True, BASE, 5, {"epochs": 40, **LOW_RANK}, subjects=2
    ),
    "reading, within": Case(2, "fine-tuning", True, None, 3, {"epochs": 12}, 40),
}


def main() -> None:
    """Run the cases that are asked for and keep them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    for name in arguments.cases:
        found = one(arguments.folder / name.replace(", ", "-"), CASES[name])
        path = RESULTS / "known_truth.json"
        kept = json.loads(path.read_text())["cases"] if path.exists() else {}
        here = describe(("isoflop", "torch", "openvino"))
        save("known_truth", {"machine": here, "cases": {**kept, name: found}})
        print(json.dumps(found, indent=1), flush=True)


def one(folder: Path, case: Case) -> dict[str, Any]:
    """Make a world and its documents, compare, and say what came of it."""
    world = World(SEED, people=case.people, gaps=0.0)
    model = reader = "isoflop:reading"
    if case.base is not None:
        model, reader = f"isoflop:{tiny(folder.parent / 'base', case.base)}", "extractive"
    facts = [fact for number in _numbers(world, case) for fact in world.facts_of(*number)]
    index, indexing = _indexed(world, case, folder / "documents")
    learned, asked = _questions(world, case)
    report = compare(
        index, asked, models=list(dict.fromkeys((model, reader))),
        methods=["closed-book", "retrieval", case.tuned], learned=learned, tuning=0,
        most=case.most, options={"k": 5, "by": "dense", **case.options}, race=False,
        indexing=indexing, folder=folder / "run",
    )  # fmt: skip
    ways = {way["name"]: way for way in report.ways}
    tuned, found = ways[f"{case.tuned} {model}"], ways[f"retrieval {reader}"]
    untuned = ways[f"closed-book {model}"]
    forecast = {str(row["key"]): row for row in read_rows(folder / "run")}[FORECAST]["ways"]
    trained = tuned["settings"]["trained"]
    return {
        **asdict(case),
        "facts": len(facts),
        "bits": math.fsum(fact.bits for fact in facts),
        "trained_parameters": trained,
        "capacity_bits": BITS_PER_PARAMETER * trained,
        "measured_on": tuned["questions"],
        "accuracy": {
            name: _interval(way["accuracy"])
            for name, way in (("tuned", tuned), ("retrieval", found), ("closed book", untuned))
        },
        "behind": {
            name: way["behind"] and _interval(way["behind"])
            for name, way in (("tuned", tuned), ("retrieval", found))
        },
        "advised": report.recommendation and report.recommendation["method"],
        "break_even_questions": {
            "forecast": _break_even(
                *(_of(forecast[way["name"]][part], part) for way in (tuned, found)
                  for part in ("before", "once", "each"))
            ),
            "measured": _break_even(
                *(Bill.from_dict(way["measured"][part]) for way in (tuned, found)
                  for part in ("before", "once", "each"))
            ),
        },
        "flops": {
            name: {part: way["measured"][part]["flops"] for part in ("once", "each")}
            for name, way in (("tuned", tuned), ("retrieval", found))
        },
        "epochs": tuned["settings"]["epochs"],
        "updates": tuned["settings"]["steps"],
    }  # fmt: skip


def _of(held: dict[str, Any], part: str) -> Bill:
    return Bill.from_dict(held if part == "before" else held["middle"])


def _break_even(
    before: Bill, once: Bill, each: Bill, other_before: Bill, other_once: Bill, other_each: Bill
) -> float | None:
    """Questions after which the first way's FLOPs in all are no more than the other's."""
    dearer, cheaper = (before + once) - (other_before + other_once), other_each - each
    if dearer.flops is None or cheaper.flops is None or cheaper.flops <= 0:
        return None
    return dearer.flops / cheaper.flops


def _interval(found: Mapping[str, Any]) -> dict[str, float]:
    return {key: found[key] for key in ("value", "low", "high")}


def tiny(folder: Path, size: Tiny) -> Path:
    """A model that has learned what questions about a world look like, from another world."""
    if (folder / "model" / "config.json").exists():
        return folder / "model"
    world = World(BASE_SEED, people=size.people, gaps=0.0)
    rows = list(world.asked(size.wordings))
    texts = [*(text for _, text in rows), *(d.text for d in world.documents())]
    tokenizer = train_tokenizer(texts, VOCABULARY)
    shards = pack(_documents(rows), tokenizer, folder / "data")
    configuration = Configuration(
        vocabulary=tokenizer.vocabulary, width=size.width, layers=2, heads=2, kv_heads=2,
        hidden=3 * size.width, context=CONTEXT, query_key_norm=True,
    )  # fmt: skip
    recipe = Recipe(
        configuration, size.steps, BATCH, BATCH, BASE_SEED, align="document",
        rates=Rates(matrices=0.05, tables=0.02, vectors=0.02, weight_decay=0.0),
        evaluate_steps=size.steps,
    )  # fmt: skip
    training = Training(recipe, shards, shards, tokenizer, folder)
    training.run()
    checkpoint.save(training.model, tokenizer, folder / "model")
    return folder / "model"


def _documents(rows: Sequence[tuple[Any, str]]) -> Iterator[TrainingDocument]:
    for number, (fact, text) in enumerate(rows):
        asked = Segment(reading_prompt((), text), False)
        yield TrainingDocument(str(number), (asked, Segment(f" {fact.value}\n")))


def _numbers(world: World, case: Case) -> list[tuple[Kind, int]]:
    """Kind and number of each subject that the case is about."""
    return [world.place(number) for number in range(case.subjects or len(world))]


def _indexed(world: World, case: Case, folder: Path) -> tuple[Index, Bill | None]:
    about = len(_numbers(world, case))
    for document in islice(world.documents(), about):
        path = folder / document.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text)
    index = Index.open(folder)
    return index, index.update().bill


def _questions(world: World, case: Case) -> tuple[list[Question], list[Question]]:
    """Every fact asked in so many wordings, and in another."""
    names = {world.subject(*number).name for number in _numbers(world, case)}
    by_fact: dict[Fact, list[str]] = {}
    for fact, text in world.asked(case.wordings + 1):
        if fact.subject in names:
            by_fact.setdefault(fact, []).append(text)
    learned, asked = [], []
    for number, (fact, texts) in enumerate(by_fact.items()):
        for word, text in enumerate(texts[:-1]):
            learned.append(Question(f"learned-{number}-{word}", text, (), (fact.value,)))
        if len(texts) > 1:
            asked.append(Question(f"asked-{number}", texts[-1], (), (fact.value,), fact.subject))
    return learned, asked


if __name__ == "__main__":
    main()
