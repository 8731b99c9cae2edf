"""Recorded answers joined to the questions they answer, by what was asked and never by row."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from isoflop.errors import UnusableExam
from isoflop.measure.exams.asking import spellings
from isoflop.measure.exams.exam import Exam
from isoflop.measure.exams.outputs import Output
from isoflop.measure.exams.prompts import key, readings
from isoflop.questions import Question

SHOWN = 120  # characters of a prompt that a message repeats


@dataclass(frozen=True, slots=True)
class Joined:
    """Questions with the answers recorded for them.

    Attributes:
        answers: For each question that was answered, in the order of the exam, its outputs.
        matched: Outputs that belong to a question.
        unmatched: Outputs whose prompt is no question of the exam.
        unanswered: Questions without an output.
        by: "prompt", or "id" where the recording holds no prompts.
    """

    answers: tuple[tuple[Question, tuple[Output, ...]], ...]
    matched: int
    unmatched: int
    unanswered: int
    by: str


def join(
    exam: Exam, outputs: Sequence[Output], *, partial: bool = False, any_id: bool = False
) -> Joined:
    """Each output with the question that its prompt asks.

    An output whose id names one question and whose prompt asks another belongs to neither: one of
    the two files was changed after the answers were recorded. Where several questions ask the
    same, their outputs are dealt to them in turn; any further output of a question is a further
    sample of it.

    Args:
        exam: The questions.
        outputs: What was recorded, in any order.
        partial: Leave out outputs that belong to no question instead of refusing all.
        any_id: Go by the prompts alone, whatever the ids say.

    Raises:
        UnusableExam: If an output belongs to no question (or, when partial, all of them); the
            message says how many prompts match.
    """
    index = _index(exam)
    found: dict[int, list[Output]] = defaultdict(list)
    strangers: list[Output] = []
    dealt: dict[int, int] = defaultdict(int)
    elsewhere = 0
    for output in outputs:
        asked = _asked(index, output)
        same = asked if any_id else _agreeing(index, output, asked)
        if not same:
            elsewhere += bool(asked)
            strangers.append(output)
            continue
        turn = dealt[same[0]] if len(same) > 1 else 0
        dealt[same[0]] = turn + 1
        found[same[turn % len(same)]].append(output)
    matched = len(outputs) - len(strangers)
    if strangers and not (partial and matched):
        raise UnusableExam(_refusal(exam, outputs, strangers, elsewhere))
    answers = tuple((exam.questions[place], tuple(found[place])) for place in sorted(found))
    by = "prompt" if any(output.prompt is not None for output in outputs) else "id"
    return Joined(answers, matched, len(strangers), len(exam.questions) - len(answers), by)


Places = dict[bytes, list[int]]


class _Index:
    """Where in an exam each prompt and each published id stands.

    Spellings other than a question's own text are only looked through once a prompt is not found,
    because most recordings never need them.
    """

    def __init__(self, exam: Exam) -> None:
        self.questions = exam.questions
        self.by_text: Places = defaultdict(list)
        self.by_id: dict[str, list[int]] = defaultdict(list)
        self.by_spelling: Places = {}
        for place, question in enumerate(exam.questions):
            self.by_text[key(question.text)].append(place)
            self.by_id[question.id].append(place)
            claim, slash, _ = question.id.partition("/")
            if slash:  # pair1 for pair1/forward
                self.by_id[claim].append(place)

    def asking(self, prompt: str) -> Sequence[int]:
        """Questions that a prompt asks."""
        for name in readings(prompt):
            if name in self.by_text:
                return self.by_text[name]
        if not self.by_spelling:
            self.by_spelling = _spelled(self.questions)
        return next(
            (self.by_spelling[name] for name in readings(prompt) if name in self.by_spelling), ()
        )


@lru_cache(maxsize=4)
def _index(exam: Exam) -> _Index:
    """Made once where many recordings answer one exam."""
    return _Index(exam)


def _spelled(questions: Sequence[Question]) -> Places:
    places: Places = defaultdict(list)
    for place, question in enumerate(questions):
        for name in {key(text) for text in spellings(question)}:
            places[name].append(place)
    return dict(places)


def _asked(index: _Index, output: Output) -> Sequence[int]:
    """Questions that ask what the output was asked."""
    if output.prompt is None:
        return index.by_id.get(output.id, ())
    return index.asking(output.prompt)


def _agreeing(index: _Index, output: Output, asked: Sequence[int]) -> Sequence[int]:
    """Those of them that the id names too, when it names any question at all."""
    named = index.by_id.get(output.id) if output.id else None
    if named is None or named == asked:
        return asked
    return [place for place in asked if place in named]


def _refusal(
    exam: Exam, outputs: Sequence[Output], strangers: Sequence[Output], elsewhere: int
) -> str:
    matched, whole = len(outputs) - len(strangers), len(outputs)
    first = strangers[0]
    if first.prompt is None:
        return (
            f"{matched:,} of {whole:,} recorded answers can be joined to {exam.name}: the others "
            f"hold no prompt, and their ids, such as {first.id!r}, are not its ids. Answers are "
            "not joined by row, because rows move. Record the prompts."
        )
    moved = (
        f" {elsewhere:,} occur there under another id, so the ids of one of the two were given "
        "anew; --any-id goes by prompts alone."
        if elsewhere
        else ""
    )
    advice = "" if not matched else " --partial scores those that match."
    shown = " ".join(first.prompt.split())
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."
    return (
        f"{matched:,} of {whole:,} recorded prompts match {exam.name}: these answers were recorded "
        f"for other questions.{moved}{advice}\n  The first that does not match: {shown!r}"
    )
