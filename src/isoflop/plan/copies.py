"""How a model is laid on a machine: on as few chips as hold its weights and what it must keep."""

from dataclasses import replace

from isoflop.errors import IsoflopError, UsageError
from isoflop.machine import Machine
from isoflop.plan.capacity import RESERVE_SHARE
from isoflop.plan.deployment import BYTES, Deployment
from isoflop.plan.engines import ENGINES
from isoflop.plan.memory import kv_cache_bytes
from isoflop.workload import Workload


class CannotHold(IsoflopError):
    """A method whose text or weights do not fit; the message says what, by how much."""


def copy_of(
    w: Workload, tokens: float = 0, *, weights: str = "bf16", engine: str = "vllm"
) -> tuple[Deployment, Machine]:
    """The model on the fewest chips that hold it with so many tokens, and those chips.

    Args:
        w: Its architecture and machine.
        tokens: Whose keys and values are kept at once, over all sequences.
        weights: Number format.
        engine: What runs it.

    Raises:
        UsageError: If all chips together do not hold the weights.
        CannotHold: If they do, but not the keys and values beside them.
    """
    chips, free = 1, None
    while chips <= w.machine.count:
        d = Deployment(
            w.architecture, w.machine.accelerator, ENGINES[engine], weights, tensor_parallel=chips
        )
        free = room(d)
        if free is None or (free > 0 and free >= cache_bytes(d, tokens)):
            return d, replace(w.machine, count=chips)
        chips *= 2
    assert free is not None
    if free <= 0:
        raise UsageError(
            f"The weights take {d.weight_bytes / 1e9:,.0f} GB; {d.chips} x {d.chip.name} have "
            f"{(d.chip.bytes or 0) * d.chips / 1e9:,.0f} GB, of which 90 % can be used. Take more "
            "chips or a smaller model."
        )
    raise CannotHold(
        f"keys and values take {cache_bytes(d, tokens) / 1e9:,.0f} GB; {free / 1e9:,.0f} GB are "
        f"free on {d.chips} x {d.chip.name} beside the weights"
    )


def room(d: Deployment) -> float | None:
    """Bytes of all chips for keys and values; None where memory is the host's."""
    if d.chip.bytes is None:
        return None
    return ((1 - RESERVE_SHARE) * d.chip.bytes - d.weight_bytes_per_chip) * d.chips


def cache_bytes(d: Deployment, tokens: float) -> float:
    """Of the keys and values of so many tokens, over all chips, with the copies they keep."""
    whole = kv_cache_bytes(d.architecture, round(tokens), bytes_per_value=BYTES[d.cache])
    return whole * d.chips / d.cache_ways()
