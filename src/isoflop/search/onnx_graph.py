"""A BERT encoder as an ONNX graph, built from its tensors: no torch, no exporter, no network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from isoflop.architecture import Architecture

OPSET = 20  # the first with Gelu


class _Graph:
    """Nodes and constants in the order they are added; values are known by name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def build(tensors: Mapping[str, np.ndarray], shape: Architecture, epsilon: float) -> bytes:
    """The encoder in fp32, serialised.

    Args:
        tensors: By the names of BERT's checkpoint, without a prefix.
        shape: Its sizes.
        epsilon: Of the layer normalisations.

    Returns:
        A model from `input_ids` and `mask` (both int64, (batch, tokens)) to `rows` (float32,
        (batch, tokens, width)), the last hidden state.
    """
    graph = _Graph()
    weight = {name: graph.constant(name, value) for name, value in tensors.items()}
    table = tensors["embeddings.position_embeddings.weight"]
    kinds = tensors["embeddings.token_type_embeddings.weight"]
    graph.constant("positions", table + kinds[0])

    def dense(x: str, name: str) -> str:
        matrix = graph.constant(f"{name}.transposed", tensors[f"{name}.weight"].T.copy())
        graph.constants.pop(f"{name}.weight")
        return graph.add("Add", graph.add("MatMul", x, matrix), weight[f"{name}.bias"])

    def norm(x: str, name: str) -> str:
        scale, bias = weight[f"{name}.weight"], weight[f"{name}.bias"]
        return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def heads(x: str, permutation: list[int]) -> str:
        return graph.add("Transpose", graph.add("Reshape", x, "split"), perm=permutation)

    width = shape.width // shape.heads
    graph.constant("split", np.array([0, 0, shape.heads, width], np.int64))
    graph.constant("join", np.array([0, 0, shape.width], np.int64))
    graph.constant("scale", np.array(width**-0.5, np.float32))
    graph.constant("one", np.array(1, np.float32))
    graph.constant("low", np.array(np.finfo(np.float32).min, np.float32))
    graph.constant("axes", np.array([1, 2], np.int64))
    mask = graph.add("Cast", graph.add("Unsqueeze", "mask", "axes"), to=TensorProto.FLOAT)
    bias = graph.add("Mul", graph.add("Sub", "one", mask), "low")  # (B, 1, 1, T)

    words = graph.add("Gather", weight["embeddings.word_embeddings.weight"], "input_ids")
    length = graph.add("Shape", "input_ids", start=1, end=2)
    graph.constant("zero", np.array([0], np.int64))
    places = graph.add("Slice", "positions", "zero", length)
    x = norm(graph.add("Add", words, places), "embeddings.LayerNorm")  # (B, T, W)
    for layer in range(shape.layers):
        name = f"encoder.layer.{layer}"
        query = heads(dense(x, f"{name}.attention.self.query"), [0, 2, 1, 3])  # (B, H, T, D)
        key = heads(dense(x, f"{name}.attention.self.key"), [0, 2, 3, 1])  # (B, H, D, T)
        value = heads(dense(x, f"{name}.attention.self.value"), [0, 2, 1, 3])
        scores = graph.add("Mul", graph.add("MatMul", query, key), "scale")  # (B, H, T, T)
        shares = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
        mixed = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
        attended = dense(graph.add("Reshape", mixed, "join"), f"{name}.attention.output.dense")
        x = norm(graph.add("Add", x, attended), f"{name}.attention.output.LayerNorm")
        inner = graph.add("Gelu", dense(x, f"{name}.intermediate.dense"))  # (B, T, hidden)
        x = norm(
            graph.add("Add", x, dense(inner, f"{name}.output.dense")), f"{name}.output.LayerNorm"
        )
    graph.nodes.append(helper.make_node("Identity", [x], ["rows"]))
    return _serialise(graph)


def _serialise(graph: _Graph) -> bytes:
    used = {name for node in graph.nodes for name in node.input}
    whole = helper.make_graph(
        graph.nodes,
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "mask")
        ],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "tokens", "width"])],
        [numpy_helper.from_array(v, k) for k, v in graph.constants.items() if k in used],
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
