"""Every table of `isoflop plan` against published figures: `python -m benchmarks.plan`."""

from benchmarks import (
    plan_audit,
    plan_bars,
    plan_energy,
    plan_scaling,
    plan_serving,
    plan_training,
)

TABLES = (
    plan_training.table,
    plan_energy.table,
    plan_audit.table,
    plan_serving.table,
    plan_scaling.table,
    plan_bars.table,  # last: it reads what the others save
)

if __name__ == "__main__":
    for table in TABLES:
        print(table(), end="\n\n")
