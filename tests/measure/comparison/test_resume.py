import os

import pytest

from benchmarks.comparison_kill import Outcome, rounds
from isoflop.measure.comparison.budget import Budget


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize(("budget", "at_once"), [(None, 1), (Budget("flops", 1e9), 4)])
def test_a_killed_comparison_goes_on_to_the_same_report_and_pays_nothing_twice(
    budget: Budget | None, at_once: int
) -> None:
    outcome = Outcome()
    rounds(3, 5, budget, at_once, outcome)
    assert outcome.kills >= 3
    assert outcome.different == outcome.paid_twice == outcome.lost_lines == 0, outcome.details
