"""Joules, grams of CO2e and litres of water: chips x seconds x watts under load, hosts, cooling."""

import math
from dataclasses import dataclass
from typing import Literal

from isoflop.estimate import Estimate
from isoflop.machine import Accelerator, Machine

Load = Literal["training", "prefill", "decode", "idle"]

# Power of a chip over the limit on its data sheet.
# Training: median of the runs whose chips were metered (StarCoder 0.70, GPT-NeoX 0.63, Olmo 3
# 0.89), 2026-11-24, benchmarks.plan_energy; none of them rises with MFU between 0.26 and 0.31.
# Decode: H100 in the ML.ENERGY benchmark, version 3 (2026): 300 W of 700 with one sequence, 600 W
# with 128, as vllm-semantic-router.com/docs/fleet-sim/power-model quotes it. An H200 with few
# sequences draws 137 to 300 W of 700 (arXiv:2605.11999, 2026-05-12): hence the wide interval.
TRAINING_SHARE = 0.70
DECODE_SHARE = 300 / 700
BUSY_SHARE = 600 / 700  # many sequences at once, and prefill
BUSY_BATCH = 128
IDLE_SHARE = 0.10  # recalled, not checked: 50 W of an A100's 400, 70 W of an H100's 700

# Where the energy of a median text prompt goes at Google (arXiv:2508.15734, 2025-08-21): chips,
# hosts, machines kept ready, cooling and power supply. Their sum is 1.01 by rounding.
PROMPT_CHIPS, PROMPT_HOSTS, PROMPT_READY, PROMPT_COOLING = 0.58, 0.25, 0.10, 0.08
READY_SHARE = PROMPT_READY / (PROMPT_CHIPS + PROMPT_HOSTS)  # beside each machine that serves
# Processors, memory, network and fans, over the chip's limit: 0.25 / 0.58 of a chip at 0.70. They
# draw it whether the chip computes or waits.
HOST_SHARE = 0.30

# 80 % intervals. Published runs count between 0.6 and 1.1 of chips x limit; whole nodes of eight
# H100 draw up to 7.75 kW at hard work, 1.38 of it (arXiv:2506.14551, 2025-06-17).
LIMIT_LOW, LIMIT_HIGH = 0.65, 1.38
OPERATOR_FACTOR = 1.15  # the same chip in other runs of the operator that published its power
# Data sets of grid intensity differ by up to 20 % for the same country and year.
GRID_FACTOR = 1.2

# Making them (ecologits 2d0a1c7, 2025-11, from BoaviztAPI): an H100, and the rest of an
# eight-chip server, written off over three years in use. Other chips are taken to be alike.
EMBODIED_CHIP_GRAMS, EMBODIED_HOST_GRAMS, CHIPS_PER_HOST = 164e3, 5.7e6, 8
LIFE_SECONDS = 3 * 365.2425 * 86400
EMBODIED_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Energy:
    """What a machine takes in a time; what cannot be known is None.

    Attributes:
        chips: Joules of the accelerators alone.
        machine: Joules with hosts and network, without cooling: the joules of a Bill.
        building: Joules with cooling and power supply, as a meter of the building counts.
        grams_co2e: Of the building's joules, on the grid where it stands (location-based).
        embodied_grams_co2e: Share of making the machine; not in `grams_co2e`.
    """

    chips: Estimate | None
    machine: Estimate | None
    building: Estimate | None
    grams_co2e: Estimate | None
    embodied_grams_co2e: Estimate | None


def load_share(load: Load, batch: float = 1) -> float:
    """Power of a chip at this work, over its limit.

    Args:
        load: What it does.
        batch: Sequences written at once, for "decode"; power rises with its logarithm.

    Raises:
        ValueError: If `batch` is less than 1.
    """
    if batch < 1:
        raise ValueError(f"decoding needs batch >= 1, got batch={batch}")
    if load == "decode":
        filled = min(1.0, math.log(batch) / math.log(BUSY_BATCH))
        return DECODE_SHARE + (BUSY_SHARE - DECODE_SHARE) * filled
    return {"training": TRAINING_SHARE, "prefill": BUSY_SHARE, "idle": IDLE_SHARE}[load]


def chip_watts(accelerator: Accelerator, load: Load = "training", batch: float = 1) -> float | None:
    """Power of one chip without its host; None if nothing is known of it."""
    if load == "idle" and accelerator.idle_watts is not None:
        return accelerator.idle_watts
    limit = _limit(accelerator)
    return None if limit is None else limit * load_share(load, batch)


def machine_watts(
    accelerator: Accelerator, load: Load = "training", batch: float = 1
) -> Estimate | None:
    """Power of one chip with its part of the host, before cooling; None if nothing is known.

    In training, chip (0.70 of its limit) and host (0.30) come to the limit on the data sheet. An
    operator's published average of whole machines takes its place where there is one.

    Args:
        accelerator: The chip.
        load: What it does.
        batch: Sequences written at once, for "decode".
    """
    chip, limit = chip_watts(accelerator, load, batch), _limit(accelerator)
    if chip is None or limit is None:
        return None
    watts = chip + HOST_SHARE * limit
    if accelerator.training_watts is not None:
        return Estimate.within(watts, OPERATOR_FACTOR)
    return Estimate(watts * LIMIT_LOW, watts, watts * LIMIT_HIGH)


def energy(
    machine: Machine,
    seconds: float | Estimate,
    *,
    load: Load = "training",
    batch: float = 1,
) -> Energy:
    """What the whole machine takes in so much wall time.

    Args:
        machine: Chips, their number, grid and PUE.
        seconds: Wall time, or an estimate of it, whose interval is then carried on.
        load: What the chips do.
        batch: Sequences written at once, for "decode".

    Returns:
        Joules and grams with intervals.

    Raises:
        ValueError: If `seconds` is negative.

    Source:
        Patterson et al. 2021, arXiv:2104.10350, equation 1: hours x chips x average watts x PUE.
    """
    time = seconds if isinstance(seconds, Estimate) else Estimate.exact(seconds)
    if time.low < 0:
        raise ValueError(f"time cannot be negative: seconds={time.low}")
    watts = machine_watts(machine.accelerator, load, batch)
    alone = chip_watts(machine.accelerator, load, batch)
    if watts is None or alone is None:
        return Energy(None, None, None, None, embodied_grams(machine, time))
    whole = watts * time * machine.count
    building = whole * machine.power_usage_effectiveness
    return Energy(
        chips=whole * (alone / watts.value),
        machine=whole,
        building=building,
        grams_co2e=grid_grams(machine, building),
        embodied_grams_co2e=embodied_grams(machine, time),
    )


def grid_grams(machine: Machine, building: Estimate | None) -> Estimate | None:
    """Carbon of joules at the building's meter; None if they or the grid are unknown."""
    if building is None or machine.grams_co2e_per_joule is None:
        return None
    intensity = Estimate.within(machine.grams_co2e_per_joule, GRID_FACTOR, "assumed")
    return building * intensity


def embodied_grams(machine: Machine, seconds: Estimate) -> Estimate | None:
    """Carbon of making the machine, for this part of its life; None for processor cores."""
    if machine.accelerator.bytes is None:
        return None
    grams = EMBODIED_CHIP_GRAMS + EMBODIED_HOST_GRAMS / CHIPS_PER_HOST
    rate = machine.count * grams / LIFE_SECONDS
    return seconds * Estimate.within(rate, EMBODIED_FACTOR, "assumed")


def answer_joules(
    machine: Machine, *, prefill_seconds: float, decode_seconds: float, batch: float = 1
) -> Estimate | None:
    """Energy of one answer where others are answered beside it, without cooling.

    Prompt tokens are in it: reading them is most of the work of a long context. Machines kept
    ready are too, as measured at Google; with cooling the chips' energy is multiplied by 1.72.

    Args:
        machine: The chips that hold one copy of the model.
        prefill_seconds: The machine's time to read this prompt.
        decode_seconds: The machine's time to write this answer alone: the step times divided by
            the sequences that shared them.
        batch: Sequences that shared a step.

    Source:
        Elsworth et al. 2025, arXiv:2508.15734, for hosts and machines kept ready.
    """
    reading = energy(machine, prefill_seconds, load="prefill").machine
    writing = energy(machine, decode_seconds, load="decode", batch=batch).machine
    if reading is None or writing is None:
        return None
    return (reading + writing) * (1 + READY_SHARE)


def _limit(accelerator: Accelerator) -> float | None:
    """What shares refer to: the power of a machine in training, per chip."""
    return accelerator.watts if accelerator.training_watts is None else accelerator.training_watts
