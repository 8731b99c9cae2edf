"""isoflop world: invented worlds, whose every answer is known, as files."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli.output import Bar, note, print_json
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from isoflop.worlds.names import Split
    from isoflop.worlds.world import World

SPLITS = ("train", "test")


@click.command()
@click.option("--out", required=True, metavar="DIR", help="Folder to write; made if need be.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--people",
    "--size",
    type=click.IntRange(min=2),
    metavar="N",
    help="People of the world; a fifth as many towns, a quarter as many firms.  [default: 100]",
)
@click.option("--questions", type=click.IntRange(min=0), default=100, show_default=True)
@click.option(
    "--kinds",
    metavar="KIND,...",
    default="fact,two-hop,comparison,count,unanswerable",
    show_default=True,
    help="Kinds of questions, asked in turn.",
)
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
    help="Instead of a world, N training records of the reading task: reading.jsonl.",
)
@click.option(
    "--exam",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead of a world, N questions of the reading task: exam.jsonl.",
)
@click.option(
    "--passages",
    type=click.IntRange(1, 8),
    default=5,
    show_default=True,
    help="Of the reading task: passages before the questions.",
)
@click.option(
    "--difficulty",
    type=click.FloatRange(0, 1),
    help="Of the reading task.  [default: mixed in records, 1 in an exam]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def world(
    out: str,
    seed: int,
    people: int | None,
    questions: int,
    kinds: str,
    split: "Split",
    reading: int | None,
    exam: int | None,
    passages: int,
    difficulty: float | None,
    as_json: bool,
) -> None:
    """Write an invented world: a document about each person, town and firm, and questions.

    The same seed gives the same files everywhere. questions.jsonl says of each question which
    sentences of which documents answer it; facts.jsonl lists what is true, each fact with its
    information in bits.

    With --reading or --exam it writes, instead, what a model learns reading from, and the exam.
    """
    from isoflop.worlds import World, reading_exam, reading_records

    folder = _folder(out)
    told: dict[str, object] = {"folder": str(folder), "seed": seed, "split": split}
    files: dict[str, int] = {}
    if reading:
        records = reading_records(
            seed, reading, passages=passages, split=split, difficulty=difficulty
        )
        files["reading.jsonl"] = _lines(folder / "reading.jsonl", records, reading)
    if exam:
        hard = 1.0 if difficulty is None else difficulty
        items = reading_exam(seed, exam, passages=passages, split=split, difficulty=hard)
        rows = ({**asdict(item), "prompt": item.prompt} for item in items)
        files["exam.jsonl"] = _lines(folder / "exam.jsonl", rows, exam)
    if not (reading or exam):
        made = World(seed, people=100 if people is None else people, split=split)
        files |= _world(made, folder, questions, [kind.strip() for kind in kinds.split(",")])
        told |= {"facts": files["facts.jsonl"], "bits": made.bits()}
    elif people is not None:
        raise UsageError("--people is of a world, and --reading and --exam write none. Drop one.")
    if as_json:
        print_json({**told, "files": files})
        return
    for name, lines in files.items():
        note(f"{folder / name}: {lines:,} {'documents' if name == 'documents' else 'lines'}")
    if "bits" in told:
        note(f"{told['facts']:,} facts of {told['bits']:,.0f} bits in all")


def _folder(out: str) -> Path:
    """The folder, made if need be.

    Raises:
        UsageError: If it cannot be.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(f"{out}: no folder can be made there: {problem.strerror}.") from problem
    return folder


def _world(made: "World", folder: Path, questions: int, kinds: list[str]) -> dict[str, int]:
    """Write documents, facts and questions. Returns how many of each."""
    rows = [asdict(question) for question in made.questions(questions, kinds=kinds)]
    bar = Bar()
    for done, document in enumerate(made.documents(), 1):
        path = folder / "documents" / document.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8")
        bar("documents", done, len(made))
    bar.close()
    return {
        "documents": len(made),
        "facts.jsonl": _lines(folder / "facts.jsonl", map(asdict, made.facts()), None),
        "questions.jsonl": _lines(folder / "questions.jsonl", rows, len(rows)),
    }


def _lines(path: Path, rows: Iterable[Mapping[str, object]], total: int | None) -> int:
    """Write rows as JSON lines. Returns how many."""
    bar = Bar()
    done = 0
    with path.open("w", encoding="utf-8") as file:
        for done, row in enumerate(rows, 1):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if total and done % 100 == 0:
                bar(path.name, done, total)
    bar.close()
    return done
