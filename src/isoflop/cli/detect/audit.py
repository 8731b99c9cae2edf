"""isoflop detect audit: what gives the labels of a set away, and its recorded scores again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli.output import DASH, note, print_json, say, table
from isoflop.cli.plan import show

if TYPE_CHECKING:
    from isoflop.measure.detection.audit import Audit
    from isoflop.measure.detection.surface import Surface
    from isoflop.measure.statistics.auroc import Areas
    from isoflop.measure.statistics.interval import Interval

WITH_DIFFERENCES = 4  # detectors at most whose differences are all printed


@click.command("audit")
@click.argument("path", metavar="SET")
@click.option("--differences", is_flag=True, help="Compare every two detectors (DeLong).")
@show.plot
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def audit_command(path: str, differences: bool, plot: str | None, as_json: bool) -> None:
    """Tell whether SET, human and machine texts, leaks which are which.

    SET is a file or a folder: fast-detect-gpt's raw_data.json and its recorded scores as they
    are, or rows with a text and a label (JSON, JSON lines, CSV); columns of numbers are scores.
    No model is needed.
    """
    from isoflop.measure.detection.audit import audit
    from isoflop.measure.detection.sets import read_sets

    found = [audit(each) for each in read_sets(Path(path))]
    if plot:
        from isoflop.cli.detect.plots import roc_curves  # needs the extra `plot`

        note(f"plot: {roc_curves(found, plot)}")
    if as_json:
        print_json({"sets": [_json(each) for each in found]})
        return
    for each in found:
        _show(each, differences)
    note(
        "AUROC with 95 % DeLong intervals, machine texts expected high. The floor is the strongest "
        "surface feature, either way round, or all of them\ncombined in five folds of whole pairs; "
        "p of a feature after Holm's correction. A detector below the floor has shown nothing."
    )


def _show(of: Audit, differences: bool) -> None:
    machine = int(of.set.machine.sum())
    say(f"{of.set.name}: {len(of.set.machine) - machine:,} human and {machine:,} machine texts")
    if of.duplicates or of.empty:
        say(f"  {of.duplicates} texts are in both kinds, {of.empty} are empty")
    if of.raw is not None and of.plain is not None:
        _surface(of.raw, of.plain)
    else:
        say("  no texts: only scores were published, so there is no surface floor")
    if of.rows:
        say(_detectors(of))
    for row in of.rows:
        for flag in row.flags:
            say(f"  {row.name}: {flag}")
    if of.rows[1:] and (differences or len(of.rows) <= WITH_DIFFERENCES):
        rows = [
            (f"{d.first} - {d.second}", f"{d.areas.difference.value:+.4f}",
             _ends(d.areas.difference), _error(d.areas),
             DASH if d.areas.p is None else f"{d.areas.p:.2g}")
            for d in of.differences()
        ]  # fmt: skip
        say(table(("difference", "AUROC", "95 % interval", "se", "p"), rows))
    say("")


def _surface(raw: Surface, plain: Surface) -> None:
    after = {feature.name: feature for feature in plain.features}
    rows = [
        (
            f.name,
            f"{f.area.value:.4f}",
            _ends(f.area),
            f"{f.p:.2g}",
            f"{after[f.name].area.value:.4f}",
            "leaks" if f.leaks else "",
        )
        for f in raw.features
    ]
    rows.append(
        ("all together", f"{raw.combined.value:.4f}", _ends(raw.combined), DASH,
         f"{plain.combined.value:.4f}", "")
    )  # fmt: skip
    say(table(("surface", "AUROC", "95 % interval", "p", "normalised", ""), rows))
    say(f"surface floor {raw.floor:.4f}, after normalisation {plain.floor:.4f}")


def _detectors(of: Audit) -> str:
    rows = []
    for row in of.rows:
        above = row.above_floor
        rows.append(
            (
                row.name,
                f"{row.area.value:.4f}",
                _ends(row.area),
                DASH if row.published is None else f"{row.published:.4f}",
                f"{row.found:.3f}",
                DASH if of.raw is None else f"{of.raw.floor:.4f}",
                DASH if above is None else f"{above.difference.value:+.4f}",
            )
        )
    head = ("detector", "AUROC", "95 % interval", "published", "found at 5 %", "floor", "above all")
    return table(head, rows)


def _ends(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _error(areas: Areas) -> str:
    error = areas.difference.standard_error
    return DASH if error is None else f"{error:.4f}"


def _json(of: Audit) -> dict[str, object]:
    return {
        "set": of.set.name,
        "human": int((~of.set.machine).sum()),
        "machine": int(of.set.machine.sum()),
        "in_both_kinds": of.duplicates,
        "empty": of.empty,
        "surface": None if of.raw is None else _surface_json(of.raw),
        "surface_normalised": None if of.plain is None else _surface_json(of.plain),
        "detectors": [
            {
                "detector": row.name,
                "auroc": row.area.as_dict(),
                "published": row.published,
                "found_at_5_percent": row.found,
                "left_out": row.left_out,
                "distinct_scores": row.ties.distinct,
                "tied_pairs": row.ties.tied_pairs,
                "saturated": row.ties.saturated(),
                "above_floor": None
                if row.above_floor is None
                else row.above_floor.difference.as_dict(),
                "above_floor_normalised": None
                if row.above_plain is None
                else row.above_plain.difference.as_dict(),
                "flags": list(row.flags),
            }
            for row in of.rows
        ],
        "differences": [
            {
                "first": d.first,
                "second": d.second,
                "difference": d.areas.difference.as_dict(),
                "p": d.areas.p,
            }
            for d in of.differences()
        ],
    }


def _surface_json(of: Surface) -> dict[str, object]:
    return {
        "floor": of.floor,
        "combined": of.combined.as_dict(),
        "features": {
            f.name: {"auroc": f.area.as_dict(), "p": f.p, "leaks": f.leaks} for f in of.features
        },
    }
