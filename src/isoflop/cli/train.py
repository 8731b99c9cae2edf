"""isoflop train: a language model of one's own, from texts and a budget."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import click

from isoflop import quantities
from isoflop.cli import options
from isoflop.cli.output import DASH, Bar, amount, dollars, duration, note, print_json, table
from isoflop.errors import UsageError, did_you_mean

POSITIONS = ("rope", "alibi", "sinusoidal", "learned", "none")


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@click.option("--out", required=True, metavar="DIR", help="Folder of the run and its model.")
@click.option("--minutes", type=float, metavar="N", help="Budget: time of the training loop.")
@click.option("--flops", metavar="N", help="Budget: FLOPs, such as 1e15.")
@click.option("--dollars", "money", metavar="N", help="Budget: price of this machine's time.")
@click.option("--tokens", metavar="N", help="Budget: tokens to read, such as 20M.")
@click.option("--params", metavar="N", help="Parameters, such as 4M; the plan's by default.")
@click.option(
    "--position",
    default="rope",
    show_default=True,
    metavar="|".join(POSITIONS),
    help="Position scheme; the last three are for study.",
)
@click.option("--shape", metavar="L,W,H[,F]", help="Layers, width, heads and hidden width.")
@click.option("--vocabulary", type=click.IntRange(1), metavar="N", help="Of the tokenizer.")
@click.option("--context", type=click.IntRange(2), metavar="N", help="Tokens of a sequence.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Sequences of an update.")
@click.option("--dropout", type=click.FloatRange(0, 0.9), default=0.0, metavar="P")
@click.option("--held-out", type=click.FloatRange(0.001, 0.9), default=0.05, show_default=True)
@click.option("--rate", type=float, metavar="X", help="Learning rates, times this.")
@click.option(
    "--optimizer",
    default="muon",
    show_default=True,
    metavar="muon|adamw",
    help="Of the matrices: muon learns more from a token, adamw takes less time for it.",
)
@click.option(
    "--records", is_flag=True, help="Rows begin with a document: for prompts and answers."
)
@click.option("--chat", is_flag=True, help="A tokenizer with a chat template.")
@click.option("--dtype", metavar="float32|bfloat16", help="Of the computation; tried by default.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Tried by default.")
@click.option("--seed", default=0, show_default=True)
@options.as_json
def train(data: tuple[str, ...], out: str, as_json: bool, **chosen: Any) -> None:
    """Train a tokenizer and a language model on DATA, and report what it is worth and took.

    DATA is anything isoflop reads, or JSONL with "text", "prompt" and "completion", "question" and
    "answers", or "messages". Give one budget; the plan chooses size and shape for what this
    machine really does. The same command again goes on where it stopped.
    """
    wish = _wish(**chosen)
    from isoflop.train.scratch import train as run

    bar = Bar()
    try:
        report = run([Path(path) for path in data], Path(out), wish, progress=bar, tell=note)
    finally:
        bar.close()
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        return
    if as_json:
        print_json(report)
    else:
        show(report, out)


def _wish(
    *,
    minutes: float | None,
    flops: str | None,
    money: str | None,
    tokens: str | None,
    params: str | None,
    position: str,
    shape: str | None,
    rate: float | None,
    optimizer: str,
    records: bool,
    dtype: str | None,
    **same: Any,
) -> Any:
    if position not in POSITIONS:
        raise UsageError(
            f"No position scheme {position!r}.{did_you_mean(position, POSITIONS)} "
            f"Known: {', '.join(POSITIONS)}."
        )
    from isoflop.train.optimize import Rates
    from isoflop.train.scratch import Wish
    from isoflop.train.trial import DTYPES, Dtype

    if dtype is not None and dtype not in DTYPES:
        raise UsageError(f"No number format {dtype!r}: {', '.join(get_args(Dtype))}.")
    if optimizer not in ("muon", "adamw"):
        raise UsageError(f"No optimizer {optimizer!r}: muon, adamw.")
    usual = Rates(optimizer=cast(Any, optimizer))  # one of the two
    times = 1.0 if rate is None else rate
    rates = replace(
        usual,
        matrices=usual.matrices * times,
        tables=usual.tables * times,
        vectors=usual.vectors * times,
    )
    return Wish(
        seconds=None if minutes is None else minutes * 60,
        flops=quantities.count(flops, of="FLOPs", units=("FLOP",)) if flops else None,
        dollars=quantities.dollars(money) if money else None,
        tokens=quantities.count(tokens, of="tokens") if tokens else None,
        parameters=quantities.count(params, of="parameters") if params else None,
        position=cast(Any, position),  # one of POSITIONS, as was just seen
        shape=_sizes(shape),
        rates=rates,
        align="document" if records else "stream",
        dtype=cast(Any, dtype),  # one of DTYPES
        **same,
    )


def _sizes(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--shape is LAYERS,WIDTH,HEADS[,HIDDEN], got {text!r}.") from None


def show(report: dict[str, Any], out: str) -> None:
    """The report for a person: quality, speed, and what was forecast beside what happened."""
    show_figures(report)
    click.echo(f"position scheme: {report['position']}; model: isoflop:{out}")


def show_figures(report: dict[str, Any], measured_on: str = "held out") -> None:
    """Loss curve, quality, speed, and the table of forecast and actual."""
    held_out = report["held_out"]
    click.echo(_curve(report["loss_curve"]))
    click.echo(
        f"{measured_on}: perplexity {report['perplexity']:.4g} per token, "
        f"{report['bits_per_byte']:.4f} bits per byte "
        f"({held_out['tokens']:,} tokens, {held_out['bytes']:,} bytes)"
    )
    mfu = DASH if report["mfu"] is None else f"{report['mfu']:.1%}"
    click.echo(
        f"{report['tokens']:,} tokens, {report['tokens_per_second']:,.0f} a second in "
        f"{report['dtype']} on {report['threads']} threads; MFU {mfu} of "
        f"{amount(report['matmul_flops_per_second'], 'FLOP/s')}, measured"
    )
    forecast, bill = report["forecast"], report["bill"]
    rows = [
        ("FLOPs", amount(forecast["flops"], "FLOP"), amount(bill["flops"], "FLOP")),
        ("time", duration(forecast["seconds"]), duration(bill["seconds"])),
        ("energy", amount(forecast["joules"], "J"), amount(bill["joules"], "J")),
        ("dollars", dollars(forecast["dollars"]), dollars(bill["dollars"])),
        ("CO2e", amount(forecast["grams_co2e"], "g"), amount(bill["grams_co2e"], "g")),
    ]
    click.echo(table(("", "forecast", "actual"), rows))


def _curve(points: list[dict[str, Any]], columns: int = 8) -> str:
    """The loss curve as a few points in one line."""
    if not points:
        return ""
    chosen = [points[round(i * (len(points) - 1) / (columns - 1))] for i in range(columns)]
    seen: dict[int, float] = {p["step"]: p["loss"] for p in chosen}
    return "loss by step: " + "  ".join(f"{step:,}: {loss:.3f}" for step, loss in seen.items())
