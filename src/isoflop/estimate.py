"""Estimate: a figure with an interval and the basis it stands on."""

import math
from dataclasses import dataclass
from typing import Self

from isoflop.bill import Basis


@dataclass(frozen=True, slots=True)
class Estimate:
    """A positive figure with the 80 % interval it is expected in.

    Errors of forecasts of cost are ratios ("25 % over"), so an interval is kept as two factors
    around the value, and independent errors add as squares of logarithms.

    Attributes:
        low: Lower end; 10 % of outcomes are expected below.
        value: The middle: as likely too high as too low.
        high: Upper end; 10 % of outcomes are expected above.
        basis: "forecast", "assumed", "measured" or "mixed".
    """

    low: float
    value: float
    high: float
    basis: Basis = "forecast"

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"an interval holds its value: {self.low} {self.value} {self.high}")

    @classmethod
    def exact(cls, value: float, basis: Basis = "forecast") -> Self:
        """A figure without an interval: an input, or arithmetic on inputs."""
        return cls(value, value, value, basis)

    @classmethod
    def within(cls, value: float, factor: float, basis: Basis = "forecast") -> Self:
        """A figure that may be off by this factor (at least 1) to either side."""
        return cls(value / factor, value, value * factor, basis)

    def __mul__(self, other: "float | Estimate") -> "Estimate":
        """Times a number, or times an independent estimate."""
        if not isinstance(other, Estimate):
            ends = sorted((self.low * other, self.high * other))
            return Estimate(ends[0], self.value * other, ends[1], self.basis)
        value = self.value * other.value
        below = math.hypot(_log(self.value, self.low), _log(other.value, other.low))
        above = math.hypot(_log(self.high, self.value), _log(other.high, other.value))
        basis = self.basis if self.basis == other.basis else "mixed"
        return Estimate(value * math.exp(-below), value, value * math.exp(above), basis)

    __rmul__ = __mul__

    def __truediv__(self, other: "float | Estimate") -> "Estimate":
        if not isinstance(other, Estimate):
            return self * (1 / other)
        return self * Estimate(1 / other.high, 1 / other.value, 1 / other.low, other.basis)

    def __rtruediv__(self, other: float) -> "Estimate":
        return Estimate.exact(other, self.basis) / self

    def __add__(self, other: "Estimate") -> "Estimate":
        """The sum; errors are taken to go together, so the interval is rather too wide."""
        basis = self.basis if self.basis == other.basis else "mixed"
        return Estimate(
            self.low + other.low, self.value + other.value, self.high + other.high, basis
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON: low, value, high and basis."""
        return {"low": self.low, "value": self.value, "high": self.high, "basis": self.basis}


def _log(large: float, small: float) -> float:
    """ln(large / small); 0 for equal figures, zeros included."""
    return 0.0 if large == small else math.log(large / small) if small > 0 else math.inf
