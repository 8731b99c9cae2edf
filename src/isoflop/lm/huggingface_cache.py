"""The cache of a transformers model, in memory that is allocated once."""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer


class Allocated(DynamicLayer):  # type: ignore[no-untyped-call] # theirs is untyped
    """Keys and values of one layer in memory that is allocated once."""

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # theirs is untyped
        self.most = most

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store new keys and values (B, H, T, D); all there are."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = self._extended("_all_keys", self.keys, key_states)
        self.values = self._extended("_all_values", self.values, value_states)
        return self.keys, self.values

    def _extended(self, name: str, held: Tensor | None, new: Tensor) -> Tensor:
        held = new[:, :, :0] if held is None or held.dim() != 4 else held
        start = held.shape[-2]
        stop = start + new.shape[-2]
        memory = self.__dict__.get(name)
        if memory is None or not _shares(held, memory) or stop > memory.shape[-2]:
            batch, heads, _, width = new.shape
            memory = new.new_empty(batch, heads, max(self.most, stop), width)
            if start:
                memory[:, :, :start] = held
            self.__dict__[name] = memory
        memory[:, :, start:stop] = new
        return memory[:, :, :stop]


def _shares(view: Tensor, memory: Tensor) -> bool:
    """Whether a tensor is the beginning of another; an empty one of any."""
    return view.numel() == 0 or (
        view.data_ptr() == memory.data_ptr() and view.stride() == memory.stride()
    )
