"""Keys and values of tokens already read, in memory that is allocated once."""

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from isoflop.errors import UsageError

if TYPE_CHECKING:
    from isoflop.lm.transformer import Configuration


class KeyValueCache:
    """What attention keeps of earlier tokens, for all layers.

    Attributes:
        length: Tokens it holds.
        keys: (layers, B, Hkv, most, D of the keys).
        values: (layers, B, Hkv, most, D).
    """

    def __init__(self, keys: Tensor, values: Tensor, length: int = 0) -> None:
        self.keys, self.values, self.length = keys, values, length
        self._layers = list(zip(keys.unbind(), values.unbind(), strict=True))

    @classmethod
    def of(
        cls,
        configuration: "Configuration",
        batch: int,
        most: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Self:
        """An empty one.

        Args:
            configuration: Of the model.
            batch: Sequences.
            most: Tokens of a sequence it has room for.
            dtype: Of the model's weights.
            device: Of the model.
        """
        c = configuration
        shape = (c.layers, batch, c.kv_heads, most)
        keys = torch.zeros(*shape, c.cached_key_width, dtype=dtype, device=device)
        values = torch.zeros(*shape, c.key_width, dtype=dtype, device=device)
        return cls(keys, values)

    @property
    def most(self) -> int:
        """Tokens it has room for."""
        return self.keys.shape[3]

    def keep(self, rows: list[int]) -> "KeyValueCache":
        """One of these rows of the batch, in this order."""
        return KeyValueCache(self.keys[:, rows], self.values[:, rows], self.length)

    def extended(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values (B, Hkv, T, D) of a layer; all that the layer holds.

        Raises:
            UsageError: If there is no room.
        """
        count = keys.shape[2]
        stop = self.length + count
        if stop > self.most:
            raise UsageError(f"{stop:,} tokens do not fit in a cache of {self.most:,}.")
        all_keys, all_values = self._layers[layer]
        all_keys.narrow(2, self.length, count).copy_(keys)
        all_values.narrow(2, self.length, count).copy_(values)
        return all_keys.narrow(2, 0, stop), all_values.narrow(2, 0, stop)
