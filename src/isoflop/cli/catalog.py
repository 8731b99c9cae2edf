"""isoflop catalog: what is known, with source and date."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from isoflop import catalog as known
from isoflop.catalog import Row
from isoflop.cli.output import DASH, amount, dollars, note, print_json, table
from isoflop.cli.plan import show
from isoflop.errors import UsageError, did_you_mean

SHOWN = tuple(name for name in known.TABLES if name != "models")
Cells = Callable[[Row], tuple[str, ...]]


@click.command()
@click.argument("name", required=False, metavar="TABLE")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--plot", metavar="FILE", help="Of runs: training compute by year (.svg, .png, .html)."
)
def catalog(name: str | None, words: tuple[str, ...], as_json: bool, plot: str | None) -> None:
    """Look up chips, models, grids, prices, scaling laws and training runs.

    TABLE is accelerators, architectures, grids, prices, laws or runs. A WORD that is the name of a
    row shows that row whole; others keep the rows that hold all of them.

    Tables of your own, such as isoflop-catalog/accelerators.toml in the working folder, add rows
    or change figures of ours.
    """
    if name is None:
        _tables(as_json)
        return
    if name not in SHOWN:
        raise UsageError(
            f"No table called {name!r}.{did_you_mean(name, SHOWN)} Known: {', '.join(SHOWN)}."
        )
    own = known.table(name).find(" ".join(words)) if words else None
    if own is not None and plot is None:
        _row(name, own, as_json)
        return
    rows = _holding(name, words)
    if plot:
        _draw(name, rows, plot)
    if as_json:
        print_json({"table": name, "rows": [{"name": key, **row} for key, row in rows.items()]})
        return
    _print(name, rows)


def _tables(as_json: bool) -> None:
    counts = {name: len(known.table(name)) for name in SHOWN}
    if as_json:
        print_json({"tables": counts})
        return
    click.echo(table(("table", "rows"), [(name, f"{n:,}") for name, n in counts.items()]))
    note(
        "\nSearch one: isoflop catalog accelerators nvidia. Tables of your own: "
        f"isoflop-catalog/TABLE.toml here, or {known.user_folder()}/TABLE.toml."
    )


def _holding(name: str, words: Iterable[str]) -> dict[str, Row]:
    """Rows whose name or any text holds every word.

    Raises:
        UsageError: If there are none.
    """
    rows = known.table(name)
    wanted = [word.lower() for word in words]
    found = {
        key: row for key, row in rows.items() if all(word in _said(key, row) for word in wanted)
    }
    if not found:
        raise UsageError(
            f"Nothing in {name} holds {' and '.join(map(repr, wanted))}."
            f"{did_you_mean(' '.join(wanted), rows.names())}"
        )
    return found


def _said(key: str, row: Row) -> str:
    """The words of a row: its name, texts and year, in lower case."""
    texts = [value for value in row.values() if isinstance(value, str | list)]
    return f"{key} {texts} {row.get('year', '')}".lower()


def _print(name: str, rows: Mapping[str, Row]) -> None:
    head, left, cells = COLUMNS[name]
    lines = [(key, *cells(row), row["date"], _source(row)) for key, row in rows.items()]
    widest = max(len(line[-1]) for line in lines)
    padded = [(*line[:-1], line[-1].ljust(widest)) for line in lines]
    click.echo(table(("name", *head, "date", "source".ljust(widest)), padded, left=left))
    note(f"\n{len(rows):,} rows. One of them whole: isoflop catalog {name} {next(iter(rows))}")


def _source(row: Row) -> str:
    """With the letter of its evidence: V read, S secondary, M recalled, A arithmetic."""
    return f"{row.get('evidence', DASH)} {row['source']}"


def _row(name: str, key: str, as_json: bool) -> None:
    row = dict(known.table(name)[key])
    if name == "architectures":
        row["counted"] = _counted(key)
    if as_json:
        print_json({"table": name, "row": {"name": key, **row}})
        return
    lines = list(_flat(row))
    width = max(len(field) for field, _ in lines)
    click.echo("\n".join([key, *(f"  {field.ljust(width)}  {text}" for field, text in lines)]))


def _counted(key: str) -> dict[str, float]:
    """What the shape implies: parameters, FLOPs, cache."""
    from isoflop.plan import flops, memory

    shape = known.architecture(key)
    return {
        "parameters": flops.parameters(shape),
        "active_parameters": flops.active_parameters(shape),
        "matmul_parameters": flops.matmul_parameters(shape),
        "forward_flops_per_token_at_2048": flops.forward_flops(shape, [2048]) / 2048,
        "kv_cache_bytes_at_2048": memory.kv_cache_bytes(shape, 2048),
    }


def _flat(row: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for field, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{field}.")
        elif isinstance(value, list):
            yield before + field, ", ".join(map(_text, value))
        else:
            yield before + field, _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= value < 1e15 else f"{value:.6g}"
    return str(value)


def _draw(name: str, rows: Mapping[str, Row], out: str) -> None:
    if name != "runs":
        raise UsageError("--plot draws training compute by year: isoflop catalog runs --plot FILE.")
    from isoflop.cli.plan import plots

    points = [
        {"name": row.get("title", key), "date": str(row["year"]), "flops": row["flops"]}
        for key, row in rows.items()
        if "flops" in row and "year" in row
    ]
    path = plots.training_compute_by_year(points, out, title="Training compute of notable models")
    note(f"Drawn to {path}.")


def _known(row: Row, field: str, unit: str) -> str:
    return amount(row.get(field), unit)


def _chip(row: Row) -> tuple[str, ...]:
    peak = row.get("flops_per_second", {})
    half = peak.get("bf16", peak.get("fp16"))
    assumed = row.get("price_evidence") == "M"
    price = dollars(row.get("dollars_per_hour"))
    return (
        str(row.get("vendor", DASH)),
        str(row.get("year", DASH)),
        amount(peak.get("fp32"), "FLOP/s"),
        amount(half, "FLOP/s"),
        amount(peak.get("fp8"), "FLOP/s"),
        _gibibytes(row.get("bytes")),
        _known(row, "bytes_per_second", "B/s"),
        _known(row, "watts", "W"),
        f"{price}, assumed" if assumed else price,
    )


def _gibibytes(size: float | None) -> str:
    return DASH if size is None else f"{size / 2**30:.0f} GiB"


def _model(row: Row) -> tuple[str, ...]:
    shape = row.get("architecture", {})
    return (
        _count(row.get("parameters")),
        _count(row.get("active_parameters")),
        *(str(shape.get(field, DASH)) for field in ("layers", "width")),
        f"{shape.get('heads', DASH)}/{shape.get('kv_heads') or shape.get('heads', DASH)}",
        ", ".join(kind for kind in ("experts", "latent", "window", "recurrent") if kind in shape)
        or DASH,
        str(row.get("licence", DASH)),
    )


def _count(count: float | None) -> str:
    return DASH if count is None else show.plain(count)


def _grid(row: Row) -> tuple[str, ...]:
    grams = f"{row.get('grams_per_kilowatt_hour', DASH)} g/kWh"
    return (*(str(row.get(field, DASH)) for field in ("place", "year", "data_set")), grams)


def _price(row: Row) -> tuple[str, ...]:
    figures = (row.get("prompt"), row.get("cached"), row.get("output"))
    return tuple(DASH if figure is None else f"${figure * 1e6:.4g}" for figure in figures)


def _law(row: Row) -> tuple[str, ...]:
    fields = ("E", "A", "B", "alpha", "beta", "N_exponent")
    return tuple(f"{row[field]:.6g}" if field in row else DASH for field in fields)


def _run(row: Row) -> tuple[str, ...]:
    hours = row.get("chip_hours")
    return (
        str(row.get("year", DASH)),
        _count(row.get("parameters")),
        _count(row.get("tokens")),
        f"{row['flops']:.3g}" if "flops" in row else DASH,
        str(row.get("flops_basis", DASH)),
        DASH if hours is None else f"{hours:,.0f}",
        str(row.get("chip", DASH)),
    )


# Of each table: heads of the columns, how many stand to the left, and what is in them
COLUMNS: Mapping[str, tuple[tuple[str, ...], int, Cells]] = {
    "accelerators": (
        ("vendor", "year", "fp32", "bf16", "fp8", "memory", "bandwidth", "power", "price/h"),
        2,
        _chip,
    ),
    "architectures": (
        ("parameters", "active", "layers", "width", "heads", "kind", "licence"),
        1,
        _model,
    ),
    "grids": (("place", "year", "data set", "CO2e"), 2, _grid),
    "prices": (("prompt/M", "cached/M", "output/M"), 1, _price),
    "laws": (("E", "A", "B", "alpha", "beta", "N ~ C^"), 1, _law),
    "runs": (
        ("year", "parameters", "tokens", "FLOP", "basis", "chip-hours", "chip"),
        1,
        _run,
    ),
}
