"""Training on several processes: parameters, gradients and moments divided among them (FSDP2).

Started by torchrun. Checkpoints are gathered and written whole by the first process, in the same
safetensors folder as a training of one process writes, so they reload on any number of processes;
PyTorch's own distributed checkpoints would hold pickles.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

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

from isoflop.errors import TrainingFailed
from isoflop.lm.transformer import Transformer

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
