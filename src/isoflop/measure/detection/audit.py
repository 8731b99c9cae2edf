"""Whether a benchmark measures detectors, or what its makers did to one kind of texts."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from isoflop.errors import UsageError
from isoflop.measure.detection.sets import DetectionSet, Recorded
from isoflop.measure.detection.surface import Surface, surface
from isoflop.measure.statistics.auroc import Areas, auroc, compare_auroc, roc
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.ties import Ties, ties

AS_PUBLISHED = 5e-5  # half of the last of four digits, which is what papers print
FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded detector, scored again.

    Attributes:
        name: The detector's.
        area: AUROC, machine texts expected high.
        found: Share of the machine texts above all but 5 % of the human ones.
        published: What its file states.
        left_out: Texts without a finite or infinite score.
        ties: How often scores coincide.
        above_floor: Its area less that of all surface features together, with DeLong's paired
            interval; None without texts.
        above_plain: The same with the features of the normalised texts.
    """

    name: str
    area: Interval
    found: float
    published: float | None
    left_out: int
    ties: Ties
    above_floor: Areas | None
    above_plain: Areas | None

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes the figure doubtful, in words."""
        said = []
        if self.area.high < 0.5:
            said.append(f"scores the other way round: {1 - self.area.value:.4f} reversed")
        if self.above_floor is not None and self.above_floor.difference.low <= 0:
            rests = self.above_plain is not None and self.above_plain.difference.low <= 0
            said.append(f"not above the surface floor{', nor after normalisation' * rests}")
        if self.ties.saturated():
            most = max(self.ties.lowest_share, self.ties.highest_share)
            said.append(f"saturated: {most:.0%} at one end")
        if self.ties.tied_pairs:
            said.append(
                f"ties: {self.ties.least_auroc:.4f} to {self.ties.greatest_auroc:.4f} "
                "depending on how they are broken"
            )
        if self.left_out:
            said.append(f"{self.left_out} texts without a score left out")
        if self.published is not None and abs(self.published - self.area.value) > AS_PUBLISHED:
            said.append(f"the file itself says {self.published:.4f}")
        return tuple(said)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two detectors on the texts that both have scored."""

    first: str
    second: str
    areas: Areas


@dataclass(frozen=True, slots=True)
class Audit:
    """What is to be said of a set.

    Attributes:
        set: That was audited.
        raw: Surface features of the texts as they are; None without texts.
        plain: The same after normalisation.
        duplicates: Texts that occur in both kinds.
        empty: Texts that are empty.
        rows: Recorded detectors, highest first.
    """

    set: DetectionSet
    raw: Surface | None
    plain: Surface | None
    duplicates: int
    empty: int
    rows: tuple[Row, ...]

    def differences(self) -> list[Difference]:
        """Every two recorded detectors by DeLong's paired test."""
        by_name = {recorded.name: recorded for recorded in self.set.recorded}
        ordered = [by_name[row.name] for row in self.rows]
        return [
            Difference(a.name, b.name, _compared(self.set, a.scores, b.scores))
            for a, b in combinations(ordered, 2)
        ]


def audit(found: DetectionSet) -> Audit:
    """Measure a set's surface and score its recorded detectors again.

    Raises:
        UsageError: If there are fewer than two texts of a kind, or a detector scored fewer.
    """
    machine = found.machine
    if min(int(machine.sum()), int((~machine).sum())) < 2:
        raise UsageError(f"{found.name}: at least two texts of each kind are needed.")
    raw = plain = None
    if found.has_texts:
        raw = surface(found.texts, machine, found.pairs)
        plain = surface(found.texts, machine, found.pairs, plain=True)
    kinds = [{t for t, m in zip(found.texts, machine, strict=True) if t and m == k} for k in (0, 1)]
    rows = [_row(found, recorded, raw, plain) for recorded in found.recorded]
    rows.sort(key=lambda row: -row.area.value)
    empty = sum(not text.strip() for text in found.texts) if found.has_texts else 0
    return Audit(found, raw, plain, len(kinds[0] & kinds[1]), empty, tuple(rows))


def _row(
    found: DetectionSet, recorded: Recorded, raw: Surface | None, plain: Surface | None
) -> Row:
    kept = ~np.isnan(recorded.scores)
    machine, scores = found.machine[kept], recorded.scores[kept]
    if min(int(machine.sum()), int((~machine).sum())) < 2:
        raise UsageError(f"{found.name}: {recorded.name} has fewer than two scores of a kind.")
    return Row(
        recorded.name,
        auroc(machine, scores),
        roc(machine, scores).true_positives_at(FALSE_ALARMS),
        recorded.published,
        int((~kept).sum()),
        ties(scores, machine),
        *(
            None if of is None else _compared(found, recorded.scores, of.scores)
            for of in (raw, plain)
        ),
    )


def _compared(found: DetectionSet, first: np.ndarray, second: np.ndarray) -> Areas:
    kept = ~(np.isnan(first) | np.isnan(second))
    return compare_auroc(found.machine[kept], first[kept], second[kept])
