"""What a served model costs, and that nothing is spent unasked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from isoflop.bill import Bill
from isoflop.cli.output import dollars
from isoflop.errors import BudgetReached, UsageError

if TYPE_CHECKING:
    from isoflop.lm.endpoint import Endpoint

UNASKED = 0.10  # dollars that are spent without asking


def price_of_tokens(endpoint: Endpoint) -> Callable[[Bill], Bill]:
    """What makes a bill of the tokens that an endpoint counted, by the catalog's prices."""
    from isoflop import catalog
    from isoflop.plan.price import endpoint_bill

    listed = catalog.price(endpoint.model, endpoint.base_url)
    return lambda usage: endpoint_bill(usage, listed)


def within(expected: Bill, budget: float | None) -> None:
    """Refuse what may cost more than a budget, before anything is asked.

    Args:
        expected: At most.
        budget: Dollars; None for no bound.

    Raises:
        BudgetReached: If it may cost more, or nobody knows what it costs.
    """
    if budget is not None and (expected.dollars is None or expected.dollars > budget):
        cost = (
            "an unknown amount"
            if expected.dollars is None
            else f"up to {dollars(expected.dollars)}"
        )
        raise BudgetReached(
            f"This may cost {cost}, and --budget allows {dollars(budget)}: nothing was asked. "
            "Ask for less, or allow more."
        )


def agree(expected: Bill, budget: float | None, address: str | None) -> None:
    """Go on only with a budget, a small amount, or a yes at the terminal.

    Args:
        expected: At most.
        budget: Dollars that may be spent; None if none was named.
        address: Of the server; None for a model in this process.

    Raises:
        UsageError: If it may cost more, and nobody is there to be asked.
        Abort: If the answer is no.
    """
    from isoflop.lm.address import is_this_machine

    if budget is not None or address is None or is_this_machine(address):
        return
    cost = expected.dollars
    if cost is not None and cost <= UNASKED:
        return
    price = "an unknown amount" if cost is None else f"up to {dollars(cost)}"
    if sys.stdin.isatty() and not click.confirm(f"This may spend {price}. Go on?", err=True):
        raise click.Abort
    if not sys.stdin.isatty():
        raise UsageError(f"This may spend {price}. Say how much it may: --budget DOLLARS.")
