"""Trials: how fast models answer here, found out before the forecast; those of servers are paid."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from isoflop.augment.answerer import Answerer, Speed
from isoflop.questions import Question
from isoflop.run import Row, Run, read_rows
from isoflop.search.index import Index


def timed_here(answerer: Answerer) -> Answerer:
    """With a measured speed where the model runs in this process."""
    if not hasattr(answerer.model, "logits"):
        return answerer
    from isoflop.augment.answerers.local import trial

    ready: Answerer = replace(answerer, speed=trial(answerer.model))  # type: ignore[type-var]  # a dataclass
    return ready


def writing_here(answerer: Answerer, questions: Sequence[Question], index: Index) -> Answerer:
    """With how much it writes, where the model runs in this process; words find passages for it."""
    if not hasattr(answerer.model, "logits"):
        return answerer
    from isoflop.augment.answerers.local import tried

    found: Answerer = tried(answerer, questions, partial(index.search, k=1, by="bm25"))
    return found


class Trials:
    """Speeds of models, also of those on servers where a budget of time needs them.

    A server is asked four short questions. What they take is a line of the run, so it counts as
    spent, and a run that goes on does not ask again.

    Attributes:
        made: Lines of trials that the run does not hold yet.
    """

    def __init__(self, folder: Path, *, served: bool) -> None:
        """Begin.

        Args:
            folder: Of the run, which may hold trials already.
            served: Whether servers are tried.
        """
        self._served, self.made = served, list[Row]()
        self._held = {row["key"]: row for row in read_rows(folder)} if served else {}

    def ready(self, answerer: Answerer) -> Answerer:
        """With a speed, as far as it is to be known.

        Raises:
            EndpointError: If a server that is tried fails.
        """
        if not hasattr(answerer, "billed"):
            return timed_here(answerer)
        if not self._served:
            return answerer
        key = f"trial/{answerer.name}"
        row = self._held.get(key) or self._tried(answerer, key)
        made: Answerer = replace(answerer, speed=Speed(**row["speed"]))  # type: ignore[type-var]  # a dataclass
        return made

    def _tried(self, answerer: Answerer, key: str) -> Row:
        from isoflop.augment.answerers.served import trial

        speed, usage = trial(answerer.model)
        bill = answerer.billed(usage)  # type: ignore[attr-defined]  # every served model has it
        self.made.append({"key": key, "speed": asdict(speed), "bill": bill.as_dict()})
        return self.made[-1]

    def keep(self, run: Run) -> None:
        """Write them down."""
        while self.made:
            run.add(self.made.pop(0))
