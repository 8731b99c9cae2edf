"""OpenVINO's runtime, without two things that it does unasked.

Its model converter reports every import to an analytics host. The runtime loads the converter if
it can and goes on if it cannot; a None in `sys.modules` says that it cannot. That keeps the promise
that nothing leaves the machine and starts 70 ms sooner.

Its plugin for processors leaves the thread that loads it with an alternate signal stack of 20 kB.
Where the registers of a processor take 11 kB (AMX), an interrupt then ran over its end, and Ctrl-C
ended in a segmentation fault. `core` puts back what was there before.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # None refuses it

import openvino  # type: ignore[import-untyped]  # noqa: E402  after the line above, which is the point of this module
from openvino import opset13 as operators  # noqa: E402

__all__ = ["core", "openvino", "operators", "signal_stack"]


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux; see sigaltstack(2)."""

    _fields_ = [("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def core() -> Any:
    """OpenVINO's core, its plugin for processors loaded, and the signal stack as it was."""
    made = openvino.Core()
    with _kept():
        made.get_property("CPU", "FULL_DEVICE_NAME")
    return made


def signal_stack() -> int:
    """Bytes of this thread's alternate signal stack; 0 where there is none, or no Linux."""
    if sys.platform != "linux":
        return 0
    held = _SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(held))
    return int(held.size)


@contextmanager
def _kept() -> Iterator[None]:
    """What happens inside leaves this thread's alternate signal stack as it was."""
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None), _SignalStack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)
