"""Numbers too small for the usual format, with which processors compute very slowly."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def subnormals_as_zero() -> Iterator[None]:
    """Within, float32 below 1.2e-38 is zero, if the processor can; also a decorator.

    ALiBi gives distant tokens weights of e^-88 and less. Products with those took a third of the
    backward pass of its attention, though they change no sum that anyone sees. It holds for this
    thread and for those that torch first starts within.
    """
    before = sys.float_info.min / 2 == 0  # Python's own numbers follow the same switch
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
