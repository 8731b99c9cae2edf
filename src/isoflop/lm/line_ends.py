"""Texts whose lines end in carriage return and newline, read by models that know newlines only."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


class CarriageReturns:
    """A model for texts in which every line ends in both; a `CausalModel`.

    Training texts have their line ends made newlines, so a model has never met the other kind and
    gives it next to no probability: alice29.txt costs 2.66 bits per byte as it is and 1.73 so. That
    all lines of a text end alike is one bit, and where it is known the return before each newline
    is certain: it is left out when the text is read, put back when it is written, and its byte is
    counted with the newline's.

    Attributes:
        inner: The model of texts with newlines.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._newlines: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, text: str) -> list[int]:
        """Tokens of the text without the returns."""
        ids: list[int] = self.inner.encode(text.replace("\r\n", "\n"))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, with a return before each newline."""
        text: str = self.inner.decode(ids)
        return text.replace("\n", "\r\n")

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each token stands for, the returns counted with the newlines."""
        lengths = self.inner.byte_lengths(ids)
        return [n + self._returns(id) for n, id in zip(lengths, ids, strict=True)]

    def _returns(self, id: int) -> int:
        if id not in self._newlines:
            self._newlines[id] = self.inner.decode([id]).count("\n")
        return self._newlines[id]


def without_returns(parts: Iterable[str]) -> Iterator[str]:
    """Parts of a text in which every line ends in both, with newlines only."""
    held = ""
    for part in parts:
        part = held + part
        held = part[-1:] if part.endswith("\r") else ""
        yield (part[:-1] if held else part).replace("\r\n", "\n")


def all_carriage_returns(text: bytes) -> bool:
    """Whether there is a line end, and each is a carriage return and a newline."""
    pairs = text.count(b"\r\n")
    return pairs > 0 and pairs == text.count(b"\n") == text.count(b"\r")


def file_has_carriage_returns(path: Path) -> bool:
    """As `all_carriage_returns`, of a file of any size; at the first line end of another kind it
    is known."""
    pairs, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            block = last + block
            last = block[-1:] if block.endswith(b"\r") else b""
            block = block[:-1] if last else block
            found = block.count(b"\r\n")
            if found != block.count(b"\n") or found != block.count(b"\r"):
                return False
            pairs += found
    return pairs > 0 and not last
