"""Development rows as jobs: published shapes, layouts and conventions, read from CSV and notes."""

import math
import re
from dataclasses import dataclass
from itertools import product

from benchmarks.facts import Row, facts, number
from isoflop import catalog
from isoflop.architecture import Architecture, Experts
from isoflop.machine import Accelerator
from isoflop.plan.flops import parameters, training_flops_per_token
from isoflop.plan.parallel import Layout
from isoflop.plan.shape import shape
from isoflop.plan.training import Job, training_format

UNSTATED_BATCH = 2048  # sequences; Llama 3's 16M tokens at 8192 (arXiv:2407.21783, table 4)

# MaxText's scripts of the time (AI-Hypercomputer/maxtext, MaxText/configs/v5e and v5p, commits
# 07775101 and 0d9779a5): sequences a chip, tensor parallelism, remat_policy, by chip and scale.
MAXTEXT = {
    ("v5e", 16): (6, 1, "full"), ("v5e", 32): (4, 1, "full"), ("v5e", 64): (2, 1, "full"),
    ("v5e", 128): (1, 16, "minimal"), ("v5p", 32): (7, 4, "minimal"),
    ("v5p", 128): (1, 8, "minimal"), ("v5p", 512): (2, 8, "full"), ("v5p", 1024): (2, 8, "full"),
    ("v5p", 1160): (2, 16, "full"),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A measured throughput: the job, and tokens a second and chip."""

    name: str
    source: str
    job: Job
    rate: float


@dataclass(frozen=True)
class Run:
    """A training run that was paid for: what went in, and the chip-hours."""

    name: str
    family: str
    architecture: Architecture
    tokens: float
    accelerator: Accelerator
    chips: int | None
    length: int
    year: int
    number_format: str | None
    hours: float
    rough: bool


def throughput() -> list[Measured]:
    """Every row of known layout: MosaicML's table, and the benchmarks among the runs."""
    others = [row for row in facts("training_runs.csv") if row["row_type"] == "benchmark"]
    return [_mosaic(row) for row in facts("training_throughput.csv")] + [
        _maxtext(row) if row["name"].startswith("MaxText") else _noted(row) for row in others
    ]


def runs() -> list[Run]:
    """Every run and price-list row with parameters, tokens and chip-hours."""
    rows = [row for row in facts("training_runs.csv") if row["row_type"] in ("run", "price-list")]
    return [
        _run(row) for row in rows if row["tokens"] and row["chip_hours"] and row["params_active"]
    ]


def chip(name: str) -> Accelerator:
    """The catalog's row for a chip as the facts name it."""
    return catalog.accelerator(name.lower().replace("tpuv", "tpu-v"))


def architecture(row: Row) -> Architecture:
    """The shape in a row, gate and tied head chosen so that the total is nearest to the published.

    Where layers are not given, a usual shape of that size.
    """
    total = float(row["params_total"] or row["params_active"])
    active = float(row.get("params_active") or total)
    if not row["layers"]:
        return shape(total if active == total else active)
    vocabulary = int(row["vocab"] or 50257)
    width, heads = int(row["d_model"]), int(row["heads"])
    hidden = int(row.get("d_ff") or 4 * width)
    head_width = None if width % heads == 0 else max(1, width // heads)
    kv = int(row.get("kv_heads") or heads)
    made = [
        Architecture(
            int(row["layers"]), width, heads, hidden, vocabulary, kv, head_width, gated, tied=tied
        )
        for gated, tied in product((False, True), (True, False))
    ]
    if active < total:
        return _mixture(made[3], total, active, 8 if int(row["year"]) >= 2024 else 2)
    return min(made, key=lambda a: abs(math.log(parameters(a) / total)))


def _mixture(dense: Architecture, total: float, active: float, used: int) -> Architecture:
    """Experts in every layer so that active and total parameters are the published ones."""
    a = dense
    beside = a.layers * a.attention_parameters + 2 * a.vocabulary * a.width
    one = max(active - beside, 0.2 * active) / used / (3 * a.width * a.layers)
    count = max(used, round((total - beside) / (one * 3 * a.width * a.layers)))
    return Architecture(
        a.layers, a.width, a.heads, 0, a.vocabulary, a.kv_heads, a.head_width, True,
        tied=False, experts=Experts(count, used, max(1, round(one))),
    )  # fmt: skip


def _mosaic(row: Row) -> Measured:
    layout = Layout(
        int(row["n_chips"]),
        sharding=3 if row["sharding"] == "FULL_SHARD" else 2,
        microbatch=int(row["microbatch"]),
        accumulation=int(row["grad_accum"]),
        recompute="full" if row["activation_checkpointing"] == "True" else "none",
        half_reduce=row["mp_mode"] == "PURE",
    )
    job = Job(
        architecture(row), chip(row["chip"]), layout, int(row["seq_len"]), year=int(row["year"])
    )
    return Measured(row["name"], "MosaicML", job, float(row["tokens_per_s_per_chip"]))


def _noted(row: Row) -> Measured:
    """A benchmark whose layout its notes tell."""
    note, chips, year = row["notes"], int(row["n_chips"]), int(row["year"])
    a, length = architecture(row), int(row["seq_len"])
    source = re.split(r" T\d| |-\d", row["name"])[0]
    both = _noted_number(note, "model-parallel=")
    tensor = _noted_number(note, "TP=?") or (8 if both and both > 1 else 1)
    pipeline = _noted_number(note, "PP=?") or (both or tensor) // tensor
    batch = number(row["global_batch_seqs"]) or UNSTATED_BATCH
    microbatch = _noted_number(note, "microbatch=") or _noted_number(note, "mbs") or 1
    if source == "Korthikanti":  # table 3 of the paper: TP 8, one data-parallel rank
        tensor, pipeline = 8, chips // 8
        microbatch = int(batch) if pipeline == 1 else 1
    if "MegaScale" in row["name"]:  # its table 2: Megatron-LM's best, TP 8, PP 8
        tensor, pipeline, note = 8, 8, "selective, sequence parallel"
    per_stage = a.layers // pipeline
    sharded = "ZeRO-3" in note
    layout = Layout(
        chips, tensor, pipeline,
        interleave=max(1, min(8, per_stage)) if pipeline > 1 and year >= 2022 else 1,
        sharding=3 if sharded else 0,
        microbatch=microbatch,
        recompute=_noted_recompute(note),
        sequence_parallel="sequence parallel" in note or year >= 2024,
        offload="offload" in note,
    ).with_batch(batch)  # fmt: skip
    job = Job(a, chip(row["chip"]), layout, length, year=year)
    return Measured(row["name"], source, job, _rate(row, job, batch))


def _rate(row: Row, job: Job, batch: float) -> float:
    """Tokens a second and chip, from a step's seconds or from FLOP/s by the row's convention."""
    if row["iter_seconds"]:
        return batch * job.length / float(row["iter_seconds"]) / job.layout.chips
    reached = 1e12 * float(row["reported_TFLOPs_per_chip"])
    if "96Bslh^2" in row["notes"] or "counts recompute" in row["notes"]:
        a = job.architecture
        head = 6 * a.vocabulary * a.width  # counted once: 96 B s l h^2 (1 + s/6h + V/16lh)
        layers = training_flops_per_token(a, job.length, causal=False) - head
        return reached / (4 / 3 * layers + head)
    causal = "causal" in row["notes"] or not row["reported_HFU"]
    return reached / training_flops_per_token(job.architecture, job.length, causal=causal)


def _noted_number(note: str, before: str) -> int | None:
    found = re.search(before + r"(\d+)", note)
    return int(found[1]) if found else None


def _noted_recompute(note: str) -> str:
    if "selective" in note:
        return "selective"
    again = ("full recompute", "full activation recompute", "checkpointing", "counts recompute")
    return "full" if any(word in note for word in again) or "PP35" in note else "none"


def _maxtext(row: Row) -> Measured:
    """A row of MaxText's tables; its FLOPs are 6 N and attention to all tokens."""
    accelerator, length = chip(row["chip"]), 2048
    size = round(float(row["params_total"]) / 1e9)
    each, tensor, policy = MAXTEXT[accelerator.name.removeprefix("tpu-"), size]
    layout = Layout(
        int(row["n_chips"]), tensor, sharding=3, microbatch=each * tensor,
        recompute="full" if policy == "full" else "selective",
        sequence_parallel=True, half_reduce=True,
    )  # fmt: skip
    a = _maxtext_shape(1024 if size == 1160 else size)
    job = Job(a, accelerator, layout, length, year=int(row["year"]))
    flops = 6 * float(row["params_total"]) + 12 * a.layers * a.query_width * length
    peak = accelerator.flops_per_second[training_format(accelerator)]
    return Measured(row["name"], "MaxText", job, float(row["reported_MFU"]) / 100 * peak / flops)


def _maxtext_shape(scale: int) -> Architecture:
    """MaxText's `global_parameter_scale` (pyconfig.py, get_individual_scales): 1 is 2048 wide with
    16 layers; heads and feed-forward double first, then width, then layers.
    """
    thirds, rest = divmod(int(math.log2(scale)), 3)
    heads, width = 2 ** (thirds + (rest > 0)), 2 ** (thirds + (rest > 1))
    return Architecture(
        16 * 2**thirds, 2048 * width, 16 * heads, 7168 * heads, 32000, head_width=128,
        gated=True, tied=False,
    )  # fmt: skip


def _run(row: Row) -> Run:
    accelerator = chip(row["chip"])
    rough = row["row_type"] == "price-list" or bool(
        re.search(r"~|about|<|derived|uncertain", row["hours_or_chip_hours"] + row["notes"])
    )
    return Run(
        row["name"],
        re.split(r"[-. ]\d|-[A-Z]?\d|-Scout|-XL| v1| n\d| d\d", row["name"])[0],
        architecture(row),
        float(row["tokens"]),
        accelerator,
        int(row["n_chips"]) if row["n_chips"] else None,
        int(row["seq_len"] or 2048),
        int(row["year"]),
        "fp8" if row["precision"].startswith("fp8") else None,
        float(row["chip_hours"]),
        rough,
    )
