"""The loss of a network: of a pass to learn from, and over held-out documents."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from isoflop.lm.subnormals import subnormals_as_zero
from isoflop.train.batches import IGNORED, Measure, evaluation_windows
from isoflop.train.shards import Shards


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a model makes of held-out documents.

    Attributes:
        nats_per_token: Mean negative log-probability.
        bits_per_byte: Of the text the scored tokens stand for.
        tokens: Scored.
        bytes: Scored.
    """

    nats_per_token: float
    bits_per_byte: float
    tokens: int
    bytes: int

    @property
    def perplexity(self) -> float:
        """Per token of this tokenizer."""
        return math.exp(min(self.nats_per_token, 700.0))


class Network(Protocol):
    """What the loop needs of a network: ours, or another's behind a few lines."""

    def states(self, inputs: Tensor, /) -> Tensor:
        """The last states of tokens (B, T): (B, T, width)."""

    def logits(self, states: Tensor, /) -> Tensor:
        """The output head over states (..., width): (..., V), float32."""

    def train(self, mode: bool = True, /) -> Any:
        """Into training, dropout on."""

    def eval(self) -> Any:
        """Into evaluation."""


def summed_loss(model: Network, inputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-probability of the targets that count, in nats, summed."""
    states = model.states(inputs)
    chosen = targets.flatten() != IGNORED
    if bool(chosen.all()):
        logits, wanted = model.logits(states).flatten(0, 1), targets.flatten()
    else:  # where few tokens count, only they meet the head
        logits, wanted = model.logits(states.flatten(0, 1)[chosen]), targets.flatten()[chosen]
    return functional.cross_entropy(logits, wanted, reduction="sum")


@torch.inference_mode()
@subnormals_as_zero()
def evaluate(
    model: Network,
    held_out: Shards,
    tokenizer: Measure,
    *,
    batch: int,
    context: int,
    most_tokens: int | None = None,
) -> HeldOut:
    """Mean loss and bits per byte over windows that do not overlap.

    Args:
        model: In any state; left in evaluation.
        held_out: Documents it has not seen.
        tokenizer: Of both.
        batch: Windows of one pass.
        context: Tokens of a window.
        most_tokens: Stop once so many were scored; None for all.
    """
    model.eval()
    nats, tokens, text_bytes = 0.0, 0, 0
    for window in evaluation_windows(held_out, tokenizer, batch=batch, context=context):
        nats += float(summed_loss(model, window.inputs, window.targets))
        tokens += int((window.targets != IGNORED).sum())
        text_bytes += int(window.bytes.sum())
        if most_tokens is not None and tokens >= most_tokens:
            break
    per_byte = nats / math.log(2) / text_bytes if text_bytes else math.nan
    return HeldOut(nats / max(1, tokens), per_byte, tokens, text_bytes)
