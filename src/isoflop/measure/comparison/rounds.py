"""Ask in rounds: every running way answers a block of questions, then the race looks at them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from isoflop.augment.answerer import UNASKED, unasked
from isoflop.bill import Bill
from isoflop.errors import BudgetReached, IsoflopError
from isoflop.measure.comparison.budget import Account, figure
from isoflop.measure.comparison.plan import (
    FORECAST,
    Outcome,
    Plan,
    Progress,
    Tell,
    answer_key,
    prepared_bill,
)
from isoflop.measure.comparison.racing import Field, Stop
from isoflop.measure.comparison.scoring import row_of
from isoflop.measure.comparison.ways import Way
from isoflop.questions import Question
from isoflop.run import Row, bill_of


@dataclass(slots=True)
class Rounds:
    """Questions in blocks: within a block a served model answers several at the same time.

    Scores are counted question by question in their order, whatever order the answers came in, so
    that the race does not depend on who was quick.
    """

    plan: Plan
    account: Account
    outcome: Outcome
    among: Field
    progress: Progress
    tell: Tell
    _sums: dict[str, tuple[float | None, int]] = field(default_factory=dict)
    _prepared: dict[str, float | None] = field(default_factory=dict)

    def through(self) -> None:
        """Ask block after block until the questions or the running ways are used up.

        Raises:
            BudgetReached: If the next call might not fit; what was answered is kept.
        """
        by_name = {way.name: way for way in self.plan.ways}
        questions = self.plan.measured
        size = max((way.at_once for way in self.plan.ways), default=1)
        for at in range(0, len(questions), size):
            running = [by_name[name] for name in self.among.running]
            if not running:
                return
            block = questions[at : at + size]
            self._ask(running, block)
            for question in block:
                self._score(question)
            self.progress("asking", min(at + size, len(questions)), len(questions))

    def _ask(self, ways: Sequence[Way], block: Sequence[Question]) -> None:
        """Every question of a block by every way; served models beside the others."""
        served = [way for way in ways if way.at_once > 1]
        local = [way for way in ways if way.at_once == 1]
        with ExitStack() as stack:
            pools = {
                way.name: stack.enter_context(ThreadPoolExecutor(way.at_once)) for way in served
            }
            pending = [
                (way, pools[way.name].submit(self._answer, way, question))
                for question in block
                for way in served
            ]
            self._locally(local, block)
            reached: BudgetReached | None = None
            for way, future in pending:
                error = future.exception()
                if isinstance(error, BudgetReached):
                    reached = error
                elif isinstance(error, Exception):
                    if way.name not in self.outcome.failed:
                        leave_out(way.name, error, self.outcome, self.among, self.tell)
                elif error is not None:
                    raise error
            if reached is not None:
                raise reached

    def _locally(self, ways: Sequence[Way], block: Sequence[Question]) -> None:
        for question in block:
            for way in ways:
                if way.name in self.outcome.failed:
                    continue
                try:
                    self._answer(way, question)
                except BudgetReached:
                    raise
                except Exception as error:  # noqa: BLE001 - the other ways go on
                    leave_out(way.name, error, self.outcome, self.among, self.tell)

    def _answer(self, way: Way, question: Question) -> Row:
        key = answer_key(way.name, question.id)
        if (held := self.account.run.rows.get(key)) is not None:
            return held
        return self.account.pay(key, way.does.worst(question), partial(self._called, way, question))

    def _called(self, way: Way, question: Question) -> tuple[Row, Bill]:
        try:
            answer = way.does.answer(question)
        except UNASKED as why:
            answer = unasked(why)
        if answer.refused:
            self.tell(f"{way.name} does not answer {question.id}: {answer.refused}")
        scored = question.id not in self.plan.asked.unscored
        return {"way": way.name, **row_of(answer, question, scored=scored)}, answer.bill

    def _score(self, question: Question) -> None:
        if question.id in self.plan.asked.unscored or not self.among.running:
            return
        rows = {
            name: self.account.run.rows[answer_key(name, question.id)]
            for name in self.among.running
        }
        for name, row in rows.items():
            self._count(name, row)
        scores = {name: self.plan.rule.score(row) for name, row in rows.items()}
        for stop in self.among.update(scores, {name: self._cost(name) for name in self._sums}):
            self.tell(_told(stop))
        if self.among.advice:
            self.tell(
                f"The race is over after question {self._sums[self.among.advice][1]:,}: what is "
                f"left would hardly change that {self.among.advice} is advised."
            )

    def _count(self, name: str, row: Row) -> None:
        taken = figure(bill_of(row), self.plan.axis)
        before, questions = self._sums.get(name, (0.0, 0))
        known = None if taken is None or before is None else before + taken
        self._sums[name] = known, questions + 1

    def _cost(self, name: str) -> float | None:
        """Of a question, as measured so far, with its part of what was paid once."""
        answered, questions = self._sums[name]
        once = self._once(name)
        if answered is None or once is None:
            return None
        return once / self.plan.horizon + answered / questions

    def _once(self, name: str) -> float | None:
        if name not in self._prepared:
            before = Bill.from_dict(self.account.run.rows[FORECAST]["ways"][name]["before"])
            whole = before + prepared_bill(self.account.run.rows, name)
            self._prepared[name] = figure(whole, self.plan.axis)
        return self._prepared[name]


def _told(stop: Stop) -> str:
    """In a line."""
    if stop.why == "settled":
        return (
            f"{stop.name} stops after {stop.questions} questions: those left would hardly make it "
            f"matter to the advice ({stop.rival} leads it by {stop.difference:+.0%})"
        )
    return (
        f"{stop.name} stops after {stop.questions} questions: {stop.rival} is better by "
        f"{stop.difference:.0%} at no higher cost (e-value {stop.e_value:.0f})"
    )


def leave_out(name: str, error: Exception, outcome: Outcome, among: Field, tell: Tell) -> None:
    """Go on without a way that failed, and say why."""
    kind = "" if isinstance(error, IsoflopError) else f"{type(error).__name__}: "
    outcome.failed[name] = f"{kind}{error}"
    among.fail(name)
    tell(f"{name} failed and is left out from here on: {kind}{error}")
