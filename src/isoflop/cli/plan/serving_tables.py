"""How a forecast of serving is told: tables, JSON, conventions, rows of a plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoflop.cli.output import amount, dollars, table
from isoflop.cli.plan import show
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.frontier import Point
from isoflop.plan.queueing import Demand
from isoflop.plan.service import PASS_FACTOR, TOKEN_FACTOR, Roofline, Service, Target, roofline
from isoflop.plan.serving import decode_step, tokens_per_step

MONTH = 2629746.0  # seconds, a twelfth of the mean year
MILLION = 1e6


@dataclass(frozen=True)
class Told:
    """Everything that was worked out for one call."""

    model: str
    machine: Machine
    demand: Demand
    chosen: Service
    tried: Sequence[Service]
    frontier: Sequence[Point]
    target: Target | None
    purpose: str | None
    api: tuple[float, float] | None
    drafts: tuple[int, float] = (0, 0.0)


def text(t: Told) -> str:
    """Tables, in the order of a reader's questions: does it fit, how fast, how dear, what else."""
    parts = [
        _headline(t),
        show.figures(_memory(t)),
        show.figures(_speed(t)),
        _rooflines(t),
        show.figures(_cost(t)),
        _frontier(t.frontier),
        "\n".join(advice(t)),
    ]
    return "\n\n".join(part for part in parts if part)


def values(t: Told) -> dict[str, Any]:
    """The same for JSON, in SI units."""
    s, m = t.chosen, t.chosen.memory
    read, write = roofline(s.deployment, s.reading), roofline(s.deployment, s.writing)
    return {
        "model": t.model,
        "chips": t.machine.count,
        "chip": t.machine.accelerator.name,
        "copies": s.copies,
        "tensor_parallel": s.deployment.tensor_parallel,
        "weights": s.deployment.weights,
        "cache": s.deployment.cache,
        "engine": s.deployment.engine.name,
        "memory": {
            "weights_bytes_per_chip": m.weights,
            "cache_bytes_per_user_per_chip": m.cache_per_sequence,
            "reserve_bytes_per_chip": m.reserve,
            "bytes_per_chip": m.memory,
            "users_that_fit": m.sequences * s.copies,
        },
        "prefill_seconds": _pass_estimate(s.reading.seconds),
        "decode_step_seconds": _pass_estimate(s.writing.seconds),
        "batch": s.waiting.sequences,
        "first_token_seconds": s.first_token,
        "first_token_seconds_95": s.first_token_95,
        "token_seconds": s.token,
        "drafted_token_seconds": _drafted(t),
        "answer_seconds": s.answer,
        "tokens_per_second": s.tokens_per_second,
        "tokens_per_second_per_user": 1 / s.token,
        "tokens_per_second_per_chip": s.tokens_per_second / t.machine.count,
        "busy": s.waiting.busy,
        "prefill": _roofline_values(read),
        "decode": _roofline_values(write),
        "dollars_per_answer": _priced(s, "answer"),
        "dollars_per_prompt_token": _priced(s, "prompt"),
        "dollars_per_output_token": _priced(s, "output"),
        "joules_per_answer": s.joules,
        "grams_co2e_per_answer": s.grams_co2e,
        "break_even": _break_even(t),
        "meets_target": None if t.target is None else t.target.met(s.waiting),
        "frontier": [_point_values(p) for p in t.frontier],
        "advice": advice(t),
    }


def advice(t: Told) -> list[str]:
    """Whether to shard the model or to copy it, whether the target is met, what an API costs."""
    return [*_sharding(t), *_target(t), *_against_api(t)]


def conventions(t: Told) -> list[str]:
    """What the figures assume."""
    s, d = t.chosen, t.chosen.deployment
    asked = (
        f"{t.demand.users:,} users who ask again {t.demand.think_seconds:,.0f} s after an answer"
        if t.demand.users is not None
        else f"{t.demand.requests_per_second:g} requests per second, at random"
    )
    load = "" if s.price is None else f", at {s.price.load:.0%} load"
    chip = t.machine.accelerator
    price = (
        "price unknown (give --price)"
        if chip.dollars_per_hour is None
        else f"${chip.dollars_per_hour:g} an hour and chip"
    )
    return [
        f"{asked}; prompts of {t.demand.prompt_tokens:,.0f} and answers of "
        f"{t.demand.output_tokens:,.0f} tokens on average, +-{t.demand.spread:.0%}; waiting is "
        "simulated, with the same seed each time.",
        f"{d.engine.name}; weights {d.weights}, cache {d.cache}; a tenth of memory is left to the "
        "engine. Time per token (TPOT) leaves out the first token.",
        *_draft_convention(t),
        "MFU: model FLOPs over the data sheet's dense peak in the format multiplied in; MBU: "
        "weights and cache over the data sheet's bandwidth.",
        "Formats of weights are compared by cost alone, not by the quality of answers.",
        f"Prices: {price}{load}, the machine's time split between reading and writing.",
        f"Energy: chips, hosts and machines kept ready; CO2e with PUE "
        f"{t.machine.power_usage_effectiveness:g} on grid {t.machine.grid}, location-based.",
    ]


def _draft_convention(t: Told) -> list[str]:
    drafted, accepted = t.drafts
    if not drafted:
        return []
    return [
        f"Drafts of {drafted}, each token kept with a chance of {accepted:.0%}, independently; the "
        "drafting model's own time is left out."
    ]


def plotted(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Rows of the plot of the frontier."""
    return [
        {
            "series": f"{p.deployment.tensor_parallel} chips a copy, {p.deployment.weights}",
            "batch": p.batch,
            "user_tokens_per_second": p.tokens_per_second_per_user,
            "chip_tokens_per_second": p.tokens_per_second_per_chip,
        }
        for p in points
    ]


def _headline(t: Told) -> str:
    s = t.chosen
    chips = s.deployment.chips
    copies = "1 copy" if s.copies == 1 else f"{s.copies} copies"
    return (
        f"{t.model} on {t.machine.count} x {t.machine.accelerator.name}: {copies} of {chips} "
        f"{'chip' if chips == 1 else 'chips'}, {s.deployment.weights} weights"
    )


def _memory(t: Told) -> list[tuple[str, show.Figure, show.Unit]]:
    m = t.chosen.memory
    size = show.unit("B")
    return [
        ("memory of a chip", Estimate.exact(m.memory), size),
        ("  weights", Estimate.exact(m.weights), size),
        ("  cache of one user", Estimate.exact(m.cache_per_sequence), size),
        ("  left to the engine", Estimate.exact(m.reserve, "assumed"), size),
        ("users that fit at once", Estimate.exact(m.sequences * t.chosen.copies), show.plain),
    ]


def _speed(t: Told) -> list[tuple[str, show.Figure, show.Unit]]:
    s = t.chosen
    time, rate = show.unit("s"), show.per(1, "token/s")
    return [
        ("reading a prompt, alone", _pass_estimate(s.reading.seconds), time),
        (
            f"a step of {max(1, s.waiting.sequences):.0f} at once",
            _pass_estimate(s.writing.seconds),
            time,
        ),
        ("first token, waiting included", s.first_token, time),
        ("  95 of 100 wait less than", s.first_token_95, time),
        ("each token after it", s.token, time),
        *([("  with drafts", _drafted(t), time)] if t.drafts[0] else []),
        ("whole answer", s.answer, time),
        ("a user", 1 / s.token, rate),
        ("all users", s.tokens_per_second, rate),
        ("a chip", s.tokens_per_second / t.machine.count, rate),
        ("a chip, when full", _full_rate(s), rate),
    ]


def _drafted(t: Told) -> Estimate | None:
    """Seconds of an output token where tokens are drafted; the draft's own time is left out."""
    drafted, accepted = t.drafts
    if not drafted:
        return None
    s = t.chosen
    context = t.demand.prompt_tokens + t.demand.output_tokens / 2
    batch = max(1.0, s.waiting.sequences / s.deployment.data_parallel)
    step = decode_step(s.deployment, context, batch=batch, drafted=drafted)
    slower = step.seconds / s.writing.seconds
    return s.token * (slower / tokens_per_step(drafted, accepted))


def _full_rate(s: Service) -> Estimate:
    return Estimate.within(s.full.tokens_per_second_per_chip, TOKEN_FACTOR)


def _rooflines(t: Told) -> str:
    s = t.chosen
    rows = []
    for name, one in (("reading", s.reading), ("writing", s.writing)):
        r = roofline(s.deployment, one)
        rows.append(
            (
                name,
                f"{r.bound} ({r.share:.0%})",
                show.plain(r.intensity),
                show.plain(r.ridge),
                f"{r.mfu:.1%}",
                f"{r.mbu:.1%}",
            )
        )
    return table(("roofline", "most time", "FLOP/B", "balance at", "MFU", "MBU"), rows)


def _cost(t: Told) -> list[tuple[str, show.Figure, show.Unit]]:
    s = t.chosen
    return [
        ("a million prompt tokens", _times(_priced(s, "prompt"), MILLION), show.money),
        ("a million output tokens", _times(_priced(s, "output"), MILLION), show.money),
        ("an answer", _priced(s, "answer"), show.money),
        ("energy of an answer", s.joules, show.unit("J")),
        ("CO2e of an answer", s.grams_co2e, show.carbon),
    ]


def _frontier(points: Sequence[Point]) -> str:
    rows = [
        (
            str(p.deployment.tensor_parallel),
            str(p.copies),
            p.deployment.weights,
            str(p.batch),
            amount(p.first_token_seconds, "s"),
            show.plain(p.tokens_per_second_per_user),
            show.plain(p.tokens_per_second_per_chip),
        )
        for p in points
    ]
    head = (
        "chips/copy",
        "copies",
        "weights",
        "batch",
        "first token",
        "token/s user",
        "token/s chip",
    )
    return table(head, rows) + "\n* without waiting; all copies full"


def _sharding(t: Told) -> list[str]:
    smallest = min(t.tried, key=lambda way: way.deployment.chips)
    s = t.chosen
    if len(t.tried) == 1:
        return []
    small, large = smallest.deployment.chips, s.deployment.chips
    if large == small:
        others = [way for way in t.tried if way is not s]
        rival = min(others, key=lambda way: way.waiting.answer_seconds)
        return [
            f"Copy, do not shard: {s.copies} copies of {_chips(large)} behind a load balancer "
            f"(shard in the application). Copies of {_chips(rival.deployment.chips)} would answer "
            f"in {amount(rival.waiting.answer_seconds, 's')}, not "
            f"{amount(s.waiting.answer_seconds, 's')}, and give "
            f"{_more(rival.full.tokens_per_second / s.full.tokens_per_second)} tokens per second "
            "when full: all-reduces between chips take their part."
        ]
    more = _more(smallest.full.tokens_per_second / s.full.tokens_per_second)
    faster = smallest.waiting.answer_seconds / s.waiting.answer_seconds
    return [
        f"Shard in the engine, {_chips(large)} a copy: answers come {faster:.1f} times as soon as "
        f"with copies of {_chips(small)}. When every chip is full those would give "
        f"{more} tokens per second."
    ]


def _target(t: Told) -> list[str]:
    if t.target is None:
        return []
    met = "kept" if t.target.met(t.chosen.waiting) else "not kept by any way tried"
    return [f"Target of --for {t.purpose} is {met}: {t.target.source}."]


def _against_api(t: Told) -> list[str]:
    found = _break_even(t)
    if found is None:
        return []
    api, own = dollars(found["api_dollars_per_answer"]), dollars(found["own_dollars_per_answer"])
    even, most = found["answers_per_month"], found["most_answers_per_month"]
    if even > most:
        return [
            f"The API is cheaper at any load: {api} an answer. Own chips would have to give "
            f"{show.plain(even)} answers a month, and give {show.plain(most)} at most."
        ]
    return [
        f"API: {api} an answer; own chips: {own} at this load. Own chips pay from "
        f"{show.plain(even)} answers a month, {even / most:.0%} of what they can give."
    ]


def _break_even(t: Told) -> dict[str, float] | None:
    rate, s = t.machine.dollars_per_second, t.chosen
    if t.api is None or rate is None or s.price is None:
        return None
    each = t.demand.prompt_tokens * t.api[0] + t.demand.output_tokens * t.api[1]
    return {
        "api_dollars_per_answer": each,
        "own_dollars_per_answer": s.price.answer,
        "answers_per_month": rate * MONTH / each,
        "most_answers_per_month": s.full.tokens_per_second / t.demand.output_tokens * MONTH,
    }


def _more(ratio: float) -> str:
    return f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'fewer'}"


def _chips(number: int) -> str:
    return "1 chip" if number == 1 else f"{number} chips"


def _pass_estimate(seconds: float) -> Estimate:
    return Estimate.within(seconds, PASS_FACTOR)


def _priced(s: Service, part: str) -> Estimate | None:
    if s.price is None:
        return None
    return Estimate.within(getattr(s.price, part), TOKEN_FACTOR)


def _times(figure: Estimate | None, factor: float) -> Estimate | None:
    return None if figure is None else figure * factor


def _roofline_values(r: Roofline) -> dict[str, Any]:
    return {
        "bound": r.bound,
        "share": r.share,
        "flops_per_byte": r.intensity,
        "balance_flops_per_byte": r.ridge,
        "mfu": r.mfu,
        "mbu": r.mbu,
    }


def _point_values(p: Point) -> dict[str, Any]:
    return {
        "tensor_parallel": p.deployment.tensor_parallel,
        "copies": p.copies,
        "weights": p.deployment.weights,
        "batch": p.batch,
        "first_token_seconds": p.first_token_seconds,
        "tokens_per_second_per_user": p.tokens_per_second_per_user,
        "tokens_per_second_per_chip": p.tokens_per_second_per_chip,
    }
