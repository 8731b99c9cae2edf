"""The reading model: answers from passages in its context. `python -m recipes.reading OUT`.

Three stages on invented worlds: one or two short passages, then middling ones, then the whole
task. Each is a training that resumes; the last one's model is stored in 16 bits. An exam on worlds
of the test split, whose names and part of whose wordings training never shows, ends it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.train.corpus import TrainingDocument
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Recipe, Training
from isoflop.train.records import Segment
from isoflop.train.shards import Shards, pack
from isoflop.worlds import reading_exam, reading_records

VOCABULARY, TOKENIZER_RECORDS, HELD_OUT = 2048, 6000, 200


@dataclass(frozen=True)
class Stage:
    """One stage: which records, how long, in which rows.

    Attributes:
        seed: Of the records.
        records: How many are made; the first ones are held out.
        difficulty: Of the records; None for the task's own mixture.
        questions_count: Whether the questions after the first count too, not only the answers:
            it is there that copying of names is learnt first.
        context: Tokens of a row.
        batch: Rows of an update.
        micro_batch: Rows of a pass.
        steps: Updates.
        decay: Share of them in which the rates fall.
    """

    seed: int
    records: int
    difficulty: float | None
    questions_count: bool
    context: int
    batch: int
    micro_batch: int
    steps: int
    decay: float


STAGES = {
    "s1": Stage(1, 14_000, 0.1, True, 160, 13, 13, 750, 0.2),
    "s2": Stage(2, 12_000, 0.4, False, 448, 9, 9, 700, 0.2),
    "s3": Stage(3, 36_000, None, False, 1024, 8, 4, 1000, 0.4),
}


def main(out: Path) -> None:
    """Train, store and examine it."""
    torch.set_num_threads(1)
    tokenizer = _tokenizer(out)
    model: Transformer | None = None
    for name, stage in STAGES.items():
        model = _trained(stage, out / name, tokenizer, model)
    assert model is not None
    checkpoint.save(model, tokenizer, out / "model", dtype=torch.float16)
    found = examine(checkpoint.load(out / "model").eval(), tokenizer)
    (out / "exam.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _tokenizer(out: Path) -> Tokenizer:
    folder = out / "tokenizer"
    if not folder.exists():
        stage = STAGES["s3"]
        records = reading_records(stage.seed, TOKENIZER_RECORDS, difficulty=stage.difficulty)
        texts = ("".join(str(text) for text, _ in record["segments"]) for record in records)
        tokenizer = train_tokenizer(texts, VOCABULARY)
        folder.mkdir(parents=True)
        tokenizer.save(folder)
    return Tokenizer.load(folder)


def _trained(
    stage: Stage, folder: Path, tokenizer: Tokenizer, start: Transformer | None
) -> Transformer:
    if not (folder / "data" / "held-out").exists():
        documents = list(_documents(stage))
        pack(documents[HELD_OUT:], tokenizer, folder / "data" / "train")
        pack(documents[:HELD_OUT], tokenizer, folder / "data" / "held-out")
    recipe = Recipe(
        Configuration(
            vocabulary=VOCABULARY, width=192, layers=4, heads=6, kv_heads=6, hidden=512,
            context=stage.context, position="rope", query_key_norm=True,
        ),
        steps=stage.steps,
        batch=stage.batch,
        micro_batch=stage.micro_batch,
        dtype="bfloat16",
        align="document",
        rates=Rates(decay=stage.decay),
        evaluate_steps=100,
    )  # fmt: skip
    shards = Shards.load(folder / "data" / "train")
    held_out = Shards.load(folder / "data" / "held-out")
    training = Training(recipe, shards, held_out, tokenizer, folder, start=start)
    training.run(lambda stage, done, total: print(f"{folder.name}: {stage} {done} of {total}"))
    return training.model.float()


def _documents(stage: Stage) -> Iterator[TrainingDocument]:
    records = reading_records(stage.seed, stage.records, difficulty=stage.difficulty)
    for number, record in enumerate(records):
        segments = tuple(
            Segment(str(text), bool(counts) or (stage.questions_count and place > 0))
            for place, (text, counts) in enumerate(record["segments"])
        )
        yield TrainingDocument(str(number), segments)


@torch.inference_mode()
def examine(model: Transformer, tokenizer: Tokenizer, count: int = 1000) -> dict[str, Any]:
    """Exact match on questions after five passages, of worlds of the test split.

    Exact: the most likely token is the right one at each place of the answer and of the newline
    after it, which is what greedy decoding writes.
    """
    right: dict[str, list[bool]] = {}
    for item in reading_exam(5, count):
        prompt = [tokenizer.end, *tokenizer.encode(item.prompt)]
        answer = tokenizer.encode(f" {item.answers[0]}\n")
        logits = model(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
        kind = "answerable" if item.kind == "fact" else "unanswerable"
        kinds = [kind, f"{kind}, {'unseen' if item.unseen else 'seen'} wording"]
        for each in kinds:
            right.setdefault(each, []).append(logits.argmax(-1).tolist() == answer)
    return {kind: {"exact": _mean(each), "questions": len(each)} for kind, each in right.items()}


def _mean(values: Iterable[bool]) -> float:
    all_values = list(values)
    return sum(all_values) / len(all_values)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
