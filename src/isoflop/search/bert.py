"""The BERT encoder that runs without torch, on all cores, with vectors that never vary.

A text is padded by itself to the next multiple of `STEP` tokens and computed together only with
texts of that same padded length. So its vector is the same to the last bit whatever it is encoded
with, and an interrupted index equals an undisturbed one.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from isoflop.architecture import Architecture
from isoflop.plan.flops import forward_flops
from isoflop.search.bert_graph import MASKED
from isoflop.search.encoder import Encoded
from isoflop.search.prepared import RECIPE, Prepared
from isoflop.search.quantize import loaded

STEP = 16  # tokens: shorter steps pad less, longer ones give fewer shapes to compile
BATCH_TOKENS = 512  # computed at once by a thread: more no longer fits into its cache
WINDOW = 2048  # texts tokenised and sorted by length at once, which bounds memory


@dataclass(frozen=True, slots=True)
class _Batch:
    """Texts of one padded length: their places in the input, and their token ids."""

    places: list[int]
    ids: list[list[int]]
    length: int


class BertEncoder:
    """A BERT-family sentence encoder: token vectors, pooled and scaled to unit length."""

    def __init__(self, prepared: Prepared, name: str, threads: int | None) -> None:
        self.name = f"{name}:{prepared.arithmetic}:{RECIPE}"
        self._shape = prepared.description.architecture
        self.architecture: Architecture | None = self._shape
        self.width = self._shape.width
        self.max_tokens = prepared.description.max_tokens
        self._pooling = prepared.description.pooling
        self._words, self._places = prepared.words, prepared.places
        self._tokenizer: Tokenizer = Tokenizer.from_buffer(prepared.tokenizer.tobytes())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._threads = threads or _cores()
        self._any_length = _Graph(prepared.any_length, self._threads)
        self._one_text = _Graph(
            prepared.any_length, 1
        )  # loads sooner, for a process that asks once
        self._full_length = _Graph(prepared.full_length, self._threads)
        self._last: tuple[str, _Batch, np.ndarray] | None = None

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One unit vector per text, the mean over its tokens; bit-equal in whatever company."""
        vectors = np.empty((len(texts), self.width), np.float32)
        tokens = padded = 0
        flops = 0.0
        for batch, rows in self._computed(texts):
            for place, ids, row in zip(batch.places, batch.ids, rows, strict=True):
                pooled = row[: len(ids)].mean(axis=0) if self._pooling == "mean" else row[0]
                vectors[place] = pooled / np.linalg.norm(pooled)
            tokens += sum(len(ids) for ids in batch.ids)
            padded += len(batch.ids) * batch.length
            flops += forward_flops(self._shape, [batch.length] * len(batch.ids))
        return Encoded(vectors, tokens, padded, flops)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """First and one past the last character of every token: nothing added, nothing cut."""
        encoding = self._tokenizer.encode(_encodable(text), add_special_tokens=False)
        offsets: list[tuple[int, int]] = encoding.offsets
        return offsets

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (tokens, width) float32 rows of unit length, special tokens included."""
        found: dict[int, np.ndarray] = {}
        for batch, rows in self._computed(texts):
            for place, ids, row in zip(batch.places, batch.ids, rows, strict=True):
                kept = row[: len(ids)]
                found[place] = kept / np.linalg.norm(kept, axis=1, keepdims=True)
        return [found[place] for place in range(len(texts))]

    def _computed(self, texts: Sequence[str]) -> Iterator[tuple[_Batch, np.ndarray]]:
        """Each batch with its (batch, length, width) rows, valid until the next is taken.

        One more batch is under way than there are threads, so that all threads work while the
        rows of the oldest are read.
        A single text is a question, which is embedded first and then looked at token by token:
        what was computed of the last one is kept.
        """
        alone = texts[0] if len(texts) == 1 else None
        last = self._last
        if last is not None and alone == last[0]:
            yield last[1], last[2]
            return
        running: deque[tuple[_Batch, _Graph, Any]] = deque()
        for batch in self._batches(texts):
            if len(running) > self._threads:
                yield from _finished(running.popleft())
            running.append((batch, *self._start(batch, alone=alone is not None)))
        while running:
            for batch, rows in _finished(running.popleft()):
                if alone is not None:
                    self._last = (alone, batch, rows.copy())
                yield batch, rows

    def _batches(self, texts: Sequence[str]) -> Iterator[_Batch]:
        """Longest first, so that no thread is left with a long text at the end."""
        for start in range(0, len(texts), WINDOW):
            ids = self._token_ids(texts[start : start + WINDOW])
            groups: dict[int, list[int]] = {}
            for place, one in enumerate(ids):
                groups.setdefault(self._padded(len(one)), []).append(place)
            for length, members in sorted(groups.items(), reverse=True):
                most = max(1, BATCH_TOKENS // length) if length < self.max_tokens else 1
                for first in range(0, len(members), most):
                    batch = members[first : first + most]
                    places = [start + place for place in batch]
                    yield _Batch(places, [ids[place] for place in batch], length)

    def _padded(self, tokens: int) -> int:
        return min(-(-tokens // STEP) * STEP, self.max_tokens)

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """With special tokens; a text that is too long loses its end but not its end token."""
        encodings = self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])
        most = self.max_tokens
        return [
            ids if len(ids := encoding.ids) <= most else [*ids[: most - 1], ids[-1]]
            for encoding in encodings
        ]

    def _start(self, batch: _Batch, *, alone: bool) -> "tuple[_Graph, Any]":
        """Begin to compute a batch. The graph depends on the length alone, as do the vectors."""
        ids = np.zeros((len(batch.ids), batch.length), np.int32)
        mask = np.full((len(batch.ids), 1, 1, batch.length), MASKED, np.float32)
        for row, one in enumerate(batch.ids):
            ids[row, : len(one)] = one
            mask[row, 0, 0, : len(one)] = 0
        embedded = self._words[ids] + self._places[: batch.length]
        if batch.length == self.max_tokens:
            graph = self._full_length
        else:
            graph = self._one_text if alone else self._any_length
        request = graph.take()
        request.start_async({"embedded": embedded, "mask": mask})
        return graph, request


def _finished(running: tuple[_Batch, "_Graph", Any]) -> Iterator[tuple[_Batch, np.ndarray]]:
    """Wait for a batch; once its rows are read, its request is free for another."""
    batch, graph, request = running
    request.wait()
    yield batch, request.get_tensor("rows").data
    graph.give(request)


class _Graph:
    """A compiled graph, loaded when it is first needed, and its requests that are idle."""

    def __init__(self, blob: np.ndarray, threads: int) -> None:
        self._blob, self._threads = blob, threads
        self._compiled: Any = None
        self._idle: deque[Any] = deque()

    def take(self) -> Any:
        """A request that computes nothing, and that nobody else will take until it is given."""
        try:
            return self._idle.popleft()
        except IndexError:
            return self._graph().create_infer_request()

    def give(self, request: Any) -> None:
        """Hand back a request whose rows have been read."""
        self._idle.append(request)

    def _graph(self) -> Any:
        if self._compiled is None:
            self._compiled = loaded(self._blob, self._threads)
        return self._compiled


def _encodable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced one for one."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
