"""Interval: a measured figure and how well it is known."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured figure with its confidence interval.

    Attributes:
        value: The figure.
        low: Lower end.
        high: Upper end.
        confidence: Share of such intervals that cover the truth.
        method: How the ends were found, by its usual name.
        standard_error: Of the value; None where the method has none.
    """

    value: float
    low: float
    high: float
    confidence: float
    method: str
    standard_error: float | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        """For JSON."""
        return asdict(self)
