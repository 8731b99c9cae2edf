"""The shape of a transformer: what parameters and FLOPs are counted from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a transformer.

    Attributes:
        layers: Blocks.
        width: Of the residual stream.
        heads: Query heads per layer.
        hidden: Width of the feed-forward layer.
        vocabulary: Tokens in the embedding table.
        kv_heads: Key and value heads; None for as many as `heads`.
        head_width: None for width / heads.
        gated: Whether the feed-forward layer has a gate (three matrices rather than two).
        causal: Whether a token attends only to those before it.
        positions: Rows of a learned position table; 0 for none.
        segments: Rows of a segment table (BERT); 0 for none.
        tied: Whether the output head shares the embedding table; None for no head (encoders).
        biases: Whether the matrices have biases.
    """

    layers: int
    width: int
    heads: int
    hidden: int
    vocabulary: int
    kv_heads: int | None = None
    head_width: int | None = None
    gated: bool = False
    causal: bool = True
    positions: int = 0
    segments: int = 0
    tied: bool | None = True
    biases: bool = False

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "hidden", "vocabulary"):
            if getattr(self, name) < 1:
                raise ValueError(f"an architecture needs {name} >= 1, got {getattr(self, name)}")

    @property
    def query_width(self) -> int:
        """Width of all queries of a layer together."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def kv_width(self) -> int:
        """Width of all keys (or all values) of a layer together."""
        return (self.kv_heads or self.heads) * (self.head_width or self.width // self.heads)

    @property
    def matrix_parameters_per_layer(self) -> int:
        """Entries of one layer's attention and feed-forward matrices, biases and norms left out."""
        attention = self.width * (2 * self.query_width + 2 * self.kv_width)
        return attention + (3 if self.gated else 2) * self.width * self.hidden
