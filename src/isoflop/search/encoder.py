"""What an encoder is: texts in, unit vectors out, and what was computed for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from isoflop.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of some texts, and what was computed for them.

    Attributes:
        vectors: (texts, width) float32 of unit length, in the order of the texts.
        tokens: In the texts as the encoder reads them, special tokens included.
        padded_tokens: Really processed, padding included.
        flops: Of the tokens really processed; None where a server computed them.
    """

    vectors: np.ndarray
    tokens: int
    padded_tokens: int
    flops: float | None


class Encoder(Protocol):
    """Anything that turns texts into vectors that can be compared by their dot product.

    Attributes:
        name: Identity of the vectors: two names differ if, and only if, the vectors may. On one
            machine with one set of packages they are then equal to the last bit; across
            machines, to rounding.
        width: Of a vector.
        max_tokens: Longest input, special tokens included; the rest of a text is not read.
        architecture: From which FLOPs are counted; None where a server does not tell.
    """

    name: str
    width: int
    max_tokens: int
    architecture: Architecture | None

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One unit vector per text; a vector does not depend on the other texts."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """First and one past the last character of every token: nothing added, nothing cut."""

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (tokens, width) float32 rows of unit length, special tokens included."""
