"""Pieces of Markdown that every section of the page of results is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, figures to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)) + "\n"


def judged(rows: Iterable[tuple[str, str, str, bool]]) -> str:
    """A table of what was measured beside its bar: (what, figure, bar, whether it is reached)."""
    head = ["what", "measured", "bar", ""]
    return table(head, [[what, figure, bar, reached(is_met)] for what, figure, bar, is_met in rows])


def reached(is_met: bool) -> str:
    """A missed bar stands out."""
    return "reached" if is_met else "**missed**"


def where(result: dict[str, Any]) -> str:
    """The machine in a sentence, and how busy it was."""
    machine = result["machine"]
    commit = (machine["commit"] or "unknown")[:10]
    before = result.get("load_average_before", machine.get("load_average"))
    after = result.get("load_average_after")
    load = "" if before is None else f" Load average {before} before."
    if before is not None and after is not None:
        load = f" Load average {before} before, {after} after."
    return (
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{machine['date'][:10]}, commit {commit}.{load}"
    )


def median_p95(times: dict[str, float]) -> str:
    """A median with the 95th percentile in brackets."""
    return f"{times['median']:.2f} ({times['p95']:.2f})"


def megabytes(count: float) -> str:
    """Bytes as MB, in powers of ten."""
    return f"{count / 1e6:,.0f} MB"
