"""isoflop perplexity: how well a model predicts texts, and all that makes figures differ."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.bill import total
from isoflop.cli.output import DASH, bill_line, note, print_json, say, table
from isoflop.errors import UsageError
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.perplexity import Perplexity

model = click.option(
    "--model",
    "name",
    default=PROSE,
    show_default=True,
    metavar="NAME",
    help="isoflop:PATH, hf:PATH-or-repo, or ngram:TEXT for a 5-gram model of a text.",
)


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@model
@click.option(
    "--window",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Tokens read at once.  [default: the model's bound, or its training length]",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Tokens by which a sliding window moves.  [default: half a window]",
)
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Windows read together.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def perplexity(
    texts: tuple[str, ...],
    name: str,
    window: int | None,
    stride: int | None,
    batch: int | None,
    as_json: bool,
) -> None:
    """Say how well a model predicts each TEXT, a UTF-8 file of any length.

    Each is read twice: in windows that do not overlap, and in a window that slides by the
    stride and scores only what is new, so that every token has more before it.
    """
    from isoflop.measure.perplexity import perplexity as measure
    from isoflop.measure.windows import Reading, default_window

    for text in texts:
        if not Path(text).is_file():
            raise UsageError(f"{text}: no such file. Name a text file.")
    scorer: CausalModel = open_model(name, needs=["logits"])
    window = window or default_window(scorer)
    stride = max(1, window // 2) if stride is None else stride
    readings = [Reading(window, each, batch) for each in dict.fromkeys((window, stride))]
    found = [(text, [measure(scorer, Path(text), reading=r) for r in readings]) for text in texts]
    if as_json:
        rows = [
            {"text": text, "windows": [each.as_dict() for each in both]} for text, both in found
        ]
        print_json({"model": scorer.name, "parameters": scorer.parameters, "texts": rows})
    else:
        for text, both in found:
            _show(text, both)
    if not as_json:
        note("")
        note(_conventions(scorer, found[0][1][0]))
        note(f"bill: {bill_line(total(each.bill for _, both in found for each in both))}")


def _show(text: str, both: "list[Perplexity]") -> None:
    one = both[0]
    if one.carriage_returns:
        note(
            f"{text}: every line ends in CR LF, so CR is certain and costs nothing; it is counted."
        )
    say(
        f"{text}: {one.bytes:,} bytes, {one.tokens:,} tokens, {one.words:,} words; scored "
        f"{one.scored_bytes:,} bytes, {one.scored_tokens:,} tokens"
    )
    head = (
        "windows", "bits/byte", "95 % interval", "nats/token", "perplexity", "per word", "per byte",
    )  # fmt: skip
    say(table(head, [_cells(each) for each in both]))


def _cells(of: "Perplexity") -> tuple[str, ...]:
    interval, word = of.interval, of.perplexity_per_word
    apart = of.stride == of.window
    return (
        f"{of.window:,} apart" if apart else f"{of.window:,} sliding by {of.stride:,}",
        f"{of.bits_per_byte:.4f}",
        f"{interval.low:.3f} to {interval.high:.3f}" if interval else DASH,
        f"{of.nats_per_token:.4f}",
        f"{of.perplexity:,.2f}",
        f"{word:,.1f}" if word is not None else DASH,
        f"{of.perplexity_per_byte:.3f}",
    )


def _conventions(model: "CausalModel", one: "Perplexity") -> str:
    prefix = (
        "the first token is predicted from the token that begins texts"
        if one.beginning
        else "the first token is not scored: the model has no token that begins texts"
    )
    return (
        f"{model.name}, {model.parameters:,} parameters: {prefix};\n"
        "the first token of a later window from the one before it. Words are stretches without "
        "white space.\nThe interval is for other texts of the same kind and length; the figure of "
        "this text has no error."
    )
