"""Muon for the matrices of the layers, AdamW for tables and vectors, over float32 masters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from isoflop.errors import DamagedCheckpoint
from isoflop.lm.transformer import Attention, FeedForward


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
        optimizer: Of the matrices of the layers; AdamW takes the rate of the vectors for them. It
            costs next to nothing where Muon costs a fifth of an update of 4,096 tokens of a 10 M
            model, and learns less from each token.
    """

    matrices: float = 0.02
    tables: float = 0.004
    vectors: float = 0.004
    weight_decay: float = 0.01
    momentum: float = 0.95
    warmup: float = 0.02
    decay: float = 0.4
    clip: float = 1.0
    optimizer: Literal["muon", "adamw"] = "muon"

    def factor(self, step: int, steps: int) -> float:
        """Warmup-stable-decay: the share of the rates' height at a step counted from 0.

        Source:
            Hu et al. 2024 (MiniCPM), arXiv:2404.06395, section 4; linear to zero as in Hägele et
            al. 2024, arXiv:2405.18392.
        """
        rising = (step + 1) / max(1, math.ceil(self.warmup * steps))
        falling = (steps - step) / max(1, math.ceil(self.decay * steps))
        return min(1.0, rising, falling)


# Odd polynomials of degree five, each the best approximation of 1 on the interval into which those
# before it take singular values from 0.003 to 1; after the four they lie between 0.8 and 1.2. The
# idea is Amsel et al.'s 2025, Polar Express, arXiv:2505.16932; found here by linear programming.
NEWTON_SCHULZ = (
    (8.3837, -24.7661, 18.3572),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)
LARGEST = 1.01  # rounding must not take a singular value out of the interval


def orthogonalised(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix with its singular values near 1, by Newton-Schulz; same shape, float32.

    `torch.optim.Muon` computes this in bfloat16 always, whose rounding makes of gradients that
    differ in the last bit (other passes, other processes) updates that differ by percents.

    Args:
        matrix: (rows, columns).
        dtype: To compute in.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).to(dtype)
    x = x / (LARGEST * x.norm().clamp(min=1e-7))
    # the square of a singular value is lost in bfloat16 where the value itself is not
    by_squares = dtype == torch.float32 and x.shape[1] >= 2 * x.shape[0]
    x = _turned_at_once(x) if by_squares else _turned_in_steps(x)
    return (x.mT if tall else x).float()


def _turned_in_steps(x: Tensor) -> Tensor:
    for a, b, c in NEWTON_SCHULZ:
        square = x @ x.mT
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x


def _turned_at_once(x: Tensor) -> Tensor:
    """The same by steps on the square x x^T alone, which is small where x is wide."""
    square, turn = x @ x.mT, None
    for number, (a, b, c) in enumerate(NEWTON_SCHULZ, 1):
        step = torch.addmm(square, square, square, beta=b, alpha=c)
        step.diagonal().add_(a)
        turn = step if turn is None else step @ turn
        if number < len(NEWTON_SCHULZ):  # all of these are polynomials of one matrix: they commute
            square = step @ square @ step
    assert turn is not None
    return turn @ x


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix that Muon updates, or this process's rows of it.

    Attributes:
        name: Of the parameter.
        master: Float32, with its gradient.
        momentum: Of the same shape.
        rows: Of the parts of a fused matrix, all rows together for a plain one.
    """

    name: str
    master: Tensor
    momentum: Tensor
    rows: list[int]


class Sharding(Protocol):
    """How parameters are divided among processes."""

    def local(self, parameter: Tensor) -> Tensor:
        """This process's part of a parameter or its gradient."""

    def whole(self, name: str, part: Tensor) -> Tensor:
        """All processes' parts of the parameter of that name, or of something of its shape."""

    def part(self, name: str, whole: Tensor) -> Tensor:
        """This process's part of it."""

    def total(self, value: Tensor) -> Tensor:
        """The sum over processes."""


class Alone:
    """One process has everything; a `Sharding`."""

    def local(self, parameter: Tensor) -> Tensor:
        """The parameter."""
        return parameter

    def whole(self, name: str, part: Tensor) -> Tensor:
        """The part."""
        return part

    def part(self, name: str, whole: Tensor) -> Tensor:
        """The whole."""
        return whole

    def total(self, value: Tensor) -> Tensor:
        """The value."""
        return value


class Optimizer:
    """Updates a model of any floating-point type from float32 masters.

    A float32 model is its own master; of a bfloat16 one the masters are kept here, and gradients
    of several passes are added up in float32. Matrices of layers are Muon's, whose updates are
    orthogonal; fused ones (queries, keys and values; gate and up) part by part. Tables and vectors
    are AdamW's, and so are other models than ours as a whole.

    Source:
        Jordan et al. 2024, Muon; Liu et al. 2025, arXiv:2502.16982; Loshchilov and Hutter 2019,
        arXiv:1711.05101.
    """

    def __init__(self, model: nn.Module, rates: Rates, sharding: Sharding | None = None) -> None:
        self.rates = rates
        self.sharding = sharding or Alone()
        self.named = dict(model.named_parameters())
        self.dtype = next(iter(self.named.values())).dtype
        self.masters: dict[str, Tensor] = {}
        for name, parameter in self.named.items():
            local = self.sharding.local(parameter.detach())
            self.masters[name] = local if local.dtype == torch.float32 else local.float()
        self.gradients: dict[str, Tensor] = {}  # of this step, as far as it has come
        self.matrices: list[Matrix] = []
        self.others: dict[str, Tensor] = {}
        rows = _fused_rows(model)
        for name, master in self.masters.items():
            inside = master.dim() == 2 and name.startswith("blocks.")
            if inside and rates.optimizer == "muon":
                parts = rows.get(name, [self.named[name].shape[0]])
                self.matrices.append(Matrix(name, master, torch.zeros_like(master), parts))
            else:
                self.others[name] = master
        in_layers = {id(m) for name, m in self.others.items() if name.startswith("blocks.")}
        tables: list[Tensor] = []
        vectors: list[Tensor] = []
        for master in self.others.values():
            which = vectors if master.dim() < 2 or id(master) in in_layers else tables
            which.append(master)
        groups = [{"params": tables, "lr": rates.tables}, {"params": vectors, "lr": rates.vectors}]
        self.adamw = torch.optim.AdamW(
            groups, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True
        )
        self.heights = [(group, group["lr"]) for group in self.adamw.param_groups]

    def collect(self) -> None:
        """Take the model's gradients of one backward pass, added to those of earlier ones."""
        for name, parameter in self.named.items():
            if parameter.grad is None:
                continue
            gradient = self.sharding.local(parameter.grad).float()
            parameter.grad = None
            if name in self.gradients:
                self.gradients[name].add_(gradient)
            else:
                self.gradients[name] = gradient

    def step(self, factor: float) -> float:
        """Update the model at this share of the learning rates; the norm of the gradient.

        Nothing is changed where the norm is not finite.
        """
        self._complete()
        norms = torch._foreach_norm(list(self.gradients.values()))
        squared = self.sharding.total(torch.stack(norms).square().sum())
        norm = float(squared.sqrt())
        if math.isfinite(norm):
            if norm > self.rates.clip:
                torch._foreach_mul_(list(self.gradients.values()), self.rates.clip / norm)
            for group, height in self.heights:
                group["lr"] = height * factor
            for matrix in self.matrices:
                self._turn(matrix, self.rates.matrices * factor)
            self.adamw.step()
            self._publish()
        self.gradients.clear()
        for master in self.others.values():
            master.grad = None
        return norm

    def _complete(self) -> None:
        """Give every master its gradient, of zeros where no pass reached it."""
        for name, master in self.masters.items():
            if name not in self.gradients:
                self.gradients[name] = torch.zeros_like(master)
        for name, master in self.others.items():
            master.grad = self.gradients[name]

    def _turn(self, matrix: Matrix, rate: float) -> None:
        """Muon's update of one matrix."""
        r, gradient = self.rates, self.gradients[matrix.name]
        matrix.momentum.lerp_(gradient, 1 - r.momentum)
        update = self.sharding.whole(matrix.name, gradient.lerp_(matrix.momentum, r.momentum))
        for piece in torch.split(update, matrix.rows):
            scale = max(1.0, piece.shape[0] / piece.shape[1]) ** 0.5
            torch.mul(orthogonalised(piece, self.dtype), scale, out=piece)
        matrix.master.mul_(1 - rate * r.weight_decay)
        matrix.master.add_(self.sharding.part(matrix.name, update), alpha=-rate)

    def _publish(self) -> None:
        if self.dtype != torch.float32:
            for name, master in self.masters.items():
                self.named[name].data.copy_(master)

    def weights(self) -> dict[str, Tensor]:
        """The masters, whole, by name."""
        return {name: self.sharding.whole(name, m) for name, m in self.masters.items()}

    def state(self) -> dict[str, Tensor]:
        """Everything else needed to go on, whole, by name: the moments."""
        return {
            key: self.sharding.whole(name, tensor) if tensor.dim() else tensor
            for key, name, tensor in self._moments()
        }

    def load(self, weights: dict[str, Tensor], state: dict[str, Tensor]) -> None:
        """Go on from masters and a `state`, both whole.

        Raises:
            DamagedCheckpoint: If a tensor is missing.
        """
        self.gradients.clear()
        self._complete()
        self.adamw.step()  # on nothing, makes the moments
        self.gradients.clear()
        for name, master in self.masters.items():
            master.copy_(self.sharding.part(name, weights[name]))
        self._publish()
        for key, name, tensor in self._moments():
            if key not in state:
                raise DamagedCheckpoint(f"The optimizer's state has no tensor {key}.")
            stored = state[key]
            tensor.copy_(self.sharding.part(name, stored) if stored.dim() else stored)

    def _moments(self) -> Iterator[tuple[str, str, Tensor]]:
        """Key, name of the parameter, and tensor of each moment."""
        for matrix in self.matrices:
            yield f"muon.{matrix.name}", matrix.name, matrix.momentum
        for name, master in self.others.items():
            for key, tensor in self.adamw.state[master].items():
                yield f"adamw.{name}.{key}", name, tensor


def _fused_rows(model: nn.Module) -> dict[str, list[int]]:
    """How many rows each part of a fused matrix has, by the matrix's name."""
    rows: dict[str, list[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            c = module.configuration
            rows[f"{name}.qkv.weight"] = [
                heads * c.key_width for heads in (c.heads, c.kv_heads, c.kv_heads)
            ]
        elif isinstance(module, FeedForward) and module.gated:
            half = module.up.weight.shape[0] // 2
            rows[f"{name}.up.weight"] = [half, half]
    return rows
