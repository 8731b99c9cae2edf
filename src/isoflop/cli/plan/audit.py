"""isoflop plan audit: what a claim about a training run implies, and whether it can be."""

from dataclasses import asdict, replace

import click

from isoflop import catalog, quantities
from isoflop.cli import options
from isoflop.cli.output import dollars, table
from isoflop.cli.plan import show
from isoflop.cli.plan.energy import check, duration
from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.machine import Accelerator
from isoflop.plan.audit import Audit
from isoflop.plan.audit import audit as audit_of
from isoflop.plan.claim import Claim, palm_flops_per_token
from isoflop.plan.finding import LEVELS
from isoflop.plan.flops import active_parameters, parameters, training_flops_per_token
from isoflop.quantities import written

FORMATS = ("fp32", "tf32", "bf16", "fp16", "fp8", "fp4")


@click.command()
@click.option("--params", metavar="N", help="Parameters, all experts included.")
@click.option("--active", metavar="N", help="Parameters that one token meets.")
@click.option("--model", metavar="NAME", help="A known model, instead of --params.")
@click.option("--layers", type=int, help="With --width and --length: attention is counted too.")
@click.option("--width", type=int, help="Of the model (d_model).")
@click.option("--length", type=int, default=4096, show_default=True, help="Of a sequence.")
@click.option("--tokens", metavar="N", help="Trained on, as claimed.")
@click.option("--dataset-tokens", metavar="N", help="Different tokens in the data set.")
@click.option("--chip", metavar="NAME", help="Such as a100-80gb.")
@click.option("--chips", metavar="N", help="How many.")
@click.option("--hours", metavar="TIME", help='Wall time: 24 (hours) or "30 days".')
@click.option("--chip-hours", metavar="N", help="Chips times wall time.")
@click.option("--mfu", metavar="SHARE", help='Model FLOPs utilisation: "43%" or 0.43.')
@click.option("--flops", metavar="N", help="Of the whole run.")
@click.option("--chip-flops", metavar="RATE", help='Achieved by one chip: "147T" a second.')
@click.option("--dtype", type=click.Choice(FORMATS), default="bf16", show_default=True)
@click.option("--dollars", "price", metavar="N", help="Of the whole run.")
@click.option("--energy", metavar="ENERGY", help='Of the whole run: "449 MWh".')
@click.option("--pue", type=float, help="That the energy includes.")
@options.as_json
def audit(
    params: str | None,
    active: str | None,
    model: str | None,
    layers: int | None,
    width: int | None,
    length: int,
    tokens: str | None,
    dataset_tokens: str | None,
    chip: str | None,
    chips: str | None,
    hours: str | None,
    chip_hours: str | None,
    mfu: str | None,
    flops: str | None,
    chip_flops: str | None,
    dtype: str,
    price: str | None,
    energy: str | None,
    pue: float | None,
    as_json: bool,
) -> None:
    """What a claim about a training run implies, and whether it can be.

    Give what was claimed, in any combination: what follows is computed, and what cannot be true
    together is named with the numbers that say so.
    """
    check(pue=pue)
    claim = Claim(
        parameters=_count(params, "parameters"),
        active_parameters=_count(active, "parameters"),
        tokens=_count(tokens, "tokens"),
        dataset_tokens=_count(dataset_tokens, "tokens"),
        chip=None if chip is None else _chip(chip),
        chips=_count(chips, "chips"),
        seconds=None if hours is None else duration(hours),
        chip_seconds=None if chip_hours is None else 3600 * quantities.count(chip_hours),
        mfu=None if mfu is None else quantities.share(mfu, of="MFU"),
        flops=_count(flops, "FLOP"),
        flops_per_second=_count(chip_flops, "FLOP/s"),
        dollars=None if price is None else quantities.dollars(price),
        joules=None if energy is None else quantities.joules(energy),
        number_format=dtype,
        power_usage_effectiveness=pue,
    )
    if length < 1:
        raise UsageError(f"--length {length}: a sequence has at least one token.")
    if model is not None:
        claim = _of_model(claim, model, length)
    elif layers is not None or width is not None:
        claim = _with_attention(claim, layers, width, length)
    found = audit_of(claim)
    if not found.findings and not any(asdict(found.implied).values()):
        raise UsageError(
            "Nothing follows from that. Give at least --params and --tokens, or --chip with "
            "--mfu, or --chips with --hours and --chip-hours."
        )
    _print(claim, found, as_json)


def _count(text: str | None, of: str) -> float | None:
    return None if text is None else quantities.count(text, of=f"number of {of}", units=(of,))


def _chip(text: str) -> Accelerator:
    number, name = quantities.chips(text)
    if number != 1:
        raise UsageError(f"--chip {text}: name the chip, and how many with --chips {number}.")
    return catalog.accelerator(name)


def _of_model(claim: Claim, model: str, length: int) -> Claim:
    if claim.parameters is not None:
        raise UsageError("Give --model or --params, not both.")
    shape = catalog.architecture(model)
    return replace(
        claim,
        parameters=parameters(shape),
        active_parameters=active_parameters(shape),
        flops_per_token=training_flops_per_token(shape, length, causal=False),
    )


def _with_attention(claim: Claim, layers: int | None, width: int | None, length: int) -> Claim:
    active = claim.active_parameters or claim.parameters
    if not layers or not width or layers < 0 or width < 0 or active is None:
        raise UsageError("Attention is counted from --params, --layers and --width together.")
    return replace(claim, flops_per_token=palm_flops_per_token(active, layers, width, length))


def _print(claim: Claim, found: Audit, as_json: bool) -> None:
    findings = [asdict(finding) for finding in found.findings]
    if as_json:
        implied = {
            name: Estimate.exact(value) if isinstance(value, int | float) else value
            for name, value in asdict(found.implied).items()
        }
        show.print_figures({"verdict": found.verdict, "findings": findings, "implied": implied})
    else:
        click.echo(f"verdict: {found.verdict}\n")
        for finding in sorted(found.findings, key=lambda f: LEVELS.index(f.level), reverse=True):
            click.echo(f"{finding.level}: {finding.name}\n  {finding.reason}")
        click.echo("\n" + table(("the claim implies", ""), _implied(found)))
    with_attention = (
        " The MFU claimed is compared with attention counted to all tokens, as PaLM does."
        if claim.flops_per_token
        else ""
    )
    show.conventions(
        f"FLOPs: {'as claimed' if claim.flops else '6 x active parameters x tokens'}, attention "
        f"left out; MFU of the dense {claim.number_format} peak, no recomputation.{with_attention}",
        "Price: the catalog's, of today rather than of then. Energy: chips and hosts, without "
        "cooling.",
    )


def _implied(found: Audit) -> list[tuple[str, str]]:
    i = found.implied
    rows: list[tuple[str, float | None, show.Unit]] = [
        ("FLOPs", i.flops, written),
        ("chip-hours", i.chip_seconds, show.hours),
        ("chip-hours at the peak", i.ideal_chip_seconds, show.hours),
        ("MFU", i.mfu, lambda value: f"{value:.1%}"),
        ("MFU with attention", i.attention_mfu, lambda value: f"{value:.1%}"),
        ("price of the chips", i.dollars, dollars),
        ("price claimed, per chip-hour", i.dollars_per_chip_hour, dollars),
        ("energy of the machine", i.machine_joules, show.kilowatt_hours),
        ("power claimed, per chip", i.watts, show.unit("W")),
        ("epochs", i.epochs, show.plain),
    ]
    return [(name, shown(value)) for name, value, shown in rows if value is not None]
