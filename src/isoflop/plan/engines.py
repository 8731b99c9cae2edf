"""Engines that serve models: what each adds to the chip's own time."""

import math
from dataclasses import dataclass

# Shared by all engines with fused kernels; the rest of the fit is in `serving.MEASURED`.
FUSED_TRAFFIC = 60.6
PRODUCTS = 0.814
SEQUENCE_SECONDS = 6.0e-6


@dataclass(frozen=True, slots=True)
class Engine:
    """What serving software adds to the chip's own time.

    Attributes:
        name: As it is asked for.
        layer_seconds: Start and end of one layer's kernels, per layer and pass.
        sequence_seconds: Scheduling and sampling, per sequence and step.
        request_seconds: From a request's arrival to its first kernel, where it is served online.
        traffic: Bytes to and from memory per token, layer and unit of width, for norms,
            activations and residuals; more where kernels are not fused.
        widening_bytes: Moved per weight of four bits that is widened in memory before products
            of many tokens.
        chunk: Most prompt tokens read in one pass.
        products: Share of a measured matrix product's rate it reaches.
        most_bytes_per_second: That its kernels keep in flight from one chip's memory, however fast
            that is.
        half_sums: Whether products are summed in 16 bits, which GeForce chips do twice as fast.
        spread_cache: Whether sequences are spread over the chips of tensor parallelism once there
            are more chips than heads of keys and values (Pope et al. 2022, section 3.3); else
            each chip keeps all of them.
    """

    name: str
    layer_seconds: float
    sequence_seconds: float = 0.0
    request_seconds: float = 0.0
    traffic: float = FUSED_TRAFFIC
    widening_bytes: float = 0.0
    chunk: int = 8192
    products: float = PRODUCTS
    most_bytes_per_second: float = math.inf
    half_sums: bool = False
    spread_cache: bool = False


# Fitted by `python -m benchmarks.plan_serving_fit` (2026-11-24) on the development rows; errors
# with chips, models and engines left out are in docs/explanation/serving.md.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine("vllm", 83e-6, SEQUENCE_SECONDS, 0.06),
        Engine("sglang", 81e-6, SEQUENCE_SECONDS, 0.30),
        Engine("tensorrt-llm", 68e-6, SEQUENCE_SECONDS, 0.22),
        Engine("tensorrt-llm-0.6", 152e-6),  # of 2023
        Engine("faster-transformer", 169e-6),
        Engine("gpt-fast", 71e-6),
        Engine("jax", 63e-6, spread_cache=True),
        Engine(
            "llama.cpp", 110e-6,
            traffic=461, widening_bytes=5.2, chunk=512, products=0.678, half_sums=True,
            most_bytes_per_second=1.15e12,
        ),
    )
}  # fmt: skip
