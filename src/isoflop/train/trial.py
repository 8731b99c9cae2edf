"""What this machine really does: a second of matrix products and of training, before the plan."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from isoflop.lm.subnormals import subnormals_as_zero
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.plan.flops import training_flops_per_token
from isoflop.train.batches import IGNORED
from isoflop.train.loss import Network, summed_loss
from isoflop.train.optimize import Optimizer, Rates

Dtype = Literal["float32", "bfloat16"]
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
SIDES = (768, 1536)  # of the squares multiplied: in cache, and not


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compute on this machine, with what it reached in a trial.

    Attributes:
        dtype: Of the computation.
        threads: Of the processor.
        tokens_per_second: Of whole updates of the model, wall time.
        flops_per_second: The same as the plan counts FLOPs.
        matmul_flops_per_second: The most that square matrix products reached, same dtype and
            threads, in this process.
    """

    dtype: Dtype
    threads: int
    tokens_per_second: float
    flops_per_second: float
    matmul_flops_per_second: float

    @property
    def utilisation(self) -> float:
        """Share of the measured peak: MFU of the trial."""
        return self.flops_per_second / self.matmul_flops_per_second


def matmul_peak(dtype: Dtype, threads: int, seconds: float = 0.15) -> float:
    """The highest rate of square matrix products here, FLOP/s, at 2 n^3 each."""
    best = 0.0
    with computing_with(threads):
        for side in SIDES:
            square = torch.randn(side, side).to(getattr(torch, dtype))
            multiply = lambda square=square: square @ square  # noqa: E731
            best = max(best, 2 * side**3 / fastest(multiply, seconds / len(SIDES)))
    return best


def best_way(
    configuration: Configuration,
    micro_batch: int,
    *,
    passes: int = 1,
    dtype: Dtype | None = None,
    threads: int | None = None,
    counted: float = 1.0,
    seconds: float = 1.0,
) -> Way:
    """The fastest number format and number of threads for training a model, by trying them.

    Args:
        configuration: Of the model.
        micro_batch: Sequences of a pass.
        passes: Passes of one update, over which the optimizer's time is spread.
        dtype: Only this one; None to try all.
        threads: Only so many; None to try one and as many as torch would take.
        counted: Share of the tokens that count towards the loss.
        seconds: For all trials together, about; each has at least two updates.
    """
    formats = (dtype,) if dtype else DTYPES
    numbers = (threads,) if threads else tuple(sorted({1, torch.get_num_threads()}))
    each = seconds / (len(formats) * len(numbers))
    ways = [
        _tried(configuration, micro_batch, passes, d, n, counted, each)
        for d in formats
        for n in numbers
    ]
    return max(ways, key=lambda way: way.tokens_per_second)


def _tried(
    configuration: Configuration,
    micro_batch: int,
    passes: int,
    dtype: Dtype,
    threads: int,
    counted: float,
    seconds: float,
) -> Way:
    c = configuration
    with computing_with(threads), torch.random.fork_rng():
        model = Transformer(c)
        model.initialise(0)
        model.to(getattr(torch, dtype))
        tokens = torch.randint(c.vocabulary, (micro_batch, c.context))
        targets = tokens.where(torch.rand(tokens.shape) < counted, IGNORED)
        taken = pass_seconds(model, model, Rates(), tokens, targets, passes, seconds)
    rate = micro_batch * c.context / taken
    flops = rate * training_flops_per_token(c.architecture, c.context)
    return Way(dtype, threads, rate, flops, matmul_peak(dtype, threads))


def pass_seconds(
    network: Network,
    trained: nn.Module,
    rates: Rates,
    inputs: Tensor,
    targets: Tensor,
    passes: int,
    seconds: float,
) -> float:
    """Wall time of one pass and its share of an update, by trying; no weight is changed.

    Args:
        network: In training.
        trained: What of it learns, or factors beside it.
        rates: Of learning; the trial learns at a rate of 0.
        inputs: Tokens of a pass.
        targets: Of it.
        passes: In an update.
        seconds: To try for, about.
    """
    optimizer = Optimizer(trained, rates)

    def a_pass() -> None:
        (summed_loss(network, inputs, targets) / inputs.numel()).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.collect()

    def an_update() -> None:
        optimizer.step(0.0)

    a_pass()
    an_update()
    return fastest(a_pass, 0.75 * seconds) + fastest(an_update, 0.25 * seconds) / passes


def fastest(work: Callable[[], object], seconds: float) -> float:
    """Wall time of one run, the median of as many as fit, two at least."""
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < stop:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] if len(times) > 2 else min(times)


@contextmanager
def computing_with(number: int) -> Iterator[None]:
    """Within this block torch computes as in training, with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with subnormals_as_zero():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_kept() -> Iterator[None]:
    """After this block torch has as many threads as before, whatever was set in it."""
    with computing_with(torch.get_num_threads()):
        yield
