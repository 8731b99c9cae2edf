"""OpenVINO's runtime without its model converter, which reports every import to an analytics host.

The runtime loads the converter if it can and goes on if it cannot; a None in `sys.modules` says
that it cannot. That keeps the promise that nothing leaves the machine and starts 70 ms sooner.
"""

import sys

sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # None refuses it

import openvino  # type: ignore[import-untyped]  # noqa: E402  after the line above, which is the point of this module
from openvino import opset13 as operators  # noqa: E402

__all__ = ["openvino", "operators"]
