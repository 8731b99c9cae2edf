"""isoflop finetune: teach a model texts, or what to answer."""

from pathlib import Path
from typing import Any

import click

from isoflop import quantities
from isoflop.cli import options
from isoflop.cli.output import Bar, note, print_json
from isoflop.cli.train import show_figures
from isoflop.errors import UsageError, did_you_mean


@click.command()
@click.argument("base")
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@click.option("--out", required=True, metavar="DIR", help="Folder of the run and what it makes.")
@click.option(
    "--lora", "rank", type=click.IntRange(1), metavar="RANK",
    help="Learn low-rank factors beside the frozen model: a small adapter.  [default: all weights]",
)  # fmt: skip
@click.option("--alpha", type=float, metavar="X", help="Factors times X / RANK.  [default: 32]")
@click.option("--merge", is_flag=True, help="Write the model with the adapter merged into it, too.")
@click.option("--epochs", type=float, metavar="N", help="Budget: readings of DATA.  [default: 3]")
@click.option("--minutes", type=float, metavar="N", help="Budget: time of the training loop.")
@click.option("--flops", metavar="N", help="Budget: FLOPs, such as 1e15.")
@click.option("--tokens", metavar="N", help="Budget: tokens to read, such as 2M.")
@click.option("--context", type=click.IntRange(2), metavar="N", help="Tokens of a sequence.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Sequences of an update.")
@click.option(
    "--held-out", type=click.FloatRange(0, 0.9), default=0.05, show_default=True,
    help="Share to measure on; 0 measures on what is learned.",
)  # fmt: skip
@click.option(
    "--rate", "times", type=float, default=1.0, metavar="X", help="Learning rates times X."
)
@click.option("--dtype", default="float32", show_default=True, metavar="float32|bfloat16")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Tried by default.")
@click.option("--seed", default=0, show_default=True)
@options.as_json
def finetune(base: str, data: tuple[str, ...], out: str, as_json: bool, **chosen: Any) -> None:
    """Teach the model BASE what is in DATA, and report what it is worth and took.

    BASE is isoflop:PATH or hf:PATH-or-repo. DATA is anything isoflop reads, or JSONL with "text",
    "prompt" and "completion", "question" and "answers", or "messages"; of questions only the
    answers are learned. The same command again goes on where it stopped.
    """
    wish = _wish(**chosen)
    from isoflop.train.finetune import finetune as run

    bar = Bar()
    try:
        report = run(base, [Path(path) for path in data], Path(out), wish, progress=bar, tell=note)
    finally:
        bar.close()
    if as_json:
        print_json(report)
    else:
        show(report, out)


def _wish(
    *,
    alpha: float | None,
    minutes: float | None,
    flops: str | None,
    tokens: str | None,
    dtype: str,
    **same: Any,
) -> Any:
    from isoflop.train.finetune import ALPHA, TuneWish
    from isoflop.train.trial import DTYPES

    if dtype not in DTYPES:
        raise UsageError(
            f"No number format {dtype!r}.{did_you_mean(dtype, DTYPES)} Known: {', '.join(DTYPES)}."
        )
    return TuneWish(
        alpha=ALPHA if alpha is None else alpha,
        seconds=None if minutes is None else minutes * 60,
        flops=quantities.count(flops, of="FLOPs", units=("FLOP",)) if flops else None,
        tokens=quantities.count(tokens, of="tokens") if tokens else None,
        dtype=next(known for known in DTYPES if known == dtype),
        **same,
    )


def show(report: dict[str, Any], out: str) -> None:
    """The report for a person."""
    before = report["before"]
    on = report["measured_on"]
    click.echo(
        f"{on}, before: perplexity {before['perplexity']:.4g} per token, "
        f"{before['bits_per_byte']:.4f} bits per byte"
    )
    show_figures(report, on)
    learned = f"{report['trained_parameters']:,} of {report['parameters']:,} parameters learned"
    scheme = report["base"].partition(":")[0]
    if report["method"] == "full":
        click.echo(f"{learned}; model: {scheme}:{out}/model")
        return
    click.echo(f"{learned}; adapter: {out}/adapter, for {report['base']}")
    if report["wish"]["merge"]:
        click.echo(f"merged: {scheme}:{out}/model")
