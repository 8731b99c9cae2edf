"""isoflop search: ranked passages, and TREC runs for evaluation."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO

import click

from isoflop.bill import Bill
from isoflop.cli import options
from isoflop.cli.output import Bar, bill_line, note, print_json, say
from isoflop.errors import UsageError
from isoflop.questions import Hit
from isoflop.search import trec
from isoflop.search.index import Index

WIDTH = 240


@click.command()
@click.argument("query", required=False)
@click.option("--in", "path", default=".", metavar="PATH", help="Documents or an index.")
@click.option("-k", default=10, show_default=True, help="How many.")
@options.way
@options.where
@options.into
@options.encoder
@options.fixed
@options.wait
@click.option("--queries", metavar="FILE", help="JSON lines with id and text, instead of QUERY.")
@click.option("--run", metavar="FILE", help="Write a TREC run; - for stdout.")
@click.option(
    "--unit",
    type=click.Choice(["document", "passage"]),
    default="passage",
    show_default=True,
    help="What a line of the run ranks.",
)
@options.as_json
def search(
    query: str | None,
    path: str,
    k: int,
    by: str | None,
    where: tuple[str, ...],
    into: str | None,
    encoder: str | None,
    fixed: bool,
    wait: float,
    queries: str | None,
    run: str | None,
    unit: str,
    as_json: bool,
) -> None:
    """Rank the passages of PATH for QUERY; index it first if it is new."""
    if (query is None) == (queries is None):
        raise UsageError("Give a QUERY, or a file of them with --queries.")
    if query is not None and not query.strip():
        raise UsageError("The query is empty. Ask with at least one word.")
    if query is not None and run is not None:
        raise UsageError("A run is written for --queries FILE, not for one QUERY.")
    if queries and as_json and run in (None, "-"):
        raise UsageError("Run and JSON cannot both go to stdout. Name a file: --run FILE.")
    asked = trec.queries(Path(queries)) if queries else []
    index = Index.open(path, into=into, encoder=encoder)
    options.current(index, fixed=fixed, wait=wait)
    if query is None:
        bill = _evaluate(index, asked, run or "-", k, by, where, unit)
        if as_json:
            print_json({"queries": len(asked), "run": run, "bill": bill.as_dict()})
        note(f"{len(asked):,} queries; bill: {bill_line(bill)}")
        return
    found = index.find(query, k, by=options.known_way(by), where=where)
    if as_json:
        print_json({"query": query, "hits": hits_json(found.hits), "bill": found.bill.as_dict()})
    else:
        for rank, hit in enumerate(found.hits, start=1):
            say(f"{rank:2}. {place(hit)}  [{hit.by} {hit.score:.4f}]")
            say(f"    {' '.join(hit.passage.text.split())[:WIDTH]}")
        if not found.hits:
            say("Nothing found.")
            options.tell_of_nothing(index)
    note(f"bill: {bill_line(found.bill)}")


def _evaluate(
    index: Index,
    asked: list[tuple[str, str]],
    run: str,
    k: int,
    by: str | None,
    where: tuple[str, ...],
    unit: str,
) -> Bill:
    """Write the run; returns what its queries took."""
    bill, bar = Bill(), Bar()
    way = options.known_way(by) or index.default_way

    def hits(text: str, depth: int) -> tuple[Hit, ...]:
        nonlocal bill
        found = index.find(text, depth, by=way, where=where)
        bill = bill + found.bill
        return found.hits

    whole = partial(trec.documents, of=index.counts()["documents"])
    ranked = trec.passages if unit == "passage" else whole
    try:
        file: IO[str] = click.open_file(run, "w", encoding="utf-8", atomic=run != "-")
    except OSError as error:
        raise UsageError(f"{run} cannot be written: {error.strerror}.") from error
    with file:
        for done, (id, text) in enumerate(asked, start=1):
            rows = ranked(hits, text, k)
            file.writelines(line + "\n" for line in trec.run_lines(id, rows, f"isoflop-{way}"))
            bar("asking", done, len(asked))
    bar.close()
    return bill


def place(hit: Hit) -> str:
    """Where a passage stands: document, page or heading, line."""
    return location(hit.passage.document, hit.passage.page, hit.passage.heading, hit.passage.line)


def location(document: str, page: int | None, heading: str, line: int) -> str:
    """A place in a document, in words."""
    inside = f"page {page}" if page is not None else heading
    return f"{document}, {inside}, line {line}" if inside else f"{document}, line {line}"


def hits_json(hits: tuple[Hit, ...]) -> list[dict[str, object]]:
    """Hits for JSON."""
    return [{"id": h.passage.id, "score": h.score, "by": h.by, **asdict(h.passage)} for h in hits]
