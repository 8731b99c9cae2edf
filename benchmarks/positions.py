"""Read further than trained: perplexity of five position schemes at one, two and four lengths.

    python -m benchmarks.positions --keep FOLDER

Five models of 0.4 M parameters, alike but for their position scheme, learn tiny
Shakespeare in windows of 128 tokens, on one core, in the same order. Then each reads the held-out
tenth in longer windows: beside each other, where the first tokens of a window have little before
them, and overlapping by half, where every counted token has at least half a window. What stands in
FOLDER/results.jsonl is not measured again. Attention with ALiBi is timed too: with its bias in
extra dimensions of queries and keys, as a float mask that is there already, and as one that is
made at each call.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import data, machine
from benchmarks.learning import learn
from isoflop.errors import UsageError
from isoflop.lm.positions import alibi_dimensions, alibi_slopes, widened
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import (
    POSITIONS,
    Configuration,
    Position,
    Transformer,
    attend,
    causal_bias,
)

LENGTH, BATCH, STEPS = 128, 8, 200
VOCABULARY = 512
HELD_OUT = 8_192  # tokens that are read, from the beginning of the held-out tenth
SEED = 5
PACKAGES = ("torch", "tokenizers", "numpy")


def main() -> None:
    """Train what is missing, read, time, save and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", required=True, help="a folder for what is done already")
    folder = Path(parser.parse_args().keep)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    known, held_out, bytes_per_token = texts()
    record = folder / "results.jsonl"
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    for position in POSITIONS:
        if position not in {row["position"] for row in done}:
            done.append(measured(position, known, held_out))
            with record.open("a") as lines:
                lines.write(json.dumps(done[-1]) + "\n")
            print(done[-1])
    result = {
        "machine": machine.describe(PACKAGES),
        "length": LENGTH,
        "tokens_trained": STEPS * BATCH * LENGTH,
        "tokens_read": HELD_OUT,
        "bytes_per_token": bytes_per_token,
        "rows": done,
        "attention": [timed(heads, 64, tokens) for heads, tokens in ((6, 512), (6, 2048))],
    }
    print(machine.save("positions", result))


def texts() -> tuple[Tensor, Tensor, float]:
    """Tokens to learn and tokens held out, and bytes a token."""
    text = (data.evaldata() / "text" / "tinyshakespeare.txt").read_text("utf-8")
    cut = text.rindex("\n\n", 0, len(text) * 9 // 10)
    tokenizer = train_tokenizer([text[:cut]], VOCABULARY)
    known, held_out = tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])[: HELD_OUT + 1]
    return torch.tensor(known), torch.tensor(held_out), len(text[:cut].encode()) / len(known)


def measured(position: Position, known: Tensor, held_out: Tensor) -> dict[str, Any]:
    """A model with this scheme, trained, and its perplexity in windows of every length."""
    model = Transformer(configuration(position))
    model.initialise(SEED)
    draw = torch.Generator().manual_seed(SEED)

    def loss(model: Transformer, step: int) -> Tensor:
        starts = torch.randint(len(known) - LENGTH, (BATCH,), generator=draw)
        rows = torch.stack([known[start : start + LENGTH + 1] for start in starts.tolist()])
        return functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())

    row = {"position": position, "parameters": sum(p.numel() for p in model.parameters())}
    trained = learn(model, loss, STEPS, position)
    read = {
        str(times): {
            "beside": perplexity(model, held_out, times * LENGTH, overlap=False),
            "sliding": perplexity(model, held_out, times * LENGTH, overlap=True),
        }
        for times in (1, 2, 4)
    }
    return row | {"training": trained, "perplexity": read}


def configuration(position: Position) -> Configuration:
    """Sizes of the models; the gated layer of rope is narrower, so that all are about as large."""
    return Configuration(
        vocabulary=VOCABULARY,
        width=96,
        layers=3,
        heads=4,
        kv_heads=4,
        hidden=256 if position == "rope" else 384,
        context=LENGTH,
        position=position,
    )


@torch.inference_mode()
def perplexity(model: Transformer, tokens: Tensor, window: int, *, overlap: bool) -> float | None:
    """Perplexity a token in windows of this length; None if the model cannot read so far.

    Windows beside each other count all their tokens. Overlapping ones count their second half,
    and the first window all. Whatever the window, the same tokens are counted.
    """
    step = window // 2 if overlap else window
    total, counted = 0.0, 0
    for start in range(0, len(tokens) - window, step):
        row = tokens[None, start : start + window + 1]
        try:
            logits = model(row[:, :-1])[0]
        except UsageError:
            return None
        losses = functional.cross_entropy(logits, row[0, 1:], reduction="none")
        new = losses if start == 0 else losses[-step:]
        total, counted = total + float(new.sum()), counted + len(new)
    return math.exp(total / counted)


def timed(heads: int, width: int, tokens: int) -> dict[str, Any]:
    """Processor milliseconds of ALiBi attention, forward: in extra dimensions, and as a mask."""
    draw = torch.Generator().manual_seed(SEED)
    q, k, v = (torch.randn(1, heads, tokens, width, generator=draw) for _ in range(3))
    positions = torch.arange(tokens)
    slopes = alibi_slopes(heads).float()[None, :, None, None]

    def made() -> Tensor:
        return slopes * (positions - positions[:, None]) + causal_bias(tokens, tokens)

    mask = made()

    def by_dimensions() -> Tensor:
        extra = alibi_dimensions(positions, heads, width, q.dtype)
        wide_q, wide_k = widened(q, extra[0]), widened(k, extra[1])
        return attend(wide_q, wide_k, v, None, causal=True, scale=width**-0.5)

    def by_mask(mask: Tensor) -> Tensor:
        return attend(q, k, v, mask, causal=False, scale=width**-0.5)

    assert float((by_dimensions() - by_mask(mask)).abs().max()) < 1e-4
    ways = {
        "dimensions": by_dimensions,
        "mask": lambda: by_mask(mask),
        "mask made": lambda: by_mask(made()),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(9):  # in turn, so that a busy moment of the machine meets both
        for name, way in ways.items():
            times[name].append(_milliseconds(way))
    return {"heads": heads, "width": width, "tokens": tokens, "milliseconds": times} | {
        "median": {name: statistics.median(all) for name, all in times.items()}
    }


def _milliseconds(way: Callable[[], Tensor]) -> float:
    start = time.process_time()
    way()
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    main()
