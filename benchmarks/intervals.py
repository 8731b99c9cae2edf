"""Whether intervals hold as often as they say, and evidence errs no more often than it may.

    python -m benchmarks.intervals            # all, about five minutes of processor time
    python -m benchmarks.intervals million    # only how long a million answers take

Every regime is simulated from a known truth: the latent quality of an answer is the sum of the
question's ease, which both ways share, a part that the questions of a cluster share for one way
alone, and noise.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import product
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import RESULTS, save
from isoflop.measure.statistics.abstention import risk_coverage
from isoflop.measure.statistics.auroc import auroc, compare_auroc, roc
from isoflop.measure.statistics.bootstrap import bootstrap
from isoflop.measure.statistics.calibration import calibration
from isoflop.measure.statistics.clustered import accuracy, mean
from isoflop.measure.statistics.conformal import conformal_p
from isoflop.measure.statistics.paired import Method, difference, mcnemar
from isoflop.measure.statistics.race import Race
from isoflop.measure.statistics.sequential import e_values
from isoflop.measure.statistics.ties import ties

SEED = 20261125
RUNS = 2000
NORMAL = NormalDist()
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Regime:
    """What is simulated.

    Attributes:
        kind: "alone", or how large clusters are: "equal", "uneven" or "one big".
        count: Questions where they stand alone, else clusters.
        first: Accuracy of the first way; of graded scores, of its latent quality.
        second: Accuracy of the second way.
        within: Share of the latent variance that a way's answers in one cluster have in common.
        ease: Share that both ways have in common on a question.
        graded: Scores from 0 to 1 with many zeros, as F1, instead of right and wrong.
        size: Questions in a cluster, on average.
    """

    kind: str
    count: int
    first: float = 0.75
    second: float = 0.70
    within: float = 0.0
    ease: float = 0.6
    graded: bool = False
    size: int = 10

    def clusters(self, random: np.random.Generator) -> Integers | None:
        """Each question's cluster, shape (n,), or None where they stand alone."""
        if self.kind == "alone":
            return None
        sizes = np.full(self.count, self.size)
        if self.kind == "uneven":  # of 10: 1 to about 60, the middle one 6
            middle = 1.8 + np.log(self.size / 10)
            sizes = np.exp(random.normal(middle, 1.0, self.count)).round().astype(int)
            sizes = np.maximum(1, sizes)
        if self.kind == "one big":  # half of all questions
            sizes = np.array([5 * (self.count - 1), *[5] * (self.count - 1)])
        return np.repeat(np.arange(self.count), sizes)

    def scores(self, random: np.random.Generator, clusters: Integers | None) -> list[Floats]:
        """Of both ways, shape (n,) each."""
        n = self.count if clusters is None else clusters.size
        ease = random.normal(size=n) * self.ease**0.5
        found = []
        for level in (self.first, self.second):
            quality = ease + random.normal(size=n) * max(0.0, 1 - self.ease - self.within) ** 0.5
            if clusters is not None:
                quality += random.normal(size=self.count)[clusters] * self.within**0.5
            found.append(self._score(quality + NORMAL.inv_cdf(level)))
        return found

    def truth(self) -> float:
        """The true difference: exact, or for graded scores by a fine grid over the quality."""
        if not self.graded:
            return self.first - self.second
        steps = (np.arange(200_000) + 0.5) / 200_000
        z = np.array([NORMAL.inv_cdf(step) for step in steps])
        means = [self._score(z + NORMAL.inv_cdf(p)).mean() for p in (self.first, self.second)]
        return float(means[0] - means[1])

    def _score(self, quality: Floats) -> Floats:
        right = (quality > 0).astype(np.float64)
        return np.asarray(right * np.minimum(1, 0.2 + quality / 2)) if self.graded else right

    def words(self) -> str:
        """In a table."""
        one = "questions" if self.kind == "alone" else f"clusters, {self.kind}"
        sort = f"{self.first:.2f} and {self.second:.2f}" + (", graded" if self.graded else "")
        return f"{self.count} {one}; {sort}" + (f"; {self.within:g} within" if self.within else "")


def regimes() -> Iterator[Regime]:
    """Few and many questions, easy and hard, alone and in clusters of three kinds."""
    for count, level in product((20, 50, 200, 1000), ((0.75, 0.70), (0.97, 0.95))):
        yield Regime("alone", count, *level)
    for kind, count, within in product(("equal", "uneven", "one big"), (5, 10, 20, 50), (0.0, 0.3)):
        yield Regime(kind, count, within=within)
    for kind, count in product(("equal", "uneven"), (5, 10, 20, 50)):
        yield Regime(kind, count, 0.97, 0.95, 0.3)
    for count in (20, 50, 200):
        yield Regime("alone", count, graded=True)
        yield Regime("alone", count, 0.97, 0.95, graded=True)
    yield Regime("uneven", 20, within=0.3, graded=True)


def covered(regime: Regime, runs: int = RUNS, method: Method = "auto") -> dict[str, Any]:
    """How often the interval of the paired difference holds the truth, and its mean width."""
    random, truth, held, width = np.random.default_rng(SEED), regime.truth(), 0, 0.0
    for run in range(runs):
        clusters = regime.clusters(random)
        first, second = regime.scores(random, clusters)
        shared = None if clusters is None else clusters.tolist()
        found = difference(first, second, clusters=shared, method=method, seed=run)
        held += found.low - 1e-12 <= truth <= found.high + 1e-12
        width += found.high - found.low
    share = {"coverage": held / runs, "width": width / runs}
    return {"regime": regime.words(), "method": method, "runs": runs, **asdict(regime), **share}


def comparisons() -> Iterator[dict[str, Any]]:
    """The regimes of a comparison of two ways: least and greatest coverage over three each.

    50 to 1,000 questions, alone or in 10 to 100 uneven clusters. The three have true differences
    of 0, 0.1 and 0.3 above an accuracy of 0.6, and ways that share 0, 0.4 and 0.8 of what makes a
    question easy, in another order each time.
    """
    shapes = [("alone", n, n) for n in (50, 200, 1000)]
    shapes += [
        ("uneven", clusters, n)
        for n, clusters in product((50, 200, 1000), (10, 30, 100))
        if clusters < n
    ]
    turn, gaps, shared = 0, (0.0, 0.1, 0.3), (0.0, 0.4, 0.8)
    for (kind, count, n), graded in product(shapes, (False, True)):
        for within in (0.0, 0.2) if kind == "uneven" else (0.0,):
            found = [
                covered(Regime(kind, count, 0.6 + gap, 0.6, within, ease, graded, n // count))
                for gap, ease in zip(gaps, shared[turn % 3 :] + shared[: turn % 3], strict=True)
            ]
            coverages = [one["coverage"] for one in found]
            turn += 1
            yield {
                "questions": n,
                "clusters": None if kind == "alone" else count,
                "within": within,
                "graded": graded,
                "regimes": len(found),
                "least": min(coverages),
                "greatest": max(coverages),
            }


def accuracies(runs: int = RUNS) -> Iterator[dict[str, Any]]:
    """The same of the accuracy of one way."""
    for kind, count, level in product(("alone", "equal", "uneven"), (10, 50), (0.7, 0.95)):
        regime = Regime(kind, count, level, level, 0.0 if kind == "alone" else 0.3)
        random, held = np.random.default_rng(SEED), 0
        for _ in range(runs):
            clusters = regime.clusters(random)
            outcomes = regime.scores(random, clusters)[0]
            found = accuracy(outcomes, clusters=None if clusters is None else clusters.tolist())
            held += found.interval.low <= level <= found.interval.high
        yield {"regime": regime.words(), "coverage": held / runs}


def areas(runs: int = RUNS) -> Iterator[dict[str, Any]]:
    """The same of the area under the ROC curve; normal scores."""
    for count, level in product((10, 30, 150), (0.7, 0.9, 0.98)):
        gap, random, held = NORMAL.inv_cdf(level) * 2**0.5, np.random.default_rng(SEED), 0
        kinds = np.repeat([False, True], count)
        for _ in range(runs):
            found = auroc(kinds, random.normal(size=2 * count) + gap * kinds)
            held += found.low <= level <= found.high
        yield {"regime": f"{count} of each kind; area {level}", "coverage": held / runs}


def conformal(draws: int = 10_000) -> Iterator[dict[str, Any]]:
    """How often a case of the known kind gets a p-value of at most the level."""
    random = np.random.default_rng(SEED)
    for n in (99, 999):
        p = np.empty(draws)
        for draw in range(draws):
            scores = random.normal(size=n + 1)
            p[draw] = conformal_p(scores[:-1], scores[-1:])[0]
        for level in (0.01, 0.05, 0.1):
            yield {
                "regime": f"{n} known, level {level}",
                "n": n,
                "level": level,
                "draws": draws,
                "alarms": float((p <= level).mean()),
            }


def false_alarms(runs: int = 5000) -> Iterator[dict[str, Any]]:
    """How often evidence ever reaches 20 when neither way is better, looking at every question."""
    random = np.random.default_rng(SEED)
    for name, share in (("30 % differ", 0.3), ("5 % differ", 0.05)):
        alarms = dict.fromkeys(("like these", "of this exam"), 0)
        for _ in range(runs):
            half = round(150 * share)
            gaps = random.choice([1.0, -1.0, 0.0], 300, p=[share / 2, share / 2, 1 - share])
            exam = random.permutation([1.0] * half + [-1.0] * half + [0.0] * (300 - 2 * half))
            alarms["like these"] += bool(e_values(gaps).max() >= 20)
            alarms["of this exam"] += bool(e_values(exam, population=300).max() >= 20)
        for claim, count in alarms.items():
            yield {"regime": f"300 questions {claim}, {name}", "alarms": count / runs}


RACES = {
    "spread": (0.75, 0.72, 0.6, 0.55, 0.5, 0.45, 0.35, 0.2),
    "one ahead": (0.8, *[0.6] * 7),
    "close": (0.7, 0.69, 0.68, 0.67, 0.66, 0.65, 0.64, 0.63),
}


def races(runs: int = 100) -> Iterator[dict[str, Any]]:
    """Share of the calls that eight racing ways need, and how often the best on all is lost."""
    for (name, levels), n in product(RACES.items(), (100, 400)):
        for population in (n, None):
            random, calls, lost = np.random.default_rng(SEED), 0, 0
            for _ in range(runs):
                ease = random.normal(size=(n, 1)) * 0.6**0.5
                noise = random.normal(size=(n, len(levels))) * 0.4**0.5
                limits = [NORMAL.inv_cdf(1 - level) for level in levels]
                table = (ease + noise > limits).astype(np.float64)
                used, running = _raced(table, population)
                calls += used
                best = table.sum(0)
                lost += not any(best[way] == best.max() for way in running)
            yield {
                "regime": f"{name}, {n} questions" + (", whole exam known" if population else ""),
                "calls": calls / (runs * n * len(levels)),
                "best_lost": lost / runs,
            }


def _raced(scores: Floats, population: int | None) -> tuple[int, list[int]]:
    """Calls made, and the ways left."""
    names = [str(way) for way in range(scores.shape[1])]
    race, calls = Race(dict.fromkeys(names, names), population=population), 0
    for row in scores:
        calls += len(race.running)
        if len(race.running) == 1:
            break  # it has won: it answers what is left only if its accuracy is wanted
        race.update(dict(zip(names, row.tolist(), strict=True)))
    return calls, [int(name) for name in race.running]


def million(n: int = 1_000_000) -> dict[str, float]:
    """Processor seconds of every interval and curve on a million answers in 50,000 clusters."""
    random = np.random.default_rng(SEED)
    clusters = [f"page {page}" for page in random.integers(0, n // 20, n)]
    first, second = random.random(n) < 0.7, random.random(n) < 0.69
    sure = random.normal(size=n) + first
    stated, weights = 1 / (1 + np.exp(-sure)), random.uniform(0.5, 2, n)
    graded = np.where(first, random.random(n), 0)
    work: dict[str, Callable[[], object]] = {
        "accuracy": lambda: accuracy(first),
        "accuracy, clusters and weights": lambda: accuracy(
            first, clusters=clusters, weights=weights
        ),
        "mean of graded scores, clusters": lambda: mean(graded, clusters=clusters),
        "difference": lambda: difference(first, second),
        "difference, clusters": lambda: difference(first, second, clusters=clusters),
        "McNemar": lambda: mcnemar(first, second),
        "bootstrap of graded scores, clusters": lambda: bootstrap(graded, clusters=clusters),
        "bootstrap of graded scores, alone": lambda: bootstrap(graded),
        "AUROC": lambda: auroc(first, sure),
        "two AUROCs": lambda: compare_auroc(first, sure, stated),
        "ROC curve": lambda: roc(first, sure),
        "ties": lambda: ties(sure, first),
        "calibration": lambda: calibration(stated, first),
        "abstention": lambda: risk_coverage(sure, ~first),
        "conformal p-values": lambda: conformal_p(sure[: n // 2], sure[n // 2 :]),
        "evidence at any time": lambda: e_values(first.astype(int) - second),
    }
    took = {}
    for name, call in work.items():
        start = time.process_time()
        call()
        took[name] = time.process_time() - start
    return took


def resampled() -> list[dict[str, Any]]:
    """Coverage of the two bootstraps where there are few questions or clusters."""
    some = [Regime("alone", 50), *(Regime("uneven", count, within=0.3) for count in (5, 20, 50))]
    methods: tuple[Method, ...] = ("bca", "percentile")
    return [covered(*each) for each in product(some, (RUNS,), methods)]


PARTS: dict[str, Callable[[], object]] = {
    "million": million,
    "difference": lambda: [covered(regime) for regime in regimes()],
    "comparisons": lambda: list(comparisons()),
    "resampled": resampled,
    "accuracy": lambda: list(accuracies()),
    "auroc": lambda: list(areas()),
    "conformal": lambda: list(conformal()),
    "alarms": lambda: list(false_alarms()),
    "races": lambda: list(races()),
}


def main() -> None:
    """Measure the parts that are named, or all, and keep them in results/intervals.json."""
    file = RESULTS / "intervals.json"
    for name in sys.argv[1:] or PARTS:
        new = PARTS[name]()
        print(f"\n{name}", json.dumps(new, indent=0), flush=True)
        found = json.loads(file.read_text("utf-8")) if file.exists() else {}
        found[name] = new
        save("intervals", {part: found[part] for part in PARTS if part in found})


if __name__ == "__main__":
    main()
