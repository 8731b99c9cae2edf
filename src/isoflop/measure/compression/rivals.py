"""What general-purpose compressors make of the same file, at their highest usual setting."""

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable
from typing import Any


def gzip_9(data: bytes) -> int:
    """Bytes that gzip -9 makes."""
    return len(gzip.compress(data, 9))


def bzip2_9(data: bytes) -> int:
    """Bytes that bzip2 -9 makes."""
    return len(bz2.compress(data, 9))


def xz_9(data: bytes) -> int:
    """Bytes that xz -9 makes."""
    return len(lzma.compress(data, preset=9))


def zstd_19(data: bytes) -> int | None:
    """Bytes that zstd -19 makes; None where no module has it (Python has one from 3.14 on)."""
    for name in ("compression.zstd", "backports.zstd"):
        if (module := _module(name)) is not None:
            return len(module.compress(data, level=19))
    return None


def brotli_11(data: bytes) -> int | None:
    """Bytes that brotli -q 11 makes; None where the package is not installed."""
    module = _module("brotli")
    return None if module is None else len(module.compress(data, quality=11))


RIVALS: dict[str, Callable[[bytes], int | None]] = {
    "gzip -9": gzip_9,
    "bzip2 -9": bzip2_9,
    "xz -9": xz_9,
    "zstd -19": zstd_19,
    "brotli -q 11": brotli_11,
}


def pays_from(rate: float, rival: float, model_bytes: int) -> float | None:
    """Bytes of text at which model and compressed text together are smaller than the rival's.

    Args:
        rate: Bits per byte with the model.
        rival: Bits per byte of the other compressor.
        model_bytes: Of the model, which the reader of the text needs too.

    Returns:
        None where the model never pays.
    """
    return 8 * model_bytes / (rival - rate) if rate < rival else None


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
