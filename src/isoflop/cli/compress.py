"""isoflop compress: a text made small by a model's own predictions, beside other compressors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli.output import DASH, Bar, amount, bill_line, note, print_json, say, table
from isoflop.cli.plan import show
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.compression.files import Compressed


model = click.option(
    "--model",
    "name",
    default=PROSE,
    show_default=True,
    metavar="NAME",
    help="isoflop:PATH, hf:PATH-or-repo, or ngram:TEXT for a 5-gram model of a text.",
)


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--out", required=True, metavar="FILE", help="The compressed file.")
@model
@show.plot
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compress(file: str, out: str, name: str, plot: str | None, as_json: bool) -> None:
    """Compress FILE without loss by a model's predictions, and compare with other compressors.

    Every part is decoded again before it is kept; one that does not come back, or is no text,
    goes to xz. Decoding needs the same model, libraries and kind of processor, and is refused
    elsewhere.
    """
    from isoflop.measure.compression.files import compress as compressed
    from isoflop.measure.compression.rivals import parts_of, sizes

    opened: CausalModel = open_model(name, needs=["logits"])
    bar = Bar()
    found = compressed(Path(file), Path(out), opened, progress=bar)
    bar.close()
    rivals = sizes(parts_of(Path(file)))
    report = _report(opened, found, rivals)
    if as_json:
        print_json({"file": file, "out": out, "model": name, **report})
    else:
        _show(file, name, found, report)
    if plot and found.bits_per_byte is not None:
        from isoflop.cli.bits import compressors  # needs the extra `plot`

        others = {rival: row["bits_per_byte"] for rival, row in report["rivals"].items()}
        note(f"plot: {compressors(Path(file).name, name, found.bits_per_byte, others, plot)}")


def _report(
    model: "CausalModel", found: "Compressed", rivals: dict[str, int | None]
) -> dict[str, Any]:
    from isoflop.measure.compression.rivals import pays_from

    stored = _stored_bytes(model)
    rate, size = found.bits_per_byte, found.size
    rates = {name: 8 * made / size if made and size else None for name, made in rivals.items()}
    best = min((each for each in rates.values() if each is not None), default=None)
    pays = None if rate is None or best is None else pays_from(rate, best, stored)
    return {
        "bytes": size,
        "compressed_bytes": found.compressed,
        "bits_per_byte": rate,
        "model_bytes": stored,
        "bits_per_byte_with_model": 8 * (found.compressed + stored) / size if size else None,
        "pays_from_bytes": pays,
        "coded_bytes": found.coded,
        "tokens": found.tokens,
        "coder_bits": found.coder_bits,
        "ideal_bits": found.ideal_bits,
        "xz_because": list(found.reasons),
        "rivals": {name: {"bytes": rivals[name], "bits_per_byte": rates[name]} for name in rivals},
        "bill": found.bill.as_dict(),
    }


def _stored_bytes(model: "CausalModel") -> int:
    """Of the model's files, weights and tokenizer; 4 bytes a parameter where there are none."""
    folder = getattr(model, "folder", None)
    names = ("*.safetensors", "tokenizer.json", "config.json")
    files = [] if folder is None else [file for each in names for file in folder.glob(each)]
    return sum(file.stat().st_size for file in files) or 4 * model.parameters


def _show(file: str, name: str, found: "Compressed", report: dict[str, Any]) -> None:
    rows = [(name, found.compressed, found.bits_per_byte)]
    rows += [(rival, row["bytes"], row["bits_per_byte"]) for rival, row in report["rivals"].items()]
    cells = [
        (who, DASH if size is None else f"{size:,}", DASH if rate is None else f"{rate:.3f}")
        for who, size, rate in rows
    ]
    say(f"{file}: {found.size:,} bytes")
    say(table(("compressor", "bytes", "bits/byte"), cells))
    if found.size:
        say(_amortised(report))
    for reason in found.reasons:
        note(f"{found.size - found.coded:,} bytes went to xz: {reason}.")
    if found.coded and found.bill.seconds:
        note(
            f"The coder wrote {found.coder_bits:,} bits where {found.ideal_bits:,.0f} are ideal; "
            f"{amount(2 * found.coded / found.bill.seconds, 'B/s')} in each direction."
        )
    note(f"bill, decoding included: {bill_line(found.bill)}")


def _amortised(report: dict[str, Any]) -> str:
    pays = report["pays_from_bytes"]
    when = (
        "and never pays for itself on text like this"
        if pays is None
        else f"and pays for itself from {amount(pays, 'B')} of such text on"
    )
    return (
        f"With the model's own {amount(report['model_bytes'], 'B')} it is "
        f"{report['bits_per_byte_with_model']:.3f} bits per byte,\n{when} (against the best of "
        "the others)."
    )
