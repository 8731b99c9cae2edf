"""A causal language model in this process: token ids in, logits out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, dtype
    from torch.nn import Module

    from isoflop.lm.model import Message


class CausalModel(Protocol):
    """What scoring, generating and structured prompting need of a model; ours or transformers'."""

    @property
    def name(self) -> str:
        """`scheme:path`, as the user writes it."""

    @property
    def context_tokens(self) -> int | None:
        """Tokens it can read at once; None where the position scheme sets no bound."""

    @property
    def vocabulary(self) -> int:
        """Width of its logits."""

    @property
    def parameters(self) -> int:
        """All parameters, embeddings included."""

    @property
    def beginning(self) -> int | None:
        """The token before a text, without which its first token has no probability."""

    @property
    def end(self) -> int | None:
        """The token after which nothing more is written."""

    @property
    def model(self) -> "Module":
        """The network itself: its weights say which model it is."""

    @property
    def ends(self) -> frozenset[int]:
        """All tokens after which nothing more is written."""

    @property
    def dtype(self) -> "dtype":
        """Of its weights."""

    @property
    def accepts_positions(self) -> bool:
        """Whether `logits` takes positions and a bias; without, rows cannot be padded."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added; special tokens written out in it are plain text."""

    def encode_messages(self, messages: "Sequence[Message]") -> list[int]:
        """Token ids of a conversation up to where the model's turn begins, its template applied."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each id stands for; of the ids of a text they add up to its bytes."""

    def forward_flops(self, tokens: int, past: int = 0) -> float | None:
        """FLOPs to read so many tokens after so many cached ones; None if not known."""

    def new_cache(self, batch: int, most: int) -> Any:
        """An empty cache for so many sequences of so many tokens, for `logits`."""

    def keep_rows(self, cache: Any, rows: list[int]) -> Any:
        """A cache of these rows of a batch, in this order."""

    def logits(
        self,
        tokens: "Tensor",
        *,
        positions: "Tensor | None" = None,
        bias: "Tensor | None" = None,
        cache: Any = None,
        last: bool = False,
    ) -> "Tensor":
        """Logits after each token, without gradients.

        Args:
            tokens: (B, T), int64.
            positions: (T,) or (B, T), int64; None to count on after the cache.
            bias: (B or 1, 1, T, S), float32, added to attention's scores over S cached and new
                tokens, causal mask included; None for plain causal attention.
            cache: From `new_cache`; these tokens are added to it.
            last: Whether only the last token's logits are wanted, (B, 1, V).

        Returns:
            (B, T, V), float32.
        """
