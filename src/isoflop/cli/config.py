"""isoflop config: settings in force and where they come from."""

import click

from isoflop.cli import options
from isoflop.cli.output import DASH, note, print_json, table
from isoflop.settings import KEYS, settings, user_file


@click.command()
@options.as_json
def config(as_json: bool) -> None:
    """Show each setting, its value and where it came from.

    Order: option, ISOFLOP_* variable, isoflop.toml in this folder, user configuration, default.
    """
    if as_json:
        values = {s.key: {"value": s.value, "origin": s.origin} for s in settings()}
        print_json({"settings": values, "user_file": str(user_file())})
        return
    rows = [
        (s.key, DASH if s.value is None else str(s.value), s.origin, KEYS[s.key].help)
        for s in settings()
    ]
    for line in table(("setting", "value", "from", "what for"), rows, left=4).splitlines():
        click.echo(line)
    note(f"your own file: {user_file()}")
