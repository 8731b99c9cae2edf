"""How much a fine-tuning trains, decided from its records before anything runs; and its clock."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isoflop.augment.answerers.local import architecture_of
from isoflop.augment.method import Pay
from isoflop.bill import Bill
from isoflop.plan.flops import training_flops_per_token

Exercise = Mapping[str, Any]
Progress = Callable[[str, int, int], None]
# A small corpus is repeated until there were so many updates, a large one is read so many times.
UPDATES, FEWEST_EPOCHS = 400, 3.0


@dataclass(frozen=True, slots=True)
class Steps:
    """How much is trained.

    Attributes:
        context: Tokens of a row.
        batch: Rows of an update.
        steps: Updates.
        epochs: Times that everything is read.
        counted: Share of the tokens that are to be learned; the others are read only.
    """

    context: int
    batch: int
    steps: int
    epochs: float
    counted: float

    @property
    def tokens(self) -> int:
        """Read in all, padding included."""
        return self.context * self.batch * self.steps


def planned(
    model: Any,
    exercises: Sequence[Exercise],
    room: int,
    epochs: float | None = None,
    bound: Exercise | None = None,
) -> Steps:
    """Steps for records that are packed into rows as `isoflop.train` packs them.

    Args:
        model: Whose tokenizer counts.
        exercises: Records, or as many like them.
        room: Tokens that a row may have.
        epochs: Times that everything is read; by the size of the corpus when None.
        bound: A record that none is longer than, where `exercises` only stand for others.
    """
    from isoflop.train.batches import PACKED_TOGETHER, best_fit
    from isoflop.train.finetune import PASS_TOKENS, UPDATES_AN_EPOCH

    sizes = [_size(model, each) for each in exercises]
    longest = max(length for length, _ in [*sizes, _size(model, bound or exercises[0])])
    exact = any(counted < length for length, counted in sizes)  # else rows are cut from a stream
    whole = sum(length for length, _ in sizes)
    context = max(1, min(room, longest, whole - 1))
    lengths = [min(length, context) for length, _ in sizes]
    packs = range(0, len(lengths), PACKED_TOGETHER)
    rows = whole // context
    if exact:
        rows = sum(len(best_fit(lengths[at : at + PACKED_TOGETHER], context)) for at in packs)
    most = max(1, PASS_TOKENS // context)
    usual = max(1, min(most, rows // UPDATES_AN_EPOCH))
    batch = max(n for n in range(1, usual + 1) if most % n == 0)  # so that it is one pass
    times = epochs or max(FEWEST_EPOCHS, UPDATES * batch / rows)
    steps = max(1, round(times * rows / batch))
    counted = sum(counted for _, counted in sizes) / (rows * context)
    return Steps(context, batch, steps, steps * batch / rows, min(1.0, counted))


def _size(model: Any, exercise: Exercise) -> tuple[int, int]:
    """Tokens of a record, the one that ends it included; and those that are to be learned."""
    from isoflop.train.records import segments_of

    parts = segments_of(dict(exercise)) or []
    tokens = [(1 if s.special else len(model.encode(s.text)), s.counts) for s in parts]
    return 1 + sum(n for n, _ in tokens), 1 + sum(n for n, counts in tokens if counts)


def training_flops(model: Any, steps: Steps, rank: int | None, counted: float) -> float | None:
    """FLOPs of so many steps; None where the model's architecture is not known.

    Of our own models only tokens that are to be learned meet the output head.

    Args:
        model: That learns.
        steps: How much.
        rank: Of low-rank factors; None where all weights learn.
        counted: Share of the tokens that are to be learned.
    """
    from isoflop.train.learners import flops_beside

    shape, ours = architecture_of(model), hasattr(model, "trained_tokens")
    if shape is None:
        return None
    if rank is None:
        head = 6.0 * shape.head_parameters
        each = training_flops_per_token(shape, steps.context) - head
    else:
        entries, _ = factors(model, rank)
        each, head = flops_beside(shape, steps.context, rank, entries, some_meet_head=ours)
    return steps.tokens * (each + head * (counted if ours else 1.0))


def factors(model: Any, rank: int) -> tuple[int, int]:
    """Entries of low-rank factors beside every matrix of the layers; and the largest rank."""
    from isoflop.lm.adapters import places, shape

    network = model.model
    found = [
        (place.stop - place.start, shape(network.get_submodule(place.path))[1])
        for place in places(network).values()
    ]
    return rank * sum(map(sum, found)), min(map(min, found))


def of_time(bill: Bill) -> Bill:
    """What of a bill grows with the seconds."""
    return replace(
        bill, prompt_tokens=0, cached_tokens=0, output_tokens=0,
        flops=None if bill.flops is None else 0,
    )  # fmt: skip


class Watch:
    """Tells of progress, and asks for more time when what was set aside has passed.

    A budget that does not have it ends the training, which is saved and can go on.

    Attributes:
        aside: What of a bill grows with time, as it is set aside.
        pay: Asked for more.
        progress: Told.
        earlier: Seconds that an earlier call has taken of it.
    """

    def __init__(self, aside: Bill, pay: Pay, progress: Progress, earlier: float) -> None:
        self.aside, self.pay, self.progress = aside, pay, progress
        self.began = time.perf_counter() - earlier
        self.called = time.perf_counter()
        # To measure and write the model at the end takes about what came before the first step.
        self.end: float | None = None
        self.more = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Called after each step.

        Raises:
            BudgetReached: If the time is over and the budget pays for no more.
        """
        self.progress("learning", done, total)
        if self.aside.seconds is None:
            return
        now = time.perf_counter()
        if self.end is None:
            self.end = now - self.called
        over = (now - self.began + self.end) / max(1e-9, self.aside.seconds) - 1
        if over > self.more:
            self.more = max(over, 2 * self.more)
            # Named by the time, which no other call has reached to the nanosecond: what an earlier
            # one was allowed at the same step says nothing about the budget of this one.
            self.pay(f"more time after {now - self.began:.9f} s", self.aside * self.more, nothing)


def nothing() -> tuple[dict[str, Any], Bill]:
    """Costs nothing: only that the budget has it is asked."""
    return {}, Bill()
