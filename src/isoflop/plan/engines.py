"""Engines that serve models: what each adds to the chip's own time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """What serving software adds to the chip's own time.

    Attributes:
        name: As it is asked for.
        layer_seconds: Start and end of one layer's kernels, per layer and pass.
        sequence_seconds: Scheduling and sampling, per sequence and step.
        request_seconds: From a request's arrival to its first kernel, where it is served online.
        fused: Whether norms, activations and attention are fused into few kernels.
        chunk: Most prompt tokens read in one pass.
        spread_cache: Whether sequences are spread over the chips of tensor parallelism once there
            are more chips than heads of keys and values (Pope et al. 2022, section 3.3); else
            each chip keeps all of them.
        products: Share of a measured matrix product's rate it reaches.
    """

    name: str
    layer_seconds: float
    sequence_seconds: float = 0.0
    request_seconds: float = 0.0
    fused: bool = True
    chunk: int = 8192
    spread_cache: bool = False
    products: float = 0.84


# Fitted by `python -m benchmarks.plan_serving --fit` (2026-11-24) on the development rows; errors
# with chips, models and engines left out are in docs/explanation/serving.md.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine("vllm", 100e-6, 2e-6, 0.06),
        Engine("sglang", 91e-6, 2e-6, 0.29),
        Engine("tensorrt-llm", 71e-6, 2e-6, 0.20),
        Engine("tensorrt-llm-0.6", 163e-6),  # of 2023
        Engine("faster-transformer", 186e-6),
        Engine("gpt-fast", 74e-6),
        Engine("llama.cpp", 146e-6, fused=False, chunk=512, products=0.70),
        Engine("jax", 28e-6, spread_cache=True),
    )
}
