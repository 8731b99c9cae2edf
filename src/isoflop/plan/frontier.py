"""Ways to spread a model over chips, and what each gives: rate, latency, dollars, energy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from isoflop.errors import UsageError
from isoflop.machine import Machine
from isoflop.plan.capacity import memory_map
from isoflop.plan.deployment import MULTIPLIED_IN, Deployment
from isoflop.plan.serving import decode_step, prefill

LARGEST_BATCH = 4096  # more are not written at once, whatever the memory


@dataclass(frozen=True, slots=True)
class Point:
    """One way to serve on all chips: copies of the model side by side, each with a full batch.

    Attributes:
        deployment: One copy.
        copies: Side by side.
        batch: Sequences written at once in each copy.
        first_token_seconds: Reading one prompt, without waiting.
        token_seconds: Of one output token of one sequence, the reading of others' prompts in it.
        tokens_per_second: Output of all copies.
        chips: All.
    """

    deployment: Deployment
    copies: int
    batch: int
    first_token_seconds: float
    token_seconds: float
    tokens_per_second: float
    chips: int

    @property
    def tokens_per_second_per_user(self) -> float:
        """Of one sequence."""
        return 1 / self.token_seconds

    @property
    def tokens_per_second_per_chip(self) -> float:
        """Output."""
        return self.tokens_per_second / self.chips


def point(
    d: Deployment,
    chips: int,
    batch: int,
    prompt_tokens: float,
    output_tokens: float,
    cached_tokens: float = 0,
) -> Point:
    """Copies of a deployment on so many chips, each writing `batch` answers at once, always full.

    While one answer of n tokens is written, each of the others in its batch ends once and makes
    room for a new prompt, whose reading delays it.
    """
    copies = chips // d.chips
    group = max(1.0, batch / d.data_parallel)
    read = prefill(d, prompt_tokens, cached_tokens=cached_tokens).seconds
    step = decode_step(d, prompt_tokens + output_tokens / 2, batch=group).seconds
    token = step + (group - 1) / output_tokens * read
    answer = read + output_tokens * token
    return Point(
        deployment=d,
        copies=copies,
        batch=batch,
        first_token_seconds=read + d.engine.request_seconds,
        token_seconds=token,
        tokens_per_second=copies * batch * output_tokens / answer,
        chips=chips,
    )


def points(
    d: Deployment,
    chips: int,
    prompt_tokens: float,
    output_tokens: float,
    *,
    formats: Sequence[str],
    cached_tokens: float = 0,
) -> list[Point]:
    """Every way with 1, 2, 4 ... chips a copy, these formats, and 1, 2, 4 ... answers at once."""
    found, tensor_parallel = [], 1
    tokens = round(prompt_tokens + output_tokens)
    while tensor_parallel <= chips:
        for weights in formats:
            way = replace(d, tensor_parallel=tensor_parallel, data_parallel=1, weights=weights)
            most = memory_map(way, tokens, shared_tokens=round(cached_tokens)).sequences
            found += [
                point(way, chips, batch, prompt_tokens, output_tokens, cached_tokens)
                for batch in _batches(most)
            ]
        tensor_parallel *= 2
    return found


def _batches(most: int) -> list[int]:
    """1, 2, 4 ... and what the memory holds."""
    largest = min(most, LARGEST_BATCH)
    return sorted({*(2**n for n in range(largest.bit_length())), largest} - {0})


def frontier(ways: Sequence[Point]) -> list[Point]:
    """Those that no other beats both in tokens per second of a user and of a chip."""
    best: list[Point] = []
    for way in sorted(ways, key=lambda w: (w.token_seconds, -w.tokens_per_second)):
        if not best or way.tokens_per_second > best[-1].tokens_per_second:
            best.append(way)
    return best


def formats_for(d: Deployment) -> tuple[str, ...]:
    """Formats of weights worth trying on a chip: 16 bits, what it multiplies in, four bits."""
    peaks = d.chip.flops_per_second
    native = [name for name in ("fp8", "fp4") if MULTIPLIED_IN[name][0] in peaks]
    return ("bf16", *(native or ["int8"]), *([] if "fp4" in native else ["int4"]))


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars of a token, and what they assume.

    Attributes:
        prompt: Of one prompt token read.
        output: Of one output token written.
        answer: Of one answer, prompt and output.
        load: Share of its greatest rate at which the machine is used.
    """

    prompt: float
    output: float
    answer: float
    load: float


def price(
    way: Point, machine: Machine, prompt_tokens: float, output_tokens: float, load: float
) -> Price | None:
    """What tokens cost at this load; None where the price of the machine is unknown.

    A machine at full load divides its time between reading and writing; each token pays for its
    part, and for its part of the time in which the machine waits.

    Raises:
        UsageError: If the load is not a share.
    """
    if not 0 < load <= 1:
        raise UsageError(f"A load of {load:g} is not a share of the greatest rate, above 0 to 1.")
    rate = machine.dollars_per_second
    if rate is None:
        return None
    per_answer = rate / (way.tokens_per_second / output_tokens) / load
    group = max(1.0, way.batch / way.deployment.data_parallel)
    step = (
        decode_step(way.deployment, prompt_tokens + output_tokens / 2, batch=group).seconds / group
    )
    reading = way.first_token_seconds - way.deployment.engine.request_seconds
    share = reading / (reading + output_tokens * step)
    return Price(
        prompt=per_answer * share / prompt_tokens,
        output=per_answer * (1 - share) / output_tokens,
        answer=per_answer,
        load=load,
    )
