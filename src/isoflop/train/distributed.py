"""Training on several processes: parameters, gradients and moments divided among them (FSDP2).

Started by torchrun. Checkpoints are gathered and written whole by the first process, in the same
safetensors folder as a training of one process writes, so they reload on any number of processes;
PyTorch's own distributed checkpoints would hold pickles.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor

from isoflop.errors import TrainingFailed, UsageError
from isoflop.lm.transformer import Transformer
from isoflop.train.batches import Batches
from isoflop.train.ledger import Ledger
from isoflop.train.loss import HeldOut
from isoflop.train.optimize import Optimizer
from isoflop.train.pretrain import Progress, Training
from isoflop.train.recipe import Recipe

PATIENCE = timedelta(hours=2)  # the first process reads the texts while the others wait


class Processes:
    """The processes of one training, and how they divide a model; a `Sharding`.

    Attributes:
        rank: Of this process.
        world: How many there are.
    """

    def __init__(self) -> None:
        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=PATIENCE)
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()
        self.mesh = init_device_mesh("cpu", (self.world,))
        self._parameters: dict[str, DTensor] = {}

    def divide(self, model: Transformer, dtype: torch.dtype) -> None:
        """Leave each process its rows of every float32 parameter; compute in `dtype`."""
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        for block in model.blocks:
            fully_shard(block, mesh=self.mesh, mp_policy=policy)
        fully_shard(model, mesh=self.mesh, mp_policy=policy)
        register_fsdp_forward_method(model, "states")
        register_fsdp_forward_method(model, "logits")
        assert isinstance(model, FSDPModule)
        self._parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if isinstance(parameter, DTensor)
        }

    def local(self, parameter: Tensor) -> Tensor:
        """This process's rows of a parameter or its gradient."""
        return parameter.to_local() if isinstance(parameter, DTensor) else parameter

    def whole(self, name: str, part: Tensor) -> Tensor:
        """All processes' rows of the parameter of that name, or of something of its shape."""
        like = self._parameters[name]
        return DTensor.from_local(
            part, like.device_mesh, like.placements, run_check=False,
            shape=like.shape, stride=like.stride(),
        ).full_tensor()  # fmt: skip

    def part(self, name: str, whole: Tensor) -> Tensor:
        """This process's rows of it."""
        rows = self._parameters[name].to_local().shape[0]
        each = -(-whole.shape[0] // self.world)  # as torch.chunk divides
        return whole[self.rank * each :][:rows]

    def total(self, value: Tensor) -> Tensor:
        """The sum over processes."""
        value = value.clone()
        distributed.all_reduce(value)
        return value

    def wait(self) -> None:
        """Until all processes are here."""
        distributed.barrier()


class SharedTraining(Training):
    """A training that several processes do together; each must call the same methods in turn.

    The first process writes ledger and checkpoints.
    """

    recipe: Recipe

    def __init__(self, processes: Processes, recipe: Recipe, *data: Any, **options: Any) -> None:
        if recipe.batch % processes.world:
            raise UsageError(
                f"A batch of {recipe.batch} cannot be divided among {processes.world} processes. "
                f"Give --batch a multiple of {processes.world}."
            )
        self.processes, self.share = processes, processes.world
        rows = recipe.batch // processes.world
        passes = math.gcd(recipe.micro_batch, rows)
        super().__init__(replace(recipe, micro_batch=passes), *data, **options)
        weights, state = self.optimizer.weights(), self._moments
        b = self.batches
        self.batches = Batches(
            b.shards, batch=b.batch, context=b.context, seed=b.seed, align=b.align,
            rank=processes.rank, world=processes.world,
        )  # fmt: skip
        self.model = model = Transformer(recipe.configuration)
        model.load_state_dict(weights)
        processes.divide(model, getattr(torch, recipe.dtype))
        self.optimizer = Optimizer(model, recipe.rates, processes)
        if state is not None:
            self.optimizer.load(weights, state)

    def run(self, progress: Progress | None = None) -> None:
        """As of one process; the first one shows progress."""
        with told_of_the_dead(self.folder, self.processes):
            super().run(progress if self.processes.rank == 0 else None)

    def update(self) -> tuple[float, float]:
        """As of one process; dropout is drawn anew for each step and process."""
        torch.manual_seed(hash((self.recipe.seed, self.step, self.processes.rank)))
        return super().update()

    def total(self, value: float) -> float:
        """The sum of a figure over all processes."""
        return float(self.processes.total(torch.tensor(value, dtype=torch.float64)))

    def stopping(self) -> bool:
        """Whether a signal asked any of the processes to stop."""
        return self.total(len(self.signals)) > 0

    def evaluate(self, most_tokens: int | None = None) -> HeldOut:
        """As of one process; every process measures the whole model."""
        model = Transformer(self.recipe.configuration)
        model.load_state_dict(self.optimizer.weights())
        divided, self.model = self.model, model.to(getattr(torch, self.recipe.dtype))
        try:
            return super().evaluate(most_tokens)
        finally:
            self.model = divided

    def save(self) -> Path:
        """As of one process; the first one writes."""
        whole = _Gathered(self.optimizer.weights(), self.optimizer.state())
        here = self.folder / "checkpoints" / f"{self.step:08d}"
        if self.processes.rank == 0:
            divided, self.optimizer = self.optimizer, cast(Optimizer, whole)
            try:
                super().save()
            finally:
                self.optimizer = divided
        self.processes.wait()
        return here

    def _resume(self) -> None:
        if self.processes.rank:
            self.ledger = _Silent(self.folder)
        super()._resume()
        self._moments = self.optimizer.state() if self.step else None


class _Gathered:
    """What `save` asks of an optimizer, gathered from all processes."""

    def __init__(self, weights: dict[str, Tensor], state: dict[str, Tensor]) -> None:
        self.masters, self._state = weights, state

    def weights(self) -> dict[str, Tensor]:
        """The masters."""
        return self.masters

    def state(self) -> dict[str, Tensor]:
        """The moments."""
        return self._state


class _Silent(Ledger):
    """The ledger of the other processes, which write none."""

    def add(self, kind: str, **values: Any) -> None:
        """Nothing."""


def started() -> Processes | None:
    """The processes that torchrun started; None in a process of its own."""
    return Processes() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


@contextmanager
def told_of_the_dead(folder: object, processes: Processes | None) -> Iterator[None]:
    """Say that another process died, and how to go on, where a collective fails.

    Raises:
        TrainingFailed: In place of the library's error.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if processes is None or not any(word in text for word in _BROKEN):
            raise
        raise TrainingFailed(
            f"Process {processes.rank} of {processes.world}: another process of this training died "
            f"or cannot be reached ({text.splitlines()[0][:200]}). What was saved is in "
            f"{folder}/checkpoints; start all of them again with the same command to go on."
        ) from error


_BROKEN = ("Connection closed", "Connection reset", "Timed out", "timed out", "gloo", "Broken pipe")
