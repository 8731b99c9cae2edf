"""Several ways of answering raced on the same questions; the beaten ones stop early."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.measure.statistics.inputs import between
from isoflop.measure.statistics.sequential import Bettor, Correction, conditional_limit, stopped


@dataclass(frozen=True, slots=True)
class Stop:
    """That a way is out, and why.

    Attributes:
        name: The way.
        questions: After how many questions.
        rival: The way that led among its rivals when it was stopped.
        difference: Mean score of that rival less its own, on those questions.
        e_value: Evidence that a rival is better.
    """

    name: str
    questions: int
    rival: str
    difference: float
    e_value: float


class Race:
    """Stops each way for which there is evidence that one of its rivals is better.

    Against each way one bettor bets, at each question, on the rival that leads so far. The chance
    that any way is ever stopped which is as good as all of its rivals is at most `level`, whenever
    one looks and however the scores depend on one another; with the correction "none" that holds
    for each way alone, which is enough to keep the best one. Questions must come in random order.

    Attributes:
        running: The ways not stopped, in the order given.
        stops: Those stopped, in order.
        questions: How many have been answered.
    """

    def __init__(
        self,
        rivals: Mapping[str, Collection[str]],
        *,
        level: float = 0.05,
        bound: float = 1.0,
        population: int | None = None,
        correction: Correction = "holm",
    ) -> None:
        """Line up.

        Args:
            rivals: For each way, those that may beat it: all that cost no more, for example. A
                way without rivals is never stopped.
            level: Chance of a wrong stop.
            bound: Scores of two ways are never farther apart.
            population: How many questions there are in all, if the claim is about their mean;
                None if it is about all questions like these.
            correction: For testing several ways.

        Raises:
            UsageError: If a rival does not run, or the level is outside 0 to 1.
        """
        for name, others in rivals.items():
            if strangers := sorted(set(others) - set(rivals)):
                raise UsageError(
                    f"rivals: {name} has the rival {strangers[0]}, which does not run."
                )
        self.running = list(rivals)
        self.stops: list[Stop] = []
        self.questions = 0
        self._rivals = {name: frozenset(others) - {name} for name, others in rivals.items()}
        self._bettors = {name: Bettor() for name, others in self._rivals.items() if others}
        self._totals = dict.fromkeys(rivals, 0.0)
        self._level = between("level", level)
        self._bound, self._population, self._correction = bound, population, correction

    def update(self, scores: Mapping[str, float]) -> list[Stop]:
        """Take the scores of one more question, and say who is stopped by it.

        Args:
            scores: Of every way still running; those of others are not looked at.

        Raises:
            UsageError: If a score is missing or two are farther apart than the bound, or there
                are more questions than the population has.
        """
        self._check(scores)
        leaders = {name: self._leader(name) for name in self.running if name in self._bettors}
        for name, leader in leaders.items():
            if leader is not None:
                self._bet(name, leader, scores)
        for name in self.running:
            self._totals[name] += scores[name]
        self.questions += 1
        return self._stop()

    def e_value(self, name: str) -> float:
        """The highest evidence so far that a rival of this way is better; 1 without rivals."""
        return self._bettors[name].peak if name in self._bettors else 1.0

    def _leader(self, name: str) -> str | None:
        """The running rival with the highest score so far, the first of several."""
        others = [other for other in self.running if other in self._rivals[name]]
        return max(others, key=self._totals.__getitem__, default=None)

    def _bet(self, name: str, leader: str, scores: Mapping[str, float]) -> None:
        ahead = self._totals[leader] - self._totals[name]
        limit = conditional_limit(0.0, ahead, self.questions, self._population)
        gap = scores[leader] - scores[name]
        self._bettors[name].update((gap / self._bound + 1) / 2, (limit / self._bound + 1) / 2)

    def _stop(self) -> list[Stop]:
        peaks = [bettor.peak for bettor in self._bettors.values()]
        if not peaks or max(peaks) * self._level < 1:
            return []
        out = [
            self._record(name)
            for name, falls in zip(
                self._bettors, stopped(peaks, self._level, self._correction), strict=True
            )
            if falls and self._is_behind(name)
        ]
        self.running = [name for name in self.running if name not in {stop.name for stop in out}]
        self.stops += out
        return out

    def _is_behind(self, name: str) -> bool:
        """Whether it runs and the leader is ahead now: so the last one or the first never stops."""
        leader = self._leader(name) if name in self.running else None
        return leader is not None and self._totals[leader] > self._totals[name]

    def _record(self, name: str) -> Stop:
        leader = self._leader(name)
        assert leader is not None
        gap = (self._totals[leader] - self._totals[name]) / self.questions
        return Stop(name, self.questions, leader, gap, self.e_value(name))

    def _check(self, scores: Mapping[str, float]) -> None:
        if self.questions == self._population:
            raise UsageError(f"population={self._population} questions have all been answered.")
        missing = [name for name in self.running if name not in scores]
        if missing:
            raise UsageError(f"scores: none for {missing[0]}, which is still running.")
        found = {name: scores[name] for name in self.running}
        low, high = min(found.values()), max(found.values())
        if not high - low <= self._bound:  # NaN is refused too
            raise UsageError(f"scores run from {low} to {high}; bound={self._bound:g}.")
