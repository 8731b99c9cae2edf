"""One thing that a check of a claim found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["impossible", "implausible", "misleading", "note"]
LEVELS: tuple[Level, ...] = ("note", "misleading", "implausible", "impossible")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        level: "impossible" breaks arithmetic or physics; "implausible" is beyond every published
            run; "misleading" means that two figures cannot describe the same thing; "note" is no
            objection.
        name: Short, the same for the same mistake.
        reason: With the numbers that led there.
        figures: Those numbers.
    """

    level: Level
    name: str
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)
