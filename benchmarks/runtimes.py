"""The same encoder in other arithmetics and by ONNX Runtime: why it is computed as it is.

    pip install onnx onnxruntime
    python -m benchmarks.runtimes --rounds 3

One thread, passages of 256 tokens, processor time, rounds interleaved. ONNX Runtime gets a graph
made by hand of its fused operators (MultiHeadAttention, SkipLayerNormalization and, for int8,
MatMulIntegerToFloat), the best of several that were tried. Fidelity is the cosine to fp32.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from benchmarks import data, machine
from isoflop.search import checkpoint, weights
from isoflop.search.bert_graph import Bert, Ranges
from isoflop.search.openvino_quietly import openvino
from isoflop.search.quantize import Calibration, running

PACKAGES = ("isoflop", "numpy", "onnx", "onnxruntime", "openvino")
INSTALLED = ("openvino", "onnxruntime", "onnx")
TOKENS, BATCH = 256, 4
Run = Callable[[np.ndarray], np.ndarray]  # (batch, tokens, width) embedded -> last hidden state


def main() -> None:
    """Measure, save and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--passages", type=int, default=24)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    folder = weights.locate(weights.MINILM)
    tokenizer = np.fromfile(folder / "tokenizer.json", np.uint8)
    description = checkpoint.describe(folder)
    tensors = checkpoint.tensors(folder / checkpoint.WEIGHTS)
    bert = Bert(tensors, description.architecture, description.epsilon)
    words = tensors["embeddings.word_embeddings.weight"]
    places = tensors["embeddings.position_embeddings.weight"]
    places = places + tensors["embeddings.token_type_embeddings.weight"][0]
    ranges = Calibration.run(bert, tokenizer, words, places, TOKENS).ranges
    encode = Tokenizer.from_buffer(tokenizer.tobytes())
    encode.no_padding()
    encode.no_truncation()
    ids = [encode.encode(text).ids for text in data.even_passages(chosen.passages, encode)]
    embedded = words[np.array(ids)] + places[:TOKENS]
    ways = _ways(bert, ranges)
    result = {
        "machine": machine.describe(PACKAGES),
        "installed_bytes": {name: installed_bytes(name) for name in INSTALLED},
        "threads": 1,
        "tokens": TOKENS,
        "ways": compare(ways, embedded, chosen.rounds),
    }
    print(f"saved {machine.save('runtimes', result)}")
    for name, one in result["ways"].items():
        print(
            f"{name:34} {one['processor_milliseconds']:6.1f} ms a passage, "
            f"load {one['load_seconds']:.2f} s, "
            f"cosine {one['cosine_mean']:.4f} (least {one['cosine_least']:.4f})"
        )


def _ways(bert: Bert, ranges: Ranges) -> dict[str, Callable[[], Run]]:
    """What is compared; each is called once to load it."""
    int8 = Bert(bert.tensors, bert.shape, bert.epsilon, ranges)
    return {
        "OpenVINO fp32": lambda: _openvino(bert.graph()),
        "OpenVINO int8": lambda: _openvino(int8.graph()),
        "OpenVINO int8, fixed length": lambda: _openvino(int8.graph(TOKENS)),
        "OpenVINO int8 and bf16": lambda: _openvino(int8.graph(), "bf16"),
        "OpenVINO int8 and bf16, fixed": lambda: _openvino(int8.graph(TOKENS), "bf16"),
        "ONNX Runtime fp32": lambda: _onnx(bert, None, "fp32"),
        "ONNX Runtime int8, fixed scales": lambda: _onnx(bert, ranges, "fixed"),
        "ONNX Runtime int8, dynamic scales": lambda: _onnx(bert, None, "dynamic"),
        "ONNX Runtime MatMulNBits": lambda: _onnx(bert, None, "blocks"),
    }


def compare(
    ways: dict[str, Callable[[], Run]], embedded: np.ndarray, rounds: int
) -> dict[str, dict[str, Any]]:
    """Median processor time of a passage, load time, and cosine to the first way."""
    loaded, result = {}, {}
    for name, load in ways.items():
        start = time.process_time()
        loaded[name] = load()
        result[name] = {"load_seconds": time.process_time() - start}
    expected = _vectors(next(iter(loaded.values())), embedded)
    for name, run in loaded.items():
        cosines = (_vectors(run, embedded) * expected).sum(axis=1)
        result[name] |= {"cosine_mean": float(cosines.mean()), "cosine_least": float(cosines.min())}
    seconds: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(rounds):
        for name, run in loaded.items():
            start = time.process_time()
            for first in range(0, len(embedded), BATCH):
                run(embedded[first : first + BATCH])
            seconds[name].append((time.process_time() - start) / len(embedded))
    for name, found in seconds.items():
        result[name]["processor_milliseconds"] = 1e3 * statistics.median(found)
        result[name]["rounds"] = found
    return result


def _vectors(run: Run, embedded: np.ndarray) -> np.ndarray:
    rows = [run(embedded[at : at + BATCH]) for at in range(0, len(embedded), BATCH)]
    means = np.concatenate(rows).mean(axis=1)
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


def installed_bytes(package: str) -> int:
    """Size of an installed package's folder."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return sum(
        path.stat().st_size for path in Path(spec.origin).parent.rglob("*") if path.is_file()
    )


def _openvino(model: openvino.Model, precision: str = "f32") -> Run:
    settings = running(1) | {"INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    one = not compiled.inputs[0].get_partial_shape().is_dynamic

    def run(embedded: np.ndarray) -> np.ndarray:
        batches = np.split(embedded, len(embedded)) if one else [embedded]
        rows = []
        for batch in batches:
            mask = np.zeros((len(batch), 1, 1, batch.shape[1]), np.float32)
            rows.append(request.infer({"embedded": batch, "mask": mask})["rows"].copy())
        return np.concatenate(rows)

    return run


def _onnx(bert: Bert, ranges: Ranges | None, kind: str) -> Run:
    graph = _OnnxGraph(bert, ranges, kind)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.serialised(), options, providers=["CPUExecutionProvider"]
    )

    def run(embedded: np.ndarray) -> np.ndarray:
        rows: np.ndarray = session.run(None, {"embedded": embedded})[0]
        return rows

    return run


class _OnnxGraph:
    """BERT in ONNX Runtime's own operators; its products by `kind`."""

    def __init__(self, bert: Bert, ranges: Ranges | None, kind: str) -> None:
        self._bert, self._ranges, self._kind = bert, ranges, kind
        self._nodes: list[Any] = []
        self._constants: dict[str, np.ndarray] = {}

    def serialised(self) -> bytes:
        heads = self._bert.shape.heads
        x = self._add(
            "LayerNormalization",
            ["embedded", *self._norm("embeddings.LayerNorm")],
            domain="",
            epsilon=self._bert.epsilon,
        )
        for layer in range(self._bert.shape.layers):
            name = f"encoder.layer.{layer}"
            parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
            mixed = self._add("MultiHeadAttention", self._products(x, parts), num_heads=heads)
            (attended,) = self._products(mixed, [f"{name}.attention.output.dense"])
            x = self._residual(x, attended, f"{name}.attention.output.LayerNorm")
            (inner,) = self._products(x, [f"{name}.intermediate.dense"])
            active = self._add("Gelu", [inner], domain="")
            (fed,) = self._products(active, [f"{name}.output.dense"])
            x = self._residual(x, fed, f"{name}.output.LayerNorm")
        self._nodes.append(helper.make_node("Identity", [x], ["rows"]))
        sizes = ["batch", "tokens", self._bert.shape.width]
        ends = [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, sizes) for n in ("embedded", "rows")
        ]
        constants = [numpy_helper.from_array(v, n) for n, v in self._constants.items()]
        graph = helper.make_graph(self._nodes, "bert", ends[:1], ends[1:], constants)
        domains = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=9)
        serialised: bytes = model.SerializeToString()
        return serialised

    def _products(self, x: str, names: list[str]) -> list[str]:
        if self._kind == "fixed":
            return self._fixed(x, names)
        return [getattr(self, f"_{self._kind}")(x, name) for name in names]

    def _fp32(self, x: str, name: str) -> str:
        matrix, bias = self._layer(name)
        product = self._add("MatMul", [x, self._constant(f"{name}/w", matrix)], domain="")
        return self._add("Add", [product, self._constant(f"{name}/b", bias)], domain="")

    def _dynamic(self, x: str, name: str) -> str:
        matrix, bias = self._layer(name)
        return self._add(
            "DynamicQuantizeMatMul",
            [x, *self._int8(name, matrix), "", self._constant(f"{name}/b", bias)],
        )

    def _blocks(self, x: str, name: str) -> str:
        matrix, bias = self._layer(name)
        rows, columns = matrix.shape
        blocks = matrix.T.reshape(columns, rows // 32, 32)
        scale = np.abs(blocks).max(axis=2) / 127
        levels = np.clip(np.round(blocks / scale[..., None]) + 128, 0, 255).astype(np.uint8)
        given = [x, self._constant(f"{name}/w", levels), self._constant(f"{name}/s", scale.ravel())]
        given += ["", "", self._constant(f"{name}/b", bias)]
        return self._add(
            "MatMulNBits", given, K=rows, N=columns, bits=8, block_size=32, accuracy_level=4
        )

    def _fixed(self, x: str, names: list[str]) -> list[str]:
        assert self._ranges is not None
        low, high = (
            float(f(end)) for f, end in zip((np.min, np.max), self._ranges[names[0]], strict=True)
        )
        step = (high - low) / 255
        scale = self._constant(f"{names[0]}/scale", np.float32(step))
        zero = self._constant(f"{names[0]}/zero", np.uint8(round(-low / step)))
        quantised = self._add("QuantizeLinear", [x, scale, zero], domain="")
        outputs = []
        for name in names:
            matrix, bias = self._layer(name)
            integers, steps = self._int8(name, matrix)
            given = [quantised, integers, scale, steps, zero, "", self._constant(f"{name}/b", bias)]
            outputs.append(self._add("MatMulIntegerToFloat", given))
        return outputs

    def _int8(self, name: str, matrix: np.ndarray) -> list[str]:
        scale = np.abs(matrix).max(axis=0) / 127
        integers = np.round(matrix / scale).astype(np.int8)
        return [self._constant(f"{name}/w", integers), self._constant(f"{name}/s", scale)]

    def _layer(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self._bert.tensors[f"{name}.weight"].T.copy(), self._bert.tensors[f"{name}.bias"]

    def _norm(self, name: str) -> list[str]:
        parts = (f"{name}.weight", f"{name}.bias")
        return [self._constant(part, self._bert.tensors[part]) for part in parts]

    def _residual(self, x: str, y: str, name: str) -> str:
        given = [x, y, *self._norm(name)]
        return self._add("SkipLayerNormalization", given, epsilon=self._bert.epsilon)

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self._constants[name] = np.asarray(value)
        return name

    def _add(
        self, operator: str, given: list[str], domain: str = "com.microsoft", **more: Any
    ) -> str:
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, given, [output], domain=domain, **more))
        return output


if __name__ == "__main__":
    main()
