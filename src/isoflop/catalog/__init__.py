"""What is known with a source: machines, models, prices, grids."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from isoflop.architecture import Architecture
from isoflop.errors import UsageError, did_you_mean
from isoflop.machine import Accelerator, Machine
from isoflop.settings import setting

JOULES_PER_KILOWATT_HOUR = 3.6e6


@cache
def table(name: str) -> Mapping[str, Mapping[str, Any]]:
    """One table of the catalog, by row name.

    Args:
        name: "machines", "models", "grids" or "prices".
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
    """The shape of a known model."""
    known = row("models", model)
    if known["kind"] == "encoder":  # no output head; TOML has no way to write None
        return Architecture(**known["architecture"], tied=None)
    return Architecture(**known["architecture"])


def accelerator(name: str) -> Accelerator:
    """A processor core or chip of the catalog."""
    found = row("machines", name)
    return Accelerator(
        name=name,
        flops_per_second=found["flops_per_second"],
        bytes_per_second=found.get("bytes_per_second"),
        bytes=found.get("bytes"),
        watts=found.get("watts"),
        dollars_per_hour=found.get("dollars_per_hour"),
        source=found["source"],
        date=found["date"],
    )


def this_machine() -> Machine:
    """The machine this process runs on: its cores, as settings and the catalog know them.

    Watts and price set by the user are the whole machine's and replace the catalog's.
    """
    name = setting("machine").value or recognised(_processor())
    core = accelerator(str(name)) if name else _UNKNOWN
    count = int(setting("cores").value or cores())
    watts, price = setting("watts").value, setting("dollars_per_hour").value
    grid = row("grids", str(setting("grid").value))
    return Machine(
        accelerator=Accelerator(
            name=core.name,
            flops_per_second=core.flops_per_second,
            bytes_per_second=core.bytes_per_second,
            bytes=core.bytes,
            watts=core.watts if watts is None else float(watts) / count,
            dollars_per_hour=core.dollars_per_hour if price is None else float(price) / count,
            source=core.source,
            date=core.date,
        ),
        count=count,
        grams_co2e_per_joule=grid["grams_per_kilowatt_hour"] / JOULES_PER_KILOWATT_HOUR,
        power_usage_effectiveness=float(setting("power_usage_effectiveness").value or 1.0),
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
    for name, known in table("machines").items():
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
