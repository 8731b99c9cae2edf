"""Deployment: a model on chips, in some number format, run by some engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from isoflop.architecture import Architecture
from isoflop.errors import UsageError, did_you_mean
from isoflop.machine import Accelerator
from isoflop.plan.engines import Engine
from isoflop.plan.flops import parameters

# Bytes of one stored weight, scales included: NVFP4 and int4 keep 8 or 16 bits for 16 or 32
# weights; Q4_K_M is llama.cpp's mixture (4.92 GB for the 8.03e9 parameters of Llama 3 8B).
BYTES: Mapping[str, float] = {
    "fp32": 4,
    "bf16": 2,
    "fp16": 2,
    "fp8": 1,
    "int8": 1,
    "fp4": 0.5625,
    "int4": 0.5625,
    "q4_k_m": 0.613,
}
WITH_TABLES = ("q4_k_m",)  # embedding and head are in that mixture; else they keep 16 bits at least
# Formats in which activations are quantised too, so that products run at the format's own rate.
# The others are weight-only: they are widened to 16 bits before they are multiplied.
MULTIPLIED_IN: Mapping[str, tuple[str, ...]] = {
    "fp32": ("tf32", "fp32"),
    "fp8": ("fp8", "bf16", "fp16", "fp32"),
    "fp4": ("fp4", "bf16", "fp16", "fp32"),
}
HALF = ("bf16", "fp16", "fp32")
# A matrix product reaches this share of a peak where nobody measured the chip: the median of the
# catalog's measured ones (MAMF of stas00/ml-engineering, 744d01e).
MATMUL_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Deployment:
    """One copy of a model.

    Attributes:
        architecture: Of the model.
        chip: Of which kind.
        engine: What runs it.
        weights: Number format of the weights, a key of `BYTES`.
        cache: Number format of keys and values.
        tensor_parallel: Chips that share each layer.
        data_parallel: Groups of such chips that share the experts, each with sequences of its own.
        pipeline: Groups of such chips that hold successive layers.
    """

    architecture: Architecture
    chip: Accelerator
    engine: Engine
    weights: str = "bf16"
    cache: str = "bf16"
    tensor_parallel: int = 1
    data_parallel: int = 1
    pipeline: int = 1

    def __post_init__(self) -> None:
        for name in ("tensor_parallel", "data_parallel", "pipeline"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in (self.weights, self.cache):
            if name not in BYTES:
                raise UsageError(f"No number format called {name!r}.{did_you_mean(name, BYTES)}")

    @property
    def chips(self) -> int:
        """Chips of one copy."""
        return self.tensor_parallel * self.data_parallel * self.pipeline

    @property
    def other_weights(self) -> str:
        """Format of matrices outside the experts.

        Published four-bit checkpoints with experts (gpt-oss, Kimi K2, NVIDIA's DeepSeek-R1) keep
        attention and shared matrices in 16 bits.
        """
        four_bits = BYTES[self.weights] < 1
        return "bf16" if four_bits and self.architecture.experts else self.weights

    @property
    def weight_bytes(self) -> float:
        """Of all weights of one copy, in one group of chips."""
        return self._expert_bytes + self._other_bytes

    @property
    def weight_bytes_per_chip(self) -> float:
        """Experts are shared out among all chips, the rest among those of one group."""
        group = self.tensor_parallel * self.pipeline
        return (self._expert_bytes / self.data_parallel + self._other_bytes) / group

    @property
    def table_bytes(self) -> float:
        """Of one weight of the embedding or the output head."""
        own = BYTES[self.weights]
        return own if self.weights in WITH_TABLES else max(2.0, own)

    @property
    def _expert_bytes(self) -> float:
        return routed_parameters(self.architecture) * BYTES[self.weights]

    @property
    def _other_bytes(self) -> float:
        a = self.architecture
        tables = a.vocabulary * a.width * (2 if a.tied is False else 1)
        others = parameters(a) - routed_parameters(a) - tables
        return others * BYTES[self.other_weights] + tables * self.table_bytes

    def cache_ways(self, sequences: float = 1) -> float:
        """Among how many chips of a group the cache of so many sequences is shared out.

        Heads of keys and values are; where there are fewer than chips they are copied, and the
        single vector of latent attention is on every chip.
        """
        a = self.architecture
        heads = 1 if a.latent else a.kv_heads or a.heads
        ways = heads * (sequences if self.engine.spread_cache else 1)
        return min(self.tensor_parallel, ways)

    def multiply_rate(self, weights: str) -> float:
        """FLOP/s of one chip's matrix products with weights of this format.

        Raises:
            UsageError: If the catalog knows no peak of the chip.
        """
        name, peaks = self._multiplied_in(weights), self.chip.flops_per_second
        peak = peaks[name]
        if self.engine.half_sums and name in ("bf16", "fp16") and self.chip.vendor == "NVIDIA":
            peak = max(peak, peaks.get("int8", 0) / 2)  # int8 is twice fp16 summed in fp16
        return peak * _reached(self.chip, name)

    @property
    def peak(self) -> float:
        """FLOP/s of one chip by its data sheet, in the format that weights are multiplied in."""
        return self.chip.flops_per_second[self._multiplied_in(self.weights)]

    def _multiplied_in(self, weights: str) -> str:
        for name in MULTIPLIED_IN.get(weights, HALF):
            if name in self.chip.flops_per_second:
                return name
        raise UsageError(f"No peak is known of {self.chip.name}, so nothing can be forecast on it.")

    @property
    def bandwidth(self) -> float:
        """Bytes per second of one chip's memory.

        Raises:
            UsageError: If it is not known.
        """
        if self.chip.bytes_per_second is None:
            raise UsageError(f"The memory bandwidth of {self.chip.name} is not known.")
        return self.chip.bytes_per_second


def routed_parameters(a: Architecture) -> int:
    """Entries of all routed experts of all layers; 0 where there are none."""
    if (e := a.experts) is None:
        return 0
    idle = a.expert_layer_parameters - a.active_expert_layer_parameters
    return a.expert_layers * idle * e.count // max(1, e.count - e.active)


def _reached(chip: Accelerator, name: str) -> float:
    """Share of the peak that measured products reached, in this format or in bf16."""
    measured = chip.achievable_flops_per_second or {}
    for known in (name, "bf16"):
        if known in measured and known in chip.flops_per_second:
            return min(1.0, measured[known] / chip.flops_per_second[known])
    return MATMUL_SHARE
