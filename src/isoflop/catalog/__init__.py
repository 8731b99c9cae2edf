"""What is known with a source: machines, models, prices, grids."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from isoflop.architecture import Architecture, Experts, Latent, Recurrent, Window
from isoflop.errors import UsageError, did_you_mean
from isoflop.machine import Accelerator, Machine
from isoflop.quantities import chips
from isoflop.settings import setting

JOULES_PER_KILOWATT_HOUR = 3.6e6


@cache
def table(name: str) -> Mapping[str, Mapping[str, Any]]:
    """One table of the catalog, by row name.

    Args:
        name: "accelerators", "architectures", "models", "grids" or "prices".
    """
    import tomllib  # here, because most commands that start quickly read no table

    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def row(name: str, key: str) -> Mapping[str, Any]:
    """One row of a table.

    Raises:
        UsageError: If there is no such row; the message names the nearest.
    """
    rows = table(name)
    if key not in rows:
        raise UsageError(f"Nothing called {key!r} in {name}.{did_you_mean(key, rows)}")
    return rows[key]


def architecture(model: str) -> Architecture:
    """The shape of a known model.

    Raises:
        UsageError: If there is no such model; the message names the nearest.
    """
    if model in table("models"):  # encoders: no output head; TOML has no way to write None
        return _shape({**table("models")[model]["architecture"], "tied": None})
    return _shape(row("architectures", model)["architecture"])


def _shape(sizes: Mapping[str, Any]) -> Architecture:
    parts = {"experts": Experts, "latent": Latent, "window": Window, "recurrent": Recurrent}
    built = {name: part(**sizes[name]) for name, part in parts.items() if name in sizes}
    return Architecture(**{**sizes, **built})


def accelerator(name: str) -> Accelerator:
    """A processor core or chip of the catalog.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    found = row("accelerators", name)
    known = {field.name for field in fields(Accelerator)} - {"name"}
    optional = dict.fromkeys(("bytes_per_second", "bytes", "watts", "dollars_per_hour"))
    return Accelerator(name=name, **{**optional, **{k: v for k, v in found.items() if k in known}})


def machine(
    text: str,
    *,
    grid: str | None = None,
    power_usage_effectiveness: float | None = None,
    dollars_per_hour: float | None = None,
) -> Machine:
    """So many chips, as written: "8xh100-sxm", or "this" for the machine this runs on.

    Args:
        text: Count and name.
        grid: Name of a row of grids; None for the setting.
        power_usage_effectiveness: PUE; None for the setting.
        dollars_per_hour: Price of one chip; None for the catalog's.

    Raises:
        UsageError: If the chip or the grid is unknown; the message names the nearest.
    """
    if text.strip().lower() in ("this", "this machine"):
        here = this_machine()
        core, number = here.accelerator, here.count
    else:
        number, name = chips(text)
        core = accelerator(name)
    if dollars_per_hour is not None:
        core = replace(core, dollars_per_hour=dollars_per_hour)
    return _placed(core, number, grid, power_usage_effectiveness)


def this_machine() -> Machine:
    """The machine this process runs on: its cores, as settings and the catalog know them.

    Watts and price set by the user are the whole machine's and replace the catalog's.
    """
    name = setting("machine").value or recognised(_processor())
    core = accelerator(str(name)) if name else _UNKNOWN
    count = int(setting("cores").value or cores())
    watts, price = setting("watts").value, setting("dollars_per_hour").value
    if watts is not None:
        core = replace(core, watts=float(watts) / count)
    if price is not None:
        core = replace(core, dollars_per_hour=float(price) / count)
    return _placed(core, count)


def _placed(
    core: Accelerator, count: int, grid: str | None = None, overhead: float | None = None
) -> Machine:
    name = grid or str(setting("grid").value)
    place = row("grids", name)
    return Machine(
        accelerator=core,
        count=count,
        grams_co2e_per_joule=place["grams_per_kilowatt_hour"] / JOULES_PER_KILOWATT_HOUR,
        power_usage_effectiveness=float(
            overhead or setting("power_usage_effectiveness").value or 1.0
        ),
        grid=f"{name} {place['date'][:4]}",
    )


def price(model: str, base_url: object = None) -> Mapping[str, float] | None:
    """Dollars per token of a served model; None where no price is known.

    Args:
        model: Its name at that server.
        base_url: Address of the server; None for OpenAI's.
    """
    from urllib.parse import urlsplit

    host = urlsplit(str(base_url)).hostname if base_url else "api.openai.com"
    return table("prices").get(f"{host}/{model}")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def recognised(processor: Mapping[str, str]) -> str | None:
    """The catalog's name for a processor as /proc/cpuinfo describes it; None if unknown."""
    flags = set(processor.get("flags", "").split())
    for name, known in table("accelerators").items():
        if "flag" in known:
            if known["flag"] in flags:
                return name
        elif (
            processor.get("vendor_id") == known.get("vendor")
            and processor.get("cpu family") == str(known.get("family"))
            and int(processor.get("model", -1)) in known.get("models", [])
        ):
            return name
    return None


@cache
def _processor() -> Mapping[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:  # not Linux: nothing is known unless the setting `machine` says so
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


_UNKNOWN = Accelerator("unknown", {}, None, None, None, None, "not recognised", "")
