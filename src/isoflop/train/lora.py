"""Low-rank factors that learn beside the frozen matrices of a model.

A matrix W of (rows, columns) gives W x + alpha / rank x up (down x). The factors of fused matrices
are those of their parts, so that they are exactly what PEFT has for the exported model.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isoflop.errors import UsageError
from isoflop.lm.adapters import Adapter, Factors, Place, places, shape


class LowRank(nn.Module):
    """Trainable factors beside every matrix of a network's layers; the network is frozen.

    They act in the network's forward pass as long as this object is attached to it.
    """

    def __init__(self, network: nn.Module, rank: int, alpha: float, seed: int) -> None:
        """Factors that add nothing yet: `up` is zero, `down` uniform as in PEFT.

        Raises:
            UsageError: If the rank is not below every matrix's.

        Source:
            Hu et al. 2021, arXiv:2106.09685, section 4.1.
        """
        super().__init__()
        self.rank, self.alpha = rank, alpha
        self.places: Mapping[str, Place] = places(network)
        least = min(
            min(shape(network.get_submodule(p.path))[1], p.stop - p.start)
            for p in self.places.values()
        )
        if not 1 <= rank <= least:
            raise UsageError(
                f"--lora {rank}: the model's smallest matrix has {least} rows or columns, so a "
                f"rank is from 1 to {least}."
            )
        network.requires_grad_(False)
        draw = torch.Generator().manual_seed(seed)
        by_path: dict[str, list[str]] = {}
        for name, place in self.places.items():
            module = network.get_submodule(place.path)
            columns = shape(module)[1]
            rows = place.stop - place.start
            bound = 1 / math.sqrt(columns)
            down = torch.empty(rank, columns).uniform_(-bound, bound, generator=draw)
            weight: Any = module.weight
            self.register_parameter(_key(name, "down"), nn.Parameter(down.to(weight)))
            self.register_parameter(_key(name, "up"), nn.Parameter(weight.new_zeros(rows, rank)))
            by_path.setdefault(place.path, []).append(name)
        self._hooks = [
            network.get_submodule(path).register_forward_hook(self._hook(names))
            for path, names in by_path.items()
        ]

    def detach(self) -> None:
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()

    def adapter(self, base: str, weights: Mapping[str, Tensor] | None = None) -> Adapter:
        """What was learned, as an adapter of the model called `base`.

        Args:
            base: Its name.
            weights: Of the factors by their names here, in place of their own.
        """
        held = weights or dict(self.named_parameters())
        scale = self.alpha / self.rank
        return Adapter(
            {
                name: Factors(held[_key(name, "down")], held[_key(name, "up")], scale)
                for name in self.places
            },
            base,
        )

    @staticmethod
    def weights(adapter: Adapter) -> dict[str, Tensor]:
        """The factors of an adapter by the names of the parameters here."""
        return {
            _key(name, part): getattr(factors, part)
            for name, factors in adapter.factors.items()
            for part in ("down", "up")
        }

    def _hook(self, names: list[str]) -> Any:
        """What adds the parts' factors to the output of their module."""

        def adapted(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            """The module's output with what its parts add; their inputs are one product."""
            downs: list[Tensor] = [self.get_parameter(_key(name, "down")) for name in names]
            low = nn.functional.linear(inputs[0], torch.cat(downs) if len(downs) > 1 else downs[0])
            parts = [
                nn.functional.linear(part, self.get_parameter(_key(name, "up")))
                for part, name in zip(torch.split(low, self.rank, dim=-1), names, strict=True)
            ]
            added = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
            return output + self.alpha / self.rank * added

        return adapted


def _key(name: str, part: str) -> str:
    return f"{name}.{part}".replace(".", "/")  # a parameter's name has no dots
