"""Texts to unit vectors: the Encoder protocol and the BERT encoder that runs without torch."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from safetensors.numpy import load_file
from tokenizers import Encoding, Tokenizer

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.search import onnx_graph, weights

STEP = 16  # a text is padded to the next multiple, by itself, whatever it is batched with
BATCH_TOKENS = 4096  # padded tokens computed at once: bounds memory, keeps the matrices large
WINDOW = 2048  # texts tokenised and sorted by length at once


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of some texts, and what was computed for them.

    Attributes:
        vectors: (texts, width) float32 of unit length, in the order of the texts.
        tokens: In the texts as the encoder reads them, special tokens included.
        padded_tokens: Really processed, padding included.
    """

    vectors: np.ndarray
    tokens: int
    padded_tokens: int


class Encoder(Protocol):
    """Anything that turns texts into vectors that can be compared by their dot product.

    Attributes:
        name: Identity of the vectors. Two names differ if, and only if, the vectors may.
        width: Of a vector.
        max_tokens: Longest input, special tokens included; the rest of a text is not read.
        architecture: From which FLOPs are counted.
    """

    name: str
    width: int
    max_tokens: int
    architecture: Architecture

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One unit vector per text; a vector does not depend on the other texts."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """First and one past the last character of every token: nothing added, nothing cut."""

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (tokens, width) float32 rows of unit length, special tokens included."""


def load(name: str = "minilm", *, threads: int | None = None) -> Encoder:
    """The encoder of that name, ready to use.

    Args:
        name: "minilm".
        threads: To compute with; None for every core this process may use.

    Raises:
        UsageError: If no encoder has that name.
        MissingWeights: If its weights are not on this machine, or not with the pinned hash.
    """
    if name != "minilm":
        raise UsageError(f"No encoder is called {name!r}. Did you mean minilm?")
    model = weights.pinned(name)
    return BertEncoder(weights.locate(model), "minilm", threads)


class BertEncoder:
    """A BERT-family sentence encoder: mean of the last hidden state, then unit length."""

    def __init__(self, folder: Path, name: str, threads: int | None) -> None:
        self.architecture = Architecture(
            6, 384, 12, 1536, 30522, causal=False, positions=512, segments=2, tied=None, biases=True
        )
        self.width, self.max_tokens = 384, 256
        self.name = f"{name}:53aa51172d14:fp32"
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        data = onnx_graph.build(load_file(folder / "model.safetensors"), self.architecture, 1e-12)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One unit vector per text, the mean over its tokens; bit-equal in whatever company."""
        vectors = np.empty((len(texts), self.width), np.float32)
        tokens = padded = 0
        for places, lengths, rows in self._rows(texts):
            for place, length, row in zip(places, lengths, rows, strict=True):
                mean = row[:length].mean(axis=0)
                vectors[place] = mean / np.linalg.norm(mean)
            tokens += sum(lengths)
            padded += rows.shape[0] * rows.shape[1]
        return Encoded(vectors, tokens, padded)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """First and one past the last character of every token: nothing added, nothing cut."""
        offsets: list[tuple[int, int]] = self._tokenizer.encode(
            text, add_special_tokens=False
        ).offsets
        return offsets

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (tokens, width) float32 rows of unit length, special tokens included."""
        found: list[np.ndarray] = [np.empty((0, self.width), np.float32)] * len(texts)
        for places, lengths, rows in self._rows(texts):
            for place, length, row in zip(places, lengths, rows, strict=True):
                found[place] = row[:length] / np.linalg.norm(row[:length], axis=1, keepdims=True)
        return found

    def _rows(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[int], np.ndarray]]:
        """Batches of one padded length: places in `texts`, lengths, (batch, tokens, width)."""
        for start in range(0, len(texts), WINDOW):
            ids = [
                self._ids(encoding)
                for encoding in self._tokenizer.encode_batch_fast(
                    list(texts[start : start + WINDOW])
                )
            ]
            groups: dict[int, list[int]] = {}
            for place, row in enumerate(ids):
                groups.setdefault(-(-len(row) // STEP) * STEP, []).append(place)
            for length, members in sorted(groups.items()):
                most = max(1, BATCH_TOKENS // length)
                for first in range(0, len(members), most):
                    batch = members[first : first + most]
                    yield (
                        [start + place for place in batch],
                        [len(ids[place]) for place in batch],
                        self._run([ids[place] for place in batch], length),
                    )

    def _ids(self, encoding: Encoding) -> list[int]:
        """Token ids with the special tokens, the end token kept where a long text is cut."""
        ids: list[int] = encoding.ids
        return ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]

    def _run(self, ids: list[list[int]], length: int) -> np.ndarray:
        input_ids = np.zeros((len(ids), length), np.int64)
        mask = np.zeros((len(ids), length), np.int64)
        for row, one in enumerate(ids):
            input_ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        rows: np.ndarray = self._session.run(["rows"], {"input_ids": input_ids, "mask": mask})[0]
        return rows
