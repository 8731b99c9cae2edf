"""What models in this process take: counted FLOPs, measured seconds, the machine's energy."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.augment.answerer import Speed
from isoflop.augment.methods.forecasting import UNKNOWN
from isoflop.bill import Bill
from isoflop.errors import IsoflopError
from isoflop.lm.model import Message
from isoflop.meter import Reading
from isoflop.plan.price import run_bill
from isoflop.questions import Hit, Question

TRIAL_TOKENS, TRIAL_WRITTEN = 192, 12
TRIAL_QUESTIONS = 5  # that are asked to see how much is written
TRIAL_SECONDS = 10.0  # that asking them may be expected to take
Find = Callable[[str], Sequence[Hit]]
REPEATS = 4  # of each timing, of which the fastest counts: a busy machine only delays


def context_of(model: Any) -> int | None:
    """Tokens a model reads well: its bound, or the length it was trained at where it has none.

    Rotary positions set no bound, but beyond the trained length answers become noise.
    """
    bound: int | None = model.context_tokens
    if bound is None:
        inner = getattr(model, "inner", model)
        return getattr(inner, "trained_tokens", None)
    return bound


def flops_of(model: Any, prompt: float, written: float, cached: float) -> float | None:
    """FLOPs to read a prompt after its cached tokens and write after it.

    The output head is computed for the last token of the prompt and for each token written, and
    the token written last is not read.
    """
    fresh = max(0.0, prompt - cached)
    read = fresh + max(0.0, written - 1)
    alone = getattr(model, "inner", model)  # groups that were read before are in `cached`
    whole: float | None = alone.forward_flops(read, cached)
    if whole is None:
        return None
    return whole - 2.0 * head_parameters(model) * max(0.0, fresh - 1)


def architecture_of(model: Any) -> Architecture | None:
    """Sizes of a model in this process; None where they are not known."""
    inner = getattr(model, "inner", model)
    shape: Architecture | None = getattr(inner, "architecture", None)
    if shape is None:
        configuration = getattr(getattr(inner, "model", None), "configuration", None)
        shape = getattr(configuration, "architecture", None)
    return shape


def head_parameters(model: Any) -> int:
    """Entries of the output head; 0 where the architecture is not known."""
    shape = architecture_of(model)
    return 0 if shape is None else int(shape.head_parameters)


def cost_of(
    model: Any, speed: Speed | None, prompt: float, written: float, cached: float, calls: float
) -> Bill:
    """A forecast for so many calls that together read and write so many tokens."""
    calls = max(1.0, calls)
    each = flops_of(model, prompt / calls, written / calls, cached / calls)
    flops = None if each is None else calls * each
    counts = Bill.forecast(prompt_tokens=prompt, cached_tokens=cached, output_tokens=written)
    if speed is None:
        return counts + Bill.forecast(flops=flops) + UNKNOWN
    seconds = calls * speed.seconds((prompt - cached) / calls, written / calls)
    return counts + run_bill(
        catalog.this_machine(), seconds=seconds, flops=flops, basis="forecast"
    )  # fmt: skip


def measured_bill(model: Any, made: Any, reading: Reading) -> Bill:
    """Of one answer: tokens and seconds measured, FLOPs counted from them."""
    prompt, written = made.prompt_tokens or 0, made.output_tokens or 0
    cached = made.cached_tokens or 0
    return Bill.measured(cached_tokens=cached) + run_bill(
        catalog.this_machine(),
        seconds=reading.seconds,
        joules=reading.joules,
        flops=flops_of(model, prompt, written, cached),
        prompt_tokens=prompt,
        output_tokens=written,
    )


def placed_bill(bill: Bill) -> Bill:
    """A bill of tokens, FLOPs and seconds, with what this machine takes in that time."""
    machine = catalog.this_machine()
    return Bill.measured(cached_tokens=bill.cached_tokens) + run_bill(
        machine,
        seconds=bill.seconds or 0.0,
        flops=bill.flops,
        prompt_tokens=bill.prompt_tokens,
        output_tokens=bill.output_tokens,
    )


def trial(model: Any, tokens: int = TRIAL_TOKENS) -> Speed:
    """How fast a model reads and writes here, from a fraction of a second of each."""
    text = "the " * tokens
    message = [Message("user", text)]
    model.generate([Message("user", "the")], most_tokens=2)  # the first call waits for libraries
    one = min(_timed(model, message, 1) for _ in range(REPEATS))
    short = min(_timed(model, [Message("user", "the")], 1) for _ in range(REPEATS))
    many = min(_timed(model, message, TRIAL_WRITTEN) for _ in range(REPEATS))
    length = len(model.encode_messages(message))
    each = max(0.0, one - short) / max(1, length - 1)
    return Speed(each, max(0.0, many - one) / (TRIAL_WRITTEN - 1), short)


def tried(answerer: Any, questions: Sequence[Question], find: Find) -> Any:
    """A model that knows how much it writes, from a few questions with and without a passage.

    Where that might take long nothing is tried, and the guess stays; so it does where no question
    can be put to it. A model that fails here is asked all the same later, and reported with why.

    Args:
        answerer: Asked; one whose speed is not known is not.
        questions: Of which some with answers are asked.
        find: Gives a passage that may answer.
    """
    asked = [question for question in questions if question.answers][:TRIAL_QUESTIONS]
    if not asked or answerer.speed is None:
        return answerer
    some = [(question, find(question.text)) for question in asked]
    read = sum(answerer.prompt_tokens(q.text, [hit.passage for hit in hits]) for q, hits in some)
    written = 2 * sum(map(answerer.answer_tokens, asked))
    if answerer.speed.seconds(read, written) > TRIAL_SECONDS:
        return answerer
    alone = [n for q, _ in some if (n := _tokens_written(answerer, q, ())) is not None]
    found = [n for q, hits in some if (n := _tokens_written(answerer, q, hits)) is not None]
    if not alone or not found:
        return answerer
    return replace(answerer, tokens_alone=fmean(alone), tokens_found=fmean(found))


def _tokens_written(answerer: Any, question: Question, hits: Sequence[Hit]) -> float | None:
    """Tokens of one answer; None where there was none."""
    try:
        written: float | None = answerer.answer(question.text, hits).bill.output_tokens
    except IsoflopError:
        return None
    return written


def _timed(model: Any, message: list[Message], written: int) -> float:
    start = time.perf_counter()
    model.generate(message, most_tokens=written)
    return time.perf_counter() - start
