"""isoflop world: invented worlds, whose every answer is known, as files."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from isoflop.cli.output import Bar, note, print_json
from isoflop.errors import UsageError
from isoflop.worlds.names import SPLITS, Split


@click.command()
@click.option("--out", required=True, metavar="DIR", help="Folder to write; made if need be.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="train",
    show_default=True,
    help="Whose names and wordings: those of test never occur in train.",
)
@click.option(
    "--reading",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write N training records for the reading task to reading.jsonl.",
)
@click.option(
    "--exam",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write N questions of the reading task to exam.jsonl.",
)
@click.option(
    "--passages",
    type=click.IntRange(1, 8),
    default=5,
    show_default=True,
    help="Passages before the questions of the reading task.",
)
@click.option(
    "--difficulty",
    type=click.FloatRange(0, 1),
    help="Of the reading task; by default mixed in records and 1 in exams.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def world(
    out: str,
    seed: int,
    split: Split,
    reading: int | None,
    exam: int | None,
    passages: int,
    difficulty: float | None,
    as_json: bool,
) -> None:
    """Write an invented world: the same seed gives the same files everywhere.

    A model that learns to read from the train split meets in the test split only names it never
    saw, and partly wordings it never saw.
    """
    from isoflop.worlds import reading_exam, reading_records

    if not (reading or exam):
        raise UsageError("Nothing to write: say --reading N or --exam N.")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, int] = {}
    if reading:
        records = reading_records(
            seed, reading, passages=passages, split=split, difficulty=difficulty
        )
        written["reading.jsonl"] = _lines(folder / "reading.jsonl", records, reading)
    if exam:
        hard = 1.0 if difficulty is None else difficulty
        items = reading_exam(seed, exam, passages=passages, split=split, difficulty=hard)
        rows = ({**asdict(item), "prompt": item.prompt} for item in items)
        written["exam.jsonl"] = _lines(folder / "exam.jsonl", rows, exam)
    if as_json:
        print_json({"folder": str(folder), "seed": seed, "split": split, "lines": written})
        return
    for name, lines in written.items():
        note(f"{folder / name}: {lines:,} lines")


def _lines(path: Path, rows: Iterable[Mapping[str, object]], total: int) -> int:
    """Write rows as JSON lines. Returns how many."""
    bar = Bar()
    done = 0
    with path.open("w", encoding="utf-8") as file:
        for done, row in enumerate(rows, 1):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if done % 100 == 0:
                bar(path.name, done, total)
    bar.close()
    return done
