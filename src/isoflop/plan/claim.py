"""A claim about a training run, as data, and what follows from it by arithmetic."""

from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.machine import Accelerator, Machine
from isoflop.plan.energy import energy
from isoflop.quantities import written


@dataclass(frozen=True, slots=True)
class Claim:
    """What was said of a run; None for what was not.

    Attributes:
        parameters: Of the model, all experts included.
        active_parameters: That one token meets, where there are experts.
        tokens: Said to be trained on.
        dataset_tokens: Different tokens in the data set, where that was said apart.
        chip: Of which kind.
        chips: How many.
        seconds: Wall time.
        chip_seconds: Chips times wall time.
        mfu: Model FLOPs over the peak, as a share.
        flops: Of the run.
        flops_per_second: Of one chip, as achieved.
        dollars: Of the run.
        joules: Of the run.
        flops_per_token: Of training, attention to all tokens included, as most MFU counts it.
        number_format: Of the matrix products.
        power_usage_effectiveness: PUE that the joules include; None if not said.
    """

    parameters: float | None = None
    active_parameters: float | None = None
    tokens: float | None = None
    dataset_tokens: float | None = None
    chip: Accelerator | None = None
    chips: float | None = None
    seconds: float | None = None
    chip_seconds: float | None = None
    mfu: float | None = None
    flops: float | None = None
    flops_per_second: float | None = None
    dollars: float | None = None
    joules: float | None = None
    flops_per_token: float | None = None
    number_format: str = "bf16"
    power_usage_effectiveness: float | None = None


@dataclass(frozen=True, slots=True)
class Implied:
    """What follows from a claim by arithmetic; None where it says too little.

    Attributes:
        counted_flops: 6 x active parameters x tokens, attention left out.
        flops: As claimed, else as counted.
        peak: Dense peak of one chip in the claim's format, FLOP/s.
        chip_seconds: As claimed, else chips x wall time.
        mfu: FLOPs over the chips' peak for that time.
        attention_mfu: The same with attention counted; None where the shape is not known.
        ideal_chip_seconds: At the peak, without any loss.
        watts: Of one chip, from the joules claimed.
        machine_joules: Of the chips for that time, cooling left out, as `plan energy` expects.
        dollars: Of the chips for that time at the catalog's price.
        dollars_per_chip_hour: From the dollars claimed.
        epochs: Tokens over the data set's tokens.
    """

    counted_flops: float | None
    flops: float | None
    peak: float | None
    chip_seconds: float | None
    mfu: float | None
    attention_mfu: float | None
    ideal_chip_seconds: float | None
    watts: float | None
    machine_joules: float | None
    dollars: float | None
    dollars_per_chip_hour: float | None
    epochs: float | None


def refuse(claim: Claim) -> None:
    """Refuse figures that no run can have.

    Raises:
        UsageError: If one is zero or negative, or active parameters exceed all.
    """
    for name in Claim.__dataclass_fields__:
        value = getattr(claim, name)
        if isinstance(value, int | float) and not value > 0:
            raise UsageError(f"{name.replace('_', ' ')} must be more than zero, not {value:g}.")
    if claim.parameters and claim.active_parameters and claim.active_parameters > claim.parameters:
        raise UsageError(
            f"{claim.active_parameters:.4g} active parameters are more than all "
            f"{claim.parameters:.4g}: give all with --params, active ones with --active."
        )


def palm_flops_per_token(parameters: float, layers: float, width: float, length: float) -> float:
    """FLOPs of training on a token by PaLM's count: 6 N + 12 x layers x width x length.

    Attention is counted to all tokens of the sequence, although half of them come later; most
    published MFU is counted so.

    Source:
        Chowdhery et al. 2022, arXiv:2204.02311, appendix B.
    """
    return 6.0 * parameters + 12.0 * layers * width * length


def implications(claim: Claim) -> Implied:
    """What follows from a claim by arithmetic."""
    active = claim.active_parameters or claim.parameters
    counted = product(6.0, active, claim.tokens)
    flops = claim.flops if claim.flops is not None else counted
    chip_seconds = claim.chip_seconds or product(claim.chips, claim.seconds)
    peak = _peak(claim)
    ideal = ratio(flops, peak)
    chip = claim.chip
    machine = None if chip is None else Machine(chip, 1, None)
    drawn = None
    if machine is not None and chip_seconds is not None:
        drawn = energy(machine, chip_seconds).machine
    price = None if chip is None else chip.dollars_per_hour
    hours = ratio(chip_seconds, 3600.0)
    return Implied(
        counted_flops=counted,
        flops=flops,
        peak=peak,
        chip_seconds=chip_seconds,
        mfu=ratio(ideal, chip_seconds),
        attention_mfu=ratio(
            ratio(product(claim.flops_per_token, claim.tokens), peak), chip_seconds
        ),
        ideal_chip_seconds=ideal,
        watts=ratio(claim.joules, chip_seconds),
        machine_joules=None if drawn is None else drawn.value,
        dollars=product(hours, price),
        dollars_per_chip_hour=ratio(claim.dollars, hours),
        epochs=ratio(claim.tokens, claim.dataset_tokens),
    )


def _peak(claim: Claim) -> float | None:
    if claim.chip is None:
        return None
    known = claim.chip.flops_per_second
    for name in (claim.number_format, "bf16", "fp16", "fp32"):
        if name in known:
            return known[name]
    return None


def product(*factors: float | None) -> float | None:
    """Of all factors; None if one is unknown."""
    whole = 1.0
    for factor in factors:
        if factor is None:
            return None
        whole *= factor
    return whole


def ratio(one: float | None, other: float | None) -> float | None:
    """One over the other; None if one is unknown."""
    return None if one is None or other is None else one / other


def in_hours(seconds: float | None) -> str:
    """Hours, as text: "192 h", "6.62 h"; unknown is as none."""
    hours = (seconds or 0) / 3600
    return f"{hours:,.0f} h" if hours >= 100 else f"{written(hours)} h"
