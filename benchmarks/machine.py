"""What a figure was measured on: processor, memory, kernel, versions, date, commit and load.

Every result under `benchmarks/results` carries one of these descriptions, so that a figure can
be judged, and repeated, without asking the person who measured it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

PACKAGES = ("isoflop", "numpy", "openvino", "tokenizers", "tantivy", "usearch", "torch")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")


def describe(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """The machine and the software of this process, as plain JSON values.

    Args:
        packages: Distributions whose versions matter to the figure; absent ones are left out.

    Returns:
        Strings, numbers and lists only. What the system does not tell is `None`.
    """
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "instructions": instructions(),
        "memory_bytes": memory_bytes(),
        "kernel": platform.release(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": versions(packages),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "modified": modified(),
        "load_average": load_average(),
    }


def processor() -> str | None:
    """The processor's model name, with family and model number where the name says little."""
    fields = _cpu_fields()
    name = fields.get("model name") or platform.processor() or None
    if name and "cpu family" in fields:
        return f"{name} (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def instructions() -> list[str]:
    """Those vector instruction sets of the processor that decide how fast int8 and fp32 run."""
    flags = _cpu_fields().get("flags", "").split()
    return [name for name in INSTRUCTIONS if name in flags]


def memory_bytes() -> int | None:
    """Physical memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions of those packages that this interpreter has."""
    installed = {}
    for package in packages:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def load_average() -> float | None:
    """Runnable processes, averaged over the last minute; one per core means a busy machine."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def commit() -> str | None:
    """The commit the working tree stands on."""
    return _git("rev-parse", "HEAD")


def modified() -> bool | None:
    """Whether tracked source files differ from that commit, so the commit alone is not enough."""
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/*.py")
    return None if changes is None else bool(changes)


def save(name: str, result: dict[str, Any]) -> Path:
    """Write `benchmarks/results/NAME.json` with the machine's description added.

    Args:
        name: The result's name, which is also the file's.
        result: Plain JSON values. A key "machine" in it is kept as it is.

    Returns:
        The file written.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    whole = {"name": name, "machine": describe()} | result
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_fields() -> dict[str, str]:
    """The first core's block of /proc/cpuinfo; empty where there is none."""
    try:
        block = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
