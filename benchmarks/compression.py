"""Four texts compressed by the shipped model and decoded by a second process, beside others.

    python -m benchmarks.compression                 # some ten minutes of processor time
    python -m benchmarks.compression alice29.txt     # one text

The second process is started with two threads, so that it shows whether bits depend on them.
None of the texts was seen in training, and no constant was chosen on them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.data import evaldata
from benchmarks.machine import save

TEXTS = ("alice29.txt", "asyoulik.txt", "lcet10.txt", "plrabn12.txt")
COMMAND = (sys.executable, "-m", "isoflop")
MOST_EXCESS = 1.003, 64  # of the ideal length, and bits


def main(*names: str) -> None:
    """Measure, print and save what was measured."""
    rows = []
    for name in names or TEXTS:
        rows.append(row(evaldata() / "text" / name))
        save("compression", {"texts": rows})
        print(line(rows[-1]), flush=True)


def row(text: Path) -> dict[str, Any]:
    """One text there and back."""
    with tempfile.TemporaryDirectory() as folder:
        small, back = Path(folder) / "small", Path(folder) / "back"
        started = time.perf_counter()
        run = subprocess.run(
            [*COMMAND, "compress", str(text), "--out", str(small), "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        report: dict[str, Any] = json.loads(run.stdout)
        middle = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
        subprocess.run(
            [*COMMAND, "decompress", str(small), "--out", str(back)], env=environment, check=True
        )
        return {
            "text": text.name,
            **report,
            "same_bytes": back.read_bytes() == text.read_bytes(),
            "seconds": {
                "compress and verify": middle - started,
                "decompress": time.perf_counter() - middle,
            },
        }


def line(row: dict[str, Any]) -> str:
    """What the bars ask for."""
    factor, bits = MOST_EXCESS
    rivals = {name: made["bytes"] for name, made in row["rivals"].items() if made["bytes"]}
    smaller = all(row["compressed_bytes"] < made for made in rivals.values())
    within = row["coder_bits"] <= factor * row["ideal_bits"] + bits
    return (
        f"{row['text']}: {row['compressed_bytes']:,} bytes, {row['bits_per_byte']:.3f} bits per "
        f"byte; others {rivals}; smaller than all: {smaller}; same bytes: {row['same_bytes']}; "
        f"coder within the bar: {within}; seconds {row['seconds']}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
