"""Chip-hours of a whole training run: steps as planned, and what real runs lose beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Accelerator, Machine
from isoflop.plan.flops import training_flops_per_token
from isoflop.plan.layout import Choice, batch_sequences, chosen, fastest
from isoflop.plan.parallel import Layout, node_chips
from isoflop.plan.training import FUSED_YEAR, THIS_YEAR, Job, Step, training_format
from isoflop.plan.training_memory import Optimizer

# What a run takes over its steps at the fastest layout: restarts, evaluation, checkpoints, data
# that comes late, layouts that were not the fastest. Fitted on 53 published runs
# (benchmarks.plan_training, 2026-11-24), as exponentials of -0.10, +0.42, +0.18, +0.06. The runs
# within one node are those of enthusiasts with kernels of their own, hence under 1.
ONE_NODE, CLUSTER, EARLY, EXPERTS = 0.905, 1.52, 1.20, 1.06
# The 80 % interval, as a factor to either side: holds 77 % of runs, families left out.
RUN_FACTOR = 1.477
STEP_FACTOR = 1.14  # for the throughput of a layout that is given: 84 % of rows, chips left out
PROCESSOR_FACTOR = 2.0  # assumed: no published run on processor cores is among the rows

USUAL_SECONDS, USUAL_UTILISATION, MOST_CHIPS = 30 * 86400, 0.40, 16384
TRIED: Sequence[Optimizer] = ("adam", "adam-16bit-gradients", "adam-8bit")


@dataclass(frozen=True, slots=True)
class Run:
    """A training run as it is expected to go.

    Attributes:
        architecture: Of the model.
        tokens: Read in all.
        length: Of a sequence, in tokens.
        accelerator: The chip.
        chips: That work on it.
        choice: Layout, step and memory.
        optimizer: What is kept per parameter.
        chip_seconds: Of all chips together, from the first step to the last.
        model_flops: Forward and backward, causal attention, nothing computed twice.
    """

    architecture: Architecture
    tokens: float
    length: int
    accelerator: Accelerator
    chips: int
    choice: Choice
    optimizer: Optimizer
    chip_seconds: Estimate
    model_flops: float

    @property
    def seconds(self) -> Estimate:
        """Wall time."""
        return self.chip_seconds * (1 / self.chips)

    @property
    def utilisation(self) -> Estimate:
        """Model FLOPs over the dense peak of all the time paid for."""
        return self.model_flops / (self.chip_seconds * self.choice.step.peak)

    @property
    def goodput(self) -> float:
        """Of the time paid for, the part that is steps at the fastest layout; 1 at most."""
        steps = self.choice.step.chip_seconds_per_token * self.tokens
        return min(1.0, steps / self.chip_seconds.value)


def run(
    architecture: Architecture,
    tokens: float,
    accelerator: Accelerator,
    chips: int | None = None,
    *,
    length: int = 2048,
    sequences: int | None = None,
    optimizer: Optimizer | None = None,
    number_format: str | None = None,
    year: int = THIS_YEAR,
) -> Run:
    """A run on so many chips, at the fastest layout that fits.

    Args:
        architecture: Of the model.
        tokens: To read in all.
        accelerator: The chip; for processors see `as_one_device`.
        chips: How many; None for so many that it lasts about 30 days.
        length: Tokens of a sequence.
        sequences: Of a step; None for what the budget calls for.
        optimizer: What is kept per parameter; None for mixed-precision Adam, or the first that
            fits of those that keep less.
        number_format: Of the layers' matrix products; None for the chip's usual.
        year: Of the software.

    Raises:
        UsageError: If nothing fits, or a number is not positive.
    """
    if not 0 < tokens < math.inf:
        raise UsageError(f"a run needs a positive number of tokens, got {tokens:g}")
    flops = training_flops_per_token(architecture, length) * tokens
    number = usual_chips(flops, accelerator) if chips is None else chips
    batch = sequences or batch_sequences(flops, length)
    tried = [optimizer] if optimizer else TRIED
    for last, kept in enumerate(tried, 1):
        try:
            choice = fastest(
                architecture, accelerator, number, length, batch,
                optimizer=kept, number_format=number_format, year=year,
            )  # fmt: skip
            break
        except UsageError:
            if last == len(tried):
                raise
    steps = choice.step.chip_seconds_per_token * tokens
    lost = overhead(architecture, accelerator, number, year)
    factor = PROCESSOR_FACTOR if accelerator.bytes is None else RUN_FACTOR
    paid = _possible(Estimate.within(steps * lost, factor), choice.step, tokens)
    return Run(architecture, tokens, length, accelerator, number, choice, kept, paid, flops)


def _possible(paid: Estimate, taken: Step, tokens: float) -> Estimate:
    """No run is faster than its matrix products and attention alone."""
    least = (taken.matmul + taken.attention) * tokens
    return replace(paid, low=min(paid.value, max(paid.low, least)))


def run_at(planned: Run, layout: Layout, job_format: str | None, year: int) -> Run:
    """The same run at a layout of one's own.

    Raises:
        UsageError: If it does not go with the architecture, or does not fit the chips.
    """
    step = planned.choice.step
    job = Job(planned.architecture, planned.accelerator, layout, planned.length, job_format, year)
    choice = chosen(job, planned.optimizer)
    slower = choice.step.chip_seconds_per_token / step.chip_seconds_per_token
    return replace(planned, choice=choice, chip_seconds=planned.chip_seconds * slower)


def overhead(architecture: Architecture, accelerator: Accelerator, chips: int, year: int) -> float:
    """Time a run takes, over the time of its steps; see the constants."""
    if accelerator.bytes is None:  # processor cores
        return 1.0
    factor = ONE_NODE * (CLUSTER if chips > min(8, node_chips(accelerator)) else 1.0)
    if year < FUSED_YEAR and accelerator.vendor != "Google":
        factor *= EARLY
    return factor * (EXPERTS if architecture.experts else 1.0)


def usual_chips(flops: float, accelerator: Accelerator) -> int:
    """A number of chips that lasts about 30 days: a power of two from 8 to 16,384."""
    peak = accelerator.flops_per_second[training_format(accelerator)]
    wanted = flops / (USUAL_UTILISATION * peak * USUAL_SECONDS)
    return 8 if wanted <= 8 else int(min(MOST_CHIPS, 2 ** round(math.log2(wanted))))


def throughput(step: Step) -> Estimate:
    """Tokens a second of a step whose layout is given."""
    return Estimate.within(step.tokens_per_second, STEP_FACTOR)


def as_one_device(machine: Machine) -> Machine:
    """A machine of processor cores as one device: they share memory, and exchange nothing."""
    core, cores = machine.accelerator, machine.count
    if core.bytes is not None or core.link_bytes_per_second is not None or cores == 1:
        return machine
    together = replace(
        core,
        name=f"({cores} {core.name})",
        flops_per_second={name: rate * cores for name, rate in core.flops_per_second.items()},
        bytes_per_second=None if core.bytes_per_second is None else core.bytes_per_second * cores,
        watts=None if core.watts is None else core.watts * cores,
        dollars_per_hour=(None if core.dollars_per_hour is None else core.dollars_per_hour * cores),
    )
    return replace(machine, accelerator=together, count=1)
