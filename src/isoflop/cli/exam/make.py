"""isoflop exam make: an exam from one's own documents, with or without a language model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.bill import Bill
from isoflop.cli import options
from isoflop.cli.output import Bar, bill_line, note, print_json, say, table
from isoflop.cli.spending import agree, price_of_tokens, within
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isoflop.documents import Document
    from isoflop.measure.making.free import Written
    from isoflop.measure.making.make import Leak
    from isoflop.measure.making.questions import Item

CHARACTERS_PER_TOKEN = 4  # for a forecast


@click.command("make")
@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File for the exam.")
@click.option(
    "--count", type=click.IntRange(min=1), default=100, show_default=True, help="Questions at most."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another makes other ones.")
@click.option("--model", metavar="NAME", help="Writes free questions: openai:NAME, hf:PATH, ...")
@click.option("--base-url", metavar="URL", help="Of an OpenAI-compatible server.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="DOLLARS", help="For a server.")
@options.as_json
def make_command(
    docs: Path,
    out: Path,
    count: int,
    seed: int,
    model: str | None,
    base_url: str | None,
    budget: float | None,
    as_json: bool,
) -> None:
    """Ask about DOCS, a folder or file, with or without a language model.

    Without one, a quarter each: gaps, choices of the same document, true or false, and gaps that
    the documents do not fill. With one, free questions that it writes; kept are those whose answer
    stands in the passage and not in the question. Each names its document and quotes its evidence.
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
    written = None
    if model is None:
        items = make(readable, count=count, seed=seed)
    else:
        written = _written(readable, model, base_url, count, seed, budget)
        items = written.items
    _write(items, out)
    found = leaks(items)
    if as_json:
        made = {"exam": str(out), "questions": len(items), "leaks": _as_dicts(found)}
        print_json(made | ({} if written is None else _written_json(written)))
    else:
        say(_leak_table(found))
    if written is not None:
        _note_written(written)
    if len(items) < count:
        note(f"{len(items)} of {count} questions: the documents give no more.")
    note(f"exam: {out}")


def _written(
    documents: Sequence[Document],
    name: str,
    base_url: str | None,
    count: int,
    seed: int,
    budget: float | None,
) -> Written:
    """What a model writes, after a forecast and within the budget."""
    from isoflop.lm.open import open_model
    from isoflop.measure.making import free

    found = free.passages(documents, seed=seed)
    model = open_model(name, needs=["generate"], base_url=base_url)
    price = price_of_tokens(model) if name.startswith("openai:") else _unpriced
    handed = found[: free.calls(count, found)]
    read = sum(len(free.messages(one)[0].content) / CHARACTERS_PER_TOKEN for one in handed)
    wrote = free.MOST_TOKENS * len(handed)
    expected = price(Bill.forecast(prompt_tokens=read, output_tokens=wrote, seconds=None))
    note(f"forecast, at most: {bill_line(expected)}")
    within(expected, budget)
    agree(expected, budget, getattr(model, "base_url", None))
    bar = Bar()
    try:
        made = free.write(
            found, model, count=count, progress=lambda done, of: bar("asking", done, of)
        )
    finally:
        bar.close()
        if hasattr(model, "close"):
            model.close()
    made.bill = price(made.bill)
    return made


def _unpriced(usage: Bill) -> Bill:
    return usage + Bill.measured(flops=None, joules=None, dollars=None, grams_co2e=None)


def _written_json(made: Written) -> dict[str, object]:
    return {"passages": made.asked, "refused": dict(made.refused), "bill": made.bill.as_dict()}


def _note_written(made: Written) -> None:
    from isoflop.measure.making.free import reasons

    if made.refused:
        note(f"left out of what the model wrote: {reasons(made.refused)}")
    note(f"bill: {bill_line(made.bill)}")


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
