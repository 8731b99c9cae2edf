"""Seconds become joules, dollars and carbon only where a rate is known."""

import pytest

from isoflop.bill import Bill
from isoflop.machine import Accelerator, Machine
from isoflop.plan.price import endpoint_bill, grams_co2e, run_bill

CHIP = Accelerator("chip", {"fp32": 1e12}, 1e11, None, 300.0, 2.0, "a data sheet", "2026-01-01")
MACHINE = Machine(CHIP, 4, 473 / 3.6e6, 1.5)
UNKNOWN = Machine(Accelerator("?", {}, None, None, None, None, "", ""), 1, None)


def test_an_hour_of_four_chips() -> None:
    bill = run_bill(MACHINE, seconds=3600)
    assert bill.joules == pytest.approx(4 * 300 * 3600)
    assert bill.dollars == pytest.approx(8.0)
    # 1.2 kWh at the machine, 1.8 kWh at the plug, 473 g each
    assert bill.grams_co2e == pytest.approx(1.8 * 473)
    assert bill.basis_of("seconds") == "measured"
    assert bill.basis_of("joules") == "assumed"


def test_counted_joules_are_measured_and_replace_the_assumption() -> None:
    bill = run_bill(MACHINE, seconds=10, joules=55.0)
    assert (bill.joules, bill.basis_of("joules")) == (55.0, "measured")


def test_an_unknown_machine_yields_unknown_figures_never_zero() -> None:
    bill = run_bill(UNKNOWN, seconds=10, flops=5)
    assert (bill.joules, bill.dollars, bill.grams_co2e) == (None, None, None)
    assert (bill.seconds, bill.flops) == (10, 5)
    assert grams_co2e(UNKNOWN, 5.0) is None


def test_a_call_is_priced_by_its_tokens_cached_ones_apart() -> None:
    usage = Bill.measured(prompt_tokens=1000, cached_tokens=400, output_tokens=50, seconds=1.0)
    price = {"prompt": 2e-6, "cached": 1e-6, "output": 8e-6}
    bill = endpoint_bill(usage, price)
    assert bill.dollars == pytest.approx(600 * 2e-6 + 400 * 1e-6 + 50 * 8e-6)
    assert bill.joules is None
    assert endpoint_bill(usage, None).dollars is None
    assert endpoint_bill(Bill.measured(prompt_tokens=None, output_tokens=5), price).dollars is None
