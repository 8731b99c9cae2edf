"""Accelerator and Machine: peak rates, memory, power and price, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One chip, or one processor core, as a data sheet describes it.

    Attributes:
        name: In the catalog.
        flops_per_second: Dense peak by number format ("fp32", "tf32", "bf16", "fp16", "fp8",
            "fp4", "int8").
        bytes_per_second: Memory bandwidth; None if unknown.
        bytes: Memory; None if it shares the host's.
        watts: Under load (the data sheet's limit); None if unknown.
        dollars_per_hour: None if unknown or one's own.
        source: Where the figures come from.
        date: Of the source, ISO.
        vendor: Who makes it.
        year: Of its launch; None if unknown.
        link_bytes_per_second: To the other chips of a node, in one direction; None if unknown.
        network_bytes_per_second: Its share of the network between nodes, in one direction; None
            if unknown.
        achievable_flops_per_second: The most that measured matrix products reached, by format.
        idle_watts: Without work; None if unknown.
        training_watts: Average of a whole machine in training, per chip, hosts included, as an
            operator published it; None if none did.
        evidence: "V" read in a primary artefact, "S" a secondary page, "M" recalled and not
            checked again, "A" arithmetic.
        dollars_range: Lowest and highest price seen for one hour; None if unknown.
        price_source: Where the price comes from.
        price_date: Of the price, ISO.
        price_evidence: As `evidence`; a price of "M" is assumed.
        note: What else to know, such as how many chips share the link.
    """

    name: str
    flops_per_second: Mapping[str, float]
    bytes_per_second: float | None
    bytes: float | None
    watts: float | None
    dollars_per_hour: float | None
    source: str
    date: str
    vendor: str = ""
    year: int | None = None
    link_bytes_per_second: float | None = None
    network_bytes_per_second: float | None = None
    achievable_flops_per_second: Mapping[str, float] | None = None
    idle_watts: float | None = None
    training_watts: float | None = None
    evidence: str = ""
    dollars_range: tuple[float, float] | None = None
    price_source: str = ""
    price_date: str = ""
    price_evidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """So many accelerators somewhere: on some grid, in some building.

    Attributes:
        accelerator: Of which kind.
        count: How many.
        grams_co2e_per_joule: Carbon intensity of its grid; None if unknown.
        power_usage_effectiveness: Energy of the building over energy of the machine (PUE).
        grid: Name of the grid, and the year of its figure, as printed; empty if unknown.
    """

    accelerator: Accelerator
    count: int
    grams_co2e_per_joule: float | None
    power_usage_effectiveness: float = 1.0
    grid: str = ""

    @property
    def watts(self) -> float | None:
        """Under load, all accelerators together, without cooling."""
        watts = self.accelerator.watts
        return None if watts is None else watts * self.count

    @property
    def dollars_per_second(self) -> float | None:
        """Price of all accelerators together."""
        price = self.accelerator.dollars_per_hour
        return None if price is None else price * self.count / 3600

    def flops_per_second(self, number_format: str) -> float | None:
        """Peak of all accelerators together, or None where the format is unknown."""
        peak = self.accelerator.flops_per_second.get(number_format)
        return None if peak is None else peak * self.count
