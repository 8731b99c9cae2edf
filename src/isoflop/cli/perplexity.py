"""isoflop perplexity: how well a model predicts texts, and all that makes figures differ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.bill import Bill, total
from isoflop.cli.output import DASH, Bar, bill_line, note, print_json, say, table
from isoflop.cli.plan import show
from isoflop.cli.spending import agree, price_of_tokens, within
from isoflop.errors import UsageError
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.lm.endpoint import Endpoint
    from isoflop.measure.predicted import Perplexity

    Found = list[tuple[str, list[Perplexity]]]  # of each text, apart and sliding

AT_ONCE = 4  # requests under way at a server


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--model",
    "name",
    default=PROSE,
    show_default=True,
    metavar="NAME",
    help="isoflop:PATH, hf:PATH-or-repo, openai:NAME, or ngram:TEXT for a 5-gram model of a text.",
)
@click.option("--base-url", metavar="URL", help="Of an OpenAI-compatible server.")
@click.option(
    "--window",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Tokens read at once, of a server characters.  [default: the model's bound, or its "
    "training length; 2048 characters]",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Tokens by which a sliding window moves.  [default: half a window]",
)
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", help="Windows read together, or asked for."
)
@click.option("--budget", type=click.FloatRange(min=0), metavar="DOLLARS", help="For a server.")
@show.plot
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def perplexity(
    texts: tuple[str, ...],
    name: str,
    base_url: str | None,
    window: int | None,
    stride: int | None,
    batch: int | None,
    budget: float | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Say how well a model predicts each TEXT, a UTF-8 file of any length.

    Each is read twice: in windows that do not overlap, and in a window that slides by the
    stride and scores only what is new, so that every token has more before it. A server must
    return the log-probabilities of a text that it is sent; whether it does is found out first.
    """
    for text in texts:
        if not Path(text).is_file():
            raise UsageError(f"{text}: no such file. Name a text file.")
    opened = open_model(name, needs=_needs(name), base_url=base_url)
    if hasattr(opened, "logits"):
        if budget is not None:
            raise UsageError(f"{name} is paid by nobody: leave out --budget.")
        found = _read_here(opened, texts, window, stride, batch)
    else:
        found = _read_there(opened, texts, window, stride, batch, budget)
    if as_json:
        rows = [
            {"text": text, "windows": [each.as_dict() for each in both]} for text, both in found
        ]
        parameters = getattr(opened, "parameters", None)
        print_json({"model": opened.name, "parameters": parameters, "texts": rows})
    else:
        for text, both in found:
            _show(text, both)
        note("")
        note(_conventions(opened, found[0][1][0]))
        note(f"bill: {bill_line(total(each.bill for _, both in found for each in both))}")
    if plot:
        from isoflop.cli.bits import bits_by_file  # needs the extra `plot`

        note(f"plot: {bits_by_file(opened.name, found, plot)}")


def _needs(name: str) -> list[str]:
    return ["score_continuation"] if name.startswith("openai:") else ["logits"]


def _read_here(
    model: CausalModel,
    texts: Sequence[str],
    window: int | None,
    stride: int | None,
    batch: int | None,
) -> Found:
    from isoflop.measure.perplexity import perplexity as measure
    from isoflop.measure.windows import Reading, default_window

    window = window or default_window(model)
    strides = dict.fromkeys((window, stride or max(1, window // 2)))
    readings = [Reading(window, each, batch) for each in strides]
    return [(text, [measure(model, Path(text), reading=r) for r in readings]) for text in texts]


def _read_there(
    scorer: Endpoint,
    texts: Sequence[str],
    window: int | None,
    stride: int | None,
    batch: int | None,
    budget: float | None,
) -> Found:
    from isoflop.measure.served import WINDOW
    from isoflop.measure.served import perplexity as measure

    window = window or WINDOW
    strides = list(dict.fromkeys((window, stride or max(1, window // 2))))
    sizes = [Path(text).stat().st_size for text in texts]
    price, bar = price_of_tokens(scorer), Bar()
    read = sum(size * window / each for size in sizes for each in strides)
    # a token has at least one byte, and a server writes one for each request
    written = sum(-(-size // each) for size in sizes for each in strides)
    expected = price(Bill.forecast(prompt_tokens=read, output_tokens=written, seconds=None))
    note(f"forecast, at most: {bill_line(expected)}")
    within(expected, budget)
    agree(expected, budget, scorer.base_url)
    found: Found = []
    try:
        for text, size in zip(texts, sizes, strict=True):
            both = []
            for each in strides:
                one = measure(
                    scorer, Path(text), window=window, stride=each, at_once=batch or AT_ONCE,
                    progress=partial(_tell, bar, size),
                )  # fmt: skip
                one.bill = price(one.bill)
                both.append(one)
            found.append((text, both))
    finally:
        bar.close()
        scorer.close()
    return found


def _tell(bar: Bar, size: int, done: int) -> None:
    bar("asking", done, size)


def _show(text: str, both: list[Perplexity]) -> None:
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


def _cells(of: Perplexity) -> tuple[str, ...]:
    interval, word = of.interval, of.perplexity_per_word
    apart, unit = of.stride == of.window, "" if of.unit == "tokens" else " characters"
    return (
        f"{of.window:,}{unit} apart" if apart else f"{of.window:,}{unit} sliding by {of.stride:,}",
        f"{of.bits_per_byte:.4f}",
        f"{interval.low:.3f} to {interval.high:.3f}" if interval else DASH,
        f"{of.nats_per_token:.4f}",
        f"{of.perplexity:,.2f}",
        f"{word:,.1f}" if word is not None else DASH,
        f"{of.perplexity_per_byte:.3f}",
    )


def _conventions(model: CausalModel | Endpoint, one: Perplexity) -> str:
    prefix = (
        "the first token is predicted from the token that begins texts"
        if one.beginning
        else "the first token is not scored: the model has no token that begins texts"
    )
    parameters = getattr(model, "parameters", None)
    size = "" if parameters is None else f", {parameters:,} parameters"
    later = "token" if one.unit == "tokens" else "word"
    return (
        f"{model.name}{size}: {prefix};\n"
        f"the first {later} of a later window from the one before it. Words are stretches without "
        "white space.\nThe interval is for other texts of the same kind and length; the figure of "
        "this text has no error."
    )
