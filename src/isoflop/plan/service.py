"""A served model under load, whole: memory, waiting, roofline, dollars, energy, advice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.capacity import MemoryMap, memory_map, refuse_if_too_large
from isoflop.plan.deployment import Deployment
from isoflop.plan.energy import answer_joules, grid_grams
from isoflop.plan.frontier import LARGEST_BATCH, Point, Price, point, price
from isoflop.plan.queueing import Demand, Waiting, waiting
from isoflop.plan.serving import Pass, decode_step, prefill, server

# 80 % intervals, as factors: what held four rows in five of benchmarks.plan_serving whose chip,
# or whose model, was left out of the fit (2026-11-24).
PASS_FACTOR = 1.4
TOKEN_FACTOR = 1.5
FIRST_TOKEN_FACTOR = 2.5
REQUESTS = 500  # simulated; the mean wait of a copy is then known to about 5 %


@dataclass(frozen=True, slots=True)
class Target:
    """What an answer is for, and how long its reader waits.

    Attributes:
        first_token_seconds: At most; None for any.
        token_seconds: At most.
        answer_seconds: At most.
        source: Of these, or that they are assumed.
    """

    first_token_seconds: float | None
    token_seconds: float | None
    answer_seconds: float | None
    source: str

    def met(self, found: Waiting) -> bool:
        """Whether the means keep to it."""
        pairs = (
            (self.first_token_seconds, found.first_token_seconds),
            (self.token_seconds, found.token_seconds),
            (self.answer_seconds, found.answer_seconds),
        )
        return all(limit is None or value <= limit for limit, value in pairs)


TARGETS = {
    "keystroke": Target(
        None, None, 1.0, "1 s for the whole: thought is not interrupted (Nielsen 1993, chapter 5)"
    ),
    "conversation": Target(
        0.45, 0.04, None, "MLPerf Inference v5.0 (2025), Llama 2 70B interactive; taken as means"
    ),
    "batch": Target(None, None, None, "none: only the price counts (assumed)"),
}


@dataclass(frozen=True, slots=True)
class Roofline:
    """Where one pass stands between memory and multipliers.

    Attributes:
        bound: What takes the most time: "memory", "compute", "links" or "overhead".
        share: Of the pass's time.
        intensity: FLOPs for each byte of weights and cache.
        ridge: FLOPs for each byte at which the data sheet's peak and bandwidth balance.
        mfu: Model FLOPs over what the chips could do, data sheet, in the weights' format.
        mbu: Bytes of weights and cache over what the memories could deliver.
    """

    bound: str
    share: float
    intensity: float
    ridge: float
    mfu: float
    mbu: float


@dataclass(frozen=True, slots=True)
class Service:
    """Copies of a model on all chips of a machine, and how they do under a demand.

    Attributes:
        deployment: One copy.
        copies: Side by side.
        memory: Of one chip.
        waiting: As simulated.
        reading: One prompt's pass.
        writing: One step of the batch that is written on average.
        full: The same chips with as many answers at once as memory holds (at most 4,096).
        first_token: Seconds, on average.
        first_token_95: Seconds that 95 of 100 requests stay below.
        token: Seconds of an output token.
        answer: Seconds, from the request to the last token.
        tokens_per_second: Output, of all users together, at this demand.
        price: At the stated load.
        joules: Of an answer, machines kept ready included, cooling not.
        grams_co2e: Of an answer, with cooling.
    """

    deployment: Deployment
    copies: int
    memory: MemoryMap
    waiting: Waiting
    reading: Pass
    writing: Pass
    full: Point
    first_token: Estimate
    first_token_95: Estimate
    token: Estimate
    answer: Estimate
    tokens_per_second: Estimate
    price: Price | None
    joules: Estimate | None
    grams_co2e: Estimate | None


def service(
    d: Deployment, machine: Machine, demand: Demand, *, load: float = 0.4, shared: float = 0.0
) -> Service:
    """What users of a machine get, with as many copies of a deployment as it holds.

    Args:
        d: One copy.
        machine: All chips.
        demand: Of all users.
        load: Share of its greatest rate at which the machine is used over the day, for the price.
        shared: Share of each prompt that all prompts begin with, kept from one to the next.

    Raises:
        UsageError: If a copy is larger than the machine, or its memory too small.
    """
    kept = demand.prompt_tokens * shared
    tokens = round(demand.prompt_tokens + demand.output_tokens)
    _refuse(d, machine, shared, tokens)
    copies = machine.count // d.chips
    memory = memory_map(d, tokens, shared_tokens=round(kept))
    most = min(memory.sequences, LARGEST_BATCH)
    found = waiting(
        server(d, most, demand.prompt_tokens, demand.output_tokens, cached_tokens=kept),
        _of_one(demand, copies),
        requests=REQUESTS,
    )
    context = demand.prompt_tokens + demand.output_tokens / 2
    batch = max(1.0, found.sequences)
    reading = prefill(d, demand.prompt_tokens, cached_tokens=kept)
    writing = decode_step(d, context, batch=batch / d.data_parallel if batch > 1 else 1)
    full = point(d, machine.count, most, demand.prompt_tokens, demand.output_tokens, kept)
    copy = replace(machine, count=d.chips)
    joules = answer_joules(
        copy,
        prefill_seconds=reading.seconds,
        decode_seconds=demand.output_tokens * writing.seconds / batch,
        batch=batch,
    )
    building = None if joules is None else joules * machine.power_usage_effectiveness
    rate = found.requests_per_second * copies * demand.output_tokens
    return Service(
        deployment=d,
        copies=copies,
        memory=memory,
        waiting=found,
        reading=reading,
        writing=writing,
        full=full,
        first_token=Estimate.within(found.first_token_seconds, FIRST_TOKEN_FACTOR),
        first_token_95=Estimate.within(found.first_token_95, FIRST_TOKEN_FACTOR),
        token=Estimate.within(found.token_seconds, TOKEN_FACTOR),
        answer=Estimate.within(found.answer_seconds, TOKEN_FACTOR),
        tokens_per_second=Estimate.within(rate, TOKEN_FACTOR),
        price=price(full, machine, demand.prompt_tokens, demand.output_tokens, load),
        joules=joules,
        grams_co2e=grid_grams(machine, building),
    )


def _refuse(d: Deployment, machine: Machine, shared: float, tokens: int) -> None:
    if d.chips > machine.count:
        raise UsageError(f"One copy on {d.chips} chips is more than the machine's {machine.count}.")
    if not 0 <= shared < 1:
        raise UsageError(f"{shared:g} is not a share of the prompt, from 0 to below 1.")
    refuse_what_it_cannot_write(d, tokens)
    refuse_if_too_large(d, tokens)


def refuse_what_it_cannot_write(d: Deployment, tokens: int) -> None:
    """Refuse encoders, and texts longer than the model's published context.

    Raises:
        UsageError: If the model is one, or the text is.
    """
    if d.architecture.tied is None:
        raise UsageError("This model is an encoder: it has no output head and writes no tokens.")
    context = d.architecture.context
    if context is not None and tokens > context:
        raise UsageError(
            f"Prompt and answer are {tokens:,} tokens, the model holds {context:,}. Shorten them, "
            "or choose a model with a longer context."
        )


def ways(d: Deployment, machine: Machine, demand: Demand, **options: float) -> list[Service]:
    """The deployment with 1, 2, 4 ... chips a copy, wherever it fits.

    Raises:
        UsageError: If it fits nowhere; the message says what would.
    """
    found: list[Service] = []
    chips, problem = 1, None
    while chips <= machine.count:
        try:
            found.append(service(replace(d, tensor_parallel=chips), machine, demand, **options))
        except UsageError as refused:
            problem = refused
        chips *= 2
    if not found and problem is not None:
        raise problem
    return found


def best(found: Sequence[Service], target: Target | None) -> Service:
    """The one to choose: of those that meet the target, the one with the greatest rate.

    Where none does, or there is no target, the one that answers soonest.
    """
    fit = [way for way in found if target is not None and target.met(way.waiting)]
    if fit:
        return max(fit, key=lambda way: way.full.tokens_per_second)
    return min(found, key=lambda way: way.waiting.answer_seconds)


def roofline(d: Deployment, one: Pass) -> Roofline:
    """Where a pass of a deployment stands."""
    parts = {
        "memory": one.memory_seconds + one.traffic_seconds,
        "compute": one.compute_seconds,
        "links": one.link_seconds,
        "overhead": one.overhead_seconds,
    }
    bound = max(parts, key=lambda name: parts[name])
    peak = d.peak * d.chips
    memory = d.bandwidth * d.chips
    return Roofline(
        bound=bound,
        share=min(1.0, parts[bound] / one.seconds),
        intensity=one.flops / one.bytes,
        ridge=peak / memory,
        mfu=one.flops / one.seconds / peak,
        mbu=one.bytes / one.seconds / memory,
    )


def _of_one(demand: Demand, copies: int) -> Demand:
    """The part of the demand that one of the copies sees."""
    if demand.users is not None:
        return replace(demand, users=-(-demand.users // copies))
    assert demand.requests_per_second is not None
    return replace(demand, requests_per_second=demand.requests_per_second / copies)
