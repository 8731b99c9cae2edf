"""From a budget of chips, time, money or FLOPs to the model that it trains best."""

import math
from dataclasses import dataclass, replace

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Accelerator
from isoflop.plan.flops import active_parameters
from isoflop.plan.laws import LAWS
from isoflop.plan.scaling import Split, flat_band, loss, optimum, split
from isoflop.plan.shape import SMALLEST, shape
from isoflop.plan.training import THIS_YEAR, training_format
from isoflop.plan.training_memory import Optimizer
from isoflop.plan.training_run import USUAL_UTILISATION, Run, run

CLOSE, ROUNDS = 0.01, 12
LEAST_FLOPS, MOST_FLOPS = 1e12, 1e30


@dataclass(frozen=True, slots=True)
class How:
    """What of a run is settled beforehand.

    Attributes:
        accelerator: The chip.
        chips: How many; None for so many that it lasts about 30 days.
        length: Tokens of a sequence.
        sequences: Of a step; None for what the budget calls for.
        vocabulary: Tokens; None for the compute-optimal number.
        optimizer: What is kept per parameter; None for the usual.
        number_format: Of the layers' matrix products; None for the chip's usual.
        year: Of the software.
        unique_tokens: Different training tokens there are; None for no limit.
        law: That gives the optimum.
    """

    accelerator: Accelerator
    chips: int | None = None
    length: int = 2048
    sequences: int | None = None
    vocabulary: int | None = None
    optimizer: Optimizer | None = None
    number_format: str | None = None
    year: int = THIS_YEAR
    unique_tokens: float | None = None
    law: str = "epoch"


@dataclass(frozen=True, slots=True)
class Planned:
    """A budget turned into a run.

    Attributes:
        flops: As laws count them, C = 6 N D; with an interval where time or money is the budget.
        split: Parameters and tokens of the law that was chosen, or as given.
        run: A concrete architecture, its layout, and what it takes.
        given: Whether parameters and tokens were, rather than chosen by the law.
    """

    flops: Estimate
    split: Split
    run: Run
    given: bool = False

    @property
    def utilisation(self) -> Estimate:
        """Model FLOPs over the dense peak of all time paid for."""
        expected = self.run.utilisation
        fixed = expected.low == expected.high  # the time is the budget: what is done in it varies
        return self.flops * (expected.value / self.flops.value) if fixed else expected


def with_flops(flops: float, how: How) -> Planned:
    """The best model for so many FLOPs.

    Raises:
        UsageError: If the budget is out of all proportion, or nothing fits the chips.
    """
    _check(flops)
    law = LAWS[how.law]
    best = optimum(law, flops, unique_tokens=how.unique_tokens)
    if best.parameters < SMALLEST:  # no concrete shape is smaller: trained longer than is best
        best = split(law, flops, SMALLEST, unique_tokens=how.unique_tokens)
    made = _run(shape(best.parameters, vocabulary=how.vocabulary), best.tokens, how)
    return Planned(Estimate.exact(flops, "assumed"), best, made)


def with_model(architecture: Architecture, parameters: float, tokens: float, how: How) -> Planned:
    """A model and tokens as given.

    With experts, the budget counts what one token meets, and no loss is told: the laws are of
    dense models.
    """
    law, sparse = LAWS[how.law], architecture.experts is not None
    met = active_parameters(architecture) if sparse else parameters
    _check(6 * met * tokens)
    told = None if sparse else loss(law, parameters, tokens, unique_tokens=how.unique_tokens)
    made = _run(architecture, tokens, how)
    flops = Estimate.exact(6 * met * tokens, "assumed")
    return Planned(flops, Split(parameters, tokens, told), made, given=True)


def with_chip_seconds(chip_seconds: float, how: How) -> Planned:
    """The best model that so many chip-seconds are expected to train.

    What a chip does in a second depends on the model, and the model on what is done: a fixed
    point, found by repetition.

    Raises:
        UsageError: If so little time trains nothing, or nothing fits the chips.
    """
    peak = how.accelerator.flops_per_second[training_format(how.accelerator)]
    flops, step, before = USUAL_UTILISATION * peak * chip_seconds, 1.0, 0.0
    for _ in range(ROUNDS):
        found = with_flops(flops, how)
        ratio = chip_seconds / found.run.chip_seconds.value
        if abs(ratio - 1) < CLOSE:
            break
        if (ratio - 1) * before < 0:  # layouts change by jumps: do not leap back and forth
            step /= 2
        flops, before = flops * math.pow(ratio, step), ratio - 1
    tokens = found.split.tokens * chip_seconds / found.run.chip_seconds.value
    made = with_model(found.run.architecture, found.split.parameters, tokens, how)
    spread, flops = made.run.chip_seconds, made.flops.value
    done = Estimate(flops * spread.value / spread.high, flops, flops * spread.value / spread.low)
    given = Estimate.exact(chip_seconds, "assumed")
    return Planned(done, made.split, replace(made.run, chip_seconds=given))


def by_law(flops: float, unique_tokens: float | None = None) -> dict[str, Split | None]:
    """What each published law makes of a budget; None where it says nothing of repeated data."""
    answers: dict[str, Split | None] = {}
    for name, law in LAWS.items():
        try:
            answers[name] = optimum(law, flops, unique_tokens=unique_tokens)
        except UsageError:
            answers[name] = None
    return answers


def band(flops: float, how: How) -> tuple[Split, Split] | None:
    """Smallest and largest model within 0.5 % of the least loss; None if the law has no curve."""
    law = LAWS[how.law]
    if not law.has_isoflop_curve:
        return None
    return flat_band(law, flops, unique_tokens=how.unique_tokens)


def _check(flops: float) -> None:
    if not LEAST_FLOPS <= flops <= MOST_FLOPS:
        raise UsageError(
            f"A budget of {flops:.3g} FLOP is not one to train a language model with: from "
            f"{LEAST_FLOPS:g} to {MOST_FLOPS:g}."
        )


def _run(architecture: Architecture, tokens: float, how: How) -> Run:
    return run(
        architecture, tokens, how.accelerator, how.chips,
        length=how.length, sequences=how.sequences, optimizer=how.optimizer,
        number_format=how.number_format, year=how.year,
    )  # fmt: skip
