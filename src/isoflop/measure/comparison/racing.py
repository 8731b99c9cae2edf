"""Which ways go on: those that may still matter to what will be advised.

Two rules stop a way. It is beaten when there is evidence, valid whenever one looks, that a rival
which costs no more is better. It is settled when the questions that are left can hardly make it
matter: they are drawn many times over as the questions so far let one expect, and in nearly all
draws the advice is the same without it. When nearly all draws give one advice the race is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from isoflop.measure.statistics.distributions import normal_quantile
from isoflop.measure.statistics.race import Race

LEVEL = 0.05  # of the evidence, and of the intervals by which the advice is found
NEAR = 0.05  # points behind the best that a way may be and still be advised
FIRST = 30  # questions before which nothing is called settled: their variances are not known yet
LOOK = 5  # questions between two looks at what is left
DRAWS = 1000
# Share of draws in which a settled way would have mattered; and in which the advice is another one.
MATTERS, DOUBT = 0.005, 0.01
GUARANTEE = (
    "a way is beaten when a rival that costs no more is better, wrongly with a chance of at most "
    "5 % whenever one looks; it is settled when what is left of the questions would make it matter "
    "to the advice with a chance of about 0.5 %; the race is over when that of another advice is "
    "about 1 %"
)
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stop:
    """That a way is out, and why.

    Attributes:
        name: The way.
        questions: After how many questions.
        rival: The way that beat it, or that would be advised now.
        difference: Mean score of that rival less its own, on those questions.
        e_value: Evidence that a rival which costs no more is better.
        why: "beaten" or "settled".
    """

    name: str
    questions: int
    rival: str
    difference: float
    e_value: float
    why: Literal["beaten", "settled"]


@dataclass(slots=True)
class Field:
    """Ways on the same questions, in the order they are asked, which must be random.

    Attributes:
        costs: Of each way, on one axis; None if it is not known. Those first given, by forecast,
            decide who may beat whom.
        population: Questions in all.
        bound: Scores of two ways are never farther apart.
        racing: Whether any is stopped at all.
        floor: Mean score of a way that never answers: no such way is advised.
        stops: Why ways were stopped.
        advice: The way that the race was over for; empty while it goes on.
    """

    costs: Mapping[str, float | None]
    population: int
    bound: float = 1.0
    racing: bool = True
    floor: float = -np.inf
    stops: dict[str, Stop] = field(default_factory=dict)
    advice: str = ""
    _race: Race | None = None
    _scores: dict[str, list[float]] = field(default_factory=dict)
    _out: set[str] = field(default_factory=set)
    _asked: int = 0

    def __post_init__(self) -> None:
        names = list(self.costs)
        self._scores = {name: [] for name in names}
        if self.racing and len(names) > 1:
            self._race = Race(
                {name: [o for o in names if o != name and self._no_dearer(o, name)]
                 for name in names},
                level=LEVEL, bound=self.bound, population=self.population, correction="none",
            )  # fmt: skip

    def _no_dearer(self, rival: str, name: str) -> bool:
        theirs, own = self.costs[rival], self.costs[name]
        return own is None or (theirs is not None and theirs <= own)

    @property
    def running(self) -> list[str]:
        """Ways that are asked the next question; none when the race is over."""
        if self.advice:
            return []
        return [name for name in self.costs if name not in self.stops and name not in self._out]

    def fail(self, name: str) -> None:
        """A way that cannot go on: nobody is compared with it any more."""
        self._out.add(name)
        self._leave(name)

    def _leave(self, name: str) -> None:
        if self._race is not None and name in self._race.running:
            self._race.running.remove(name)

    def update(
        self, scores: Mapping[str, float], costs: Mapping[str, float | None] | None = None
    ) -> list[Stop]:
        """The scores of one more question; who stops now.

        Args:
            scores: Of every way that is running.
            costs: Of ways as measured so far; those of the others are as before.
        """
        running = self.running
        self._asked += 1
        if costs is not None:
            self.costs = {**self.costs, **costs}
        for name in running:
            self._scores[name].append(scores[name])
        if self._race is None or not running or self._asked >= self.population:
            return []  # after the last question nothing is saved by stopping
        beaten = self._race.update({name: scores[name] for name in self._race.running})
        now = [
            Stop(s.name, s.questions, s.rival, s.difference, s.e_value, "beaten") for s in beaten
        ]
        self.stops |= {stop.name: stop for stop in now}
        looks = self._asked >= FIRST and self._asked % LOOK == 0
        if looks and self._asked < self.population and len(self.running) > 1:
            now += self._settle()
        if len(self.running) == 1 and self._asked >= FIRST:
            self.advice = self.running[0]
        return now

    def _settle(self) -> list[Stop]:
        """Stop who will hardly matter, and see whether the race is over."""
        names = self.running
        seen = np.array([self._scores[name] for name in names])  # (ways, questions)
        ahead = Foresight.of(
            seen, self.population, self._places(names), len(self.costs), self.floor
        )
        if ahead.doubt <= DOUBT:
            self.advice = names[ahead.now]
            return []
        stops = []
        for at in ahead.idle():
            rival = names[ahead.now]
            gap = float(seen[ahead.now].mean() - seen[at].mean())
            evidence = self._race.e_value(names[at]) if self._race else 1.0
            stops.append(Stop(names[at], self._asked, rival, gap, evidence, "settled"))
            self._leave(names[at])
        self.stops |= {stop.name: stop for stop in stops}
        return stops

    def _places(self, names: Sequence[str]) -> Integers:
        """Of each way in the order of costs, unknown ones last."""
        known = [np.inf if (cost := self.costs[name]) is None else cost for name in names]
        return np.argsort(np.argsort(known, kind="stable"), kind="stable")


@dataclass(frozen=True, slots=True)
class Foresight:
    """How the questions that are left may turn out.

    Attributes:
        means: Of each way over all questions, shape (draws, ways).
        errors: Of the difference of two ways over all questions, shape (ways, ways).
        places: Of each way in the order of costs, shape (ways,).
        z: Quantile of the intervals by which the advice is found.
        floor: Mean score of a way that never answers.
        now: The way that would be advised if there were no more questions.
    """

    means: Floats
    errors: Floats
    places: Integers
    z: float
    floor: float
    now: int

    @classmethod
    def of(
        cls, seen: Floats, population: int, places: Integers, ways: int, floor: float = -np.inf
    ) -> "Foresight":
        """Draw the rest: normal, with the variances of what was seen, from a finite population.

        As if two ways had differed on one question more, once for each, so that ways that always
        agreed so far are not taken for the same.

        Args:
            seen: Scores so far, shape (ways, questions).
            population: Questions in all.
            places: Of each way in the order of costs, shape (ways,).
            ways: How many there were at first.
            floor: Mean score of a way that never answers.
        """
        count = seen.shape[1]
        each = np.cov(seen) + np.eye(len(seen)) * 0.5 / count  # (ways, ways)
        own = np.diag(each)
        apart = np.sqrt(np.maximum(0.0, own[:, None] + own[None, :] - 2 * each))
        z = normal_quantile(1 - LEVEL / (2 * max(1, ways - 1)))
        middle = seen.mean(1)
        spread = np.linalg.cholesky(each * (1 / count - 1 / population))
        noise = np.random.default_rng(count).standard_normal((DRAWS, len(seen)))
        now = advised(middle[None, :], apart / count**0.5, places, z, floor)[0]
        means = middle + noise @ spread.T
        return cls(means, apart / population**0.5, places, z, floor, int(now))

    @property
    def doubt(self) -> float:
        """Share of draws with another advice than now."""
        return float((self._advised(()) != self.now).mean())

    def idle(self) -> list[int]:
        """Ways without which, all of them together, the advice is the same in nearly all draws."""
        whole = self._advised(())
        found: list[int] = []
        least = np.argsort(self.means.mean(0), kind="stable")
        for way in least:
            without = [*found, int(way)]
            if len(without) < len(self.places):
                change = (self._advised(without) != whole).mean()
                found = without if change <= MATTERS else found
        return found

    def _advised(self, without: Sequence[int]) -> Integers:
        means = self.means.copy()
        means[:, list(without)] = -np.inf
        return advised(means, self.errors, self.places, self.z, self.floor)


def advised(
    means: Floats, errors: Floats, places: Integers, z: float, floor: float = -np.inf
) -> Integers:
    """The cheapest way that is near the best, not significantly worse, and does answer.

    As `result.recommended` has it; where nobody does better than never to answer, the best.

    Args:
        means: Of each way, shape (draws, ways).
        errors: Of the difference of two ways, shape (ways, ways).
        places: Of each way in the order of costs, shape (ways,).
        z: Quantile of the intervals.
        floor: Mean score of a way that never answers.

    Returns:
        Of each draw the way, shape (draws,).
    """
    best = means.argmax(1)
    behind = means.max(1)[:, None] - means  # (draws, ways)
    good = (behind <= NEAR) & (behind - z * errors[best] <= 0)
    good &= (means > floor) | (behind == 0)
    return np.asarray(np.where(good, places, len(places)).argmin(1))


def calls_saved(asked: Mapping[str, int], population: int, ways: Sequence[str]) -> float:
    """Share of the calls of the full grid that were not made."""
    whole = population * len(ways)
    return 1 - sum(asked.get(way, 0) for way in ways) / whole if whole else 0.0
