"""Layout: how the work of a training step is divided among chips."""

import math
from dataclasses import dataclass, replace
from typing import Self

from isoflop.machine import Accelerator
from isoflop.plan.flops import Recompute

# Chips that share the fast link; beyond them is the network. Vendors' pages of the systems: DGX and
# HGX boards hold 8 (the default), NVL72 racks 72, DGX-2 16, TPU pods as Google Cloud lists them.
NODE_CHIPS = {
    "gb200": 72, "gb300": 72, "v100-sxm3": 16, "trainium2": 16,
    "tpu-v2": 256, "tpu-v3": 1024, "tpu-v4": 4096, "tpu-v5e": 256, "tpu-v5p": 8960,
    "tpu-v6e": 256, "tpu-7x": 9216,
}  # fmt: skip
DEFAULT_NODE_CHIPS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """How a step is divided.

    Attributes:
        chips: In all; a multiple of `tensor` x `pipeline`.
        tensor: Chips that share each matrix (Megatron's tensor parallelism).
        pipeline: Stages that the layers are cut into.
        interleave: Pieces of the model each stage holds (virtual stages); 1 for plain 1F1B.
        sharding: ZeRO stage over the data-parallel group: 0 nothing, 1 optimizer states, 2 also
            gradients, 3 also weights (FSDP's full shard).
        microbatch: Sequences that a data-parallel rank works on at once.
        accumulation: Microbatches of a rank in one step.
        recompute: Activations computed again on the way back.
        sequence_parallel: Norms and residuals divided over `tensor` too.
        offload: Optimizer states kept and updated in the host's memory.
        half_reduce: Gradients summed over ranks in 16 bits rather than 32.
    """

    chips: int = 1
    tensor: int = 1
    pipeline: int = 1
    interleave: int = 1
    sharding: int = 0
    microbatch: int = 1
    accumulation: float = 1
    recompute: Recompute = "none"
    sequence_parallel: bool = False
    offload: bool = False
    half_reduce: bool = False

    def __post_init__(self) -> None:
        for name in ("chips", "tensor", "pipeline", "interleave", "microbatch", "accumulation"):
            if getattr(self, name) < 1:
                raise ValueError(f"a layout needs {name} >= 1, got {getattr(self, name)}")
        if self.chips % (self.tensor * self.pipeline):
            raise ValueError(
                f"{self.chips} chips cannot be divided into {self.tensor} tensor x "
                f"{self.pipeline} pipeline"
            )
        if self.sharding not in (0, 1, 2, 3):
            raise ValueError(f"sharding is a ZeRO stage from 0 to 3, got {self.sharding}")

    @property
    def data(self) -> int:
        """Data-parallel ranks: copies of the model, whole or sharded."""
        return self.chips // (self.tensor * self.pipeline)

    @property
    def sequences(self) -> float:
        """Of one step, over all ranks."""
        return self.microbatch * self.accumulation * self.data

    @property
    def bubble(self) -> float:
        """Time the pipeline waits, over the time it works.

        Source:
            Narayanan et al. 2021, arXiv:2104.04473, section 2.2: (p - 1) / (m v).
        """
        return (self.pipeline - 1) / (self.accumulation * self.interleave)

    def with_batch(self, sequences: float) -> Self:
        """The same layout with so many sequences a step, at least one microbatch a rank."""
        each = sequences / (self.data * self.microbatch)
        return replace(self, accumulation=max(1.0, each))

    def __str__(self) -> str:
        parts = [f"data {self.data}"]
        if self.tensor > 1:
            parts.append(f"tensor {self.tensor}")
        if self.pipeline > 1:
            parts.append(f"pipeline {self.pipeline}")
        if self.interleave > 1:
            parts.append(f"interleave {self.interleave}")
        if self.sharding:
            parts.append(f"ZeRO-{self.sharding}")
        parts.append(f"microbatch {self.microbatch} x {_short(self.accumulation)}")
        parts.append(f"recompute {self.recompute}")
        return ", ".join(parts)


def node_chips(accelerator: Accelerator) -> int:
    """Chips that share the fast link of this one."""
    for prefix, chips in NODE_CHIPS.items():
        if accelerator.name.startswith(prefix):
            return chips
    return DEFAULT_NODE_CHIPS


def nodes(accelerator: Accelerator, chips: int) -> int:
    """Nodes (boards, racks or pods) that so many chips fill."""
    return math.ceil(chips / node_chips(accelerator))


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"
