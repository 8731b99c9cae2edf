"""What each way of answering questions about a corpus costs: once, and for every question.

One function for each method. Each takes a workload and returns two bills; a method that the model
or the machine cannot hold raises `CannotHold`, and the others go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan.copies import CannotHold, copy_of
from isoflop.plan.energy import answer_joules, energy
from isoflop.plan.finetuning import finetuning
from isoflop.plan.flops import forward_flops
from isoflop.plan.price import grams_co2e
from isoflop.plan.serving import decode_step, prefill
from isoflop.plan.training_run import as_one_device
from isoflop.workload import Workload

ENCODER_SHARE_OF_PEAK = 0.3  # as in plan.retrieval, where no trial was run
Figure = Literal["flops", "seconds", "joules", "dollars", "grams_co2e"]
# 80 % intervals, as factors to either side: counts differ by what is left out (norms, softmax);
# serving times by the error of plan.serving; power as in plan.energy; the grid by its data sets.
WITHIN: Mapping[Figure, float] = {
    "flops": 1.05,
    "seconds": 1.4,
    "joules": 1.6,
    "dollars": 1.4,
    "grams_co2e": 1.7,
}


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one method.

    Attributes:
        once: Before the first question.
        each: For every question; its seconds are what one person waits, its dollars and joules
            the part of the machine that one question occupies.
        chips: That one question occupies while it is answered.
    """

    once: Bill
    each: Bill
    chips: int = 1

    def total(self, questions: float) -> Bill:
        """Of so many questions."""
        return self.once + self.each * questions


Method = Callable[[Workload], Costs]


def closed_book(w: Workload) -> Costs:
    """The model answers from what it knows; the corpus is not read."""
    return Costs(Bill(), _reply(w, w.asked_tokens), _chips(w, w.asked_tokens))


def long_context(w: Workload) -> Costs:
    """The whole corpus stands before every question, and is read again for each."""
    prompt = w.corpus_tokens + w.asked_tokens
    return Costs(Bill(), _reply(w, prompt), _chips(w, prompt))


def long_context_cached(w: Workload) -> Costs:
    """The whole corpus is read once; its keys and values are kept for all questions.

    A question whose kept prefix is gone (1 - cache_hits of them) reads it again.
    """
    anew = _reply(w, w.corpus_tokens + w.asked_tokens)
    once = _reading(w, [w.corpus_tokens])
    return Costs(once, _mixed(w, _after_corpus(w), anew), copy_of(w, _with_corpus(w))[0].chips)


def groups(w: Workload) -> Costs:
    """Structured prompting: the corpus is read once, in groups as long as the model's context.

    Groups are read apart from each other and kept; a question attends to all of them at once, in
    every layer. The context limits one group, the memory limits them all.

    Source:
        Hao et al. 2022, Structured Prompting, arXiv:2212.06713.
    """
    size = w.corpus_tokens
    if w.architecture.context is not None:
        _within_context(w, w.asked_tokens + w.answer_tokens + 1)
        size = min(size, w.architecture.context - w.asked_tokens - w.answer_tokens)
    whole, rest = divmod(w.corpus_tokens, size)
    once = _reading(w, [size] * round(whole) + ([rest] if rest >= 1 else []))
    each = _after_corpus(w)
    return Costs(once, _mixed(w, each, each + once), copy_of(w, _with_corpus(w))[0].chips)


def retrieval(w: Workload) -> Costs:
    """Passages are embedded once; each question reads those found for it."""
    prompt = w.retrieved_tokens + w.asked_tokens
    return Costs(_index(w), _search(w) + _reply(w, prompt), _chips(w, prompt))


def lora(w: Workload) -> Costs:
    """Low-rank matrices beside frozen weights are trained on the corpus; then as closed book."""
    return Costs(_tuning(w, "lora"), _reply(w, w.asked_tokens), _chips(w, w.asked_tokens))


def full_finetuning(w: Workload) -> Costs:
    """All weights are trained on the corpus; then as closed book."""
    return Costs(_tuning(w, "full"), _reply(w, w.asked_tokens), _chips(w, w.asked_tokens))


def agent(w: Workload) -> Costs:
    """A few steps of searching and reading, each with all that came before it in its prompt.

    Every step writes what to look for and gets passages; the last one answers. A step reads
    everything again, except the share that a prefix cache still holds.
    """
    kept = again = _search(w) * (w.steps - 1)
    context, steps = w.asked_tokens, round(w.steps)
    for step in range(steps):
        written = w.answer_tokens if step + 1 == steps else w.step_tokens
        seen = context - w.retrieved_tokens if step else 0.0
        again = again + _reply(w, context, written)
        kept = kept + _reply(w, context, written, kept=seen)
        context += written + w.retrieved_tokens
    return Costs(_index(w), _mixed(w, kept, again), _chips(w, context))


METHODS: Mapping[str, Method] = {
    "closed book": closed_book,
    "long context": long_context,
    "long context, prefix cached": long_context_cached,
    "groups": groups,
    "retrieval": retrieval,
    "fine-tuning, LoRA": lora,
    "fine-tuning, full": full_finetuning,
    "agent": agent,
}


def estimate(bill: Bill, figure: Figure) -> Estimate | None:
    """A figure of a bill with its interval; dollars are at the price given, whatever it will be."""
    value: float | None = getattr(bill, figure)
    if value is None:
        return None
    return Estimate.within(value, WITHIN[figure], bill.basis_of(figure) or "forecast")


def busy_share(w: Workload, costs: Costs) -> float | None:
    """Share of the machine's time that the questions take; more than 1 cannot be served.

    All copies of the model that fit on the machine answer. None where questions come only once.
    Reading is counted as if it were shared among a batch, as writing is.
    """
    if w.period_seconds == float("inf"):
        return None
    at_once = w.batch * (w.machine.count // costs.chips)
    return w.questions / w.period_seconds * (costs.each.seconds or 0) / at_once


def break_even(one: Costs, other: Costs, figure: Figure) -> float | None:
    """Questions after which the totals of two methods are the same.

    Returns:
        None if one of them is never dearer than the other, or a figure is unknown.
    """
    once = _difference(one.once, other.once, figure)
    each = _difference(other.each, one.each, figure)
    if once is None or each is None or each == 0:
        return None
    questions = once / each
    return questions if questions > 0 else None


def _difference(one: Bill, other: Bill, figure: Figure) -> float | None:
    value: float | None = getattr(one - other, figure)
    return value


def _reply(w: Workload, prompt: float, written: float | None = None, *, kept: float = 0.0) -> Bill:
    """Reading a prompt, of which so many tokens are kept, and writing after it."""
    written = w.answer_tokens if written is None else written
    _within_context(w, prompt + written)
    return _answered(w, prompt, written, kept, held=w.batch * (prompt + written))


def _chips(w: Workload, prompt: float) -> int:
    """Of one copy of the model, with a batch of such prompts."""
    return copy_of(w, w.batch * (prompt + w.answer_tokens))[0].chips


def _after_corpus(w: Workload) -> Bill:
    """A question and its answer, where the corpus is kept once for all sequences of a batch."""
    prompt, written = w.corpus_tokens + w.asked_tokens, w.answer_tokens
    return _answered(w, prompt, written, kept=w.corpus_tokens, held=_with_corpus(w))


def _with_corpus(w: Workload) -> float:
    """Tokens kept at once: the corpus, and each sequence's own."""
    return w.corpus_tokens + w.batch * (w.asked_tokens + w.answer_tokens)


def _answered(w: Workload, prompt: float, written: float, kept: float, held: float) -> Bill:
    d, machine = copy_of(w, held)
    read = prefill(d, prompt, cached_tokens=kept)
    step = decode_step(d, prompt + written / 2, batch=w.batch)
    writing = written * step.seconds
    return _bill(
        machine,
        seconds=read.seconds + writing,
        reading=read.seconds,
        writing=writing / w.batch,
        batch=w.batch,
        flops=read.flops + written * step.flops / w.batch,
        prompt_tokens=prompt,
        cached_tokens=kept,
        output_tokens=written,
    )


def _reading(w: Workload, lengths: list[float]) -> Bill:
    """Reading texts of these lengths one after the other, to keep them all."""
    d, machine = copy_of(w, _with_corpus(w))
    read = {length: prefill(d, length) for length in set(lengths)}
    seconds = sum(read[length].seconds for length in lengths)
    return _bill(
        machine,
        seconds=seconds,
        reading=seconds,
        flops=sum(read[length].flops for length in lengths),
        prompt_tokens=sum(lengths),
    )


def _bill(
    machine: Machine,
    *,
    seconds: float,
    reading: float,
    writing: float = 0.0,
    batch: float = 1,
    **counted: float,
) -> Bill:
    """From the machine's time: what is waited, and the part of the machine that is paid for."""
    found = answer_joules(machine, prefill_seconds=reading, decode_seconds=writing, batch=batch)
    joules = None if found is None else found.value
    rate = machine.dollars_per_second
    return Bill.forecast(seconds=seconds, joules=joules, **counted) + Bill.assumed(
        dollars=None if rate is None else rate * (reading + writing),
        grams_co2e=grams_co2e(machine, joules),
    )


def _mixed(w: Workload, hit: Bill, miss: Bill) -> Bill:
    """The mean over questions, some of which find the cache emptied."""
    return hit * w.cache_hits + miss * (1 - w.cache_hits)


def _index(w: Workload) -> Bill:
    """Embedding all passages of the corpus with MiniLM on the same machine."""
    shape = catalog.architecture("minilm")
    passages = w.corpus_tokens / w.passage_tokens
    return _encoded(w, passages * forward_flops(shape, [w.passage_tokens]), w.corpus_tokens)


def _search(w: Workload) -> Bill:
    """Embedding one question, and comparing it with every passage."""
    shape = catalog.architecture("minilm")
    compared = 2 * shape.width * w.corpus_tokens / w.passage_tokens
    return _encoded(w, forward_flops(shape, [w.question_tokens]) + compared, 0)


def _encoded(w: Workload, flops: float, tokens: float) -> Bill:
    seconds = flops / (ENCODER_SHARE_OF_PEAK * _peak(w.machine))
    return _worked(w.machine, seconds, flops=flops, prompt_tokens=tokens)


def _tuning(w: Workload, how: Literal["lora", "full"]) -> Bill:
    """Reading the corpus so often, as plan.finetuning forecasts it on the whole machine."""
    tokens, machine = w.epochs * w.corpus_tokens, as_one_device(w.machine)
    if tokens == 0:
        return Bill()
    try:
        found = finetuning(w.architecture, tokens, machine.accelerator, machine.count, method=how)
    except UsageError as reason:  # no layout fits; what to do next is about another command
        raise CannotHold(str(reason).partition(". ")[0]) from None
    seconds = found.seconds.value
    return _worked(w.machine, seconds, flops=found.flops, prompt_tokens=tokens)


def _worked(machine: Machine, seconds: float, *, flops: float, prompt_tokens: float) -> Bill:
    """The whole machine, at the power of training."""
    found = energy(machine, seconds).machine
    joules = None if found is None else found.value
    rate = machine.dollars_per_second
    return Bill.forecast(
        seconds=seconds, flops=flops, joules=joules, prompt_tokens=prompt_tokens
    ) + Bill.assumed(
        dollars=None if rate is None else rate * seconds, grams_co2e=grams_co2e(machine, joules)
    )


def _peak(machine: Machine) -> float:
    for name in ("bf16", "fp16", "fp32"):
        if peak := machine.flops_per_second(name):
            return peak
    raise CannotHold(f"no peak is known of {machine.accelerator.name}")


def _within_context(w: Workload, tokens: float) -> None:
    longest = w.architecture.context
    if longest is not None and tokens > longest:
        raise CannotHold(f"{tokens:,.0f} tokens; the model holds {longest:,}")
