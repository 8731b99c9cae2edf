"""How fast a text is scored, beside the forward pass of the same model on the same tokens.

    python -m benchmarks.likelihood [MODEL]    # about ten seconds of processor time

One thread. The passes are interleaved and processor time is taken, the least of several rounds,
so that a busy machine slows both alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from benchmarks.data import evaldata
from benchmarks.machine import save
from isoflop.lm.own import OwnModel
from isoflop.measure.likelihood import score
from isoflop.measure.windows import Reading

WINDOW, BATCH, ROUNDS, WINDOWS = 512, 8, 5, 16
BAR = 0.9  # of the throughput of the forward pass


def main(name: str = "prose") -> None:
    """Measure, print and save."""
    torch.set_num_threads(1)
    model = OwnModel(name)
    text = (evaldata() / "text" / "alice29.txt").read_text(encoding="utf-8")
    ids = model.encode(text)[: WINDOW * WINDOWS]
    text = model.decode(ids)
    ids = model.encode(text)[: WINDOW * WINDOWS]
    tokens = torch.tensor(ids).view(-1, BATCH, WINDOW)

    def forward() -> None:
        for batch in tokens:
            model.logits(batch)

    def scored() -> None:
        score(model, text, reading=Reading(WINDOW, batch=BATCH))

    raw, whole = _least(forward, scored)
    share = raw / whole
    save(
        "likelihood",
        {
            "model": name,
            "tokens": len(ids),
            "forward_tokens_per_second": len(ids) / raw,
            "scored_tokens_per_second": len(ids) / whole,
            "share": share,
            "bar": BAR,
        },
    )
    print(f"forward pass {len(ids) / raw:,.0f} tokens per processor second")
    print(f"scored       {len(ids) / whole:,.0f}, {share:.3f} of it; bar {BAR}")
    print("with tokenising, rank, entropy and variance of every token")


def _least(*passes: Callable[[], None]) -> list[float]:
    """Processor seconds of each, the least of the interleaved rounds."""
    best = [float("inf")] * len(passes)
    for _ in range(ROUNDS):
        for place, run in enumerate(passes):
            start = time.process_time()
            run()
            best[place] = min(best[place], time.process_time() - start)
    return best


if __name__ == "__main__":
    main(*sys.argv[1:])
