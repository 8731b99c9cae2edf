"""Muon for the matrices of the layers, AdamW for tables and vectors, over float32 masters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from isoflop.errors import DamagedCheckpoint
from isoflop.lm.transformer import Attention, FeedForward, Transformer


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast to learn, and how the rates rise and fall.

    Attributes:
        matrices: Muon's learning rate at its height.
        tables: AdamW's of embedding and head.
        vectors: AdamW's of the norms.
        weight_decay: Of the matrices, per step and unit of learning rate.
        momentum: Muon's.
        warmup: Share of the steps in which the rates rise.
        decay: Share of the steps, at the end, in which they fall to nothing.
        clip: Largest norm of the gradient; larger ones are scaled down to it.
    """

    matrices: float = 0.02
    tables: float = 0.004
    vectors: float = 0.004
    weight_decay: float = 0.01
    momentum: float = 0.95
    warmup: float = 0.02
    decay: float = 0.4
    clip: float = 1.0

    def factor(self, step: int, steps: int) -> float:
        """Warmup-stable-decay: the share of the rates' height at a step counted from 0.

        Source:
            Hu et al. 2024 (MiniCPM), arXiv:2404.06395, section 4; linear to zero as in Hägele et
            al. 2024, arXiv:2405.18392.
        """
        rising = (step + 1) / max(1, math.ceil(self.warmup * steps))
        falling = (steps - step) / max(1, math.ceil(self.decay * steps))
        return min(1.0, rising, falling)


# Five steps with these coefficients take singular values from 0.01 to 1 into 0.7 to 1.2: Jordan
# et al. 2024, Muon, section on Newton-Schulz.
NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS = (3.4445, -4.7750, 2.0315), 5


def orthogonalised(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix with its singular values near 1, by Newton-Schulz; same shape, float32.

    `torch.optim.Muon` computes this in bfloat16 always, whose rounding makes of gradients that
    differ in the last bit (other passes, other processes) updates that differ by percents.

    Args:
        matrix: (rows, columns).
        dtype: To compute in.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).to(dtype)
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = x @ x.mT
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


class Muon:
    """Momentum whose updates are orthogonal matrices.

    Attributes:
        parameters: The matrices, float32.
        momenta: Of each.
        dtype: Of Newton-Schulz.
    """

    def __init__(self, parameters: list[Tensor], rates: Rates, dtype: torch.dtype) -> None:
        self.parameters, self.rates, self.dtype = parameters, rates, dtype
        self.momenta = [torch.zeros_like(p) for p in parameters]

    def step(self, factor: float) -> None:
        """Update the matrices by their gradients at this share of the learning rate."""
        rate = self.rates.matrices * factor
        for parameter, momentum in zip(self.parameters, self.momenta, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            momentum.lerp_(gradient, 1 - self.rates.momentum)
            update = orthogonalised(gradient.lerp(momentum, self.rates.momentum), self.dtype)
            rows, columns = parameter.shape
            parameter.mul_(1 - rate * self.rates.weight_decay)
            parameter.add_(update, alpha=-rate * max(1.0, rows / columns) ** 0.5)


class Optimizer:
    """Updates a model of any floating-point type from float32 masters.

    A float32 model is its own master; of a bfloat16 one the masters are kept here, and gradients
    of several passes are added up in float32. Fused matrices (queries, keys and values; gate and
    up) are orthogonalised part by part.

    Source:
        Jordan et al. 2024, Muon; Liu et al. 2025, arXiv:2502.16982; Loshchilov and Hutter 2019,
        arXiv:1711.05101.
    """

    def __init__(self, model: Transformer, rates: Rates) -> None:
        self.rates = rates
        self.named = dict(model.named_parameters())
        self.masters = {
            name: p.detach() if p.dtype == torch.float32 else p.detach().float()
            for name, p in self.named.items()
        }
        self.gradients = {name: torch.zeros_like(m) for name, m in self.masters.items()}
        matrices, tables, vectors = [], [], []
        rows = _fused_rows(model)
        for name, master in self.masters.items():
            master.grad = self.gradients[name]
            if master.dim() < 2:
                vectors.append(master)
            elif name.startswith("blocks."):
                matrices += _parts(master, rows.get(name))
            else:
                tables.append(master)
        self.muon = Muon(matrices, rates, model.embedding.weight.dtype)
        groups = [{"params": tables, "lr": rates.tables}, {"params": vectors, "lr": rates.vectors}]
        self.adamw = torch.optim.AdamW(
            groups, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True
        )
        self.heights = [(group, group["lr"]) for group in self.adamw.param_groups]

    def collect(self) -> None:
        """Add the model's gradients of one backward pass to the masters', and drop them."""
        for name, parameter in self.named.items():
            if parameter.grad is not None:
                self.gradients[name].add_(parameter.grad)
                parameter.grad = None

    def step(self, factor: float) -> float:
        """Update the model at this share of the learning rates; the norm of the gradient.

        Nothing is changed where the norm is not finite.
        """
        norms = torch._foreach_norm(list(self.gradients.values()))
        norm = float(torch.linalg.vector_norm(torch.stack(norms)))
        if math.isfinite(norm):
            if norm > self.rates.clip:
                torch._foreach_mul_(list(self.gradients.values()), self.rates.clip / norm)
            for group, height in self.heights:
                group["lr"] = height * factor
            self.muon.step(factor)
            self.adamw.step()
            self._publish()
        torch._foreach_zero_(list(self.gradients.values()))
        return norm

    def _publish(self) -> None:
        for name, master in self.masters.items():
            if self.named[name].dtype != torch.float32:
                self.named[name].data.copy_(master)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, by name: the optimizers' moments; masters are the weights."""
        return dict(self._moments())

    def load(self, weights: dict[str, Tensor], state: dict[str, Tensor]) -> None:
        """Go on from masters and a `state`.

        Raises:
            DamagedCheckpoint: If a tensor is missing.
        """
        for name, master in self.masters.items():
            master.copy_(weights[name])
        self._publish()
        for gradient in self.gradients.values():
            gradient.zero_()
        self.adamw.step()  # on nothing, makes the moments
        for name, master in self.masters.items():
            master.copy_(weights[name])
        self._publish()
        for name, tensor in self._moments():
            if name not in state or state[name].shape != tensor.shape:
                raise DamagedCheckpoint(f"The optimizer's state has no tensor {name}.")
            tensor.copy_(state[name])

    def _moments(self) -> Iterator[tuple[str, Tensor]]:
        for number, tensor in enumerate(self.muon.momenta):
            yield f"muon.{number}", tensor
        parameters = [p for group in self.adamw.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            for key, tensor in self.adamw.state[parameter].items():
                yield f"adamw.{number}.{key}", tensor


def _fused_rows(model: Transformer) -> dict[str, tuple[int, ...]]:
    """How many rows each part of a fused matrix has, by the matrix's name."""
    rows: dict[str, tuple[int, ...]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            c = module.configuration
            rows[f"{name}.qkv.weight"] = tuple(
                heads * c.key_width for heads in (c.heads, c.kv_heads, c.kv_heads)
            )
        elif isinstance(module, FeedForward) and module.gated:
            half = module.up.weight.shape[0] // 2
            rows[f"{name}.up.weight"] = (half, half)
    return rows


def _parts(master: Tensor, rows: tuple[int, ...] | None) -> list[Tensor]:
    """Views of a master and its gradient, one for each part."""
    if rows is None:
        return [master]
    assert master.grad is not None
    parts = list(torch.split(master, list(rows)))
    for part, gradient in zip(parts, torch.split(master.grad, list(rows)), strict=True):
        part.grad = gradient
    return parts
