"""isoflop plan retrieval: what indexing and questions take."""

from pathlib import Path

import click

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.cli import options
from isoflop.cli.output import amount, dollars, note, print_json, table
from isoflop.errors import UsageError
from isoflop.plan.retrieval import (
    QUESTION_TOKENS,
    Corpus,
    Speed,
    assumed_speed,
    indexing_forecast,
    question_forecast,
    saved_speed,
)
from isoflop.questions import WAYS
from isoflop.settings import cache_folder

PLAIN = frozenset(
    {".md", ".rst", ".txt", ".csv", ".tsv", ".json", ".jsonl"}
    | {".py", ".js", ".ts", ".c", ".h", ".cpp", ".rs", ".go", ".java"}
)


@click.command()
@click.argument("path", required=False)
@click.option("--characters", type=float, metavar="N", help="Of text, instead of PATH.")
@click.option("--questions", default=1000, show_default=True, help="Asked in all.")
@options.as_json
def retrieval(path: str | None, characters: float | None, questions: int, as_json: bool) -> None:
    """What it takes to index PATH once, and to ask it questions by each way of ranking.

    Nothing is read but the sizes of plain text files; the text inside PDF, office and archive
    files is not known before they are read, and they are named rather than guessed.
    """
    if (path is None) == (characters is None):
        raise UsageError("Give a PATH, or the length of the text with --characters.")
    if questions < 0 or (characters is not None and characters < 0):
        raise UsageError("Characters and questions cannot be negative.")
    unknown = 0
    if path is not None:
        characters, unknown = _characters(Path(path))
    machine, shape = catalog.this_machine(), catalog.architecture("minilm")
    speed = saved_speed(cache_folder()) or assumed_speed(machine, shape)
    if speed is None:
        raise UsageError(
            "This processor is not in the catalog, so its speed is unknown. "
            "Run isoflop demo once: it measures it."
        )
    corpus = Corpus(characters or 0)
    once = indexing_forecast(machine, speed, shape, corpus)
    each = {way: question_forecast(machine, speed, shape, corpus, way) for way in WAYS}
    if as_json:
        print_json(
            {
                "characters": characters,
                "files_not_forecast": unknown,
                "passages": corpus.passage_count,
                "speed_measured": speed.measured,
                "indexing": once.as_dict(),
                "question": {way: bill.as_dict() for way, bill in each.items()},
                "questions": questions,
                "total": {way: (once + each[way] * questions).as_dict() for way in WAYS},
            }
        )
        return
    rows = [_row("index, once", once)]
    rows += [_row(f"a question, {way}", bill) for way, bill in each.items()]
    rows += [
        _row(f"index and {questions:,} questions, {way}", once + each[way] * questions)
        for way in WAYS
    ]
    click.echo(f"{amount(characters, 'characters')}, about {corpus.passage_count:,.0f} passages\n")
    click.echo(table(("forecast", "time", "FLOP", "energy", "price", "CO2e"), rows))
    _conventions(speed, unknown)


def _characters(path: Path) -> tuple[float, int]:
    """Characters of the plain text files in a folder, and how many other files there are."""
    from isoflop.search.walk import walk

    if not path.exists():
        raise UsageError(f"{path} does not exist. Name a folder or a file.")
    plain = other = 0
    for found in walk(path):
        if found.path.suffix.lower() in PLAIN:
            plain += found.bytes
        else:
            other += 1
    return plain, other


def _row(name: str, bill: Bill) -> tuple[str, ...]:
    return (
        name,
        amount(bill.seconds, "s"),
        amount(bill.flops, "FLOP"),
        amount(bill.joules, "J"),
        dollars(bill.dollars),
        amount(bill.grams_co2e, "g"),
    )


def _conventions(speed: Speed, unknown: int) -> None:
    """What the figures assume, on stderr."""
    machine = catalog.this_machine()
    measured = "a trial on this machine" if speed.measured else "the catalog's peak, assumed"
    note(
        f"\nMiniLM, {QUESTION_TOKENS} tokens a question; one byte a character. Speed from "
        f"{measured}.\nEnergy and CO2e are assumed: {machine.count} x {machine.accelerator.name}, "
        f"PUE {machine.power_usage_effectiveness:g}, other parts of the computer left out."
    )
    if unknown:
        note(f"{unknown:,} files are not in the forecast: their text is known once they are read.")
