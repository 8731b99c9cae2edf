"""The model of English prose: `python -m recipes.prose TEXTS OUT`.

TEXTS holds novels.tar.xz (97 novels of 1839-1929), peps.tar.xz, tinyshakespeare.txt and
warandpeace.txt, all in the public domain; what is measured on later is not among them. The
training resumes where it stopped; the model is stored in 16 bits.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path

import torch

from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration
from isoflop.train.corpus import read_corpus
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.shards import Shards, pack

VOCABULARY, HELD_OUT = 3072, 0.015
LEAST_CHARACTERS, MOST_INDENTED = 6000, 0.25  # of a proposal that is prose more than code


def main(texts: Path, out: Path) -> None:
    """Prepare the texts, train, store and measure."""
    torch.set_num_threads(1)
    if not (out / "data" / "held-out").exists():
        _prepare(texts, out)
    tokenizer = Tokenizer.load(out / "tokenizer")
    shards = Shards.load(out / "data" / "train")
    held_out = Shards.load(out / "data" / "held-out")
    recipe = Recipe(
        Configuration(
            vocabulary=VOCABULARY, width=256, layers=4, heads=4, kv_heads=4, hidden=1024,
            context=512, position="alibi",
        ),
        steps=1139,
        batch=16,
        micro_batch=8,
        dtype="bfloat16",
        rates=Rates(tables=0.006, warmup=0.0333, decay=0.2405),
        evaluate_steps=200,
    )  # fmt: skip
    training = Training(recipe, shards, held_out, tokenizer, out)
    training.run(lambda stage, done, total: print(f"{stage} {done} of {total}"))
    weights = training.optimizer.masters
    checkpoint.save(training.model, tokenizer, out / "model", dtype=torch.float16, weights=weights)
    print(json.dumps(asdict(training.evaluate()), indent=1))


def _prepare(texts: Path, out: Path) -> None:
    folder = out / "texts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("novels", "peps"):
        archive = next(texts.rglob(f"{name}.tar.xz"))
        with tarfile.open(archive) as packed:
            packed.extractall(folder / name, filter="data")
    for name in ("tinyshakespeare.txt", "warandpeace.txt"):
        shutil.copyfile(next(texts.rglob(name)), folder / name)
    proposals = sorted((folder / "peps").rglob("*.rst"))
    for dropped in set(proposals) - set([p for p in proposals if _is_prose(p)][::2]):
        dropped.unlink()
    corpus = read_corpus([folder], held_out=HELD_OUT)
    tokenizer = train_tokenizer((each.text for each in corpus.training()), VOCABULARY)
    (out / "tokenizer").mkdir(exist_ok=True)
    tokenizer.save(out / "tokenizer")
    pack(corpus.training(), tokenizer, out / "data" / "train")
    pack(corpus.held_out(), tokenizer, out / "data" / "held-out")


def _is_prose(path: Path) -> bool:
    """Whether a proposal is free to use, long, and hardly indented."""
    text = path.read_text("utf-8", errors="replace")
    lines = text.splitlines()
    indented = sum(line.startswith("   ") for line in lines) / max(1, len(lines))
    free = "public domain" in text.lower() or "cc0" in text.lower()
    return free and len(text) > LEAST_CHARACTERS and indented < MOST_INDENTED


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
