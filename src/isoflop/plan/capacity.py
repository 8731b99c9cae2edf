"""What fits into the memory of served chips: weights, cache, reserve, users."""

import math
from dataclasses import dataclass, replace

from isoflop.errors import UsageError
from isoflop.plan.deployment import BYTES, Deployment
from isoflop.plan.memory import kv_cache_bytes

# Engines leave this share of the memory to the driver, to activations and to fragmentation:
# vLLM's default gpu_memory_utilization is 0.9 (its documentation of engine arguments, 2026).
RESERVE_SHARE = 0.1
SMALLER = ("bf16", "fp8", "int8", "fp4", "int4", "q4_k_m")


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """Bytes of one chip, and how many sequences one copy of the model holds.

    Attributes:
        weights: Of the copy's weights, this chip's share.
        cache_per_sequence: Of one sequence's keys and values, this chip's share.
        reserve: Not to be used.
        memory: All there is.
        sequences: That fit at once, over the chips of the copy.
    """

    weights: float
    cache_per_sequence: float
    reserve: float
    memory: float
    sequences: int


def memory_map(d: Deployment, tokens: int, *, shared_tokens: int = 0) -> MemoryMap:
    """Memory of each chip of a deployment, for sequences of so many tokens.

    Args:
        d: The deployment.
        tokens: Prompt and output of one sequence at its end.
        shared_tokens: Of these, tokens whose keys and values all sequences share (a prefix).

    Raises:
        UsageError: If the memory of the chip is not known.
    """
    if d.chip.bytes is None:
        raise UsageError(
            f"The memory of {d.chip.name} is not known, so nothing can be placed. Give it: "
            "--memory 32e9."
        )
    a, share = d.architecture, 1 / (d.cache_ways(sequences=d.tensor_parallel) * d.pipeline)
    weights = d.weight_bytes_per_chip
    width = BYTES[d.cache]
    # states of recurrent layers are each sequence's own, whatever its first tokens
    prefix = kv_cache_bytes(a, shared_tokens, bytes_per_value=width)
    prefix -= kv_cache_bytes(a, 0, bytes_per_value=width)
    each = (kv_cache_bytes(a, tokens, bytes_per_value=width) - prefix) * share
    prefix *= share
    reserve = d.chip.bytes * RESERVE_SHARE
    room = d.chip.bytes - reserve - weights - prefix
    return MemoryMap(
        weights=weights,
        cache_per_sequence=each,
        reserve=reserve,
        memory=d.chip.bytes,
        sequences=max(0, math.floor(room / each)) * d.data_parallel if room > 0 else 0,
    )


def fewest_chips(d: Deployment, tokens: int, most: int = 1024) -> int | None:
    """Chips in tensor parallel, a power of two, that hold the weights and one sequence."""
    chips = 1
    while chips <= most:
        if memory_map(replace(d, tensor_parallel=chips, data_parallel=1), tokens).sequences:
            return chips
        chips *= 2
    return None


def refuse_if_too_large(d: Deployment, tokens: int) -> None:
    """Refuse a deployment that does not hold one sequence.

    Raises:
        UsageError: Saying how many chips, or which number format, would do.
    """
    found = memory_map(d, tokens)
    if found.sequences:
        return
    chips = fewest_chips(d, tokens)
    formats = [
        name
        for name in SMALLER
        if BYTES[name] < BYTES[d.weights] and memory_map(replace(d, weights=name), tokens).sequences
    ]
    ways = []
    if chips:
        ways.append(f"{chips} x {d.chip.name} with {d.weights} weights")
    if formats:
        ways.append(f"weights in {formats[0]} or fewer bits on these chips")
    raise UsageError(
        f"The model does not fit: {found.weights / 1e9:,.0f} GB of {d.weights} weights and "
        f"{found.cache_per_sequence / 1e9:,.1f} GB for a sequence of {tokens:,} tokens on each of "
        f"{d.chips} x {d.chip.name}, which leave {(found.memory - found.reserve) / 1e9:,.0f} GB. "
        + (f"It would fit with {', or '.join(ways)}." if ways else "Use chips with more memory.")
    )
