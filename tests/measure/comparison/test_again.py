"""Seconds of a question are forecast again from what a way's first five answers took."""

from pathlib import Path

import pytest

from isoflop.bill import Bill
from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.again import again
from isoflop.measure.comparison.report import Report
from tests.measure.comparison.scripted import (
    SEEN,
    Scripted,
    carried,
    numbered,
    plan_of,
    run_in,
)

LENGTHS = {f"q{n}": (3, 9, 5, 7, 6)[n % 5] for n in range(40)}
RATE = 0.25  # seconds of a FLOP


def bill(flops: float | None, seconds: float | None, joules: float | None = 1.0) -> Bill:
    return Bill.measured(flops=flops, seconds=seconds, joules=joules)


def compared(method: Scripted, folder: Path, count: int = 40, most: int = 10**9) -> Report:
    plan = plan_of({"one": method}, numbered(count), race=False)
    calls = [0]

    def before(id: str) -> None:
        calls[0] += 1
        if calls[0] > most:
            raise KeyboardInterrupt

    method.before = before
    with run_in(folder) as run:
        report = reporting.build(plan, run.rows, carried(plan, run), folder, SEEN)
        report.write()
    return report


def test_a_question_takes_its_flops_at_the_median_rate_of_the_first_answers() -> None:
    # at half a second a FLOP, but for the first, which waited, and the last, which was hurried
    first = [bill(2, 100.0), bill(4, 2.0), bill(10, 5.0), bill(6, 3.0), bill(8, 0.1)]
    found = again(first, Bill.forecast(flops=20, seconds=1.0, prompt_tokens=7, dollars=None))
    assert (found.seconds, found.flops, found.prompt_tokens) == (10.0, 20, 7)
    assert found.basis_of("seconds") == "forecast"
    assert found.joules == pytest.approx(20 / 6)  # of the one whose rate is in the middle


def test_where_flops_are_not_known_the_median_answer_is_forecast() -> None:
    first = [bill(None, seconds) for seconds in (9.0, 2.0, 3.0, 4.0, 0.1)]
    assert again(first, Bill.forecast(flops=None)).seconds == 3.0


def test_what_one_answer_does_not_tell_is_not_forecast() -> None:
    first = [bill(2, 1.0, None), bill(2, 1.0, 5.0)]
    found = again(first, Bill.forecast(flops=2, joules=3.0))
    assert (found.seconds, found.joules) == (1.0, None)


def test_later_questions_take_what_the_first_five_let_expect(tmp_path: Path) -> None:
    # forecast by a trial on an idle machine: a thousandth of what answers take
    guessed = {"flops": (1.0, 2.0), "seconds": (RATE / 1000, RATE / 500)}
    real = {"flops": (1.0, 2.0), "seconds": (RATE, 2 * RATE)}

    class Slow(Scripted):
        def bill(self, prompt: float, written: float, basis: str = "measured") -> Bill:
            self.price = guessed if basis == "forecast" else real
            return super().bill(prompt, written, basis)

    (way,) = compared(Slow({}, LENGTHS, guess=6.0), tmp_path).ways
    flops = 5 + 2 * 6.0  # the mean of all lengths, which is not the median of the first five
    assert way["forecast"]["again"]["seconds"] == pytest.approx(RATE * flops)
    assert way["ratio"]["seconds_after_warm_up"] == pytest.approx(1.0)
    assert way["ratio"]["seconds"] == pytest.approx(1000)
    assert way["ratio"]["joules_after_warm_up"] is None


def test_after_fewer_than_five_answers_nothing_is_forecast_again(tmp_path: Path) -> None:
    (way,) = compared(Scripted({}, LENGTHS), tmp_path, 4).ways
    assert way["forecast"]["again"] is None
    assert "seconds_after_warm_up" not in way["ratio"]


@pytest.mark.parametrize("killed_after", [3, 5, 20])
def test_a_run_that_was_cut_off_forecasts_again_what_it_would_have(
    tmp_path: Path, killed_after: int
) -> None:
    price = {"flops": (1.0, 2.0), "seconds": (RATE, 3.0)}
    whole = compared(Scripted({}, LENGTHS, price=price), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        compared(Scripted({}, LENGTHS, price=price), tmp_path / "cut", most=killed_after)
    gone_on = compared(Scripted({}, LENGTHS, price=price), tmp_path / "cut")
    assert gone_on.values == whole.values


def test_the_page_shows_it_beside_the_first_forecast_and_what_was_measured(tmp_path: Path) -> None:
    price = {"flops": (1.0, 2.0), "seconds": (RATE, 2 * RATE)}
    page = compared(Scripted({}, LENGTHS, guess=6.0, price=price), tmp_path).page()
    seconds, flops = page.index('id="panel-seconds"'), page.index('id="panel-flops"')
    assert "Forecast after five" not in page[flops:seconds]
    assert "4.25 s<small>later x 1.00</small>" in page[seconds:]
