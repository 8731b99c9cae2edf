"""isoflop detect: scores of machine writing, and audits of the sets they are measured on."""

import click

from isoflop.cli.lazy import LazyGroup

COMMANDS = {
    "text": ("isoflop.cli.detect.text:text_command", "Score texts; the word may be left out."),
    "audit": ("isoflop.cli.detect.audit:audit_command", "Whether a set of texts leaks its labels."),
}


class TextByDefault(LazyGroup):
    """A group whose first command need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As usual, but anything else than a command or a call for help is of `text`."""
        if args and args[0] not in self.table and args[0] not in ctx.help_option_names:
            args = ["text", *args]
        return super().parse_args(ctx, args)


@click.group(cls=TextByDefault, table=COMMANDS)
def detect() -> None:
    """Whether texts were written by a machine, as far as that can be told.

    `isoflop detect TEXT...` gives scores of nine detectors from one reading. A verdict is given
    only beside texts that you know people wrote: `--human FOLDER`.
    """
