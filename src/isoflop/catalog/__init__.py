"""What is known with a source: machines, models, prices, grids."""

import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from isoflop.architecture import Architecture, Experts, Indexer, Latent, Window
from isoflop.catalog.tables import TABLES, Row, Table, find, table, user_folder
from isoflop.errors import UsageError, did_you_mean
from isoflop.machine import Accelerator, Machine
from isoflop.quantities import chips
from isoflop.recurrent import KINDS, Recurrent
from isoflop.settings import setting

__all__ = [
    "TABLES", "Row", "Table", "accelerator", "architecture", "cores", "find", "machine", "price",
    "recognised", "row", "table", "this_machine", "user_folder",
]  # fmt: skip

T = TypeVar("T")
JOULES_PER_KILOWATT_HOUR = 3.6e6
# Of a chip's row: how it is found, and from which file of the user's it came.
_BESIDE = frozenset(("aliases", "cpuinfo", "flag", "file"))
_TEXTS = frozenset(
    ("source", "date", "vendor", "evidence", "price_source", "price_date", "price_evidence", "note")
)


def row(name: str, key: str) -> Row:
    """One row of a table, by name or alias.

    Raises:
        UsageError: If there is no such row; the message names the nearest.
    """
    return find(name, key)[1]


def architecture(model: str) -> Architecture:
    """The shape of a known model, or of the one that a config.json describes.

    Args:
        model: A name or alias, or the path of a config.json or of the folder it is in.

    Raises:
        UsageError: If there is no such model, the message names the nearest; or if the user's row
            or file does not describe one.
    """
    if model in table("models"):  # encoders: no output head; TOML has no way to write None
        return _shape(model, {**table("models")[model]["architecture"], "tied": None})
    if table("architectures").find(model) is None and (path := Path(model)).exists():
        from isoflop.catalog import configuration  # here, because most models go by name

        return configuration.read(path)
    name, found = find("architectures", model)
    return _shape(name, found.get("architecture", {}))


def _shape(name: str, sizes: Row) -> Architecture:
    parts = {"experts": Experts, "latent": Latent, "window": Window, "indexer": Indexer}
    built: dict[str, object] = {
        key: _made(part, sizes[key], f"{key} of {name}")
        for key, part in parts.items()
        if key in sizes
    }
    if "recurrent" in sizes:
        built["recurrent"] = _mixers(name, sizes)
    return _made(Architecture, {**sizes, **built}, f"the architecture of {name}")


def _mixers(name: str, sizes: Row) -> Recurrent:
    """Recurrent layers of a row, of the kind that it names."""
    values = dict(sizes["recurrent"])
    kind = values.pop("kind", None)
    if kind is None:
        return _made(Recurrent, values, f"recurrent of {name}")
    if kind not in KINDS:
        raise UsageError(f"recurrent of {name} has no kind {kind!r}.{did_you_mean(kind, KINDS)}")
    try:
        return KINDS[kind](sizes["width"], **values)
    except (TypeError, KeyError) as error:
        raise UsageError(f"recurrent of {name} cannot be used: {error}.") from error


def accelerator(name: str) -> Accelerator:
    """A chip or processor core of the catalog, by name or alias.

    Raises:
        UsageError: If there is none, the message names the nearest; or if the user's row does not
            describe one.
    """
    own, found = find("accelerators", name)
    unknown = dict.fromkeys(("bytes_per_second", "bytes", "watts", "dollars_per_hour"))
    figures = {key: value for key, value in found.items() if key not in _BESIDE}
    if "file" in found:
        _checked(own, {key: value for key, value in figures.items() if key not in _TEXTS})
    if "dollars_range" in figures:
        low, high = figures["dollars_range"]
        figures["dollars_range"] = (float(low), float(high))
    return _made(Accelerator, {"name": own, **unknown, **figures}, own)


def _checked(name: str, figures: Row) -> None:
    """Refuse what a user wrote for a figure, if it is not a number above zero."""
    for key, value in figures.items():
        each = value.values() if isinstance(value, Mapping) else [value]
        for figure in [part for v in each for part in (v if isinstance(v, list) else [v])]:
            if isinstance(figure, bool) or not isinstance(figure, int | float):
                raise UsageError(f"{name}: {key} must be a number, not {figure!r}.")
            if not 0 < figure < math.inf:
                raise UsageError(f"{name}: {key} must be more than zero and finite, not {figure}.")


def _made(kind: type[T], values: Row, what: str) -> T:
    """A noun from a row; what is wrong with a row of the user's is said."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # dataclasses
    for key in values:
        if key not in known:
            raise UsageError(f"{what} has no {key!r} in this catalog.{did_you_mean(key, known)}")
    needed = [name for name, field in known.items() if field.default is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise UsageError(f"{what} lacks {', '.join(missing)}.")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} cannot be used: {error}.") from error


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
    name, place = find("grids", grid or str(setting("grid").value))
    grams = place.get("grams_per_kilowatt_hour")
    _checked(name, {"grams_per_kilowatt_hour": grams})
    return Machine(
        accelerator=core,
        count=count,
        grams_co2e_per_joule=float(grams or 0) / JOULES_PER_KILOWATT_HOUR,
        power_usage_effectiveness=float(
            overhead or setting("power_usage_effectiveness").value or 1.0
        ),
        grid=f"{name} {place.get('year') or place['date'][:4]}",
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
    rows = table("accelerators")
    for name in rows.having("cpuinfo"):
        if _is(processor, rows[name]["cpuinfo"]):
            return name
    flags = set(processor.get("flags", "").split())
    return next((name for name in rows.having("flag") if rows[name]["flag"] in flags), None)


def _is(processor: Mapping[str, str], known: Row) -> bool:
    return (
        processor.get("vendor_id") == known["vendor_id"]
        and processor.get("cpu family") == str(known["family"])
        and int(processor.get("model", -1)) in known["models"]
    )


@cache
def _processor() -> Mapping[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:  # not Linux: nothing is known unless the setting `machine` says so
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


_UNKNOWN = Accelerator("unknown", {}, None, None, None, None, "not recognised", "")
