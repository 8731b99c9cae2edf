"""Tokens written per second of processor time, on one thread: python -m benchmarks.decode.

The 10.65 M shape of nanoGPT's Shakespeare recipe (6 layers, 6 heads, width 384, 65 characters),
random weights in float32, greedy. Beside our cached decoding: the same model without a cache, as
nanoGPT's `generate` reads everything again for each token, and transformers' `generate` with its
own cache on the exported folder. Turns are taken and the best of each counts, for a rented
processor's speed changes from minute to minute.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.machine import describe, save
from isoflop.lm import checkpoint
from isoflop.lm.generate import Request, generate
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer

BARS = {1: 161, 8: 706}  # tokens per CPU-second
PROMPT, WRITTEN, WITHOUT_CACHE, TURNS = 16, 120, 24, 3
ALIBI = Configuration(
    vocabulary=65, width=384, layers=6, heads=6, kv_heads=6, hidden=1536, context=256,
    position="alibi",
)  # fmt: skip
# a gated layer has three matrices, so two thirds of the width make the same size
SHAPES = {"alibi": ALIBI, "rope": replace(ALIBI, position="rope", hidden=1024)}


def rows() -> Iterator[tuple[str, int, str, float]]:
    """Position scheme, batch, way of decoding, tokens per CPU-second."""
    torch.set_num_threads(1)
    for position, shape in SHAPES.items():
        ours, theirs = _models(shape)
        for batch in BARS:
            ways = _ways(ours, theirs, batch)
            best = dict.fromkeys(ways, 0.0)
            for _ in range(TURNS):
                for name, (write, count) in ways.items():
                    start = time.process_time()
                    write()
                    rate = batch * count / (time.process_time() - start)
                    best[name] = max(best[name], rate)
            yield from ((position, batch, name, rate) for name, rate in best.items())


def _models(shape: Configuration) -> tuple[OwnModel, Any]:
    """The same random weights, ours and as transformers loads them."""
    model = Transformer(shape)
    model.initialise(0)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.02)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(model, None, Path(folder) / "model")
        theirs: Any = transformers.AutoModelForCausalLM.from_pretrained(Path(folder) / "model")
    return OwnModel.of(model, train_tokenizer(["a"], 257)), theirs.eval()


def _ways(ours: OwnModel, theirs: Any, batch: int) -> dict[str, tuple[Callable[[], Any], int]]:
    prompts = torch.randint(65, (batch, PROMPT), generator=torch.Generator().manual_seed(0))
    cached = Request(WRITTEN, ignore_end=True)
    without = replace(cached, most_tokens=WITHOUT_CACHE, cached=False)
    return {
        "isoflop": (lambda: generate(ours, prompts.tolist(), cached), WRITTEN),
        "isoflop, no cache": (lambda: generate(ours, prompts.tolist(), without), WITHOUT_CACHE),
        "transformers": (
            lambda: theirs.generate(
                prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=WRITTEN,
                min_new_tokens=WRITTEN, do_sample=False, pad_token_id=0,
            ),
            WRITTEN,
        ),
    }  # fmt: skip


def main() -> None:
    """Print the table and save it."""
    print(f"{'scheme':8}{'batch':>6}  {'way':20}{'tokens/CPU-s':>13}{'bar':>6}")
    found = []
    for position, batch, way, rate in rows():
        bar = BARS[batch] if way == "isoflop" else None
        print(f"{position:8}{batch:>6}  {way:20}{rate:>13,.0f}{bar or '':>6}", flush=True)
        found.append(
            {
                "position": position,
                "batch": batch,
                "way": way,
                "tokens_per_processor_second": rate,
                "bar": bar,
            }
        )
    save("decode", {"rows": found, "machine": describe(("torch", "transformers"))})


if __name__ == "__main__":
    main()
