"""isoflop plan fit: a scaling law from one's own runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import table
from isoflop.cli.plan import show
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.plan.runs import Run, read_runs
from isoflop.quantities import count, written

if TYPE_CHECKING:  # loads numpy and scipy
    from isoflop.plan.fit import Fit, Profile

BEYOND = (1, 10, 100)  # budgets shown: the largest run's, and so many times that


@click.command()
@click.argument("points", metavar="POINTS.csv")
@click.option("--bootstrap", default=1000, show_default=True, help="Samples for errors; 0: none.")
@click.option("--drop-highest", "drop", default=0, help="Leave out so many of highest loss.")
@click.option("--seed", default=42, show_default=True, help="Of the bootstrap.")
@click.option("--budget", "budgets", multiple=True, metavar="FLOP", help="To optimise; repeatable.")
@click.option("--parameters-column", metavar="NAME", help="If not found by its name.")
@click.option("--tokens-column", metavar="NAME", help="If not found by its name.")
@click.option("--flops-column", metavar="NAME", help="If not found by its name.")
@click.option("--loss-column", metavar="NAME", help="If not found by its name.")
@show.plot
@options.as_json
def fit(
    points: str,
    bootstrap: int,
    drop: int,
    seed: int,
    budgets: tuple[str, ...],
    parameters_column: str | None,
    tokens_column: str | None,
    flops_column: str | None,
    loss_column: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Fit L = E + A / N^alpha + B / D^beta to training runs, with standard errors.

    POINTS.csv has a header; columns are found by their meaning: parameters (N, "Model Size"),
    tokens (D), FLOPs (C, "Training FLOP") and loss. Two of the first three are enough.
    """
    if not 0 <= bootstrap <= 100_000:
        raise UsageError(f"--bootstrap {bootstrap}: from 0 to 100,000 samples.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed}: a whole number from 0 on.")
    named = {
        "parameters": parameters_column,
        "tokens": tokens_column,
        "flops": flops_column,
        "loss": loss_column,
    }
    runs = read_runs(Path(points), columns={of: name for of, name in named.items() if name})
    wanted = [count(text, of="budget", units=("FLOPs", "FLOP")) for text in budgets]

    from isoflop.plan import fit as fits  # here, because what is wrong with a table is soon said

    found = fits.fit(runs, bootstrap=bootstrap, drop=drop, seed=seed)
    wanted = wanted or [max(run.flops for run in runs) * factor for factor in BEYOND]
    optima = [(flops, *_optimum(found, flops)) for flops in wanted]
    minima = fits.profiles(runs)
    if as_json:
        show.print_figures(_values(found, optima, minima, fits.profile_exponent(minima)))
    else:
        click.echo(_text(found, optima, minima, fits.profile_exponent(minima)))
    if plot:
        _plot(found, runs, plot)
    _conventions(found)


def _optimum(found: "Fit", flops: float) -> tuple[Estimate, Estimate]:
    """Parameters and tokens, with the 80 % interval of the bootstrap."""
    surface = found.surface
    size = surface.balance * (flops / 6) ** surface.exponent
    ends = [size, size]
    if len(found.samples) > 1:
        sizes = sorted(map(float, found.optima(flops)))
        ends = [sizes[round((len(sizes) - 1) * share)] for share in (0.1, 0.9)]
    low, high = min(ends[0], size), max(ends[1], size)
    return (
        Estimate(low, size, high),
        Estimate(flops / 6 / high, flops / 6 / size, flops / 6 / low),
    )


Optima = list[tuple[float, Estimate, Estimate]]


def _values(
    found: "Fit", optima: Optima, minima: "list[Profile]", slope: float | None
) -> dict[str, object]:
    errors = found.standard_errors()
    surface = found.surface
    constants = {name: getattr(surface, name) for name in ("E", "A", "B", "alpha", "beta")}
    return {
        "n": found.runs,
        "dropped": found.dropped,
        "outliers": found.outliers,
        "objective": found.objective,
        "median_relative_error": found.error,
        "bootstrap": len(found.samples),
        "constants": {
            name: _constant(value, errors.get(name))
            for name, value in {**constants, "a": surface.exponent}.items()
        },
        "optima": [
            {"flops": flops, "parameters": parameters, "tokens": tokens}
            for flops, parameters, tokens in optima
        ],
        "isoflop_profiles": [
            {"flops": p.flops, "runs": p.runs, "parameters": p.parameters, "loss": p.loss}
            for p in minima
        ],
        "isoflop_exponent": slope,
    }


def _constant(value: float, error: float | None) -> dict[str, object]:
    """With its standard error, and the 80 % interval that follows if errors are normal."""
    away = None if error is None else 1.2816 * error
    return {
        "low": None if away is None else value - away,
        "value": value,
        "high": None if away is None else value + away,
        "standard_error": error,
        "basis": "measured",
    }


def _text(found: "Fit", optima: Optima, minima: "list[Profile]", slope: float | None) -> str:
    errors = found.standard_errors()
    values = {name: getattr(found.surface, name) for name in ("E", "A", "B", "alpha", "beta")}
    values["a"] = found.surface.exponent
    rows = [
        (name, f"{value:.4g}", f"{errors[name]:.2g}" if errors else "-")
        for name, value in values.items()
    ]
    best = [
        (
            written(flops),
            show.plain(size.value),
            *((show.plain(size.low), show.plain(size.high)) if errors else ("-", "-")),
            show.plain(tokens.value),
            show.plain(tokens.value / size.value),
        )
        for flops, size, tokens in optima
    ]
    left_out = f", {found.dropped} of highest loss left out" if found.dropped else ""
    text = [
        f"n = {found.runs} runs{left_out}; half are within {100 * found.error:.2g} %\n",
        table(("L = E + A/N^alpha + B/D^beta", "value", "standard error"), rows),
        "\n" + table(("FLOP", "best parameters", "low", "high", "tokens", "tokens each"), best),
    ]
    if slope is not None:
        text.append(f"\nisoFLOP profiles: {len(minima)} budgets, N_opt ~ C^{slope:.3f}")
    return "\n".join(text)


def _plot(found: "Fit", runs: list[Run], out: str) -> None:
    from isoflop.cli.plan.plots import loss_against_compute

    low, high = min(run.flops for run in runs), 100 * max(run.flops for run in runs)
    curve = []
    for step in range(61):
        flops = low * (high / low) ** (step / 60)
        size = found.surface.balance * (flops / 6) ** found.surface.exponent
        loss = found.surface.loss(size, flops / 6 / size)
        curve.append({"series": "fitted, best split", "flops": flops, "loss": loss})
    measured = [{"flops": run.flops, "loss": run.loss} for run in runs]
    loss_against_compute(curve, out, measured=measured, title="Loss against compute")


def _conventions(found: "Fit") -> None:
    samples = len(found.samples)
    errors = (
        f"Errors: {samples:,} bootstrap samples; low and high hold 80 % of them, and say nothing "
        "of what lies beyond the runs."
    )
    lines = [
        "Huber's loss (delta 0.001) of the logarithm of loss, Hoffmann et al. 2022, appendix D.2; "
        "C = 6 N D.",
        errors if samples else "No errors without --bootstrap.",
    ]
    if found.outliers:
        lines.append(
            f"Of the runs fitted, {found.outliers} lost far more than the law says (ten times the "
            "typical error)\nand move its constants. --drop-highest K leaves out the K highest."
        )
    show.conventions(*lines)
