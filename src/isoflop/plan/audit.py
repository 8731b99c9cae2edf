"""What a claim about a training run implies, and whether that can be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from isoflop.plan.claim import Claim, Implied, implications, in_hours, product, ratio, refuse
from isoflop.plan.finding import LEVELS, Finding
from isoflop.plan.utilisation import (
    AGREEMENT,
    HOURS_AGREE,
    claimed_mfu,
    ordinary,
    over_peak,
    rate,
    too_low,
)
from isoflop.quantities import written

MOST_OF_LIMIT = 2.1  # an eight-chip A100 server's own limit is 6.5 kW: 2.03 times its chips'
LEAST_OF_LIMIT = 0.3
PRICE_FLOOR = 0.25  # the same chip costs up to 3.8 times as much elsewhere (2026-05)
SAME_COUNT = (0.8, 1.45)  # FLOPs over 6 N D: attention, embeddings, recomputation
FORWARD_ONLY = (0.3, 0.37)  # over 6 N D: 2 N D


@dataclass(frozen=True, slots=True)
class Audit:
    """What a claim implies, what was found, and the verdict: the worst level found."""

    implied: Implied
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """A level, "consistent", or "unchecked" where the claim says too little."""
        worst = max((LEVELS.index(f.level) for f in self.findings), default=0)
        if worst:
            return LEVELS[worst]
        return "consistent" if self.findings else "unchecked"


def audit(claim: Claim) -> Audit:
    """Whether a claim can be, and if not, what is likely wrong with it.

    Raises:
        UsageError: If a figure is negative or zero, or active parameters exceed all.
    """
    refuse(claim)
    implied = implications(claim)
    return Audit(implied, tuple(found for check in CHECKS for found in check(claim, implied)))


def _hours(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """Chips x wall time against the chip-hours given."""
    chip_time = product(claim.chips, claim.seconds)
    if chip_time is None or claim.chip_seconds is None or claim.chips is None:
        return
    factor = chip_time / claim.chip_seconds
    if 1 / HOURS_AGREE <= factor <= HOURS_AGREE:
        return
    figures = {"chips_times_hours": chip_time / 3600, "chip_hours": claim.chip_seconds / 3600}
    reason = (
        f"{claim.chips:,.0f} chips for {in_hours(claim.seconds)} are {in_hours(chip_time)} of "
        f"chip time, but {in_hours(claim.chip_seconds)} were given"
    )
    if 1 / HOURS_AGREE <= factor / claim.chips <= HOURS_AGREE:
        reason += ": the wall hours were given as chip-hours"
    yield Finding("misleading", "hours disagree", reason + ".", figures)


def _count(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """FLOPs given against 6 N D."""
    factor = ratio(claim.flops, implied.counted_flops)
    if factor is None or SAME_COUNT[0] <= factor <= SAME_COUNT[1]:
        return
    figures = {"flops": claim.flops or 0, "counted_flops": implied.counted_flops or 0}
    reason = (
        f"{written(claim.flops)} FLOPs are {factor:.2g} times 6 x parameters x tokens "
        f"= {written(implied.counted_flops)}: "
    )
    name, cause = _miscounted(claim, factor)
    yield Finding("misleading", name, reason + cause, figures)


def _miscounted(claim: Claim, factor: float) -> tuple[str, str]:
    """Which mistake makes FLOPs so many times 6 N D."""
    experts = ratio(claim.parameters, claim.active_parameters) or 1.0
    if experts > SAME_COUNT[1] and 1 / AGREEMENT <= factor / experts <= AGREEMENT:
        return "all parameters counted as active", (
            f"all {written(claim.parameters)} parameters were counted where a token meets "
            f"{written(claim.active_parameters)}."
        )
    if FORWARD_ONLY[0] <= factor <= FORWARD_ONLY[1]:
        return "forward pass counted alone", "a third, as if training were the forward pass alone."
    if factor < 1:
        return "data set size read as tokens processed", (
            f"they process {factor:.0%} of {written(claim.tokens)} tokens, which may be the data "
            "set's."
        )
    return "tokens are the data set's", f"the data set was read {factor:.2g} times, or they differ."


def _price(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """Dollars against the price of the chips, and of the ideal run."""
    price = None if claim.chip is None else claim.chip.dollars_per_hour
    if price is None or claim.dollars is None:
        return
    hours = ratio(implied.chip_seconds or implied.ideal_chip_seconds, 3600.0)
    if hours is None or claim.dollars >= PRICE_FLOOR * price * hours:
        return
    ideal = implied.chip_seconds is None
    yield Finding(
        "implausible",
        "price below the ideal" if ideal else "price below the chips'",
        f"${claim.dollars:,.0f} for {hours:,.0f} chip-hours"
        + (" at the full peak" if ideal else "")
        + f" are ${claim.dollars / hours:.2g} an hour, where they cost about ${price:.2f} "
        "(and rarely less than a quarter of that).",
        {"dollars": claim.dollars, "chip_hours": hours, "dollars_per_chip_hour": price},
    )


def _power(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """Joules against the power that the chips can draw."""
    if implied.watts is None or claim.chip is None:
        return
    limit = claim.chip.training_watts or claim.chip.watts
    if limit is None:
        return
    pue = claim.power_usage_effectiveness or 1.6  # an old building's, where it was not said
    figures = {"watts": implied.watts, "limit_watts": limit}
    reason = f"The energy claimed is {implied.watts:,.0f} W for each {claim.chip.name}"
    if implied.watts > MOST_OF_LIMIT * limit * pue:
        yield Finding(
            "impossible",
            "energy beyond the power limit",
            f"{reason}; chips are limited to {limit:,.0f} W, and with hosts and cooling to "
            f"{MOST_OF_LIMIT * limit * pue:,.0f} W.",
            figures,
        )
    elif implied.watts < LEAST_OF_LIMIT * limit:
        yield Finding(
            "implausible",
            "energy below chips at work",
            f"{reason}, {implied.watts / limit:.0%} of its limit; metered runs draw 60 to 110 %.",
            figures,
        )


def _epochs(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """How often the data was read."""
    if implied.epochs is None or claim.dataset_tokens == claim.tokens:
        return
    yield Finding(
        "note",
        "epochs",
        f"{written(claim.tokens)} tokens of a data set of {written(claim.dataset_tokens)}: "
        f"{implied.epochs:.2g} epochs.",
        {"epochs": implied.epochs},
    )


Check = Callable[[Claim, Implied], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    _hours,
    _count,
    over_peak,
    rate,
    claimed_mfu,
    too_low,
    _price,
    _power,
    _epochs,
    ordinary,
)
