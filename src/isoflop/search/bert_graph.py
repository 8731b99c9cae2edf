"""A BERT encoder as an OpenVINO graph, built from its tensors: no torch, no exporter, no network.

In int8 every matrix product with weights takes 8-bit inputs with one fixed scale per product, so
a row's result depends on that row alone and never on its batch. Fixed scales are coarse where a
few channels are far larger than the others (28 against a median of 2 before the feed-forward
layers of MiniLM). Each input channel is therefore divided by a factor that its weights are
multiplied by, which moves the difficulty to the weights, where every row has its own scale.
Queries and keys are 8-bit too, which loses nothing measurable; attention shares are not, since
over 256 tokens most of them would round to nought. The rest stays in fp32: bf16 would not be
faster here, and OpenVINO 2026.4 computes wrong bf16 products on processors without AMX.

Source:
    Xiao et al. 2022, SmoothQuant, arXiv:2211.10438, equation 4. For bf16 openvinotoolkit/openvino
    issue 38256, seen here too (fixed shapes, all attention in bf16: cosine 0.27).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from isoflop.architecture import Architecture
from isoflop.search.openvino_quietly import openvino, operators

# Chosen on XQuAD paragraphs and other texts: with 0.5 the mean cosine to fp32 is 0.984, with 0.8
# it is 0.998, with 1.0 texts unlike those of the calibration fall to 0.97.
SMOOTHING = 0.8
HEADROOM = 1.2  # ranges beyond those met in calibration, so that unusual text is not clipped
GELU_FLOOR = 0.17  # just below the minimum of GELU, -0.16997: adding it makes the input unsigned
MASKED = -1e9  # added to the attention scores of padding

Ranges = Mapping[str, tuple[np.ndarray, np.ndarray]]  # name -> lowest, highest by channel


@dataclass(slots=True)
class Bert:
    """The tensors and sizes of one checkpoint, and how its products are computed.

    Attributes:
        tensors: By the names of BERT's checkpoint, without a prefix; matrices are (out, in).
        shape: Sizes of the model.
        epsilon: Of the layer normalisations.
        ranges: Of what is quantised, as a graph built with `observe` reports it; None for fp32.
        observed: What a graph quantises, by name, once it is built.
    """

    tensors: Mapping[str, np.ndarray]
    shape: Architecture
    epsilon: float
    ranges: Ranges | None = None
    observed: dict[str, openvino.Output] = field(default_factory=dict)

    def graph(self, tokens: int = -1, *, observe: bool = False) -> openvino.Model:
        """The graph from embedded tokens to the last hidden state.

        Args:
            tokens: Fixed length for one text at a time; -1 for any length and batch.
            observe: Whether to add the lowest and highest value of each channel of what is
                quantised, as outputs named `NAME/low` and `NAME/high`.

        Returns:
            From `embedded` (batch, tokens, width), the sum of word, position and segment
            vectors, and `mask` (batch, 1, 1, tokens), 0 or `MASKED`, to `rows` (batch, tokens,
            width); all float32.
        """
        batch = -1 if tokens < 0 else 1
        embedded = _input("embedded", [batch, tokens, self.shape.width])
        mask = _input("mask", [batch, 1, 1, tokens])
        x = self._norm(embedded.output(0), "embeddings.LayerNorm")
        for layer in range(self.shape.layers):
            name = f"encoder.layer.{layer}"
            attended = self._attention(x, mask.output(0), f"{name}.attention")
            x = self._norm(_add(x, attended), f"{name}.attention.output.LayerNorm")
            fed = self._feed_forward(x, name)
            x = self._norm(_add(x, fed), f"{name}.output.LayerNorm")
        results = [_result(x, "rows"), *(self._extremes() if observe else [])]
        return openvino.Model(results, [embedded, mask], "bert")

    def _attention(self, x: openvino.Output, mask: openvino.Output, name: str) -> openvino.Output:
        products = [f"{name}.self.{part}" for part in ("query", "key", "value")]
        query, key, value = self._products(x, products)
        query, key = (
            self._limited(part, of) for part, of in zip((query, key), products[:2], strict=True)
        )
        query = self._heads(query, [0, 2, 1, 3])  # (B, H, T, D)
        key = self._heads(key, [0, 2, 3, 1])  # (B, H, D, T)
        value = self._heads(value, [0, 2, 1, 3])
        scale = _constant(np.float32((self.shape.width // self.shape.heads) ** -0.5))
        scores = operators.multiply(operators.matmul(query, key, False, False), scale)
        shares = operators.softmax(operators.add(scores, mask), -1)  # (B, H, T, T)
        mixed = operators.matmul(shares, value, False, False)
        rows = operators.transpose(mixed, _constant(np.array([0, 2, 1, 3])))
        joined = operators.reshape(rows, _constant(np.array([0, 0, self.shape.width])), True)
        return self._products(joined.output(0), [f"{name}.output.dense"])[0]

    def _feed_forward(self, x: openvino.Output, name: str) -> openvino.Output:
        inner = self._products(x, [f"{name}.intermediate.dense"])[0]
        active = operators.gelu(inner, "erf").output(0)  # (B, T, hidden)
        return self._products(active, [f"{name}.output.dense"], floor=GELU_FLOOR)[0]

    def _limited(self, x: openvino.Output, name: str) -> openvino.Output:
        """Queries or keys in 256 levels of one scale."""
        self.observed[f"{name}/result"] = x
        if self.ranges is None:
            return x
        limit = float(np.abs(self.ranges[f"{name}/result"]).max()) * HEADROOM
        return _levels(x, -limit * 128 / 127, limit)

    def _heads(self, x: openvino.Output, order: list[int]) -> openvino.Output:
        width = self.shape.width // self.shape.heads
        split = _constant(np.array([0, 0, self.shape.heads, width]))
        return operators.transpose(
            operators.reshape(x, split, True), _constant(np.array(order))
        ).output(0)

    def _norm(self, x: openvino.Output, name: str) -> openvino.Output:
        axes = _constant(np.array([2]))
        unit = operators.mvn(x, axes, True, self.epsilon, "INSIDE_SQRT")
        scaled = operators.multiply(unit, _row(self.tensors[f"{name}.weight"]))
        return operators.add(scaled, _row(self.tensors[f"{name}.bias"])).output(0)

    def _products(
        self, x: openvino.Output, names: Sequence[str], floor: float | None = None
    ) -> list[openvino.Output]:
        """Dense layers that share an input, which is quantised once.

        Args:
            x: (B, T, in).
            names: Of the layers.
            floor: If the input is never below -floor, adding it allows all 256 levels for the
                positive side; the layers' biases take it back.
        """
        self.observed[names[0]] = x
        matrices = [self.tensors[f"{name}.weight"] for name in names]
        biases = [self.tensors[f"{name}.bias"] for name in names]
        if self.ranges is None:
            return [_dense(x, _constant(m), b) for m, b in zip(matrices, biases, strict=True)]
        low, high = self.ranges[names[0]]
        reach = high + floor if floor else np.maximum(np.abs(low), np.abs(high))
        reach = np.maximum(reach, 1e-2) * HEADROOM
        divisor = _smoothing(reach, np.concatenate(matrices))
        quantised = _quantised(x, divisor, float((reach / divisor).max()), floor)
        layers = []
        for matrix, bias in zip(matrices, biases, strict=True):
            integers, scale = _rows_to_int8(matrix * divisor)
            if floor:
                bias = bias - floor * (integers * scale / divisor).sum(1)
            weights = operators.multiply(_constant_float(integers), _constant(scale))
            layers.append(_dense(quantised, weights, bias))
        return layers

    def _extremes(self) -> list[openvino.Output]:
        axes = _constant(np.array([0, 1]))
        outputs = []
        for name, x in self.observed.items():
            outputs.append(_result(operators.reduce_min(x, axes).output(0), f"{name}/low"))
            outputs.append(_result(operators.reduce_max(x, axes).output(0), f"{name}/high"))
        return outputs


def _smoothing(reach: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What to divide each input channel by, from its reach and its weights (out, in)."""
    weight = np.maximum(np.abs(matrix).max(0), 1e-5)
    return np.asarray(reach**SMOOTHING / weight ** (1 - SMOOTHING), np.float32)


def _quantised(
    x: openvino.Output, divisor: np.ndarray, limit: float, floor: float | None
) -> openvino.Output:
    """The input in 256 levels: 0 to limit above a floor, else -limit * 128 / 127 to limit."""
    if floor:
        x = operators.add(x, _constant(np.float32(floor))).output(0)
    x = operators.multiply(x, _row(1 / divisor)).output(0)
    return _levels(x, 0 if floor else -limit * 128 / 127, limit)


def _levels(x: openvino.Output, lowest: float, highest: float) -> openvino.Output:
    """Rounded to 256 levels between two values, and cut off beyond them."""
    low, high = _constant(np.float32(lowest)), _constant(np.float32(highest))
    return operators.fake_quantize(x, low, high, low, high, 256).output(0)


def _rows_to_int8(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers from -127 to 127 and one scale per row (out, 1), whose product is the matrix."""
    scale = np.abs(matrix).max(1, keepdims=True) / 127
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)


def _dense(x: openvino.Output, weights: openvino.Node, bias: np.ndarray) -> openvino.Output:
    return operators.add(operators.matmul(x, weights, False, True), _row(bias)).output(0)


def _add(x: openvino.Output, y: openvino.Output) -> openvino.Output:
    return operators.add(x, y).output(0)


def _row(values: np.ndarray) -> openvino.Node:
    return _constant(np.asarray(values, np.float32)[None, None])  # (1, 1, channels)


def _constant(value: np.ndarray | np.float32) -> openvino.Node:
    return operators.constant(np.asarray(value))


def _constant_float(integers: np.ndarray) -> openvino.Node:
    return operators.convert(_constant(integers), openvino.Type.f32)


def _input(name: str, sizes: Sequence[int]) -> openvino.Node:
    node = operators.parameter(list(sizes), openvino.Type.f32, name=name)
    node.output(0).set_names({name})
    return node


def _result(x: openvino.Output, name: str) -> openvino.Node:
    result = operators.result(x)
    result.output(0).set_names({name})
    return result
