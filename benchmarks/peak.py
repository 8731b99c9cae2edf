"""The most this machine computes in a second: large matrix products in fp32 and in int8.

It is measured with the runtime that isoflop uses, in the same run as the work it is compared
with, because a rented processor's speed changes from hour to hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from isoflop.search.openvino_quietly import openvino, operators

ROWS, SIZE = 4096, 2048  # large enough that quantising the input and starting threads vanish
REPEATS = 6


def flops_per_second() -> dict[str, float]:
    """Operations (multiplications and additions) per second of the best of several products."""
    return {"fp32": _best(_product(int8=False)), "int8": _best(_product(int8=True))}


def _best(product: Callable[[], object]) -> float:
    product()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2 * ROWS * SIZE * SIZE / min(seconds)


def _product(*, int8: bool) -> Callable[[], object]:
    """A compiled product of an input with constant weights, as a layer of a network is."""
    generator = np.random.default_rng(0)
    given = operators.parameter([ROWS, SIZE], np.float32)
    values = generator.integers(-127, 128, (SIZE, SIZE)).astype(np.int8)
    left, weights = given, operators.convert(operators.constant(values), "f32")
    if int8:
        lowest, highest = np.float32(-1.28), np.float32(1.27)
        left = operators.fake_quantize(given, lowest, highest, lowest, highest, 256)
        weights = operators.multiply(weights, operators.constant(np.float32(0.01)))
    else:
        weights = operators.constant(values.astype(np.float32))
    # one number comes out, so that no large array is copied to Python
    product = operators.matmul(left, weights, transpose_a=False, transpose_b=True)
    whole = operators.reduce_max(product, operators.constant(np.array([0, 1])))
    core = openvino.Core()
    compiled = core.compile_model(
        openvino.Model([whole], [given], "product"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    request = compiled.create_infer_request()
    inputs = generator.uniform(-1, 1, (ROWS, SIZE)).astype(np.float32)
    return lambda: request.infer({0: inputs}, share_inputs=True)
