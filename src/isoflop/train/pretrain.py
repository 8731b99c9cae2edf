"""The loop of training, and its checkpoints."""

import json
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from isoflop import meter
from isoflop.errors import BudgetReached, DamagedCheckpoint, TrainingFailed, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.subnormals import subnormals_as_zero
from isoflop.lm.tokenizer import Tokenizer
from isoflop.lm.transformer import Transformer
from isoflop.train.batches import IGNORED, Batches
from isoflop.train.learners import Learner, Whole
from isoflop.train.ledger import Ledger, told_of_the_disk
from isoflop.train.loss import HeldOut, evaluate, summed_loss
from isoflop.train.optimize import Optimizer
from isoflop.train.recipe import Recipe, Tuning
from isoflop.train.shards import Shards

KEPT = 2  # checkpoints
Progress = Callable[[str, int, int], None]


class Training:
    """A training in a run folder; made anew, or resumed from the folder's newest checkpoint.

    Anew it begins with random weights, or with those of `start`; or it changes what a `learner`
    says, with weights of its own.
    """

    share = 1  # the loss of a process counts so many times, see train/distributed.py

    def __init__(
        self,
        recipe: Recipe | Tuning,
        shards: Shards,
        held_out: Shards,
        tokenizer: Tokenizer | None,
        folder: Path,
        *,
        start: Transformer | None = None,
        learner: Learner | None = None,
    ) -> None:
        if recipe.batch % recipe.micro_batch:
            raise UsageError(
                f"A batch of {recipe.batch} is no multiple of passes of {recipe.micro_batch}."
            )
        self.recipe, self.held_out = recipe, held_out
        self.folder, self.ledger = folder, Ledger(folder)
        self.batches = Batches(
            shards, batch=recipe.batch, context=recipe.context, seed=recipe.seed,
            align=recipe.align,
        )  # fmt: skip
        if learner is None:
            assert isinstance(recipe, Recipe)
            assert tokenizer is not None
            learner = Whole(_model(recipe, start), tokenizer, recipe.context)
        self.learner = learner
        self.model: Any = learner.network  # a `Transformer`, unless the learner has another
        self.optimizer = Optimizer(learner.trained, recipe.rates)
        self.step = 0
        self.signals: list[int] = []
        self.seconds = self.processor_seconds = 0.0
        self.joules: float | None = 0.0
        self.flops: float | None = 0.0
        torch.manual_seed(recipe.seed)
        self._resume()

    def run(self, progress: Progress | None = None) -> None:
        """Train until the recipe's last step; saves on the way, and when it is interrupted.

        Raises:
            KeyboardInterrupt: After saving, if SIGINT or SIGTERM came.
            BudgetReached: After saving, if `progress` raised it.
            TrainingFailed: If the loss is not a number; the last good checkpoint is kept.
        """
        reached: BudgetReached | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = time.monotonic()
        with _stoppable() as self.signals, meter.measured() as reading:
            began = self.seconds, self.processor_seconds, self.joules
            processor, clock = time.process_time(), time.perf_counter()
            while self.step < self.recipe.steps and not self.stopping():
                loss, norm = self.update()
                self.seconds = began[0] + time.perf_counter() - clock
                self.processor_seconds = began[1] + time.process_time() - processor
                try:
                    self._tell(loss, norm, progress)
                except BudgetReached as error:
                    reached = error
                    break
                if time.monotonic() - saved > self.recipe.save_seconds:
                    self.save()
                    saved = time.monotonic()
        joules = reading.joules
        self.joules = None if joules is None or began[2] is None else began[2] + joules
        self.save()
        if reached is not None or self.step < self.recipe.steps:
            self.ledger.add("stop", step=self.step, seconds=self.seconds)
            raise reached or KeyboardInterrupt

    @subnormals_as_zero()
    def update(self) -> tuple[float, float]:
        """One update of the weights: the mean loss in nats per counted token, and the gradient's
        norm.

        Raises:
            TrainingFailed: If either is not a number.
        """
        inputs, targets = self.batches[self.step]
        counted = max(1, round(self.total(int((targets != IGNORED).sum()))))
        self.model.train()
        total = 0.0
        size = self.recipe.micro_batch
        for some, wanted in zip(torch.split(inputs, size), torch.split(targets, size), strict=True):
            loss = summed_loss(self.model, some, wanted) * self.share / counted
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.optimizer.collect()
            total += loss.item() / self.share
        total = self.total(total)
        norm = self.optimizer.step(self.recipe.rates.factor(self.step, self.recipe.steps))
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise TrainingFailed(self._not_a_number(total, norm))
        self.step += 1
        taken = self.learner.flops(self.recipe.batch * self.recipe.context, counted)
        self.flops = None if taken is None or self.flops is None else self.flops + taken
        return total, norm

    def total(self, value: float) -> float:
        """The sum of a figure over the processes of the training: this one's."""
        return value

    def stopping(self) -> bool:
        """Whether a signal asked to stop."""
        return bool(self.signals)

    def evaluate(self, most_tokens: int | None = None) -> HeldOut:
        """Measure the model as it is on the held-out documents, or on their first tokens."""
        return evaluate(
            self.model,
            self.held_out,
            self.learner.measure,
            batch=self.recipe.micro_batch,
            context=self.recipe.context,
            most_tokens=most_tokens,
        )

    def save(self) -> Path:
        """Write a checkpoint of this step and drop all but the last ones.

        Raises:
            TrainingFailed: If the disk does not take it; earlier ones stay.
        """
        folder = self.folder / "checkpoints"
        here = folder / f"{self.step:08d}"
        fresh = folder / f"{self.step:08d}.part"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            with told_of_the_disk(here, self.kept()):
                self._write(fresh)
                checkpoint.replace_folder(fresh, here)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.ledger.add("checkpoint", step=self.step, seconds=self.seconds)
        for old in sorted(folder.glob("*[0-9]"))[:-KEPT]:
            shutil.rmtree(old)
        return here

    def kept(self) -> str:
        """A clause that names the last checkpoint."""
        good = sorted((self.folder / "checkpoints").glob("*[0-9]"))
        return f"The last good checkpoint is {good[-1]}" if good else "There was no checkpoint yet"

    def _write(self, folder: Path) -> None:
        (folder / "train").mkdir(parents=True)
        self.learner.write(folder, self.optimizer.weights())
        tensors = {name: t.contiguous() for name, t in self.optimizer.state().items()}
        tensors["random"] = torch.get_rng_state()
        save_file(tensors, folder / "train" / "optimizer.safetensors")
        (folder / "train" / "state.json").write_text(json.dumps(self._state(), indent=1))

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            "joules": self.joules,
            "flops": self.flops,
            "recipe": asdict(self.recipe),
            "tokenizer_sha256": self.batches.shards.tokenizer_sha256,
            "torch": torch.__version__,
        }

    def _resume(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        for folder in sorted((self.folder / "checkpoints").glob("*[0-9]"), reverse=True):
            try:
                state = json.loads((folder / "train" / "state.json").read_text())
                tensors = checkpoint.read_tensors(folder / "train" / "optimizer.safetensors")
                weights = self.learner.read(folder)
                random = tensors.pop("random")
                was = type(self.recipe).read(state["recipe"])
            except (OSError, ValueError, KeyError, TypeError, DamagedCheckpoint) as error:
                self.ledger.add("damaged", checkpoint=folder.name, reason=str(error))
                continue
            self._same(was, state["tokenizer_sha256"])
            self.optimizer.load({n: w.detach() for n, w in weights.items()}, tensors)
            torch.set_rng_state(random)
            self.step, self.seconds = state["step"], state["seconds"]
            self.processor_seconds, self.joules = state["processor_seconds"], state["joules"]
            self.flops = state["flops"]
            self.ledger.add("resume", step=self.step, seconds=self.seconds)
            return

    def _same(self, was: Recipe | Tuning, tokenizer_sha256: str) -> None:
        """Refuse to go on with another recipe than the checkpoint's; how often it saves is free."""
        if tokenizer_sha256 != self.batches.shards.tokenizer_sha256:
            raise UsageError(f"{self.folder} was trained with another tokenizer.")
        now = replace(
            self.recipe,
            save_seconds=was.save_seconds,
            evaluate_steps=was.evaluate_steps,
            report_steps=was.report_steps,
            micro_batch=was.micro_batch,
        )
        if now != was:
            raise UsageError(
                f"{self.folder} holds a training with another recipe. Name another folder, or "
                "leave out the options that differ from its ledger."
            )

    def _tell(self, loss: float, norm: float, progress: Progress | None) -> None:
        r = self.recipe
        if progress is not None:
            progress(f"training, loss {loss:.3f}, step", self.step, r.steps)
        last = self.step == r.steps
        if self.step % r.report_steps == 0 or last:
            self.ledger.add(
                "step",
                step=self.step,
                tokens=self.step * r.batch * r.context,
                loss=loss,
                gradient_norm=norm,
                rate=r.rates.factor(self.step - 1, r.steps),
                seconds=self.seconds,
                processor_seconds=self.processor_seconds,
                flops=self.flops,
            )
        if self.step % r.evaluate_steps == 0 and not last:
            measured = self.evaluate(most_tokens=64 * r.context)
            self.ledger.add("evaluation", step=self.step, **asdict(measured))

    def _not_a_number(self, loss: float, norm: float) -> str:
        return (
            f"The loss of step {self.step + 1} is {loss}, the gradient's norm {norm}: batch "
            f"{self.step}, epoch {self.batches.epoch(self.step)}. {self.kept()}. Lower the "
            "learning rate (--rate), or look at these documents."
        )


@subnormals_as_zero()  # the threads that torch starts for the first large tensor keep it
def _model(recipe: Recipe, start: Transformer | None) -> Transformer:
    """The model at the beginning."""
    model = Transformer(recipe.configuration)
    model.initialise(recipe.seed)
    if start is not None:
        model.load_state_dict(start.state_dict())
    return model.to(getattr(torch, recipe.dtype))


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes, so that a step is finished first."""
    came: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {
            kind: signal.signal(kind, lambda number, _: came.append(number)) for kind in kinds
        }
    except ValueError:  # not the main thread: whoever runs us decides
        yield came
        return
    try:
        yield came
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
