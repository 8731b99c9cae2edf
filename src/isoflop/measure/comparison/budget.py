"""A budget in any currency, and the account that keeps to it.

The worst a call can take is set aside before it is made and given back after it, so the budget
holds whatever the answers' lengths; every bill is on disk before the next call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from isoflop import quantities
from isoflop.bill import Bill, total
from isoflop.errors import BudgetReached, UsageError
from isoflop.run import Row, Run, bill_of

Currency = Literal["flops", "seconds", "joules", "dollars"]
UNITS: dict[Currency, str] = {
    "flops": "FLOP", "seconds": "s", "joules": "J", "dollars": "dollars",
}  # fmt: skip
FORMS = '"$2", "1e15 FLOP", "10 minutes" or "50 kJ"'


@dataclass(frozen=True, slots=True)
class Budget:
    """So much of one thing.

    Attributes:
        currency: Which figure of a bill it limits.
        amount: In the figure's unit.
    """

    currency: Currency
    amount: float

    def __str__(self) -> str:
        if self.currency == "dollars":
            return f"${self.amount:,.6g}"
        return f"{self.amount:,.6g} {UNITS[self.currency]}"


def parse(text: str) -> Budget:
    """A budget as people write it: "$2", "1e15 FLOP", "10 minutes", "50 kJ".

    Raises:
        UsageError: If it is none; the message shows the forms.
    """
    stripped = text.strip()
    if stripped.startswith("$") or stripped.lower().endswith(("dollars", "dollar", "usd")):
        lowered = stripped.lower()
        for word in ("dollars", "dollar", "usd"):
            lowered = lowered.removesuffix(word)
        return Budget("dollars", quantities.dollars(lowered))
    if stripped.lower().endswith(("flop", "flops")):
        bare = stripped[: stripped.lower().rindex("flop")]
        return Budget("flops", quantities.count(bare, of="budget"))
    tries: tuple[tuple[Currency, Callable[..., float]], ...] = (
        ("joules", quantities.joules),
        ("seconds", quantities.seconds),
    )
    for currency, read in tries:
        if stripped[-1:].isalpha():
            try:
                return Budget(currency, read(stripped, of="budget"))
            except UsageError:
                continue
    raise UsageError(f"{text!r} is no budget. Write {FORMS}.")


def figure(bill: Bill, currency: Currency) -> float | None:
    """One figure of a bill."""
    value: float | None = getattr(bill, currency)
    return value


class Account:
    """Pays for calls: each once, within the budget, recorded in a run.

    Attributes:
        run: Where everything paid is kept.
        budget: None for no bound.
    """

    def __init__(self, run: Run, budget: Budget | None = None) -> None:
        self.run, self.budget = run, budget
        self._lock = Lock()
        self._reserved = 0.0
        self._spent: float | None = 0.0
        if budget is not None:
            self._spent = figure(total(map(bill_of, run.rows.values())), budget.currency)

    @property
    def spent(self) -> float | None:
        """In the budget's currency, calls of earlier sessions included; 0 without a budget."""
        return self._spent

    def pay(self, key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        """What `call` gives, or gave when this key was paid for; see `augment.method.Pay`.

        Raises:
            BudgetReached: If the worst case does not fit; nothing was called.
        """
        if (held := self.run.rows.get(key)) is not None:
            return held
        aside = self._set_aside(worst)
        bill: Bill | None = None
        try:
            row, bill = call()
        finally:
            self._settle(aside, bill)
        kept = {**row, "key": key, "bill": bill.as_dict()}
        self.run.add(kept)
        return kept

    def _set_aside(self, worst: Bill) -> float:
        """Reserve the worst case."""
        if self.budget is None:
            return 0.0
        most = figure(worst, self.budget.currency)
        with self._lock:
            if most is None or self._spent is None:
                raise BudgetReached(
                    f"What a call takes in {UNITS[self.budget.currency]} is not known, so a "
                    f"budget of {self.budget} cannot be kept. Give it in another currency."
                )
            if self._spent + self._reserved + most > self.budget.amount:
                raise BudgetReached(
                    f"The budget of {self.budget} is reached: {self._spent:.4g} "
                    f"{UNITS[self.budget.currency]} are spent, and the next call may take "
                    f"{most:.4g}. What was answered is kept in {self.run.folder}."
                )
            self._reserved += most
        return most

    def _settle(self, aside: float, bill: Bill | None) -> None:
        """Give back what was set aside, and count what it took; all of it if that is unknown."""
        if self.budget is None:
            return
        taken = None if bill is None else figure(bill, self.budget.currency)
        with self._lock:
            self._reserved -= aside
            if self._spent is not None:
                self._spent += aside if taken is None else taken
