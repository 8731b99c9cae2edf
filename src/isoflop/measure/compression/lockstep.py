"""Predictions of a model for several stretches of a text, one token of each at a time.

The encoder and the decoder call the very same functions on tensors of the very same shapes, on
one thread. Reading a growing prefix, or all at once, rounds differently, and one different bit
spoils all that follows.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch

from isoflop.lm.causal import CausalModel
from isoflop.measure.compression.adaptive import Document, Floats
from isoflop.measure.windows import Integers, default_window

MOST_STREAMS = 64
TOKENS_PER_STREAM = 2048  # more are faster; each begins without anything before it
MOST_WINDOW = 2048
# Given evenly to all tokens, so that none is near impossible and the coder, which has 24 bits of
# precision, codes what was predicted.
EVEN_SHARE = 1e-3
PROBED = (1, MOST_STREAMS)
PROBED_STEPS = 6


def streams_for(tokens: int) -> int:
    """Stretches in which a text of so many tokens is read."""
    return min(MOST_STREAMS, max(1, tokens // TOKENS_PER_STREAM))


def spans(tokens: int, streams: int) -> list[slice]:
    """Where each stretch of a text lies; the first ones may be one token longer."""
    short, more = divmod(tokens, streams)
    starts = [place * short + min(place, more) for place in range(streams + 1)]
    return [slice(a, b) for a, b in pairwise(starts)]


class Lockstep:
    """A model that reads several stretches at once, each token when it is known.

    The model's cache holds a window; when it is full, the later half is read again into an empty
    one, so every token but the first of a stretch has between half a window and a window before
    it.

    Attributes:
        window: Tokens the cache holds.
        nats: Minus the log-probability of the tokens so far; what an ideal coder would need.
    """

    def __init__(self, model: CausalModel, streams: int, *, adaptive: bool = True) -> None:
        self.model, self.streams = model, streams
        self.window = min(default_window(model), MOST_WINDOW)
        self.document = Document(streams, use=adaptive)
        self.nats = 0.0
        first = 0 if model.beginning is None else model.beginning
        self._read = np.full((streams, 1), first, np.int64)  # what the cache holds, and the next
        self._cache = model.new_cache(streams, self.window)
        self._own: Floats = np.empty((0, 0))

    def predictions(self) -> Floats:
        """Of the next token of each stretch, (streams, V); they sum to 1 within rounding."""
        if self._read.shape[1] > self.window:
            self._read = np.ascontiguousarray(self._read[:, -max(1, self.window // 2) :])
            self._cache = self.model.new_cache(self.streams, self.window)
            unread = self._read
        else:
            unread = self._read[:, -1:]
        tokens = torch.from_numpy(np.ascontiguousarray(unread))
        logits = self.model.logits(tokens, cache=self._cache, last=True)[:, -1]
        own = torch.softmax(logits, -1).numpy().astype(np.float64)
        self._own = own * (1 - EVEN_SHARE) + EVEN_SHARE / own.shape[1]
        return self.document.mixed(self._own.copy())

    def came(self, tokens: Integers, mixed: Floats) -> None:
        """Tell which tokens came, (streams or fewer,), those of the first stretches."""
        rows = np.arange(len(tokens))
        self.nats -= float(np.log(mixed[rows, tokens]).sum())
        self.document.learn(tokens, self._own[rows, tokens])
        next_tokens = np.zeros((self.streams, 1), np.int64)
        next_tokens[: len(tokens), 0] = tokens
        self._read = np.concatenate([self._read, next_tokens], axis=1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, whatever was set, so that sums are taken in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fingerprint(model: CausalModel) -> bytes:
    """A hash of the bits this model's predictions have on this machine, 8 bytes.

    Another processor, library or set of weights gives another one.
    """
    digest = hashlib.blake2b(digest_size=8)
    with one_thread():
        for streams in PROBED:
            lockstep = Lockstep(model, streams, adaptive=False)
            lockstep.window = min(lockstep.window, PROBED_STEPS - 1)
            for step in range(PROBED_STEPS):
                digest.update(lockstep.predictions().astype(np.float32).tobytes())
                tokens = (np.arange(streams) * 7919 + step * 104729) % model.vocabulary
                lockstep.came(tokens, np.ones((streams, model.vocabulary)))
    return digest.digest()
