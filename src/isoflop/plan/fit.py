"""Fits a scaling law to runs of one's own. Needs the extra `fit` (numpy, scipy)."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from isoflop.errors import UsageError
from isoflop.plan.laws import Surface
from isoflop.plan.runs import Run

Floats = NDArray[np.float64]

DELTA = 1e-3  # Hoffmann et al. 2022, appendix D.2: above it an error of log loss counts linearly
FEWEST = 6  # one run more than there are constants
STARTS = tuple(product((0.3, 0.8), (0.3, 0.8), (0.3, 0.7, 0.9)))
NAMES = ("E", "A", "B", "alpha", "beta")


@dataclass(frozen=True, slots=True)
class Fit:
    """A law and how well it is known.

    Attributes:
        surface: The constants.
        objective: Sum of Huber's loss over the runs.
        runs: How many were fitted.
        dropped: How many of the highest losses were left out.
        error: Median of |ln(predicted / measured)|.
        outliers: How many runs lost more than predicted by over ten times that.
        samples: Constants of each bootstrap sample, in the order of NAMES; shape (samples, 5).
    """

    surface: Surface
    objective: float
    runs: int
    dropped: int
    error: float
    outliers: int
    samples: Floats

    def standard_errors(self) -> dict[str, float]:
        """Of the constants and of the exponent a; empty without a bootstrap."""
        if len(self.samples) < 2:
            return {}
        exponent = self.samples[:, 4] / (self.samples[:, 3] + self.samples[:, 4])
        columns = zip((*NAMES, "a"), (*self.samples.T, exponent), strict=True)
        return {name: float(np.std(column, ddof=1)) for name, column in columns}

    def optima(self, flops: float) -> Floats:
        """Optimal parameters for a budget by every bootstrap sample; shape (samples,)."""
        _, a, b, alpha, beta = self.samples.T
        total = alpha + beta
        balance = np.exp((np.log(alpha) + np.log(a) - np.log(beta) - np.log(b)) / total)
        return np.asarray(balance * (flops / 6) ** (beta / total))


def fit(runs: list[Run], *, bootstrap: int = 0, drop: int = 0, seed: int = 42) -> Fit:
    """Fit L = E + A / N^alpha + B / D^beta by Huber's loss on the logarithm of loss.

    Each bootstrap sample draws as many runs with replacement and is fitted from the constants of
    all runs; starts over a grid are for those alone. A sample in which loss does not fall with
    both is left out, so `samples` may have fewer rows than were asked for.

    Args:
        runs: At least six, of different sizes and lengths.
        bootstrap: Samples for standard errors; 0 for none.
        drop: So many runs of highest loss are left out.
        seed: Of the bootstrap.

    Raises:
        UsageError: If the runs cannot tell the constants apart.

    Source:
        Hoffmann et al. 2022, arXiv:2203.15556, appendix D.2; Besiroglu et al. 2024,
        arXiv:2404.10102, for the bootstrap.
    """
    kept = sorted(runs, key=lambda run: run.loss)[: max(0, len(runs) - drop)]
    _check(kept, drop)
    table = np.log(np.array([(run.parameters, run.tokens, run.loss) for run in kept]))
    centre = table.mean(axis=0)
    centred = table - centre  # about their middle the five constants hardly depend on each other
    found = min((_minimum(start, centred) for start in _starts()), key=lambda found: found[1])
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(bootstrap):
        drawn = centred[generator.integers(len(kept), size=len(kept))]
        sample = _minimum(found[0], drawn)[0]
        if sample[3] > 0 < sample[4]:  # else the draw holds too little to tell: no optimum
            samples.append(_constants(sample, centre))
    if not found[0][3] > 0 < found[0][4]:
        raise UsageError(
            "Loss does not fall with parameters and with tokens in these runs, so no law of this "
            "form fits. Look for runs that diverged or were stopped early."
        )
    constants = _constants(found[0], centre)
    residuals = _residuals(found[0], centred)[0]
    error = float(np.median(np.abs(residuals)))
    return Fit(
        surface=Surface(*map(float, constants)),
        objective=found[1],
        runs=len(kept),
        dropped=len(runs) - len(kept),
        error=error,
        outliers=int(np.count_nonzero(residuals < -10 * error)),
        samples=np.array(samples).reshape(-1, len(NAMES)),
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """Runs of one budget: the size of least loss by a parabola over the logarithm of size."""

    flops: float
    runs: int
    parameters: float
    loss: float


def profiles(runs: list[Run], *, width: float = 1.2) -> list[Profile]:
    """Minima of isoFLOP profiles: budgets with five runs or more, of sizes to both sides.

    Args:
        runs: Any; those without enough others of their budget are passed over.
        width: Runs whose FLOPs differ by less than this factor are of one budget.

    Source:
        Hoffmann et al. 2022, arXiv:2203.15556, approach 2.
    """
    groups: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: run.flops):
        if not groups or run.flops > width * groups[-1][0].flops:
            groups.append([])
        groups[-1].append(run)
    return [found for group in groups if len(group) >= 5 and (found := _profile(group))]


def _profile(group: list[Run]) -> Profile | None:
    sizes = np.log([run.parameters for run in group])
    if len(set(sizes)) < 4:
        return None
    bend, slope, level = np.polyfit(sizes - sizes.mean(), [run.loss for run in group], 2)
    bottom = -slope / (2 * bend)
    if bend <= 0 or not sizes.min() < bottom + sizes.mean() < sizes.max():
        return None
    flops = float(np.exp(np.mean(np.log([run.flops for run in group]))))
    least = float(level + slope * bottom / 2)
    return Profile(flops, len(group), float(np.exp(bottom + sizes.mean())), least)


def profile_exponent(found: list[Profile]) -> float | None:
    """a in N_opt ~ C^a through the minima; None for fewer than three."""
    if len(found) < 3:
        return None
    budgets, sizes = (np.log([getattr(p, of) for p in found]) for of in ("flops", "parameters"))
    return float(np.polyfit(budgets, sizes, 1)[0])


def _check(runs: list[Run], drop: int) -> None:
    if drop < 0:
        raise UsageError(f"Cannot leave out {drop} runs.")
    if len(runs) < FEWEST:
        without = f" after leaving out {drop}" if drop else ""
        raise UsageError(
            f"{len(runs)} runs{without} are too few: five constants need {FEWEST} or more."
        )
    sizes, lengths = ({getattr(run, of) for run in runs} for of in ("parameters", "tokens"))
    if len(sizes) == 1:
        raise UsageError(
            "All runs have one model size, so what parameters bring cannot be told. Add others."
        )
    if len(lengths) == 1:
        raise UsageError(
            "All runs have one number of tokens, so what tokens bring cannot be told. Add others."
        )
    if len({run.loss for run in runs}) == 1:
        raise UsageError("All runs have the same loss: there is nothing to fit.")
    logs = np.log(np.array([(run.parameters, run.tokens) for run in runs]))
    if abs(np.corrcoef(logs.T)[0, 1]) > 0.9999:
        raise UsageError(
            "Tokens follow from parameters in all runs, so the two cannot be told apart. Add runs "
            "with more or fewer tokens for a size."
        )


def _starts() -> list[Floats]:
    """Where descents begin: exponents, and the share of loss that is irreducible, on a grid."""
    return [
        np.array([np.log(share), *(2 * [np.log((1 - share) / 2)]), alpha, beta])
        for alpha, beta, share in STARTS
    ]


def _minimum(start: Floats, centred: Floats) -> tuple[Floats, float]:
    """Least Huber loss downhill of a start."""

    def objective(theta: Floats) -> tuple[float, Floats]:
        residuals, slopes = _residuals(theta, centred)
        bent = np.clip(residuals, -DELTA, DELTA)
        huber = bent * (residuals - bent / 2)
        return 1e3 * float(huber.sum()), 1e3 * (slopes @ bent)

    options = {"maxiter": 2000, "gtol": 1e-7}
    found = minimize(objective, start, jac=True, method="BFGS", options=options)
    return np.asarray(found.x), float(found.fun) / 1e3


def _residuals(theta: Floats, centred: Floats) -> tuple[Floats, Floats]:
    """ln(predicted / measured) of each run and its derivatives, shape (runs,) and (5, runs)."""
    e, a, b, alpha, beta = theta
    size, length, loss = centred.T
    terms = np.stack([np.full_like(size, e), a - alpha * size, b - beta * length])
    highest = terms.max(axis=0)
    weights = np.exp(terms - highest)
    total = weights.sum(axis=0)
    shares = weights / total
    slopes = np.concatenate([shares, -shares[1:2] * size, -shares[2:3] * length])
    return highest + np.log(total) - loss, slopes


def _constants(theta: Floats, centre: Floats) -> Floats:
    """E, A, B, alpha, beta from the constants about the middle of the runs."""
    e, a, b, alpha, beta = theta
    size, length, loss = centre
    scales = np.exp([e + loss, a + loss + alpha * size, b + loss + beta * length])
    return np.array([*scales, alpha, beta])
