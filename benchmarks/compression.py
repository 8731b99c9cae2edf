"""Four texts compressed by the shipped model and decoded by a second process, beside others.

    python -m benchmarks.compression                 # all, a quarter of an hour of processor time
    python -m benchmarks.compression alice29.txt     # one text; the other rows are kept

The second process is started with two threads, so that it shows whether bits depend on them.
None of the texts was seen in training, and no constant was chosen on them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.data import evaldata
from benchmarks.machine import RESULTS, save

TEXTS = ("alice29.txt", "asyoulik.txt", "lcet10.txt", "plrabn12.txt")
COMMAND = (sys.executable, "-m", "isoflop")
MOST_EXCESS = 1.003, 64  # of the ideal length, and bits


def main(*names: str) -> None:
    """Measure, print and save what was measured, text by text."""
    file = RESULTS / "compression.json"
    kept = json.loads(file.read_text("utf-8"))["texts"] if file.exists() else []
    rows = {row["text"]: row for row in kept}
    for name in names or TEXTS:
        rows[name] = row(evaldata() / "text" / name)
        save("compression", {"texts": [rows[each] for each in TEXTS if each in rows]})
        print(line(rows[name]), flush=True)


def row(text: Path) -> dict[str, Any]:
    """One text there and back."""
    with tempfile.TemporaryDirectory() as folder:
        small, back = Path(folder) / "small", Path(folder) / "back"
        started = processor_seconds()
        run = subprocess.run(
            [*COMMAND, "compress", str(text), "--out", str(small), "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        report: dict[str, Any] = json.loads(run.stdout)
        middle = processor_seconds()
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
        subprocess.run(
            [*COMMAND, "decompress", str(small), "--out", str(back)], env=environment, check=True
        )
        return {
            "text": text.name,
            **{name: value for name, value in report.items() if name not in ("file", "out")},
            "same_bytes": back.read_bytes() == text.read_bytes(),
            "processor_seconds": {
                "compress and verify": middle - started,
                "decompress": processor_seconds() - middle,
            },
        }


def processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def smaller(row: dict[str, Any]) -> bool:
    """Whether the model made the text smaller than every other compressor did."""
    rivals = (made["bytes"] for made in row["rivals"].values())
    return all(row["compressed_bytes"] < made for made in rivals if made is not None)


def close(row: dict[str, Any]) -> bool:
    """Whether the coder wrote about as many bits as an ideal one."""
    factor, bits = MOST_EXCESS
    return bool(row["coder_bits"] <= factor * row["ideal_bits"] + bits)


def line(row: dict[str, Any]) -> str:
    """What the bars ask for."""
    rivals = {name: made["bytes"] for name, made in row["rivals"].items()}
    return (
        f"{row['text']}: {row['compressed_bytes']:,} bytes, {row['bits_per_byte']:.3f} bits per "
        f"byte; others {rivals}; smaller than all: {smaller(row)}; same bytes: "
        f"{row['same_bytes']}; coder within the bar: {close(row)}; processor seconds "
        f"{row['processor_seconds']}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
