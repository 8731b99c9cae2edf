"""Samples that lm-evaluation-harness logs: one line for each question, with requests and replies.

Requests are pairs of context and continuation, in older versions as lists, in newer ones as
objects `gen_args_0` with `arg_0` and `arg_1`. Replies are (log-likelihood, is greedy) for each
choice, or texts.

Source:
    github.com/EleutherAI/lm-evaluation-harness, lm_eval/evaluator.py and api/task.py (0.4).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from isoflop.measure.exams import fields, parsers
from isoflop.measure.exams.exam import LETTERS
from isoflop.measure.exams.outputs import Output
from isoflop.measure.exams.rows import Row
from isoflop.questions import Question


def is_sample(row: Row) -> bool:
    """Whether a row is such a sample."""
    return "resps" in row and "arguments" in row


def first_filter(lines: Iterable[Row]) -> Iterator[Row]:
    """Each question once: further lines are the same replies under another filter."""
    first: str | None = None
    for row in lines:
        name = str(row.get("filter"))
        first = name if first is None else first
        if name == first:
            yield row


def outputs(lines: Iterable[Row]) -> Iterator[tuple[str, Output]]:
    """What was recorded of each question: log-likelihoods of its choices, or texts.

    A question that was answered several times gives as many outputs.
    """
    for sample in first_filter(lines):
        replies: list[list[Any]] = sample["resps"]  # one list of repeats for each request
        if _is_choice(sample):
            n = len(choices(sample))
            totals = tuple(float(repeats[0][0]) for repeats in replies)
            yield "", Output(prompt(sample), None, likelihoods=totals[:n], unconditional=totals[n:])
        else:
            for text in replies[0]:
                yield "", Output(prompt(sample), str(text))


def prompt(sample: Row) -> str:
    """The context of the first request."""
    return str(_requests(sample)[0][0])


def choices(sample: Row) -> tuple[str, ...]:
    """The continuations, without the blank between context and choice; empty for texts.

    Requests for mutual information ask each choice again without its context.
    """
    if not _is_choice(sample):
        return ()
    asked = _requests(sample)
    half = len(asked) // 2
    twice = half > 1 and [one[1] for one in asked[:half]] == [one[1] for one in asked[half:]]
    return tuple(str(one[1]).removeprefix(" ") for one in (asked[:half] if twice else asked))


def answers(target: Any, listed: tuple[str, ...]) -> tuple[str, ...]:
    """The target as accepted answers: an index, a letter or a choice, or a text with its end."""
    targets = target if isinstance(target, list) else [target]
    if listed:
        return tuple(_letter(one, listed) for one in targets)
    ends = (parsers.final_number(str(one), Question("", "")) for one in targets)
    return tuple(end or fields.accepted(one, ()) for one, end in zip(targets, ends, strict=True))


def _letter(target: Any, listed: tuple[str, ...]) -> str:
    text = str(target).strip()
    if text in listed:
        return LETTERS[listed.index(text)]
    if text.isdigit() and int(text) < len(listed):
        return LETTERS[int(text)]
    return fields.accepted(text, listed)


def _is_choice(sample: Row) -> bool:
    asked = _requests(sample)
    return len(asked) > 1 and all(len(one) > 1 and isinstance(one[1], str) for one in asked)


def _requests(sample: Row) -> list[Sequence[Any]]:
    asked = sample["arguments"]
    if isinstance(asked, dict):
        return [list(one.values()) for _, one in sorted(asked.items(), key=_place)]
    return [one if isinstance(one, list) else [one] for one in asked]


def _place(named: tuple[str, Any]) -> int:
    return int(named[0].rpartition("_")[2])
