"""isoflop exam make: an exam from one's own documents."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import note, print_json, say, table
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isoflop.measure.making.make import Leak
    from isoflop.measure.making.questions import Item


@click.command("make")
@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File for the exam.")
@click.option(
    "--count", type=click.IntRange(min=1), default=100, show_default=True, help="Questions at most."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another makes other ones.")
@options.as_json
def make_command(docs: Path, out: Path, count: int, seed: int, as_json: bool) -> None:
    """Ask about DOCS, a folder or file, without a language model.

    A quarter each: gaps, choices of the same document, true or false, and gaps that the documents
    do not fill. Each question names its document and quotes its evidence.
    """
    from isoflop.measure.making.make import leaks, make
    from isoflop.measure.making.sources import documents

    if not out.parent.is_dir() or out.is_dir():
        raise UsageError(f"There is no folder for the file {out}. Make it, or name another file.")
    readable, refused = documents(docs, besides=out)
    for one in refused[:3]:
        note(f"{one.id}: {one.reason}")
    if len(refused) > 3:
        note(f"{len(refused) - 3:,} more files could not be read.")
    items = make(readable, count=count, seed=seed)
    _write(items, out)
    found = leaks(items)
    if as_json:
        print_json({"exam": str(out), "questions": len(items), "leaks": _as_dicts(found)})
    else:
        say(_leak_table(found))
    if len(items) < count:
        note(f"{len(items)} of {count} questions: the documents give no more.")
    note(f"exam: {out}")


def _write(items: Sequence[Item], out: Path) -> None:
    """Write the exam whole or not at all."""
    unfinished = out.with_name(f".{out.name}.part")
    lines = (json.dumps(item.as_dict(), ensure_ascii=False) + "\n" for item in items)
    unfinished.write_text("".join(lines), encoding="utf-8")
    os.replace(unfinished, out)


def _leak_table(found: Sequence[Leak]) -> str:
    from isoflop.measure.making.make import HUMAN

    rows = [
        [
            one.form,
            str(one.questions),
            f"{one.overlap:.2f}",
            "-" if one.guessed is None else f"{one.guessed:.2f}",
        ]
        for one in found
    ]
    human = ["asked by people", "", f"{HUMAN:.2f}", ""]
    return table(
        ["form", "questions", "overlap with source", "one constant answer"], [*rows, human]
    )


def _as_dicts(found: Sequence[Leak]) -> list[dict[str, object]]:
    return [
        {
            "form": one.form,
            "questions": one.questions,
            "overlap": one.overlap,
            "constant_answer": one.guessed,
        }
        for one in found
    ]
