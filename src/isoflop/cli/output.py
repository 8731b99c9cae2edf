"""What a command prints: JSON, bills, tables, progress."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence

import click

from isoflop.bill import Bill
from isoflop.figures import DASH as DASH
from isoflop.figures import amount as amount
from isoflop.figures import dollars as dollars
from isoflop.figures import duration as duration

SCHEMA_VERSION = 1
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def print_json(values: Mapping[str, object]) -> None:
    """One object on stdout, with the version of its form."""
    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **values}, ensure_ascii=False))


def say(text: str, *, nl: bool = True) -> None:
    """A line on stdout, without what documents might hold to colour or clear a terminal."""
    click.echo(CONTROL.sub("\ufffd", text), nl=nl)


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    click.echo(CONTROL.sub("\ufffd", text), err=True)


def bill_line(bill: Bill) -> str:
    """A bill in one line, each figure with its basis."""
    shown = [
        (amount(bill.seconds, "s"), "seconds"),
        (amount(bill.flops, "FLOP"), "flops"),
        (amount(bill.joules, "J"), "joules"),
        (dollars(bill.dollars) + (" dollars" if bill.dollars is None else ""), "dollars"),
        (amount(bill.grams_co2e, "g") + " CO2e", "grams_co2e"),
    ]
    tokens = [
        (f"{getattr(bill, name):,.0f} {word} tokens", name)
        for name, word in (("prompt_tokens", "read"), ("output_tokens", "written"))
        if getattr(bill, name)
    ]
    return ", ".join(
        text if text.startswith(DASH) else f"{text} ({bill.basis_of(name) or 'measured'})"
        for text, name in (*shown, *tokens)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Aligned columns: the first `left` of them to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        """A row, without blanks at its end."""
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


class Bar:
    """Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.

    Elsewhere a line is printed when a stage begins and every ten seconds, so that a log of a
    long run stays readable and a short run stays quiet.
    """

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        self.stage = ""
        self.began = self.shown = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` things of a stage are done."""
        now = time.monotonic()
        if stage != self.stage:
            self.close()
            self.stage, self.began = stage, now
            self.shown = 0.0 if self.terminal else now
        finished = done >= total
        if now - self.shown < (0.1 if self.terminal else 10.0) and not finished:
            return
        self.shown = now
        self._show(stage, done, total, now - self.began)

    def _show(self, stage: str, done: int, total: int, seconds: float) -> None:
        rate = done / seconds if seconds > 0 else 0.0
        left = f", {duration((total - done) / rate)} left" if rate and done < total else ""
        text = f"{stage} {done:,} of {total:,} ({rate:,.0f}/s{left})"
        if self.terminal:
            full = round(24 * done / total) if total else 24
            click.echo(f"\r\x1b[K[{'#' * full}{'.' * (24 - full)}] {text}", nl=False, err=True)
        elif seconds >= 10:
            note(text)

    def close(self) -> None:
        """Leave the line of the bar."""
        if self.terminal and self.stage:
            click.echo("\r\x1b[K", nl=False, err=True)
        self.stage = ""
