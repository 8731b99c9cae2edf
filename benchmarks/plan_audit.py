"""Whether an audit finds what is wrong with claims, and leaves published runs alone.

Three sets: the rows of training_runs.csv as published; traps made from some of those rows, one
mistake each; and the row that is marked suspect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.facts import Row, facts, number
from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.plan.audit import Audit, audit
from isoflop.plan.claim import Claim, palm_flops_per_token

Trap = Callable[[Claim], Claim]


def claim(row: Row) -> Claim | None:
    """A row as a claim; a benchmark's step is a run of one step. None for an unknown chip."""
    try:
        chip = catalog.accelerator(row["chip"].lower())
    except UsageError:
        return None
    chips, step = number(row["n_chips"]), number(row["iter_seconds"])
    sequences, length = number(row["global_batch_seqs"]), number(row["seq_len"])
    tokens, hours = number(row["tokens"]), number(row["chip_hours"])
    if step and sequences and length and chips:
        tokens, hours = sequences * length, step * chips / 3600
    layers, width = number(row["layers"]), number(row["d_model"])
    active = number(row["params_active"])
    shape = (active, layers, width, length)
    energy, mfu, rate = (
        number(row[name]) for name in ("energy_MWh", "reported_MFU", "reported_TFLOPs_per_chip")
    )
    return Claim(
        parameters=number(row["params_total"]),
        active_parameters=active,
        flops_per_token=None if None in shape else palm_flops_per_token(*shape),  # type: ignore[arg-type]
        tokens=tokens,
        chip=chip,
        chips=chips,
        chip_seconds=hours * 3600 if hours else None,
        mfu=mfu / 100 if mfu else None,
        flops_per_second=rate * 1e12 if rate else None,
        dollars=number(row["cost_usd"]),
        joules=energy * 3.6e9 if energy else None,
        number_format=row["precision"] if row["precision"] in ("fp16", "bf16", "fp8") else "bf16",
        power_usage_effectiveness=number(row["PUE"]),
    )


def plain(made: Claim) -> Claim:
    """A claim of the four figures that every report has."""
    return Claim(
        parameters=made.parameters,
        active_parameters=made.active_parameters,
        tokens=made.tokens,
        chip=made.chip,
        chips=made.chips,
        chip_seconds=made.chip_seconds,
        number_format=made.number_format,
    )


def _grown(name: str, factor: float) -> Trap:
    return lambda c: replace(plain(c), **{name: getattr(c, name) * factor})


def _every_expert(c: Claim) -> Claim:
    return replace(plain(c), active_parameters=None)


def _steady(c: Claim) -> Claim:
    return replace(plain(c), mfu=1.3 * (audit(plain(c)).implied.mfu or 0))


def _sparse(c: Claim) -> Claim:
    peak = audit(plain(c)).implied.peak or 0
    return replace(plain(c), flops_per_second=1.4 * peak)


def _half_share(c: Claim) -> Claim:
    return replace(plain(c), mfu=0.5 * (audit(plain(c)).implied.mfu or 0))


def _epochs(c: Claim) -> Claim:
    mfu = audit(plain(c)).implied.mfu
    return replace(plain(c), tokens=(c.tokens or 0) / 3, mfu=mfu)


def _wall_hours(c: Claim) -> Claim:
    seconds = (c.chip_seconds or 0) / (c.chips or 1)
    return replace(plain(c), seconds=seconds, chip_seconds=seconds)


def _flops_of_every_expert(c: Claim) -> Claim:
    return replace(plain(c), flops=6 * (c.parameters or 0) * (c.tokens or 0))


def _forward_only(c: Claim) -> Claim:
    return replace(plain(c), flops=2 * (c.active_parameters or 0) * (c.tokens or 0))


def _dollars(c: Claim) -> Claim:
    price = c.chip.dollars_per_hour if c.chip else None
    return replace(plain(c), chip_seconds=None, chips=None, dollars=_ideal_dollars(c, price) / 5)


def _ideal_dollars(c: Claim, price: float | None) -> float:
    return (audit(plain(c)).implied.ideal_chip_seconds or 0) / 3600 * (price or 0)


def _energy(factor: float) -> Trap:
    def made(c: Claim) -> Claim:
        watts = (c.chip.watts if c.chip else None) or 0
        return replace(plain(c), joules=factor * watts * (c.chip_seconds or 0))

    return made


# What was done to a row, how it must be named, and the rows it was done to.
TRAPS: tuple[tuple[str, str, Trap, tuple[str, ...]], ...] = (
    ("a quarter of the chip-hours", "over peak", _grown("chip_seconds", 0.25), ("LLaMA-65B",)),
    ("a third of the chip-hours", "over peak", _grown("chip_seconds", 0.33), ("MPT-7B",)),
    ("the data set's 2.81T tokens", "data set size read as tokens processed",
     lambda c: replace(plain(c), tokens=2.81e12, mfu=0.565), ("LaMDA-137B",)),
    ("180B unique tokens, FLOP/s as reported",
     "hours cover more than the run, or tokens are the data set's",
     lambda c: replace(c, tokens=180e9), ("OPT-175B (LLaMA T15)",)),
    ("tokens of one epoch of three, MFU as it was",
     "hours cover more than the run, or tokens are the data set's", _epochs,
     ("BioMedLM-2.7B", "GPT-NeoX-20B")),
    ("MFU of undisturbed steps, 1.3 times", "steady-state MFU quoted for a whole run", _steady,
     ("Llama-2-70B", "Olmo-3-7B", "DeepSeek-67B")),
    ("eight times the hours", "hours cover more than the run", _grown("chip_seconds", 8),
     ("LLaMA-13B", "Pythia-6.9B", "llm.c GPT-2 124M")),
    ("FLOP/s over the dense peak", "sparse peak quoted as dense", _sparse,
     ("Llama-2-7B", "Llama-3-70B")),
    ("MFU of the sparse peak", "sparse peak quoted as dense", _half_share, ("Llama-2-34B",)),
    ("every expert counted, in parameters", "over peak", _every_expert, ("DeepSeek-V3",)),
    ("every expert counted, in FLOPs", "all parameters counted as active",
     _flops_of_every_expert, ("DeepSeek-V3", "Llama-4-Scout-109B-A17B")),
    ("the forward pass alone", "forward pass counted alone", _forward_only, ("LLaMA-7B",)),
    ("wall hours given as chip-hours", "hours disagree", _wall_hours, ("LLaMA-7B", "MPT-7B")),
    ("a fifth of the ideal price", "price below the ideal", _dollars, ("LLaMA-7B",)),
    ("five times the limit", "energy beyond the power limit", _energy(5), ("LLaMA-65B",)),
    ("a tenth of the limit", "energy below chips at work", _energy(0.1), ("LLaMA-65B",)),
)  # fmt: skip


def names(found: Audit) -> set[str]:
    """What was found to be wrong; notes are no alarm, unless the claim is impossible."""
    hard = found.verdict in ("impossible", "implausible")
    return {f.name for f in found.findings if hard or f.level != "note"}


def published() -> list[tuple[str, str, Audit, Audit]]:
    """Name, kind, audit of all that the row says, and of the four figures every report has."""
    made = [(row, claim(row)) for row in facts("training_runs.csv")]
    return [
        (row["name"], row["row_type"], audit(full), audit(plain(full)))
        for row, full in made
        if full is not None
    ]


def trapped() -> list[tuple[str, str, str, bool]]:
    """Row, what was done to it, how it must be named, and whether it was."""
    rows = {row["name"]: claim(row) for row in facts("training_runs.csv")}
    return [
        (row, done, name, name in names(audit(trap(rows[row]))))  # type: ignore[arg-type]
        for done, name, trap, on in TRAPS
        for row in on
    ]


def table() -> str:
    """What was caught, what was missed, and which published rows raise an alarm."""
    rows, traps = published(), trapped()
    lines = ["audit: rows that raise an alarm"]
    for name, kind, full, _ in rows:
        if full.verdict not in ("consistent", "unchecked"):
            wrong = [f for f in full.findings if f.level != "note"]
            lines.append(f"  {name} ({kind}): {full.verdict}")
            lines += [f"    {f.name}: {f.reason}" for f in wrong]
    good = [row for row in rows if row[1] != "suspect"]
    for title, place in (("all that the row says", 2), ("the four usual figures", 3)):
        checked = [row[place] for row in good if row[place].verdict != "unchecked"]  # type: ignore[union-attr, misc]
        alarms = sum(a.verdict != "consistent" for a in checked)
        lines.append(
            f"alarms on rows not marked suspect, {title}: {alarms} of {len(checked)} "
            f"({alarms / len(checked):.1%}; {len(good) - len(checked)} say too little; bar 5 %)"
        )
    suspect = [row for row in rows if row[1] == "suspect"]
    caught = sum(row[3].verdict in ("implausible", "impossible") for row in suspect)
    lines.append(f"suspect rows named, from the four usual figures: {caught} of {len(suspect)}")
    lines.append(f"traps named as they should be: {sum(t[3] for t in traps)} of {len(traps)}")
    lines += [f"  missed: {row}, {done} ({name})" for row, done, name, hit in traps if not hit]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
