"""What general-purpose compressors make of the same file, at their highest usual setting."""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

READ_BYTES = 1 << 20
GZIP = 16 + zlib.MAX_WBITS  # zlib writes gzip's header and trailer


class Rival(Protocol):
    """A compressor that is given a file in parts."""

    def compress(self, data: bytes, /) -> bytes:
        """What it writes for the next part; may be nothing yet."""

    def flush(self) -> bytes:
        """The rest."""


class Brotli:
    """brotli's compressor with the names of the others."""

    def __init__(self, module: Any) -> None:
        self._own = module.Compressor(quality=11)

    def compress(self, data: bytes, /) -> bytes:
        """The next part."""
        made: bytes = self._own.process(data)
        return made

    def flush(self) -> bytes:
        """The rest."""
        made: bytes = self._own.finish()
        return made


def zstd_19() -> Rival | None:
    """zstd -19; None where no module has it (Python has one from 3.14 on)."""
    for name in ("compression.zstd", "backports.zstd"):
        if (module := _module(name)) is not None:
            made: Rival = module.ZstdCompressor(level=19)
            return made
    return None


def brotli_11() -> Rival | None:
    """brotli -q 11; None where the package is not installed."""
    module = _module("brotli")
    return None if module is None else Brotli(module)


RIVALS: dict[str, Callable[[], Rival | None]] = {
    "gzip -9": lambda: zlib.compressobj(9, wbits=GZIP),
    "bzip2 -9": lambda: bz2.BZ2Compressor(9),
    "xz -9": lambda: lzma.LZMACompressor(preset=9),
    "zstd -19": zstd_19,
    "brotli -q 11": brotli_11,
}


def sizes(parts: Iterable[bytes]) -> dict[str, int | None]:
    """Bytes that each compressor makes of a file, which is read once and never held whole.

    Args:
        parts: Of the file, in order.

    Returns:
        By compressor; None for one that is not installed.
    """
    rivals = {name: opened() for name, opened in RIVALS.items()}
    found = {name: 0 for name, rival in rivals.items() if rival is not None}
    for part in parts:
        for name, rival in rivals.items():
            if rival is not None:
                found[name] += len(rival.compress(part))
    for name, rival in rivals.items():
        if rival is not None:
            found[name] += len(rival.flush())
    return {name: found.get(name) for name in RIVALS}


def parts_of(file: Path) -> Iterator[bytes]:
    """A file, a megabyte at a time."""
    with file.open("rb") as opened:
        while part := opened.read(READ_BYTES):
            yield part


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
