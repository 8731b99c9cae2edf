"""A small loop that trains a model on a processor core, for benchmarks that need one of their own.

`isoflop train` is for models to keep; this has no files, no resuming and no choice of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from isoflop.lm.transformer import Transformer

MUON, ADAMW = 0.02, 0.004  # learning rates, as `isoflop train` began with (November 2026)
WARMUP, DECAY = 0.02, 0.4  # shares of the steps in which the rates rise and fall


def learn(
    model: Transformer, loss: Callable[[Transformer, int], Tensor], steps: int, say: str = ""
) -> dict[str, float]:
    """Train with Muon and AdamW, rates rising, staying and falling to nothing.

    Args:
        model: Changed in place.
        loss: Of the model at a step.
        steps: How many.
        say: Printed with the loss, ten times in all.

    Returns:
        Steps, seconds of processor time, and the mean loss of the last tenth.
    """
    matrices = [p for n, p in model.named_parameters() if n.startswith("blocks.") and p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(matrices, lr=MUON, weight_decay=0.01),
        torch.optim.AdamW(others, lr=ADAMW, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    heights = [(group, group["lr"]) for o in optimizers for group in o.param_groups]
    start, losses = time.process_time(), []
    model.train()
    for step in range(steps):
        factor = min(1.0, (step + 1) / (WARMUP * steps), (steps - step) / (DECAY * steps))
        for group, height in heights:
            group["lr"] = height * factor
        value = loss(model, step)
        value.backward()  # type: ignore[no-untyped-call] # theirs is untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(value.detach()))
        if say and (step + 1) % max(1, steps // 10) == 0:
            seconds = time.process_time() - start
            print(f"{say}: step {step + 1:,}, loss {losses[-1]:.3f}, {seconds:.0f} s", flush=True)
    model.eval()
    last = losses[-max(1, steps // 10) :]
    return {
        "steps": steps,
        "seconds": time.process_time() - start,
        "loss": sum(last) / len(last),
    }
