import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# In a process of its own, which forks before it has threads: to fork this one could hang.
CODE = """
import json, sys
from benchmarks.comparison_kill import Outcome, rounds
from isoflop.measure.comparison.budget import Budget

outcome = Outcome()
budget = Budget("flops", 1e9) if sys.argv[1] == "budget" else None
rounds(3, 5, budget, int(sys.argv[2]), outcome)
print(json.dumps(vars(outcome)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize(("budget", "at_once"), [("none", "1"), ("budget", "4")])
def test_a_killed_comparison_goes_on_to_the_same_report_and_pays_nothing_twice(
    budget: str, at_once: str
) -> None:
    command = [sys.executable, "-c", CODE, budget, at_once]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    outcome = json.loads(told.stdout)
    assert outcome["kills"] >= 3
    assert outcome["different"] == outcome["paid_twice"] == outcome["lost_lines"] == 0, outcome
