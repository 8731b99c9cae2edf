"""Options that several commands share, and how they open an index."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli.output import Bar, note
from isoflop.errors import IndexBusy, UsageError, did_you_mean
from isoflop.questions import WAYS, Way
from isoflop.search.index import DEFAULT_WAY, Index

if TYPE_CHECKING:
    from isoflop.search.update import Update

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
into = click.option("--into", metavar="DIR", help="Folder of the index, if not beside PATH.")
encoder = click.option(
    "--encoder", metavar="NAME", help="minilm (default), hf:FOLDER or openai:NAME."
)
way = click.option(
    "--by", metavar="|".join(WAYS), help=f"Way of ranking.  [default: {DEFAULT_WAY}]"
)
where = click.option(
    "--where",
    multiple=True,
    metavar="FIELD:GLOB",
    help="Only passages like this, such as 'source:*.md' or 'heading:Install'; repeatable.",
)
fixed = click.option("--no-update", "fixed", is_flag=True, help="Search the index as it is.")
wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another process that writes the index.",
)


def known_way(name: str | None) -> Way | None:
    """The way of ranking of that name; None for the default.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    if name is None:
        return None
    for known in WAYS:
        if name == known:
            return known
    raise UsageError(
        f"No way of ranking called {name!r}.{did_you_mean(name, WAYS)} Known: {', '.join(WAYS)}."
    )


def tell_of_nothing(index: Index) -> None:
    """Say on stderr that no document was searched, if so, and why."""
    counts = index.counts()
    if not counts["documents"]:
        note(nothing(index.roots[0], counts["files"]))


def nothing(root: Path, files: int) -> str:
    """What to say of an index without documents."""
    if files:
        return f"{root}: none of its {files:,} files could be read. See why: isoflop index {root}"
    return (
        f"{root} has no files to index. Hidden files and those in .gitignore are left out; "
        "name a folder with documents."
    )


def current(index: Index, *, fixed: bool, wait: float) -> "Update | None":
    """Bring an index up to date before it is searched; returns the update, or None.

    Where it cannot be written (another writer, a read-only disk), the published state is used
    and a note says so; an index that was never made must be made.
    """
    if fixed and index.exists:
        return None
    bar = Bar()
    try:
        update = index.update(wait_seconds=0 if index.exists else wait, progress=bar, on_wait=note)
    except (IndexBusy, UsageError) as problem:
        if not index.exists:
            raise
        note(f"Searching the index as it is: {problem}")
        return None
    finally:
        bar.close()
    return update
