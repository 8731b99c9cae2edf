"""What is wrong with the utilisation of the chips that a claim says or implies."""

from collections.abc import Iterator, Mapping

from isoflop.plan.claim import Claim, Implied, in_hours, ratio
from isoflop.plan.finding import Finding
from isoflop.quantities import written

# Shares of the dense bf16 peak, over the runs and benchmarks of benchmarks.plan_audit, 2026-11-24.
MOST_OF_A_RUN = 0.60  # whole runs, chips of 2017 to 2026: the best published is 0.574
MOST_OF_A_STEP = 0.75  # single steps: the best published is 0.715, on TPU v5p
LEAST_OF_A_RUN = 0.10  # lower ones all counted hours of something else (distillation, restarts)
# All of these without attention, by 6 N D.
ORDINARY = (0.20, 0.50)  # four of five whole runs lie between
AGREEMENT = 1.15  # 6 N D leaves attention out, up to so much where the sequences are long
ATTENTION_COUNTED = 1.10  # the same where attention is counted
RECOMPUTE = (1.25, 1.42)  # 4/3: a forward pass done twice, counted by HFU and not by MFU
SPARSE = 2.0  # vendors print peaks for matrices half of whose entries are zero, twice the dense
SEVERAL_TIMES = 1.8  # from here on, a factor is a second epoch rather than lost hours
HOURS_AGREE = 1.10


def over_peak(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """FLOPs against what the chips can do in that time."""
    mfu, chip = implied.mfu, claim.chip
    if mfu is None or chip is None or mfu <= MOST_OF_A_RUN:
        return
    figures = {"mfu": mfu, "most_of_a_run": MOST_OF_A_RUN}
    reason = (
        f"{written(implied.flops)} FLOPs in {in_hours(implied.chip_seconds)} of {chip.name} are "
        f"{mfu:.0%} of its dense {claim.number_format} peak of {written(implied.peak, 4)} FLOP/s"
    )
    if mfu > 1:
        yield Finding("impossible", "over peak", f"{reason}.", figures)
    else:
        yield Finding(
            "implausible",
            "MFU above any published run",
            f"{reason}; the best whole run published is 57 %.",
            figures,
        )
    yield from _too_high(claim, implied, mfu)


def _too_high(claim: Claim, implied: Implied, mfu: float) -> Iterator[Finding]:
    """What would explain an MFU that is too high."""
    low, high = (share / mfu for share in ORDINARY)
    tokens, usual = claim.tokens, claim.mfu or _rate_share(claim, implied)
    if claim.flops is None and tokens is not None:
        processed = (tokens * usual / mfu,) if usual else (tokens * low, tokens * high)
        span = " to ".join(f"{written(value)}" for value in processed)
        share = f"{usual:.1%} MFU as claimed" if usual else "20 to 50 % MFU"
        known = claim.dataset_tokens == tokens or usual is not None
        yield Finding(
            "misleading" if known else "note",
            "data set size read as tokens processed",
            f"At {share} these chips processed {span} tokens in that time; {written(tokens)} "
            + ("is" if claim.dataset_tokens == tokens else "may be")
            + " the size of the data set, not what was read from it.",
            {"tokens": tokens, "processed_tokens": processed[0]},
        )
    if claim.flops is None and claim.parameters and claim.active_parameters is None and mfu > 1:
        yield Finding(
            "note",
            "all parameters counted as active",
            f"If the model has experts, only those a token meets count: at 20 to 50 % MFU "
            f"{written(claim.parameters * low)} to {written(claim.parameters * high)} of them.",
            {"parameters": claim.parameters},
        )
    hours = (
        (implied.ideal_chip_seconds or 0) / ORDINARY[1],
        (implied.ideal_chip_seconds or 0) / ORDINARY[0],
    )
    yield Finding(
        "note",
        "time such a run takes",
        f"At 20 to 50 % MFU it takes {in_hours(hours[0])} to {in_hours(hours[1])} of chip time.",
        {"least_chip_hours": hours[0] / 3600, "most_chip_hours": hours[1] / 3600},
    )


def rate(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """FLOP/s of a chip, and the MFU said beside it, against the dense peak."""
    share = _rate_share(claim, implied)
    if share is None or implied.peak is None or claim.flops_per_second is None:
        return
    figures = {"flops_per_second": claim.flops_per_second, "peak": implied.peak}
    if share > 1:
        reason = (
            f"{written(claim.flops_per_second, 4)} FLOP/s of a chip are {share:.0%} of its dense "
            f"{claim.number_format} peak of {written(implied.peak, 4)}"
        )
        sparse = share <= SPARSE * 1.01
        yield Finding(
            "impossible",
            "sparse peak quoted as dense" if sparse else "over peak",
            f"{reason}: the peak printed for sparse matrices, half of which is dense."
            if sparse
            else f"{reason}.",
            figures,
        )
        return
    factor = 1.0 if claim.mfu is None else claim.mfu / share
    if not 1 / HOURS_AGREE <= factor <= HOURS_AGREE and claim.mfu is not None:
        yield from _mfu_and_rate(claim, share, factor, figures)


def _mfu_and_rate(
    claim: Claim, share: float, factor: float, figures: Mapping[str, float]
) -> Iterator[Finding]:
    reason = (
        f"MFU of {claim.mfu:.1%} and {written(claim.flops_per_second, 4)} FLOP/s "
        f"({share:.1%} of peak)"
    )
    if RECOMPUTE[0] <= 1 / factor <= RECOMPUTE[1]:  # FLOP/s with recomputation: HFU beside MFU
        return
    sparse = 1 / AGREEMENT <= factor * SPARSE <= AGREEMENT
    yield Finding(
        "misleading",
        "sparse peak quoted as dense" if sparse else "MFU disagrees with FLOP/s",
        f"{reason} differ by {max(factor, 1 / factor):.2f}"
        + (": the MFU was taken of the sparse peak, twice the dense." if sparse else "."),
        figures,
    )


def claimed_mfu(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """The MFU (or the FLOP/s) that is claimed against the MFU that follows."""
    claimed, most = claim.mfu, ATTENTION_COUNTED if claim.flops_per_token else AGREEMENT
    if claimed is None:  # FLOP/s mostly count recomputation
        claimed, most = _rate_share(claim, implied), most * RECOMPUTE[1]
    if claimed is None:
        return
    if claimed > MOST_OF_A_STEP:
        if claim.mfu is not None:
            yield _unheard_of(claimed)
        return
    if implied.mfu is None or implied.mfu > 1:
        return
    follows = implied.attention_mfu or implied.mfu
    factor = claimed / follows
    figures = {"claimed_mfu": claimed, "implied_mfu": follows}
    reason = f"MFU of {claimed:.1%} is claimed, the hours and tokens imply {follows:.1%}"
    if factor > most:
        yield _too_fast(claim, factor, reason, figures)
    elif factor < 1 / AGREEMENT:
        yield _too_slow(factor, reason, figures)


def _unheard_of(mfu: float) -> Finding:
    return Finding(
        "impossible" if mfu > 1 else "implausible",
        "over peak" if mfu > 1 else "MFU above any published step",
        f"MFU of {mfu:.0%} is claimed; the best step published reaches 72 %.",
        {"claimed_mfu": mfu},
    )


def _too_fast(claim: Claim, factor: float, reason: str, figures: Mapping[str, float]) -> Finding:
    if factor < SEVERAL_TIMES:
        cause = ": that of undisturbed steps, not of the whole run with its restarts"
        if RECOMPUTE[0] <= factor <= RECOMPUTE[1]:
            cause += ", or HFU, which counts recomputed activations (4/3)"
        if claim.flops_per_token is None:
            cause += ", or it counts attention too (give --layers and --width to see)"
        return Finding(
            "misleading", "steady-state MFU quoted for a whole run", reason + cause + ".", figures
        )
    unique = claim.dataset_tokens is None
    return Finding(
        "misleading",
        "hours cover more than the run, or tokens are the data set's",
        f"{reason}: either {1 - 1 / factor:.0%} of the hours went elsewhere"
        + (f", or the data set was read {factor:.1f} times." if unique else "."),
        figures,
    )


def _too_slow(factor: float, reason: str, figures: Mapping[str, float]) -> Finding:
    if 1 / AGREEMENT <= factor * SPARSE <= AGREEMENT:
        return Finding(
            "misleading",
            "sparse peak quoted as dense",
            f"{reason}, twice as much: the share was taken of the sparse peak, or only half of "
            "the tokens were processed.",
            figures,
        )
    return Finding(
        "misleading",
        "data set size read as tokens processed",
        f"{reason}: only {factor:.0%} of the tokens (or of the parameters, where there are "
        "experts) can have been processed at the MFU claimed.",
        figures,
    )


def too_low(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """Hours far beyond what so many FLOPs take."""
    mfu = implied.mfu
    if mfu is None or mfu >= LEAST_OF_A_RUN:
        return
    fast, slow = ((implied.ideal_chip_seconds or 0) / share for share in reversed(ORDINARY))
    yield Finding(
        "misleading",
        "hours cover more than the run",
        f"{written(implied.flops)} FLOPs in {in_hours(implied.chip_seconds)} of chip time are "
        f"{mfu:.1%} of the peak; at 20 to 50 % they take {in_hours(fast)} to {in_hours(slow)}. The "
        f"hours cover other work too, or the data was read {ORDINARY[0] / mfu:.2g} to "
        f"{ORDINARY[1] / mfu:.2g} times.",
        {"mfu": mfu, "least_of_a_run": LEAST_OF_A_RUN},
    )


def ordinary(claim: Claim, implied: Implied) -> Iterator[Finding]:
    """Says that an MFU is as runs have it, so that a verdict never stands without numbers."""
    if implied.mfu is not None and LEAST_OF_A_RUN <= implied.mfu <= MOST_OF_A_RUN:
        yield Finding(
            "note",
            "MFU",
            f"{written(implied.flops)} FLOPs in {in_hours(implied.chip_seconds)} of chip time are "
            f"{implied.mfu:.1%} of the dense {claim.number_format} peak; published runs lie "
            "between 10 and 57 %, most between 20 and 50 %.",
            {"mfu": implied.mfu},
        )
    share = claim.mfu or _rate_share(claim, implied)
    if implied.mfu is None and share is not None and share <= MOST_OF_A_STEP:
        yield Finding(
            "note",
            "MFU",
            f"{share:.1%} of the peak is claimed; published steps reach up to 72 %. Whether the "
            "run did needs its parameters, tokens, chips and hours.",
            {"claimed_mfu": share},
        )


def _rate_share(claim: Claim, implied: Implied) -> float | None:
    """FLOP/s claimed of a chip over its dense peak."""
    return ratio(claim.flops_per_second, implied.peak)
