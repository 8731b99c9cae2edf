"""How int8 is calibrated and checked against fp32, on texts written for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from isoflop.search.bert_graph import Bert, Ranges
from isoflop.search.calibration_texts import TEXTS
from isoflop.search.openvino_quietly import core, openvino


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration texts and what fp32 makes of them.

    Attributes:
        inputs: Embedded texts, each (tokens, width); some are full windows of many texts.
        means: (texts, width), the mean of each text's last hidden state.
        ranges: What the values to be quantised reached.
    """

    inputs: list[np.ndarray]
    means: np.ndarray
    ranges: Ranges

    @classmethod
    def run(
        cls, bert: Bert, tokenizer: np.ndarray, words: np.ndarray, places: np.ndarray, most: int
    ) -> "Calibration":
        """Compute the texts in fp32.

        Args:
            bert: Without ranges.
            tokenizer: The contents of tokenizer.json, as uint8.
            words: (vocabulary, width).
            places: (positions, width).
            most: Tokens of a full window.
        """
        inputs = [words[ids] + places[: len(ids)] for ids in _windows(tokenizer, most)]
        means: list[np.ndarray] = []
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        observing = core().compile_model(bert.graph(observe=True), "CPU", running(1))
        for embedded in inputs:
            outputs = observing(_feed(embedded))
            means.append(outputs["rows"][0].mean(axis=0))
            for name in bert.observed:
                low, high = (outputs[f"{name}/{end}"].copy() for end in ("low", "high"))
                lowest, highest = found.get(name, (low, high))
                found[name] = (np.minimum(low, lowest), np.maximum(high, highest))
        return cls(inputs, np.stack(means), found)


def running(threads: int) -> dict[str, Any]:
    """How graphs are compiled and run: one text per thread, so that no thread waits for another."""
    return {
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # of what is not int8; bf16 would be the default
        "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
    }


def compiled(model: openvino.Model) -> np.ndarray:
    """The graph compiled for this processor, as uint8, which `loaded` takes."""
    blob = core().compile_model(model, "CPU", running(1)).export_model()
    return np.frombuffer(blob.getvalue(), np.uint8)


def loaded(blob: np.ndarray, threads: int) -> Any:
    """A compiled graph ready to run on so many threads."""
    return core().import_model(openvino.Tensor(blob), "CPU", running(threads))


def fidelity(calibration: Calibration, any_length: np.ndarray, full_length: np.ndarray) -> float:
    """Mean cosine between the means of compiled graphs and those of fp32."""
    graphs = loaded(any_length, 1), loaded(full_length, 1)
    most = max(len(embedded) for embedded in calibration.inputs)
    cosines = []
    for embedded, expected in zip(calibration.inputs, calibration.means, strict=True):
        rows = graphs[len(embedded) == most](_feed(embedded))["rows"][0]
        found = rows.mean(axis=0)
        cosines.append(found @ expected / np.linalg.norm(found) / np.linalg.norm(expected))
    return float(np.mean(cosines))


def _windows(tokenizer: np.ndarray, most: int) -> Iterator[list[int]]:
    """Token ids of each calibration text, then of full windows over all of them joined."""
    encode = Tokenizer.from_buffer(tokenizer.tobytes())
    encode.no_padding()
    encode.no_truncation()
    for text in TEXTS:
        yield encode.encode(text).ids[:most]
    joined = encode.encode("\n".join(TEXTS)).ids
    while len(joined) < most:
        joined = joined + joined
    for start in range(0, len(joined) - most + 1, most):
        yield joined[start : start + most]


def _feed(embedded: np.ndarray) -> dict[str, np.ndarray]:
    mask = np.zeros((1, 1, 1, len(embedded)), np.float32)
    return {"embedded": embedded[None], "mask": mask}
