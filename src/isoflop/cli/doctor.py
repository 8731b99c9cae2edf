"""isoflop doctor: what works on this machine, and what to do about the rest."""

import importlib.metadata
import platform
import shutil
import sqlite3
from dataclasses import dataclass

import click

from isoflop import __version__, catalog, meter
from isoflop.cli import options
from isoflop.cli.output import DASH, amount, print_json
from isoflop.errors import CheckFailed, IsoflopError
from isoflop.settings import cache_folder

SEARCH_PACKAGES = ("numpy", "openvino", "tokenizers", "tantivy", "pypdfium2", "httpx")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: does it work, what was found, what to do if not."""

    what: str
    works: bool
    found: str
    advice: str = ""


@click.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what works here: packages, weights, energy counters, processor, disk.

    Exits with 4 if something that search needs does not work.
    """
    findings = [_python(), *_packages(), _weights(), _processor(), _energy(), _disk()]
    if as_json:
        print_json({"findings": [_as_dict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "ok" if finding.works else "--"
            click.echo(f"{mark}  {finding.what}: {finding.found}")
            if not finding.works and finding.advice:
                click.echo(f"      {finding.advice}")
    broken = [f.what for f in findings if not f.works and f.what != "energy counters"]
    if broken:
        raise CheckFailed(f"Not working: {', '.join(broken)}.")


def _as_dict(finding: Finding) -> dict[str, object]:
    return {
        "what": finding.what,
        "works": finding.works,
        "found": finding.found,
        "advice": finding.advice or None,
    }


def _python() -> Finding:
    found = f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, isoflop {__version__}"
    return Finding("python", True, found)


def _packages() -> list[Finding]:
    findings = []
    for name in SEARCH_PACKAGES:
        try:
            findings.append(Finding(name, True, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            advice = "pip install 'isoflop[search]'"
            findings.append(Finding(name, False, "not installed", advice))
    return findings


def _weights() -> Finding:
    name = "minilm"
    try:
        from isoflop.search import weights

        folder = weights.locate(weights.pinned(name))
        weights.verify(weights.pinned(name), folder)
    except ImportError as error:
        return Finding(f"weights of {name}", False, str(error), "pip install 'isoflop[search]'")
    except IsoflopError as error:
        return Finding(
            f"weights of {name}", False, str(error).splitlines()[0], f"isoflop models pull {name}"
        )
    return Finding(f"weights of {name}", True, f"{folder}, hashes agree")


def _processor() -> Finding:
    machine = catalog.this_machine()
    core = machine.accelerator
    watts = DASH if machine.watts is None else f"{machine.watts:.3g} W (assumed: {core.source})"
    peaks = ", ".join(
        f"{number_format} {amount(rate * machine.count, 'FLOP/s')}"
        for number_format, rate in core.flops_per_second.items()
    )
    known = bool(core.flops_per_second)
    return Finding(
        "processor",
        known,
        f"{machine.count} x {core.name}, peak {peaks or DASH}, {watts}",
        "Not in the catalog: set ISOFLOP_WATTS to the power of this machine under load.",
    )


def _energy() -> Finding:
    counters, cards = meter.processor_counters(), meter.graphics_counters()
    return Finding(
        "energy counters",
        bool(counters),
        f"{len(counters)} RAPL packages, {len(cards)} graphics cards"
        if counters
        else "none readable; joules are assumed",
        "Where the processor has them, root may let you read /sys/class/powercap/*/energy_uj.",
    )


def _disk() -> Finding:
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return Finding(
        "cache",
        free > 2**28,
        f"{folder}, {free / 2**30:.1f} GiB free",
        "The model and its graph need 256 MiB; set ISOFLOP_CACHE to another folder.",
    )
