"""A budget in any currency, and the account that keeps to it.

The worst a call can take is set aside before it is made and given back after it, so the budget
holds whatever the answers' lengths. With a budget every bill is on the disk before the next call,
and a call is written down before it is made: of one that was under way when the process was killed
nobody knows what it took, so its worst counts as spent from then on.
"""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from isoflop import quantities
from isoflop.bill import Bill, total
from isoflop.errors import BudgetReached, DamagedRun, UsageError
from isoflop.run import Row, Run, bill_of

Currency = Literal["flops", "seconds", "joules", "dollars"]
UNITS: dict[Currency, str] = {
    "flops": "FLOP", "seconds": "s", "joules": "J", "dollars": "dollars",
}  # fmt: skip
BEGUN = "begun.jsonl"
# Tokens, FLOPs and prices bound what a call takes. Time is forecast from a short trial and may be
# longer on a busy machine: so much more of it is set aside, and more once a call took more.
LONGER: dict[Currency, float] = {"flops": 1.0, "seconds": 2.0, "joules": 2.0, "dollars": 1.0}
# In single quotes: within double ones a shell takes $2 for a parameter of its own.
FORMS = "'$2', '1e15 FLOP', '10 minutes' or '50 kJ'"


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
        lost: What calls that were begun and never settled may have taken, in the budget's
            currency; None if that is not known.
    """

    def __init__(self, run: Run, budget: Budget | None = None) -> None:
        self.run, self.budget = run, budget
        self.lost: float | None = 0.0
        self._lock = Lock()
        self._reserved = 0.0
        self._spent: float | None = 0.0
        if budget is None:
            return
        self._longer = LONGER[budget.currency]
        cut_off = total(unsettled(run.folder / BEGUN, run.rows)) * self._longer
        self.lost = figure(cut_off, budget.currency)
        paid = figure(total(map(bill_of, run.rows.values())), budget.currency)
        self._spent = None if paid is None or self.lost is None else paid + self.lost

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
        aside = self._set_aside(key, worst)
        bill: Bill | None = None
        try:
            row, bill = call()
        finally:
            self._settle(aside, bill)
        kept = {**row, "key": key, "bill": bill.as_dict()}
        self.run.add(kept, wait=False)
        return kept

    def _set_aside(self, key: str, worst: Bill) -> float:
        """Reserve the worst case, and write down that the call is begun."""
        if self.budget is None:
            return 0.0
        with self._lock:
            most = figure(worst, self.budget.currency)
            if most is None or self._spent is None:
                raise BudgetReached(
                    f"What a call takes in {UNITS[self.budget.currency]} is not known, so a "
                    f"budget of {self.budget} cannot be kept. Give it in another currency."
                )
            most *= self._longer
            if self._spent + self._reserved + most > self.budget.amount:
                raise BudgetReached(self._reached(most))
            self._reserved += most
            self.run.append(BEGUN, {"key": key, "bill": worst.as_dict()})
        return most

    def _reached(self, most: float) -> str:
        assert self.budget is not None
        unit = UNITS[self.budget.currency]
        lost = f", {self.lost:.4g} of it by calls that were cut off" if self.lost else ""
        return (
            f"The budget of {self.budget} is reached: {self._spent:.4g} {unit} are spent{lost}, "
            f"and the next call may take {most:.4g}. What was answered is kept in "
            f"{self.run.folder}."
        )

    def _settle(self, aside: float, bill: Bill | None) -> None:
        """Give back what was set aside, and count what it took; all of it if that is unknown."""
        if self.budget is None:
            return
        taken = None if bill is None else figure(bill, self.budget.currency)
        with self._lock:
            self._reserved -= aside
            if taken is not None and taken > aside > 0:
                self._longer *= taken / aside
            if self._spent is not None:
                self._spent += aside if taken is None else taken


def unsettled(begun: Path, paid: Collection[str]) -> list[Bill]:
    """The worst cases of calls that were begun and of which no bill is known.

    A key that was cut off and then paid for stands there twice; the last time is the one paid.

    Args:
        begun: The file of calls that were begun; half a last line, of a call that was not, is
            cut off.
        paid: Keys whose bills are known.

    Raises:
        DamagedRun: If a line before the last one is damaged.
    """
    if not begun.exists():
        return []
    lines = begun.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        os.truncate(begun, begun.stat().st_size - len(lines.pop()))
    calls: dict[str, list[Bill]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            calls.setdefault(row["key"], []).append(bill_of(row))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DamagedRun(
                f"{begun}, line {number}, is damaged, so what was spent is not known. Go on in "
                "another folder, or without a budget."
            ) from None
    open_calls = (bills[:-1] if key in paid else bills for key, bills in calls.items())
    return [bill for bills in open_calls for bill in bills]
