"""Tokens to bits and back by a model's predictions."""

import constriction
import numpy as np

from isoflop.lm.causal import CausalModel
from isoflop.measure.compression.lockstep import Lockstep, spans
from isoflop.measure.windows import Integers

WORD = np.dtype("<u4")
CATEGORICAL = constriction.stream.model.Categorical(perfect=False)


def encode(model: CausalModel, tokens: Integers, streams: int) -> tuple[bytes, float]:
    """Code tokens, (N,), read in so many stretches.

    Returns:
        The bytes, and the bits that an ideal coder would have needed for the same predictions.
    """
    rows = [tokens[span] for span in spans(len(tokens), streams)]
    lockstep, coder = Lockstep(model, streams), constriction.stream.queue.RangeEncoder()
    for step in range(len(rows[0])):
        came = np.array([row[step] for row in rows if step < len(row)], np.int64)
        mixed = lockstep.predictions()
        coder.encode(came.astype(np.int32), CATEGORICAL, _sized(mixed, len(came)))
        lockstep.came(came, mixed)
    coded: bytes = coder.get_compressed().astype(WORD).tobytes()
    return coded, lockstep.nats / float(np.log(2))


def decode(model: CausalModel, coded: bytes, count: int, streams: int) -> Integers:
    """The tokens, (count,), that `encode` coded with the same model on the same machine."""
    lockstep = Lockstep(model, streams)
    coder = constriction.stream.queue.RangeDecoder(np.frombuffer(coded, WORD).astype(np.uint32))
    where = spans(count, streams)
    tokens = np.zeros(count, np.int64)
    starts = np.array([span.start for span in where])
    for step in range(where[0].stop - where[0].start):
        active = sum(step < span.stop - span.start for span in where)
        mixed = lockstep.predictions()
        came = coder.decode(CATEGORICAL, _sized(mixed, active)).astype(np.int64)
        tokens[starts[:active] + step] = came
        lockstep.came(came, mixed)
    return tokens


def _sized(mixed: np.ndarray, rows: int) -> np.ndarray:
    return np.ascontiguousarray(mixed[:rows], np.float32)
