"""What a training was worth and took, as report.json and `--json` have it."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.plan.price import run_bill
from isoflop.train.loss import HeldOut
from isoflop.train.pretrain import Training

PLAN, REPORT = "plan.json", "report.json"
# The figures that the ledger's last line has.
SUMMARY = (
    "perplexity", "bits_per_byte", "nats_per_token", "tokens", "tokens_per_second", "mfu",
    "flops", "seconds", "processor_seconds", "forecast", "bill",
)  # fmt: skip


def figures(
    training: Training, quality: HeldOut, forecast: Bill, *, peak: float, threads: int
) -> dict[str, Any]:
    """Quality, speed, and what was forecast beside what was paid.

    Args:
        training: When it is done.
        quality: Of the model it made.
        forecast: From before.
        peak: Measured rate of matrix products, FLOP/s.
        threads: Of the computation.
    """
    recipe, flops = training.recipe, training.flops
    bill = run_bill(
        catalog.this_machine(),
        seconds=training.seconds,
        flops=flops,
        joules=training.joules,
        prompt_tokens=recipe.tokens,
    )
    curve = [
        {key: line[key] for key in ("step", "tokens", "loss", "seconds")}
        for line in training.ledger.read()
        if line["kind"] == "step"
    ]
    return {
        "perplexity": quality.perplexity,
        "bits_per_byte": quality.bits_per_byte,
        "nats_per_token": quality.nats_per_token,
        "held_out": asdict(quality),
        "tokens": recipe.tokens,
        "steps": recipe.steps,
        "tokens_per_second": recipe.tokens / training.seconds,
        "processor_seconds": training.processor_seconds,
        "mfu": None if flops is None else flops / training.seconds / peak,
        "matmul_flops_per_second": peak,
        "dtype": recipe.dtype,
        "threads": threads,
        "flops": flops,
        "seconds": training.seconds,
        "forecast": forecast.as_dict(),
        "bill": bill.as_dict(),
        "loss_curve": curve,
    }


def forecast_bill(flops: float | None, seconds: float, tokens: float) -> Bill:
    """What a training is expected to take on this machine."""
    return run_bill(
        catalog.this_machine(), seconds=seconds, flops=flops, prompt_tokens=tokens, basis="forecast"
    )


def finished(folder: Path, wish: dict[str, Any]) -> dict[str, Any] | None:
    """The report of a run that is done, if it was asked for in the same way; None if not."""
    file = folder / REPORT
    report: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return report if report.get("wish") == wish else None


def write(path: Path, values: dict[str, Any]) -> None:
    """A file of JSON, whole or not at all."""
    fresh = path.with_suffix(".part")
    fresh.write_text(json.dumps(values, indent=1) + "\n")
    fresh.replace(path)


def free_bytes() -> float | None:
    """Memory that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable"))
        return float(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        try:
            return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        except (ValueError, OSError, AttributeError):
            return None
