"""From seconds and FLOPs on a machine to joules, dollars and grams of CO2e."""

from collections.abc import Mapping

from isoflop.bill import Basis, Bill, Figure
from isoflop.machine import Machine


def run_bill(
    machine: Machine,
    *,
    seconds: float,
    flops: Figure = 0,
    joules: float | None = None,
    prompt_tokens: Figure = 0,
    output_tokens: Figure = 0,
    basis: Basis = "measured",
) -> Bill:
    """The bill of work on one's own machine.

    Energy that no counter measured is the machine's power under load times the seconds, and
    marked assumed; so are dollars and carbon, which come from a price and a grid's average.

    Args:
        machine: Where it ran or will run.
        seconds: Wall time.
        flops: Operations, counted from the architecture and the tokens processed.
        joules: As a counter measured them; None where there is no counter.
        prompt_tokens: Tokens read, padding included.
        output_tokens: Tokens written.
        basis: "measured" or "forecast": of seconds, FLOPs and tokens.

    Returns:
        A bill; a figure that cannot be known is None.
    """
    energy = seconds * machine.watts if joules is None and machine.watts is not None else joules
    rate = machine.dollars_per_second
    worked = Bill.of(
        basis,
        seconds=seconds,
        flops=flops,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
    )
    return (
        worked
        + Bill.of("assumed" if joules is None else basis, joules=energy)
        + Bill.assumed(
            dollars=None if rate is None else seconds * rate,
            grams_co2e=grams_co2e(machine, energy),
        )
    )


def grams_co2e(machine: Machine, joules: Figure) -> Figure:
    """Carbon of this much energy at the plug, cooling included; None if the grid is unknown."""
    if joules is None or machine.grams_co2e_per_joule is None:
        return None
    return joules * machine.power_usage_effectiveness * machine.grams_co2e_per_joule


def endpoint_bill(usage: Bill, price: Mapping[str, float] | None, *, flops: Figure = None) -> Bill:
    """The bill of a call to a served model, from the tokens and seconds it took.

    Energy and carbon of someone else's machine are not known, and stay None.

    Args:
        usage: Tokens and seconds as measured.
        price: Dollars per token: "prompt", "output" and, where cached prompts cost less,
            "cached"; None if unknown.
        flops: Counted from the tokens and an architecture that the model is taken to have; None
            where none is known.
    """
    cost = None if price is None else _dollars(usage, price)
    return (
        Bill.measured(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
            seconds=usage.seconds,
        )
        + Bill.assumed(dollars=cost)
        + Bill.assumed(flops=flops, joules=None, grams_co2e=None)
    )


def _dollars(usage: Bill, price: Mapping[str, float]) -> float | None:
    prompt, cached, output = usage.prompt_tokens, usage.cached_tokens, usage.output_tokens
    if prompt is None or output is None:
        return None
    kept = cached or 0
    return (
        (prompt - kept) * price["prompt"]
        + kept * price.get("cached", price["prompt"])
        + output * price["output"]
    )
