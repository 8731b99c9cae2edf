"""What something takes: tokens, FLOPs, seconds, joules, dollars, grams of CO2e.

A forecast and a measurement have the same type, so they can be added, scaled and subtracted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

Basis = Literal["measured", "forecast", "assumed", "mixed"]
Figure = float | None

FIGURES = (
    "prompt_tokens",
    "cached_tokens",
    "output_tokens",
    "flops",
    "seconds",
    "joules",
    "dollars",
    "grams_co2e",
)


@dataclass(frozen=True, slots=True)
class Bill:
    """A commutative monoid of figures; `Bill()` is nothing at all, and `None` is unknown.

    Unknown plus known is unknown. Build bills by their basis and add them up:
    `Bill.measured(seconds=1.2) + Bill.assumed(joules=30)`.

    Attributes:
        prompt_tokens: Tokens read, padding included where padding was computed.
        cached_tokens: Of those, tokens whose work was kept from before.
        output_tokens: Tokens written.
        flops: Floating-point (or integer) multiply and add operations.
        seconds: Wall time.
        joules: Energy of the machine, without its cooling.
        dollars: Price of the machine's time or of the API call.
        grams_co2e: Carbon of the energy, cooling included.
        bases: Where each figure comes from, in the order of `FIGURES`; None for a figure that
            nothing was said about.
    """

    prompt_tokens: Figure = 0
    cached_tokens: Figure = 0
    output_tokens: Figure = 0
    flops: Figure = 0
    seconds: Figure = 0
    joules: Figure = 0
    dollars: Figure = 0
    grams_co2e: Figure = 0
    bases: tuple[Basis | None, ...] = (None,) * len(FIGURES)

    @classmethod
    def of(cls, basis: Basis, **figures: Figure) -> Self:
        """A bill of these figures, all of one basis.

        Raises:
            TypeError: If a name is not a figure.
        """
        return cls(**figures, bases=tuple(basis if name in figures else None for name in FIGURES))

    @classmethod
    def measured(cls, **figures: Figure) -> Self:
        """Figures read off a clock, a counter or a server's usage report."""
        return cls.of("measured", **figures)

    @classmethod
    def forecast(cls, **figures: Figure) -> Self:
        """Figures computed before anything ran."""
        return cls.of("forecast", **figures)

    @classmethod
    def assumed(cls, **figures: Figure) -> Self:
        """Figures from a catalog entry or a setting rather than from a counter."""
        return cls.of("assumed", **figures)

    def basis_of(self, figure: str) -> Basis | None:
        """Where one figure comes from."""
        return self.bases[FIGURES.index(figure)]

    @property
    def basis(self) -> Basis | None:
        """Where the figures come from, all together; None for the empty bill."""
        whole: Basis | None = None
        for basis in self.bases:
            whole = _joined(whole, basis)
        return whole

    def __add__(self, other: Self) -> Self:
        sums = {name: _sum(getattr(self, name), getattr(other, name)) for name in FIGURES}
        bases = tuple(map(_joined, self.bases, other.bases))
        return type(self)(**sums, bases=bases)

    def __mul__(self, times: float) -> Self:
        scaled = {name: _times(getattr(self, name), times) for name in FIGURES}
        return type(self)(**scaled, bases=self.bases)

    def __sub__(self, other: Self) -> Self:
        """The difference, figure by figure: measured minus forecast is the error."""
        return self + other * -1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Self:
        """What `as_dict` made; of nothing, the empty bill."""
        held = values or {}
        bases = held.get("bases", {})
        return cls(
            **{name: held.get(name, 0) for name in FIGURES},
            bases=tuple(bases.get(name) for name in FIGURES),
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON: each figure with its basis; None stays null."""
        return {
            "basis": self.basis,
            **{name: getattr(self, name) for name in FIGURES},
            "bases": {n: b for n, b in zip(FIGURES, self.bases, strict=True) if b},
        }


def total(bills: Iterable[Bill]) -> Bill:
    """The sum of any number of bills; of none, the empty bill."""
    whole = Bill()
    for bill in bills:
        whole = whole + bill
    return whole


def _sum(one: Figure, other: Figure) -> Figure:
    return None if one is None or other is None else one + other


def _times(figure: Figure, times: float) -> Figure:
    return None if figure is None else figure * times


def _joined(one: Basis | None, other: Basis | None) -> Basis | None:
    if one is None or one == other:
        return other
    return one if other is None else "mixed"


assert [f.name for f in fields(Bill)][:-1] == list(FIGURES)
