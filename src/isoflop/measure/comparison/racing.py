"""Which ways go on: those that a rival beats stop, and when one is left the race is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isoflop.measure.statistics.race import Race, Stop

# A way that is beaten but cheaper than its rival stays on the frontier; after so many questions
# its accuracy is known to about 14 points, which is enough for what nobody will be advised to use.
ENOUGH = 50
LEVEL = 0.05


@dataclass(slots=True)
class Field:
    """Ways on the same questions, in the order they are asked.

    The chance that the best way is ever stopped is at most `LEVEL`, whenever one looks and however
    the scores depend on one another; questions must come in random order.

    Attributes:
        costs: Of each way, on one axis; None if it is not known.
        population: Questions in all.
        bound: Scores of two ways are never farther apart.
        racing: Whether any is stopped at all.
        stops: Why ways were stopped.
    """

    costs: Mapping[str, float | None]
    population: int
    bound: float = 1.0
    racing: bool = True
    stops: dict[str, Stop] = field(default_factory=dict)
    _race: Race | None = None
    _waiting: dict[str, Stop] = field(default_factory=dict)
    _out: set[str] = field(default_factory=set)
    _asked: int = 0

    def __post_init__(self) -> None:
        names = list(self.costs)
        if self.racing and len(names) > 1:
            self._race = Race(
                {name: [other for other in names if other != name] for name in names},
                level=LEVEL, bound=self.bound, population=self.population, correction="none",
            )  # fmt: skip

    @property
    def running(self) -> list[str]:
        """Ways that are asked the next question; none when the race is over."""
        left = [name for name in self.costs if name not in self.stops and name not in self._out]
        decided = self._race is not None and len(self._race.running) == 1
        return [] if decided and self._asked >= ENOUGH and len(left) <= 1 else left

    def fail(self, name: str) -> None:
        """A way that cannot go on: nobody is compared with it any more."""
        self._out.add(name)
        if self._race is not None and name in self._race.running:
            self._race.running.remove(name)

    def update(self, scores: Mapping[str, float]) -> list[Stop]:
        """The scores of one more question; who stops now.

        Args:
            scores: Of every way that is running.
        """
        self._asked += 1
        if self._race is None:
            return []
        for stop in self._race.update({n: scores[n] for n in self._race.running}):
            self._waiting[stop.name] = stop
        now = [s for s in self._waiting.values() if self._asked >= ENOUGH or self._dearer(s)]
        for stop in now:
            del self._waiting[stop.name]
            self.stops[stop.name] = stop
        return now

    def _dearer(self, stop: Stop) -> bool:
        """Whether the rival costs no more: then nothing speaks for this way."""
        own, rival = self.costs[stop.name], self.costs[stop.rival]
        return own is None or (rival is not None and rival <= own)


def calls_saved(asked: Mapping[str, int], population: int, ways: Sequence[str]) -> float:
    """Share of the calls of the full grid that were not made."""
    whole = population * len(ways)
    return 1 - sum(asked.get(way, 0) for way in ways) / whole if whole else 0.0
