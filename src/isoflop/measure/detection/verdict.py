"""A verdict on a text, only beside human texts of the user's own, and only at equal length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from isoflop.errors import UsageError
from isoflop.measure.detection.detectors import DETECTORS, Detector, Scored
from isoflop.measure.statistics.conformal import conformal_p
from isoflop.measure.statistics.inputs import between
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.proportions import wilson

Known = dict[str, list[float]]  # scores of human texts by detector
Outcome = Literal["machine-like", "undecided", "human-like"]

LEAST_TOKENS = 50  # of a text that gets a verdict, and of one that is calibrated on
HUMAN_LIKE = 0.5  # at least every second human text looks as much like a machine's
KEPT = 0.8  # of the human texts are at least as long as what is compared


@dataclass(frozen=True, slots=True)
class Human:
    """A text known to be human, read by the same models.

    Attributes:
        scored: What the pass said.
        group: Whose it is, for the table of false positives.
    """

    scored: Scored
    group: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a text, or why nothing is.

    Attributes:
        outcome: None where no verdict is given.
        reason: Why not, or what the outcome rests on.
        p: Of each detector, how often a human text would score so much like a machine; empty
            without calibration.
        tokens: How many from the beginning of each text were compared.
        humans: Human texts of at least that length.
    """

    outcome: Outcome | None
    reason: str
    p: dict[str, float]
    tokens: int = 0
    humans: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """False alarms among human texts of one kind, each judged by all the others.

    Attributes:
        name: The group.
        texts: How many.
        flagged: How many of them would be called machine-like.
        rate: With Wilson's interval.
    """

    name: str
    texts: int
    flagged: int
    rate: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """Human texts, and what is asked of a verdict.

    Attributes:
        humans: Exchangeable, as far as the user can tell, with the human texts that will come.
        by: The detector that decides, chosen before any text is seen.
        level: Human texts are called machine-like no more often than this, on average over
            calibrations.
        least_tokens: Shorter texts get no verdict.
    """

    humans: Sequence[Human]
    by: Detector
    level: float = 0.05
    least_tokens: int = LEAST_TOKENS
    _known: dict[int, Known] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        between("level", self.level)
        if self.least_tokens < 1:
            raise UsageError(f"least_tokens={self.least_tokens}: at least one.")

    @property
    def needed(self) -> int:
        """Human texts without which the level cannot be promised."""
        return math.ceil(1 / self.level - 1 - 1e-9)

    def judge(self, scored: Scored) -> Verdict:
        """Three outcomes, or none with the reason.

        Both the text and the human ones are cut to the same number of tokens from the beginning,
        because scores depend on length: that of the text, or what four fifths of the human texts
        have, if that is less.
        """
        length = len(scored.stream)
        if length < self.least_tokens:
            return Verdict(
                None,
                f"{length} tokens are too few for a verdict, which needs {self.least_tokens}",
                {},
            )
        long = [h for h in self.humans if len(h.scored.stream) >= self.least_tokens]
        if len(long) < self.needed:
            return Verdict(None, self._too_few(len(long)), {})
        lengths = sorted(len(human.scored.stream) for human in long)
        most = lengths[-max(self.needed, math.ceil(KEPT * len(lengths)))]
        tokens = min(length, most)
        known = [h.scored for h in long if len(h.scored.stream) >= tokens]
        if tokens not in self._known:  # the same for every text of that length and longer
            self._known[tokens] = _machine_scores([each.first(tokens) for each in known])
        p = _p_values(scored.first(tokens), self._known[tokens], self.needed)
        if self.by.name not in p:
            return Verdict(
                None, f"{self.by.name} has no score of this text, or of too few human ones", p,
                tokens, len(known),
            )  # fmt: skip
        return self._decided(p, tokens, len(known))

    def _decided(self, p: dict[str, float], tokens: int, humans: int) -> Verdict:
        of = p[self.by.name]
        outcome: Outcome = "undecided"
        reason = f"between a level of {self.level:g} and {HUMAN_LIKE:g}"
        if of <= self.level * (1 + 1e-9):
            outcome = "machine-like"
            reason = f"so machine-like are at most {self.level:.3g} of human texts like yours"
        elif of >= HUMAN_LIKE:
            outcome = "human-like"
            reason = "at least half of human texts look as much like a machine's"
        return Verdict(outcome, reason, p, tokens, humans)

    def _too_few(self, found: int) -> str:
        return (
            f"{found} human texts of at least {self.least_tokens} tokens are too few: no error "
            f"rate below 1/{found + 1} can be promised. A level of {self.level:g} needs "
            f"{self.needed}"
        )

    def groups(self) -> list[Group]:
        """How often each group's texts would be called machine-like, each by all others.

        Over all texts the rate is at most about the level whatever the detector; how it differs
        between groups is what the level does not promise.
        """
        long = [h for h in self.humans if len(h.scored.stream) >= self.least_tokens]
        if len(long) <= self.needed:
            return []
        tokens = sorted(len(h.scored.stream) for h in long)[-math.ceil(KEPT * len(long))]
        kept = [h for h in long if len(h.scored.stream) >= tokens]
        found = [self.by.machine(h.scored.first(tokens)) for h in kept]
        scores = np.array([-math.inf if score is None else score for score in found])
        as_high = len(scores) - np.searchsorted(np.sort(scores), scores, "left")
        flagged = as_high / len(scores) <= self.level * (1 + 1e-9)
        names = np.array([h.group for h in kept])
        return [
            Group(name, n, k, wilson(k, n))
            for name in dict.fromkeys(names.tolist())
            for n, k in [(int((names == name).sum()), int(flagged[names == name].sum()))]
        ]


def _machine_scores(known: Sequence[Scored]) -> Known:
    return {
        name: [score for each in known if (score := detector.machine(each)) is not None]
        for name, detector in DETECTORS.items()
    }


def _p_values(scored: Scored, known: Known, needed: int) -> dict[str, float]:
    """Of each detector that has a score of the text and of enough human ones."""
    found = {}
    for name, humans in known.items():
        asked = DETECTORS[name].machine(scored)
        if asked is not None and len(humans) >= needed:
            found[name] = float(conformal_p(humans, [asked])[0])
    return found
