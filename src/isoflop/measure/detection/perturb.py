"""DetectGPT: whether a text is more likely than texts that differ from it in a few places."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from isoflop import plugins
from isoflop.bill import Bill, total
from isoflop.errors import UsageError, did_you_mean
from isoflop.lm.causal import CausalModel
from isoflop.lm.sample import drawn
from isoflop.measure.likelihood import score_all
from isoflop.meter import measured

SHARE = 0.15  # of the tokens that are rewritten: Mitchell et al. 2023, section 5
SPAN = 2  # tokens in a row, there too
COPIES = 20


class Perturbation(Protocol):
    """Makes texts that differ from one in a few places, and mean nearly the same."""

    def perturb(self, model: CausalModel, text: str, copies: int, seed: int) -> list[str]:
        """So many changed copies of the text; the model is the one that will score them."""


class Resampled:
    """Spans of two tokens drawn anew from what the scoring model expected at their places.

    One pass over the text gives the distributions of all places. What follows a span is not
    seen, which the T5 of the paper sees, so copies are rougher and all texts score higher.
    """

    def perturb(self, model: CausalModel, text: str, copies: int, seed: int) -> list[str]:
        """Copies with 15 % of the tokens drawn anew."""
        ids = model.encode(text)
        begun = [] if model.beginning is None else [model.beginning]
        read = torch.tensor([[*begun, *ids]])[:, :-1]
        logits = model.logits(read)[0]  # (T, V), the last of them for the last token
        first = len(ids) - len(logits)
        made = []
        for copy in range(copies):
            draw = random.Random(f"{seed} {copy}")
            changed = list(ids)
            places = [at for at in _spans(len(ids), draw) if at >= first]
            tokens = drawn(logits[[at - first for at in places]], [draw] * len(places))
            for at, token in zip(places, tokens.tolist(), strict=True):
                changed[at] = token
            made.append(model.decode(changed))
        return made


class Swapped:
    """Neighbouring words exchanged: needs no model, and makes rougher copies still."""

    def perturb(self, model: CausalModel, text: str, copies: int, seed: int) -> list[str]:
        """Copies with about 15 % of the words in another's place."""
        made = []
        for copy in range(copies):
            words, draw = text.split(), random.Random(f"{seed} {copy}")
            for _ in range(max(1, round(len(words) * SHARE / 2))):
                at = draw.randrange(max(1, len(words) - 1))
                words[at : at + 2] = words[at : at + 2][::-1]
            made.append(" ".join(words))
        return made


PERTURBATIONS = {
    "resample": "isoflop.measure.detection.perturb:Resampled",
    "swap": "isoflop.measure.detection.perturb:Swapped",
}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """DetectGPT's score of a text.

    Attributes:
        value: log p of the text less the mean of the copies', per token each, over their
            standard deviation; None where the copies do not differ.
        copies: How many were made.
        bill: Of making and of reading them.
    """

    value: float | None
    copies: int
    bill: Bill


def perturbation(name: str) -> Perturbation:
    """The perturbation of that name, ours or one registered as `isoflop.perturbation`.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    made = plugins.find("perturbation", name, PERTURBATIONS)
    if made is None:
        known = plugins.names("perturbation", PERTURBATIONS)
        hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
        raise UsageError(f"No perturbation called {name!r}.{hint}")
    found: Perturbation = made()
    return found


def detect_gpt(
    model: CausalModel,
    text: str,
    likelihood: float,
    by: Perturbation,
    *,
    copies: int = COPIES,
    seed: int = 0,
) -> Discrepancy:
    """DetectGPT's normalised perturbation discrepancy.

    Args:
        model: Whose probabilities are taken.
        text: As it was scored.
        likelihood: Mean log p of its tokens, from the pass that was paid already.
        by: How copies are made.
        copies: How many, at least two; each is read once.
        seed: Of the draws.

    Raises:
        UsageError: If fewer than two copies are asked for.

    Source:
        Mitchell et al. 2023, arXiv:2301.11305, equation 1 and section 4.
    """
    if copies < 2:
        raise UsageError(f"copies={copies}: DetectGPT compares with at least two.")
    with measured() as meter:
        made = [each for each in by.perturb(model, text, copies, seed) if each]
    streams = score_all(model, made)
    bill = total(stream.bill for stream in streams) + Bill.measured(seconds=meter.seconds)
    means = [-stream.nats / max(1, int(stream.scored.sum())) for stream in streams]
    return Discrepancy(_standardised(likelihood, means), len(made), bill)


def _standardised(value: float, others: Sequence[float]) -> float | None:
    spread = float(np.std(others, ddof=1)) if len(others) > 1 else 0.0
    return (value - float(np.mean(others))) / spread if spread else None


def _spans(tokens: int, draw: random.Random) -> list[int]:
    """Places of spans of `SPAN` tokens that cover about `SHARE` of them; at least one."""
    wanted = max(1, round(tokens * SHARE / SPAN))
    starts = draw.sample(range(max(1, tokens - SPAN + 1)), min(wanted, max(1, tokens - SPAN + 1)))
    return sorted({at for start in starts for at in range(start, min(start + SPAN, tokens))})
