from collections.abc import Callable

import pytest

from isoflop.augment.method import Row
from isoflop.augment.methods.learning import Watch
from isoflop.bill import Bill
from isoflop.errors import BudgetReached

ASIDE = Bill.forecast(seconds=0.5, joules=5.0)


class Allowance:
    """Remembers what was paid, as a run does, and refuses when the budget is at its end."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.asked: list[float] = []
        self.empty = False

    def __call__(self, key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        if key not in self.rows:
            self.asked.append(worst.seconds or 0.0)
            if self.empty:
                raise BudgetReached("no time is left")
            self.rows[key] = call()[0]
        return self.rows[key]


def watch(pay: Allowance, earlier: float) -> Watch:
    return Watch(ASIDE, pay, lambda stage, done, total: None, earlier)


def test_more_time_is_asked_for_when_what_was_set_aside_has_passed() -> None:
    pay = Allowance()
    watching = watch(pay, earlier=0.0)
    watching("learning", 1, 10)
    assert pay.asked == []
    late = watch(pay, earlier=1.5)  # three times what was set aside
    late("learning", 1, 10)
    assert pay.asked == [pytest.approx(2 * 0.5, rel=0.2)]
    for step in (2, 3, 4):  # doubled when it has passed too, and then kept
        late("learning", step, 10)
    assert pay.asked[1:] == [pytest.approx(4 * 0.5, rel=0.2)]


def test_a_call_that_goes_on_asks_again_at_a_step_where_an_earlier_one_was_allowed_more() -> None:
    pay = Allowance()
    watch(pay, earlier=1.5)("learning", 3, 10)
    pay.empty = True
    with pytest.raises(BudgetReached):
        watch(pay, earlier=1.5)("learning", 3, 10)
    assert len(pay.asked) == 2
