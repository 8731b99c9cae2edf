"""isoflop decompress: the text that `isoflop compress` made small."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli.compress import model
from isoflop.cli.output import Bar, note, print_json
from isoflop.lm.open import open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--out", required=True, metavar="FILE", help="The file to write.")
@model
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def decompress(file: str, out: str, name: str, as_json: bool) -> None:
    """Write the text that was compressed to FILE, or refuse; never a wrong text."""
    from isoflop.measure.compression.files import decompress as decompressed

    opened: CausalModel = open_model(name, needs=["logits"])
    bar = Bar()
    size = decompressed(Path(file), Path(out), opened, progress=bar)
    bar.close()
    if as_json:
        print_json({"file": file, "out": out, "model": name, "bytes": size})
    else:
        note(f"{out}: {size:,} bytes")
