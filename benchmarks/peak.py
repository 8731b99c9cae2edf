"""The most this machine computes in a second: large matrix products in fp32 and in int8.

It is measured with the runtime that isoflop uses, in the same run as the work it is compared
with, because a rented processor's speed changes from hour to hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

SIZE = 2048  # large enough that one product takes tens of milliseconds
REPEATS = 12


def flops_per_second() -> dict[str, float]:
    """Operations (multiplications and additions) per second of the best of several products."""
    return {"fp32": _best(_fp32()), "int8": _best(_int8())}


def _best(product: Callable[[], object]) -> float:
    product()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(seconds)


def _fp32() -> Callable[[], object]:
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((2, SIZE, SIZE), np.float32)
    return _product("MatMul", TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT, left, right)


def _int8() -> Callable[[], object]:
    generator = np.random.default_rng(0)
    left = generator.integers(0, 255, (SIZE, SIZE), np.uint8)
    right = generator.integers(-127, 127, (SIZE, SIZE), np.int8)
    types = TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
    return _product("MatMulInteger", *types, left, right)


def _product(
    operator: str,
    left_type: int,
    right_type: int,
    out_type: int,
    left: np.ndarray,
    right: np.ndarray,
) -> Callable[[], object]:
    """A session that multiplies by a constant matrix, as a layer of a network does."""
    graph = helper.make_graph(
        [helper.make_node(operator, ["left", "right"], ["out"])],
        "product",
        [helper.make_tensor_value_info("left", left_type, [SIZE, SIZE])],
        [helper.make_tensor_value_info("out", out_type, [SIZE, SIZE])],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"left": left})
