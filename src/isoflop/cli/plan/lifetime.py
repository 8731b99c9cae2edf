"""isoflop plan lifetime: the model that is cheapest to train and then to serve."""

import math
from contextlib import suppress
from dataclasses import dataclass

import click

from isoflop import catalog
from isoflop.cli import options
from isoflop.cli.output import dollars, table
from isoflop.cli.plan import show
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Machine
from isoflop.plan import lifetime as plans
from isoflop.plan.laws import Law, law
from isoflop.plan.lifetime import Demand, Life, Rates
from isoflop.quantities import count

# Utilisations in the example of Sardana et al.'s own code (nikhilsardana/beyond-chinchilla,
# README.md, 2024-07-18). Writing without large batches does far worse: 0.01 in their paper.
TRAINING, PROMPT, OUTPUT = 0.5, 0.4, 0.2
LEAST, MOST = 1e5, 1e14  # parameters a law may be asked about; fitted are 1e7 to 2e10
OTHERS = ("chinchilla-3", "epoch", "muennighoff")  # whose disagreement is the interval


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: a quality, served so often, paid at these rates."""

    parameters: float
    tokens: float | None
    demand: Demand
    rates: Rates
    unique_tokens: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """One law's answer."""

    given: Life
    cheapest: Life

    @property
    def saved(self) -> float | None:
        """Share of the given model's cost; None where that one cannot be made."""
        return None if math.isinf(self.given.cost) else 1 - self.cheapest.cost / self.given.cost


@click.command()
@click.option(
    "--quality-of",
    metavar="N[@D]",
    help="As good as N parameters trained on D tokens (compute-optimal ones): 13e9@1.4e12.",
)
@click.option("--served-tokens", metavar="N", help="Read and written in its life, such as 2e12.")
@click.option(
    "--output-share", type=float, default=0.2, show_default=True, help="Of them, written."
)
@click.option("--unique-tokens", metavar="N", help="Different training tokens there are.")
@click.option("--law", "name", default=plans.LAW, show_default=True, help="Scaling law.")
@click.option("--on", metavar="CHIP", help="Count dollars, not FLOPs: trained on this chip.")
@click.option("--serve-on", metavar="CHIP", help="Served on this one.  [default: as --on]")
@click.option("--price", metavar="DOLLARS", help="Of a training chip for one hour.")
@click.option("--serve-price", metavar="DOLLARS", help="Of a serving chip for one hour.")
@click.option("--format", "formats", default="bf16", show_default=True, help="To train in.")
@click.option("--serve-format", default="bf16", show_default=True, help="To serve in.")
@click.option("--training-mfu", default=TRAINING, show_default=True, help="Share of peak.")
@click.option("--prompt-mfu", default=PROMPT, show_default=True, help="Share of peak.")
@click.option("--output-mfu", default=OUTPUT, show_default=True, help="Share of peak.")
@options.as_json
def lifetime(
    quality_of: str | None,
    served_tokens: str | None,
    output_share: float,
    unique_tokens: str | None,
    name: str,
    on: str | None,
    serve_on: str | None,
    price: str | None,
    serve_price: str | None,
    formats: str,
    serve_format: str,
    training_mfu: float,
    prompt_mfu: float,
    output_mfu: float,
    as_json: bool,
) -> None:
    """A smaller model trained longer, as good, and cheaper to serve.

    Of all models with the loss of the given one, the one whose training and serving together cost
    least: FLOPs, or dollars where --on names a chip.
    """
    if quality_of is None or served_tokens is None:
        raise UsageError("Say how good and how much used: --quality-of 13e9 --served-tokens 2e12.")
    if not 0 <= output_share <= 1:
        raise UsageError(f"--output-share {output_share:g}: a share is from 0 to 1.")
    served = count(served_tokens, of="number of served tokens", units=("tokens",))
    rates = Rates()
    if on is not None:
        train = _dollars(on, price, formats, training_mfu)
        serve = serve_on or on, serve_price or (price if serve_on is None else None), serve_format
        rates = Rates(train, _dollars(*serve, prompt_mfu), _dollars(*serve, output_mfu))
    elif serve_on or price or serve_price:
        raise UsageError("Prices need a chip: name the one to train on with --on.")
    parameters, tokens = _quality(quality_of)
    demand = Demand(served * (1 - output_share), served * output_share)
    unique = count(unique_tokens, of="number of tokens") if unique_tokens else None
    wish = Wish(parameters, tokens, demand, rates, unique)
    found = _solved(law(name), wish)
    around = _spread(name, wish, found)
    band = plans.band(law(name), found.cheapest, demand, rates=rates, unique_tokens=unique)
    if as_json:
        show.print_figures(_values(found, band, around, on is not None))
    else:
        click.echo(_text(found, band, around, on is not None))
    _conventions(law(name), wish, on, (training_mfu, prompt_mfu, output_mfu))


def _quality(text: str) -> tuple[float, float | None]:
    written, at, trained = text.partition("@")
    parameters = count(written, of="number of parameters", units=("parameters",))
    tokens = count(trained, of="number of training tokens", units=("tokens",)) if at else None
    if not LEAST <= parameters <= MOST or not LEAST <= (tokens or LEAST) <= 1000 * MOST:
        raise UsageError(
            f"--quality-of {text}: no law was fitted anywhere near. Parameters are from {LEAST:g} "
            f"to {MOST:g}, tokens to {1000 * MOST:g}."
        )
    return parameters, tokens


def _dollars(chip: str, price: str | None, number_format: str, utilisation: float) -> float:
    machine: Machine = catalog.machine(chip)
    peak = machine.accelerator.flops_per_second.get(number_format)
    if peak is None:
        known = ", ".join(machine.accelerator.flops_per_second)
        raise UsageError(f"The peak of {chip} in {number_format} is not known. Known: {known}.")
    each = count(price.removeprefix("$"), of="price") if price else None
    each = each or machine.accelerator.dollars_per_hour
    if each is None:
        raise UsageError(f"No price of {chip} is known. Give --price (or --serve-price).")
    return plans.dollars_per_flop(each, peak, utilisation)


def _solved(known: Law, wish: Wish) -> Found:
    target = plans.quality(known, wish.parameters, wish.tokens)
    rates, unique = wish.rates, wish.unique_tokens
    return Found(
        plans.life(known, wish.parameters, target, wish.demand, rates=rates, unique_tokens=unique),
        plans.best(known, target, wish.demand, rates=rates, unique_tokens=unique),
    )


def _spread(name: str, wish: Wish, found: Found) -> dict[str, Found]:
    """What every law says that reaches the loss; the chosen one first."""
    around = {name: found}
    for other in OTHERS:
        if other != name:
            with suppress(UsageError):  # that law needs more data; the chosen one does not
                around[other] = _solved(law(other), wish)
    return around


def _between(around: dict[str, Found], figure: str) -> Estimate:
    values = [getattr(found.cheapest, figure) for found in around.values()]
    return Estimate(min(values), values[0], max(values))


def _values(
    found: Found, band: tuple[Life, Life], around: dict[str, Found], priced: bool
) -> dict[str, object]:
    saved = [each.saved for each in around.values() if each.saved is not None]
    return {
        "unit": "dollars" if priced else "flops",
        "loss": Estimate.exact(found.given.loss),
        "perplexity": Estimate.exact(math.exp(found.given.loss)),
        "parameters": _between(around, "parameters"),
        "tokens": _between(around, "tokens"),
        "cost": _between(around, "cost"),
        "saved_share": None
        if found.saved is None
        else Estimate(min(saved), found.saved, max(saved)),
        "given": _model(found.given),
        "cheapest": _model(found.cheapest),
        "as_good_for_the_same_cost": [_model(end) for end in band],
        "by_law": {
            name: {"given": _model(each.given), "cheapest": _model(each.cheapest)}
            for name, each in around.items()
        },
    }


def _model(model: Life) -> dict[str, Estimate | None]:
    """Its figures by one law; None where it cannot be made."""
    names = ("parameters", "tokens", "loss", "training", "prompts", "outputs", "cost")
    figures = {name: getattr(model, name) for name in names}
    return {
        name: Estimate.exact(figure) if math.isfinite(figure) else None
        for name, figure in figures.items()
    }


def _text(found: Found, band: tuple[Life, Life], around: dict[str, Found], priced: bool) -> str:
    low, high = band
    given, cheapest = found.given, found.cheapest
    models = [("as given", given), ("cheapest in all", cheapest)]
    rows = [(label, *_row(model, priced)) for label, model in models]
    head = ("", "parameters", "tokens", "tokens each", "training", "serving", "in all")
    laws = [
        (
            name,
            show.plain(each.cheapest.parameters),
            show.plain(each.cheapest.tokens),
            _cost(each.cheapest.cost, priced),
            _share(each.saved),
        )
        for name, each in around.items()
    ]
    return "\n".join(
        [
            f"loss {given.loss:.4g}, perplexity {math.exp(given.loss):.3g}\n",
            table(head, rows),
            f"\n{_saying(found, priced)} For the same cost every size from "
            f"{show.plain(low.parameters)} to {show.plain(high.parameters)} is within 0.5 % of "
            "that loss.\n",
            table(("by law", "parameters", "tokens", "in all", "saves"), laws),
        ]
    )


def _row(model: Life, priced: bool) -> tuple[str, ...]:
    if math.isinf(model.tokens):
        return (show.plain(model.parameters), "out of reach", "-", "-", "-", "-")
    return (
        show.plain(model.parameters),
        show.plain(model.tokens),
        f"{model.tokens / model.parameters:,.0f}",
        _cost(model.training, priced),
        _cost(model.prompts + model.outputs, priced),
        _cost(model.cost, priced),
    )


def _saying(found: Found, priced: bool) -> str:
    if found.saved is None:
        return "The size as given does not get there, however often the data is repeated."
    return f"Saves {_share(found.saved)}: {_cost(found.given.cost - found.cheapest.cost, priced)}."


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def _cost(figure: float, priced: bool) -> str:
    if not math.isfinite(figure):
        return "-"
    return dollars(figure) if priced else show.flop(figure)


def _conventions(known: Law, wish: Wish, on: str | None, shares: tuple[float, ...]) -> None:
    paid = "FLOPs are counted: every token costs the same FLOPs in training, reading and writing."
    if on is not None:
        paid = "Dollars by utilisations of {:g} in training, {:g} reading, {:g} writing.".format(
            *shares
        )
    repeated = "All training tokens are fresh."
    if wish.unique_tokens is not None:
        repeated = (
            f"{show.plain(wish.unique_tokens)} different tokens, repeated: worth by Muennighoff "
            "et al. 2023, whose constants are from C4."
        )
    show.conventions(
        f"{known.title} ({known.source}).",
        "6 N D FLOPs to train, 2 N for a token served; attention is left out. Sardana et al. 2024.",
        f"{paid} {repeated}",
        "Low and high are what other laws say. Loss is not quality on a task. What many more "
        "tokens a parameter bring\nthan the fitted runs had (median 22, a tenth above 100) is "
        "promised too high.",
    )
