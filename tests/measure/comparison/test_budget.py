import json
from pathlib import Path
from threading import Barrier
from time import sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.bill import Bill
from isoflop.errors import BudgetReached, DamagedRun, UsageError
from isoflop.measure.comparison.budget import BEGUN, LONGER, Account, Budget, Currency, parse
from isoflop.measure.comparison.plan import answer_key
from isoflop.measure.comparison.running import expected, forecasts_of
from tests.measure.comparison.scripted import Scripted, carried, folders, numbered, plan_of, run_in

CURRENCIES: tuple[Currency, ...] = ("flops", "seconds", "joules", "dollars")
SLACK = 1 + 1e-9  # sums of floating-point numbers


class Killed(BaseException):
    """The process is gone."""


prices = st.floats(0, 1e3, allow_subnormal=False)


@st.composite
def scripts(draw: st.DrawFn, currency: Currency) -> tuple[dict[str, Scripted], int]:
    count = draw(st.integers(1, 8))
    methods = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        most = draw(st.integers(1, 30))
        methods[name] = Scripted(
            {f"q{n}": draw(st.sampled_from(["yes", "no", None])) for n in range(count)},
            {f"q{n}": draw(st.sampled_from([0, most, most])) for n in range(count)},
            most=most,
            prompt=draw(st.integers(0, 50)),
            price={currency: (draw(prices), draw(prices))},
            guess=draw(st.floats(0, most / 2)),
            once=draw(st.integers(0, 200)),
        )
    return methods, count


@given(st.data(), st.sampled_from(CURRENCIES), st.integers(1, 4), st.floats(0.9, 1.5))
@settings(max_examples=60)
def test_no_run_spends_more_than_its_budget_however_often_it_is_killed(
    data: st.DataObject, currency: Currency, at_once: int, share: float
) -> None:
    methods, count = data.draw(scripts(currency))
    plan = plan_of(methods, numbered(count), at_once=at_once)
    with folders() as folder:
        with run_in(folder / "forecast") as run:
            found = forecasts_of(plan, run)
        whole = sum(getattr(expected(found[w.name], count), currency) for w in plan.ways)
        budget = Budget(currency, share * whole)
        plan = plan_of(methods, numbered(count), budget, at_once=at_once)
        left = data.draw(st.lists(st.integers(0, 6), max_size=6))
        for calls in [*left, 10**9]:
            _until_killed(methods, calls)
            with run_in(folder / "run") as run:
                try:
                    outcome = carried(plan, run)
                except Killed:
                    outcome = None
                except BudgetReached:
                    assert whole > budget.amount
                    assert not any(method.spent for method in methods.values())
                    return
        assert sum(m.taken(currency) for m in methods.values()) <= budget.amount * SLACK
        if outcome is not None and not outcome.ended:
            answered = {name for name in outcome.asked if outcome.asked[name] == count}
            assert answered | outcome.stops.keys() | outcome.failed.keys() == outcome.asked.keys()


def _until_killed(methods: dict[str, Scripted], calls: int) -> None:
    """The next session is killed in this call: it is paid, and no answer arrives."""
    made = [0]

    def before(id: str) -> None:
        made[0] += 1
        sleep(0.0005)  # others begin meanwhile
        if made[0] > calls:
            raise Killed

    for method in methods.values():
        method.before = before


def test_a_call_that_was_under_way_counts_at_its_worst_when_the_run_goes_on(
    tmp_path: Path,
) -> None:
    method = Scripted({"q0": "yes"}, {"q0": 1}, most=100, prompt=0)
    with run_in(tmp_path) as run:
        _until_killed({"a": method}, 0)
        with pytest.raises(Killed):
            carried(plan_of({"a": method}, numbered(1), parse("300 FLOP")), run)
        assert "answer/a scripted/q0" not in run.rows
    with run_in(tmp_path) as run:
        account = Account(run, parse("300 FLOP"))
        assert account.lost == account.spent == 200
        with pytest.raises(BudgetReached, match="200 of it by calls that were cut off"):
            account.pay("other", method.worst(numbered(1)[0]), lambda: ({}, Bill()))


def test_a_call_made_again_after_a_kill_is_counted_twice_and_paid_once_in_the_report(
    tmp_path: Path,
) -> None:
    method = Scripted({"q0": "yes"}, {"q0": 1}, most=100, prompt=0)
    plan = plan_of({"a": method}, numbered(1), parse("1000 FLOP"))
    with run_in(tmp_path) as run:
        _until_killed({"a": method}, 0)
        with pytest.raises(Killed):
            carried(plan, run)
    _until_killed({"a": method}, 9)
    with run_in(tmp_path) as run:
        carried(plan, run)
        assert run.rows[answer_key("a scripted", "q0")]["bill"]["flops"] == 2
    with run_in(tmp_path) as run:
        assert Account(run, plan.budget).spent == 200 + 2


def test_an_undisturbed_run_has_lost_nothing_and_without_a_budget_writes_nothing_ahead(
    tmp_path: Path,
) -> None:
    method = Scripted({}, {}, once=7)
    with run_in(tmp_path / "with") as run:
        carried(plan_of({"a": method}, numbered(5), parse("1000 FLOP")), run)
        assert Account(run, parse("1000 FLOP")).lost == 0
        with_budget = list(run.rows.values())
    with run_in(tmp_path / "without") as run:
        carried(plan_of({"a": method}, numbered(5)), run)
        assert list(run.rows.values()) == with_budget
    assert not (tmp_path / "without" / BEGUN).exists()


def test_half_a_line_written_ahead_is_no_call_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    with run_in(tmp_path) as run:
        whole = json.dumps({"key": "a", "bill": Bill.forecast(flops=5).as_dict()})
        (tmp_path / BEGUN).write_text(whole + "\n" + whole[:-7])
        assert Account(run, parse("9 FLOP")).lost == 5
        (tmp_path / BEGUN).write_text("{}\n" + whole + "\n")
        with pytest.raises(DamagedRun, match=r"begun\.jsonl, line 1, is damaged"):
            Account(run, parse("9 FLOP"))


def test_calls_at_the_same_time_share_one_budget(tmp_path: Path) -> None:
    meeting = Barrier(3, timeout=20)

    def before(id: str) -> None:
        meeting.wait()

    method = Scripted({}, {}, most=1, prompt=0, guess=0, before=before)
    plan = plan_of({"a": method}, numbered(4), Budget("flops", 7.0), at_once=4)
    with run_in(tmp_path) as run:
        outcome = carried(plan, run)
    assert "next call may take 2" in outcome.ended
    assert method.taken("flops") == 6  # three of two FLOPs each were under way, a fourth was not


def test_time_is_set_aside_twice_over_and_more_once_a_call_took_longer(tmp_path: Path) -> None:
    with run_in(tmp_path) as run:
        account = Account(run, Budget("seconds", 10.0))
        worst = Bill.forecast(seconds=1.0)
        account.pay("long", worst, lambda: ({}, Bill.measured(seconds=6.0)))
        with pytest.raises(BudgetReached, match="next call may take 6"):
            account.pay("next", worst, lambda: ({}, Bill.measured(seconds=1.0)))
    assert LONGER["seconds"] == 2
    assert LONGER["dollars"] == 1


def test_a_way_without_a_price_is_refused_before_anything_starts(tmp_path: Path) -> None:
    priced = Scripted({}, {}, price={"dollars": (1, 1)})
    unpriced = Scripted({}, {}, price={"flops": (1, 1)})
    for model, advice in (("openai:m", "prices.toml"), ("isoflop:m", "dollars_per_hour")):
        methods = {"a": priced, "b": unpriced}
        plan = plan_of(methods, numbered(3), parse("$100"), model=model)
        with run_in(tmp_path / advice) as run, pytest.raises(UsageError, match=advice) as caught:
            carried(plan, run)
        assert str(caught.value).startswith(f"b {model}: what it takes in dollars is not known")
    assert not priced.spent
    assert not unpriced.spent


def test_over_the_forecast_nothing_starts_and_the_message_says_what_the_budget_pays(
    tmp_path: Path,
) -> None:
    method = Scripted({}, {}, once=10)  # 10 FLOPs once, 15 for each question
    plan = plan_of({"a": method}, numbered(20), Budget("flops", 100.0))
    with run_in(tmp_path) as run, pytest.raises(BudgetReached, match="add --most 6"):
        carried(plan, run)
    plan = plan_of({"a": method}, numbered(20), Budget("flops", 9.0))
    with run_in(tmp_path) as run, pytest.raises(BudgetReached, match="leave some out"):
        carried(plan, run)
    assert not method.spent


def test_a_bill_without_the_figure_counts_at_its_worst(tmp_path: Path) -> None:
    with run_in(tmp_path) as run:
        account = Account(run, Budget("dollars", 1.0))
        account.pay("a", Bill.forecast(dollars=0.25), lambda: ({}, Bill.measured(dollars=None)))
        assert account.spent == 0.25


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("$2", "dollars", 2),
        ("2.50 USD", "dollars", 2.5),
        ("0.1 dollars", "dollars", 0.1),
        ("1e15 FLOP", "flops", 1e15),
        ("3 GFLOPs", "flops", 3e9),
        ("10 minutes", "seconds", 600),
        ("90 s", "seconds", 90),
        ("2h", "seconds", 7200),
        ("50 kJ", "joules", 50e3),
        ("1 kWh", "joules", 3.6e6),
    ],
)
def test_a_budget_is_read_as_people_write_it(text: str, currency: str, amount: float) -> None:
    found = parse(text)
    assert found.currency == currency
    assert found.amount == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "2", "two dollars", "$-1", "5 apples", "nan FLOP", "$inf"])
def test_what_is_no_budget_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)
