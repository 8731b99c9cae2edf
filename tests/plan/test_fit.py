"""Fits recover the law that made the runs, and say how well they know it."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.plan.fit import NAMES, fit, profile_exponent, profiles
from isoflop.plan.laws import Surface, law
from isoflop.plan.runs import Run, read_runs

EPOCH = Surface(1.8172, 482.01, 2085.43, 0.3478, 0.3658)


def made(surface: Surface, noise: float = 0.0, seed: int = 1, each: int = 8) -> list[Run]:
    """Runs on a grid of sizes and lengths, with errors of the logarithm of loss."""
    random = np.random.default_rng(seed)
    return [
        Run(size, size * ratio, surface.loss(size, size * ratio) * math.exp(noise * error))
        for size in np.geomspace(5e7, 1e10, each)
        for ratio, error in zip(
            np.geomspace(2, 200, each), random.standard_normal(each), strict=True
        )
    ]


@pytest.mark.parametrize("name", ["epoch", "chinchilla-3", "muennighoff"])
def test_runs_without_noise_give_back_their_law(name: str) -> None:
    surface = law(name).surface
    assert isinstance(surface, Surface)
    found = fit(made(surface))
    for constant in NAMES:
        assert getattr(found.surface, constant) == pytest.approx(
            getattr(surface, constant), rel=1e-3
        )
    assert found.error < 1e-6


def test_standard_errors_are_about_how_far_repetitions_differ() -> None:
    fits = [fit(made(EPOCH, 0.003, seed)) for seed in range(14)]
    spread = np.std([found.surface.alpha for found in fits], ddof=1)
    claimed = [
        fit(made(EPOCH, 0.003, seed), bootstrap=40).standard_errors()["alpha"] for seed in range(3)
    ]
    assert np.mean(claimed) == pytest.approx(spread, rel=0.5)
    assert np.mean([found.surface.alpha for found in fits]) == pytest.approx(0.3478, abs=0.01)


def test_one_diverged_run_hardly_moves_a_robust_fit() -> None:
    runs = made(EPOCH, 0.001)
    spoiled = [*runs[1:], Run(runs[0].parameters, runs[0].tokens, 9.0)]
    found = fit(spoiled)
    assert found.outliers >= 1
    assert found.surface.alpha == pytest.approx(fit(runs).surface.alpha, rel=0.1)
    without = fit(spoiled, drop=1)
    assert (without.runs, without.dropped) == (len(runs) - 1, 1)


def test_the_minima_of_isoflop_profiles_follow_the_law() -> None:
    runs = []
    for flops in np.geomspace(1e18, 1e21, 5):
        best = EPOCH.balance * (flops / 6) ** EPOCH.exponent
        for size in best * np.geomspace(0.3, 3, 9):
            tokens = flops / 6 / size
            runs.append(Run(size, tokens, EPOCH.loss(size, tokens)))
    found = profiles(runs)
    assert [p.runs for p in found] == [9] * 5
    for profile in found:
        best = EPOCH.balance * (profile.flops / 6) ** EPOCH.exponent
        assert profile.parameters == pytest.approx(best, rel=0.02)
        assert profile.loss == pytest.approx(EPOCH.loss(best, profile.flops / 6 / best), rel=1e-3)
    assert profile_exponent(found) == pytest.approx(EPOCH.exponent, abs=0.002)
    assert profile_exponent(found[:2]) is None


def test_a_profile_whose_minimum_was_not_run_is_passed_over() -> None:
    best = EPOCH.balance * (1e20 / 6) ** EPOCH.exponent
    sizes = best * np.geomspace(2, 20, 9)
    assert profiles([Run(n, 1e20 / 6 / n, EPOCH.loss(n, 1e20 / 6 / n)) for n in sizes]) == []


@pytest.fixture(scope="session")
def chinchilla() -> list[Run]:
    """245 runs read from figure 4 of Hoffmann et al. by Besiroglu et al.; not kept here."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "facts"
    path = Path(os.environ.get("ISOFLOP_FACTS", beside)) / "chinchilla_points.csv"
    if not path.is_file():
        pytest.skip(f"no development rows at {path}; set ISOFLOP_FACTS")
    return read_runs(path)


def test_the_published_refit_comes_out(chinchilla: list[Run]) -> None:
    # Besiroglu et al. 2024, arXiv:2404.10102, table 1 and the objective in their notebook
    found = fit(chinchilla, drop=5, bootstrap=300)
    published = {
        "E": (1.817, 0.026),
        "A": (482.01, 124.5),
        "B": (2085.43, 1293),
        "alpha": (0.348, 0.015),
        "beta": (0.366, 0.021),
    }
    assert found.runs == 240
    assert found.objective == pytest.approx(0.0010182740, abs=1e-9)
    errors = found.standard_errors()
    for name, (value, error) in published.items():
        assert abs(getattr(found.surface, name) - value) < 0.1 * error
        assert errors[name] == pytest.approx(error, rel=0.3)
    assert errors["a"] == pytest.approx(0.020, rel=0.15)
    optimal = found.optima(5.76e23)
    assert np.std(np.log(optimal)) == pytest.approx(0.21, rel=0.15)  # what `expected` rests on


def test_isoflop_profiles_of_those_runs_give_approach_two(chinchilla: list[Run]) -> None:
    # Hoffmann et al. 2022, table 2: 0.49 (0.462, 0.534)
    assert profile_exponent(profiles(chinchilla)) == pytest.approx(0.49, abs=0.01)


def test_what_cannot_be_fitted_is_refused_with_what_to_add() -> None:
    runs = made(EPOCH)
    with pytest.raises(UsageError, match="5 runs are too few"):
        fit(runs[:5])
    with pytest.raises(UsageError, match="4 runs after leaving out 60 are too few"):
        fit(runs, drop=60)
    with pytest.raises(UsageError, match="one model size"):
        fit([Run(1e9, 1e9 * k, 3 - k / 10) for k in range(1, 9)])
    with pytest.raises(UsageError, match="one number of tokens"):
        fit([Run(1e9 * k, 1e9, 3 - k / 10) for k in range(1, 9)])
    with pytest.raises(UsageError, match="Tokens follow from parameters"):
        fit([Run(1e9 * k, 2e10 * k, 3 - k / 10) for k in range(1, 9)])
    with pytest.raises(UsageError, match="same loss"):
        fit([Run(run.parameters, run.tokens, 3.0) for run in runs])
    with pytest.raises(UsageError, match="Cannot leave out -1"):
        fit(runs, drop=-1)
    with pytest.raises(UsageError, match="Loss does not fall"):
        fit([Run(run.parameters, run.tokens, 1 / run.loss) for run in runs])
