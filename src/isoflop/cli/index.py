"""isoflop index: build or update an index."""

from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Bar, bill_line, duration, note, print_json
from isoflop.errors import IsoflopError
from isoflop.search.index import Index

if TYPE_CHECKING:
    from isoflop.search.update import Update

SHOWN = 20


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@options.into
@options.encoder
@options.wait
@click.option("--strict", is_flag=True, help="Exit with 1 if anything could not be read.")
@options.as_json
def index(
    paths: tuple[str, ...],
    into: str | None,
    encoder: str | None,
    wait: float,
    strict: bool,
    as_json: bool,
) -> None:
    """Read PATH..., and bring its index up to date: only what changed is read and embedded."""
    opened = Index.open(*paths, into=into, encoder=encoder)
    bar = Bar()
    try:
        update = opened.update(wait_seconds=wait, progress=bar, on_wait=note)
    finally:
        bar.close()
    counts = opened.counts()
    if as_json:
        print_json(
            {
                "folder": str(opened.folder),
                **counts,
                "added": update.added,
                "changed": update.changed,
                "removed": update.removed,
                "unchanged": update.unchanged,
                "embedded": update.embedded,
                "reused": update.reused,
                "tokens": update.tokens,
                "refusals": [{"document": n, "reason": r} for n, r in update.refused],
                "bill": update.bill.as_dict(),
            }
        )
    else:
        click.echo(
            f"{counts['documents']:,} documents, {counts['passages']:,} passages in "
            f"{opened.folder} ({update.added:,} new, {update.changed:,} changed, "
            f"{update.removed:,} removed, {update.unchanged:,} unchanged files) "
            f"in {duration(update.bill.seconds or 0)}"
        )
    tell_refusals(update.refused)
    note(f"bill: {paid(update)}")
    if not counts["documents"]:
        raise IsoflopError(options.nothing(opened.roots[0], counts["files"]))
    if strict and update.refused:
        raise IsoflopError(f"{len(update.refused)} could not be read (--strict).")


def paid(update: "Update") -> str:
    """The bill of an update in one line, with the padding among its tokens."""
    read = update.bill.prompt_tokens
    padding = read - update.tokens if read else 0
    return bill_line(update.bill) + (f", {padding:,.0f} of them padding" if padding else "")


def tell_refusals(refused: list[tuple[str, str]]) -> None:
    """Name what was skipped and why, on stderr."""
    for name, reason in refused[:SHOWN]:
        note(f"skipped {name}: {reason}")
    if len(refused) > SHOWN:
        note(f"... and {len(refused) - SHOWN:,} more; --json lists all")
    if refused:
        note(f"{len(refused):,} skipped")
