"""Training beside nanoGPT: tokens per processor second, and the time to a loss on tiny Shakespeare.

    python -m benchmarks.training speed       updates of the 10.65 M shape, in turn, one process
    python -m benchmarks.training shakespeare    0.80 M parameters to a validation loss of 1.88

nanoGPT is imported from the checkout that NANOGPT names; it is not kept here. Both run the whole
update: batch, forward, backward, clipping, optimizer. One thread; processor time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.data import evaldata
from benchmarks.machine import RESULTS, describe
from isoflop.lm.tokenizer import END
from isoflop.lm.transformer import Configuration
from isoflop.plan.flops import training_flops_per_token
from isoflop.train.corpus import TrainingDocument
from isoflop.train.loss import evaluate
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.records import Segment
from isoflop.train.shards import Shards, pack

ROUNDS, UPDATES = 3, 2
# The shape of nanoGPT's train_shakespeare_char, and its README's recipe for a processor.
LARGE = Configuration(65, 384, 6, 6, 6, 1536, 256, "alibi")
SMALL = Configuration(66, 128, 4, 4, 4, 512, 64, "alibi")
TARGET, NANOGPT_SECONDS = 1.88, 138.7
RESULT = RESULTS / "training.json"


class Characters:
    """nanoGPT's character-level tokenizer, with an end token beside."""

    def __init__(self, text: str) -> None:
        self.ids = {character: number for number, character in enumerate(sorted(set(text)))}
        self.end = len(self.ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of the characters."""
        return [[self.ids[character] for character in text] for text in texts]

    def special(self, token: str) -> int:
        """The end token."""
        assert token == END
        return self.end

    def to_json(self) -> str:
        """Its description."""
        return json.dumps(self.ids)

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """One byte a character."""
        return [0 if id == self.end else 1 for id in ids]

    @property
    def vocabulary(self) -> int:
        """Characters and the end token."""
        return self.end + 1


def main() -> None:
    """Measure what is named, and keep it beside what was measured before."""
    torch.set_num_threads(1)
    kind = sys.argv[1] if len(sys.argv) > 1 else "speed"
    found = {"speed": speed, "shakespeare": shakespeare}[kind]()
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {"name": "training"}
    result[kind] = {**found, "machine": describe(("torch",))}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def speed() -> dict[str, Any]:
    """Updates of nanoGPT's model and of ours, in turn; tokens per processor second."""
    peer = _nanogpt()
    with tempfile.TemporaryDirectory() as folder:
        works = {
            "nanoGPT float32": _peer_update(peer, bfloat16=False),
            "nanoGPT bfloat16": _peer_update(peer, bfloat16=True),
        }
        for dtype in ("float32", "bfloat16"):
            for position in ("alibi", "rope"):
                for optimizer in ("muon", "adamw"):
                    name = f"isoflop {position} {optimizer} {dtype}"
                    training = _training(Path(folder) / name, dtype, position, optimizer)
                    works[name] = training.update
        for work in works.values():
            work()
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            for name, work in works.items():
                began = time.process_time()
                for _ in range(UPDATES):
                    work()
                seconds[name].append((time.process_time() - began) / UPDATES)
    tokens = 16 * LARGE.context
    flops = tokens * training_flops_per_token(LARGE.architecture, LARGE.context)
    peaks = {name: _peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    rows = {}
    for name, times in seconds.items():
        taken = statistics.median(times)
        rows[name] = {
            "tokens_per_processor_second": tokens / taken,
            "share_of_measured_peak": flops / taken / peaks[name.split()[-1]],
            "times": times,
        }
    ours = {d: rows[f"isoflop alibi adamw {d}"]["tokens_per_processor_second"] for d in peaks}
    muon = {d: rows[f"isoflop alibi muon {d}"]["tokens_per_processor_second"] for d in peaks}
    theirs = {d: rows[f"nanoGPT {d}"]["tokens_per_processor_second"] for d in peaks}
    return {
        "rows": rows,
        "peaks": peaks,
        "ratio_to_default": ours["bfloat16"] / theirs["float32"],
        "ratio_float32": ours["float32"] / theirs["float32"],
        "ratio_bfloat16": ours["bfloat16"] / theirs["bfloat16"],
        "ratio_to_default_muon": muon["bfloat16"] / theirs["float32"],
        "ratio_float32_muon": muon["float32"] / theirs["float32"],
        "ratio_bfloat16_muon": muon["bfloat16"] / theirs["bfloat16"],
    }


def shakespeare(steps: int = 380) -> dict[str, Any]:
    """Train 0.80 M parameters on tiny Shakespeare; validation loss per character and time.

    The split is nanoGPT's: the first nine tenths to learn from, the rest to measure on, whole, in
    windows of 64 that do not overlap.
    """
    text = (evaldata() / "text" / "tinyshakespeare.txt").read_text()
    characters, cut = Characters(text), int(0.9 * len(text))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = _packed(text[:cut], characters, folder / "train")
        held_out = _packed(text[cut:], characters, folder / "held-out")
        recipe = Recipe(
            SMALL, steps=steps, batch=16, micro_batch=16, dtype="float32", save_seconds=1e9,
            evaluate_steps=10**9, report_steps=10**9, rates=Rates(decay=0.6),
        )  # fmt: skip
        training = Training(recipe, shards, held_out, characters, folder)  # type: ignore[arg-type]
        began = time.process_time()
        while training.step < recipe.steps:
            training.update()
        trained = time.process_time() - began
        quality = evaluate(
            training.model, held_out, characters, batch=64, context=SMALL.context  # type: ignore[arg-type]
        )  # fmt: skip
        whole = time.process_time() - began
    return {
        "validation_loss": quality.nats_per_token,
        "target": TARGET,
        "processor_seconds": whole,
        "processor_seconds_without_evaluation": trained,
        "nanogpt_processor_seconds": NANOGPT_SECONDS,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "tokens": recipe.tokens,
        "steps": steps,
    }


def _peak(dtype: torch.dtype, side: int = 1536, tries: int = 12) -> float:
    """The highest rate of square matrix products, FLOP per second of processor time."""
    square = torch.randn(side, side).to(dtype)
    least = float("inf")
    for _ in range(tries):
        began = time.process_time()
        square @ square
        least = min(least, time.process_time() - began)
    return 2 * side**3 / least


def _packed(text: str, characters: Characters, folder: Path) -> Shards:
    document = TrainingDocument("tinyshakespeare", (Segment(text, True),))
    return pack([document], characters, folder)


def _training(folder: Path, dtype: str, position: str, optimizer: str) -> Training:
    text = (evaldata() / "text" / "tinyshakespeare.txt").read_text()
    characters = Characters(text)
    shards = _packed(text, characters, folder / "train")
    c = replace(LARGE, vocabulary=characters.vocabulary)
    if position == "rope":
        c = replace(c, position="rope", hidden=1024)
    rates = Rates(optimizer=optimizer)  # type: ignore[arg-type]  # one of the two
    recipe = Recipe(c, 1000, 16, 16, dtype=dtype, rates=rates)  # type: ignore[arg-type]
    return Training(recipe, shards, shards, characters, folder)  # type: ignore[arg-type]


def _nanogpt() -> ModuleType:
    checkout = Path(os.environ.get("NANOGPT", ""))
    file = checkout / "model.py"
    if not file.is_file():
        raise SystemExit("Set NANOGPT to a checkout of karpathy/nanoGPT.")
    spec = importlib.util.spec_from_file_location("nanogpt_model", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt_model"] = module
    spec.loader.exec_module(module)
    return module


def _peer_update(peer: ModuleType, *, bfloat16: bool) -> Callable[[], Any]:
    """An update as nanoGPT's train.py does it: random windows, clipping at 1, its AdamW."""
    torch.manual_seed(0)
    model = peer.GPT(
        peer.GPTConfig(
            block_size=256, vocab_size=65, n_layer=6, n_head=6, n_embd=384, dropout=0.0, bias=False
        )
    )
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
    text = (evaldata() / "text" / "tinyshakespeare.txt").read_text()
    data = torch.tensor(Characters(text).encode_batch([text])[0])
    window = 256

    def update() -> None:
        starts = torch.randint(len(data) - window, (16,)).tolist()
        inputs = torch.stack([data[i : i + window] for i in starts])
        targets = torch.stack([data[i + 1 : i + 1 + window] for i in starts])
        cast = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        with cast:
            _, loss = model(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


if __name__ == "__main__":
    main()
