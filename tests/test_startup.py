"""Light commands import nothing heavy: looked at in `sys.modules`, not on the clock."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "altair", "httpx", "lxml", "numpy", "openvino", "pypdfium2", "scipy", "tantivy", "tokenizers",
    "torch", "vl_convert",
}  # fmt: skip
PROBE = """
import json, sys
sys.argv = ["isoflop", *{arguments}]
from isoflop.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code
print("MODULES", json.dumps([code, sorted(sys.modules)]))
"""


def modules(*arguments: str) -> set[str]:
    """The modules a command leaves loaded, in a fresh interpreter."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(run.stdout.partition("MODULES ")[2])
    assert code == 0, run.stderr
    return set(names)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("plan", "--help"),
        ("plan", "training", "--budget", "256 a100-80gb for 30 days"),
        ("plan", "memory", "llama-3.1-8b", "--on", "8xh100-sxm"),
        ("plan", "finetuning", "llama-3.1-8b", "--tokens", "1e6", "--on", "h100-sxm"),
        ("plan", "retrieval", "--characters", "1e6"),
        ("plan", "energy", "--on", "8xavx512-core", "--hours", "100"),
        ("plan", "audit", "--params", "1e9", "--tokens", "2e10", "--flops", "1e20"),
        ("plan", "lifetime", "--quality-of", "13e9", "--served-tokens", "2e12"),
        ("plan", "equivalents", "--kwh", "1000"),
        ("plan", "methods", "--corpus", "1e5", "--model", "llama-3.1-8b", "--on", "1xh100-sxm"),
        ("plan", "serving", "llama-3.1-8b", "--on", "h100-sxm"),
        ("plan", "fit", "--help"),
        ("exam", "--help"),
        ("exam", "score", "--help"),
        ("exam", "make", "--help"),
        ("config",),
        ("catalog",),
        ("catalog", "accelerators", "h100"),
        ("catalog", "architectures", "llama-3.1-8b"),
        ("world", "--help"),
        ("generate", "--help"),
        ("perplexity", "--help"),
        ("compress", "--help"),
        ("decompress", "--help"),
        ("detect", "--help"),
        ("detect", "text", "--help"),
        ("detect", "audit", "--help"),
        ("ask", "--help"),
        ("search", "--help"),
        ("compare", "--help"),
        ("index", "--help"),
    ],
)
def test_light_commands_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not HEAVY & modules(*arguments)


def test_help_imports_no_command_and_few_of_our_modules() -> None:
    ours = {name for name in modules("--help") if name.startswith("isoflop.")}
    assert "isoflop.search.update" not in ours
    assert "isoflop.cli.demo" not in ours
    assert len(ours) < 25


def test_the_nouns_import_nothing_heavy() -> None:
    probe = "import isoflop, sys; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not HEAVY & set(run.stdout.split())
