"""Groups of commands whose modules are imported only when a command is called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from isoflop.errors import did_you_mean

Table = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """Commands by name: where each is defined ("module:attribute"), and what it is for."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, which is the order of a first visit."""
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, imported now."""
        if name not in self.table:
            return None
        module, _, attribute = self.table[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for a wrong one."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            ctx.fail(f"No command called {args[0]!r}.{did_you_mean(args[0], self.table)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])
