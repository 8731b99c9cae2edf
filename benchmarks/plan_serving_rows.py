"""Published measurements of inference as deployments of ours, with what was measured in seconds.

How the columns are read, where they can be read in more than one way:

- TensorRT-LLM's tables of throughput are output tokens x batch over the whole time, per chip where
  the column says so, and in the A100 rows of two chips too (their size shows it).
- `layer split` (llama.cpp) is a pipeline: every chip works on its layers in turn.
- Online rows count a group's sequences in the note ("per-replica batch"); the column has all
  groups' together.
- Online rows that come from InferenceMAX (by way of a dump or a dated file) multiply what it counts
  for the same chips: 8-way tensor and 8-way expert parallelism are 8 chips there and 64 in the
  row; 4 chips with attention in 4 groups and experts over all 4 are 16. Their names ("tp4_ep4")
  and times say so. Such rows are read as so many chips as one of the equal factors.
- Online lengths of 1,024 and 8,192 are the longest of lengths drawn evenly from 0.8 of them
  upwards (InferenceMAX's random_range_ratio, recalled); the others are exact.
- A cache without a format is 8 bits wide where the weights are 8 or 4 bits, else 16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.facts import facts
from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.machine import Accelerator
from isoflop.plan.deployment import Deployment
from isoflop.plan.engines import ENGINES

# The rows' names of models that the catalog knows by others.
MODELS = {
    "GPT-20B": "megatron-gpt-20b",
    "Megatron-530B": "mt-nlg-530b",
    "GPT-175B": "gpt-3-175b",
    "GPT-J 6B": "gpt-j-6b",
    "LLaMA 7B": "llama-7b",
    "LLaMA 70B": "llama-2-70b",  # there was no other of that size in 2023
    "DeepSeek-R1": "deepseek-v3",  # the same shape
    "DeepSeek-R1-NVFP4": "deepseek-v3",
    "DeepSeek-V3.1-NVFP4": "deepseek-v3",
    "MiniMax-M2.5": "minimax-m2",
    "Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "Qwen3-32B-NVFP4": "qwen3-32b",
}
# Sizes that name no model: FasterTransformer docs/gpt_guide.md, and kipp.ly for the 13B.
OTHERS = {
    "GPT-6.7B": Architecture(32, 4096, 32, 4 * 4096, 51200, biases=True),
    "kipply-13B": Architecture(40, 5120, 40, 4 * 5120, 51200, biases=True),
}
CHIPS = {"MI250X (1 GCD)": "mi250x-gcd", "TPUv4": "tpu-v4", "M1 7\u2011Core GPU 8GB": "m1"}
ENGINE = {
    "TensorRT-LLM": "tensorrt-llm-0.6",
    "trtllm": "tensorrt-llm",
    "FasterTransformer": "faster-transformer",
    "PaLM inference (JAX)": "jax",
}
FORMAT = {"f16": "fp16", "Q4_K_M": "q4_k_m", "int4-g32": "int4"}
SHORTEST = 0.8  # of the longest length, in online rows of 1,024 and 8,192


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Attributes:
        deployment: One copy.
        batch: Sequences at once in the copy.
        prompt: Tokens read; 0 where only writing was measured.
        output: Tokens written; 0 where only reading was measured.
        metric: "total", "first", "token", "answer" (seconds) or "rate" (output tokens per second
            of one chip or of the copy), "read rate".
        value: Measured.
        online: Whether requests came one after another; else one batch was read and written.
        per: Chips that a rate is divided by.
        spread: Of lengths, to either side.
        model: As the row names it.
        source: Of the row.
    """

    deployment: Deployment
    batch: int
    prompt: float
    output: float
    metric: str
    value: float
    online: bool
    per: int
    spread: float
    model: str
    source: str

    @property
    def groups(self) -> dict[str, str]:
        """What may be left out whole."""
        d = self.deployment
        return {"chip": d.chip.name, "model": self.model, "engine": d.engine.name}


def static_rows() -> list[Measured]:
    """One batch read and written; utilisations that are printed beside a time are left out."""
    rows = facts("inference_measurements.csv")
    return [
        _static(row)
        for row in rows
        if "online" not in row["value_kind"] and row["metric"] != "mfu_pct"
    ]


def online_rows() -> list[Measured]:
    """Requests one after another: time per output token, first token, and the two together."""
    pairs: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for row in facts("inference_measurements.csv"):
        if "online" in row["value_kind"]:
            same = (row["name"].rpartition("|")[0], row["engine_version"], row["notes"])
            pairs.setdefault(same, {})[row["metric"]] = row
    found = []
    for pair in pairs.values():
        token = _online(pair["tpot_ms"], "token") if "tpot_ms" in pair else None
        first = _online(pair["ttft_ms"], "first") if "ttft_ms" in pair else None
        found += [one for one in (token, first) if one]
        if token and first:
            answer = first.value + (token.output - 1) * token.value
            found.append(replace(token, metric="answer", value=answer))
    return found


def _static(row: Mapping[str, str]) -> Measured:
    engine, metric, value = row["engine"], row["metric"], float(row["value"])
    chips, split = int(row["n_chips"]), int(row["tp"] or 1)
    pipeline = int(float(row["pp"] or 1))
    if engine == "PaLM inference (JAX)":
        split = chips
    if row["other_parallel"] == "layer split":
        pipeline = chips
    prompt, output = int(row["input_tokens"]), int(row["output_tokens"])
    known = {
        "total_latency_ms": ("total", value / 1e3),
        "ttft_ms": ("first", value / 1e3),
        "tpot_ms": ("token", value / 1e3),
        "latency_s": ("token", value / output) if output else ("first", value),
        "prefill_tok_per_s": ("read rate", value),
        "output_tok_per_s": ("rate", value),
        "output_tok_per_s_per_gpu": ("rate", value),
    }
    name, figure = known[metric]
    if engine in ("llama.cpp", "gpt-fast") and name == "rate":  # writing alone was timed
        name, figure = "token", 1 / value
    return Measured(
        deployment=_deployment(row, split, 1, pipeline),
        batch=int(row["batch_or_concurrency"]),
        prompt=prompt,
        output=output,
        metric=name,
        value=figure,
        online=False,
        per=chips if metric.endswith("per_gpu") else 1,
        spread=0.0,
        model=row["model"],
        source=row["source"],
    )


def _online(row: Mapping[str, str], metric: str) -> Measured:
    split, copies, each = _chips(row)
    prompt, output = float(row["input_tokens"]), float(row["output_tokens"])
    drawn = prompt in (1024, 8192) and output in (1024, 8192)
    mean = (1 + SHORTEST) / 2 if drawn else 1.0
    return Measured(
        deployment=_deployment(row, split, copies, 1),
        batch=each * copies,
        prompt=prompt * mean,
        output=output * mean,
        metric=metric,
        value=float(row["value"]) / 1e3,
        online=True,
        per=1,
        spread=(1 - SHORTEST) / (1 + SHORTEST) if drawn else 0.0,
        model=row["model"],
        source=row["source"],
    )


def _chips(row: Mapping[str, str]) -> tuple[int, int, int]:
    """Chips of a group, groups, and sequences of a group."""
    ways = {name: int(float(n)) for name, n in re.findall(r"(\w+)=([\d.]+)", row["other_parallel"])}
    split, copies = int(row["tp"] or 1), ways.get("attn_dp", 1)
    sliced, spread_out = ways.get("moe_tp", 1), ways.get("moe_ep", 1)
    together = int(row["batch_or_concurrency"])
    note = re.search(r"per-replica batch (\d+)", row["notes"])
    each = int(note[1]) if note else max(1, together // copies)
    if "db-dump" in row["source"] or "source_file" in row["source"]:
        if sliced > 1 and sliced == spread_out:
            split, copies = (sliced, 1) if copies == 1 else (1, sliced)
            each = max(1, together // copies)
        elif copies > 1 and split == copies:
            split = 1
    return split, copies, each


def _deployment(row: Mapping[str, str], split: int, copies: int, pipeline: int) -> Deployment:
    weights = FORMAT.get(row["weight_dtype"], row["weight_dtype"])
    kept = row["kv_dtype"] or ("fp8" if weights in ("fp8", "fp4") else "bf16")
    return Deployment(
        _architecture(row["model"]),
        _chip(row["chip"]),
        ENGINES[ENGINE.get(row["engine"], row["engine"])],
        weights,
        FORMAT.get(kept, kept),
        split,
        copies,
        pipeline,
    )


@cache
def _chip(name: str) -> Accelerator:
    plain = re.sub(r" (\d+GB|\(.*GPU\))$", "", name).lower().replace(" ", "-")
    return catalog.accelerator(CHIPS.get(name, plain))


@cache
def _architecture(model: str) -> Architecture:
    name = model.rpartition("/")[2]
    return OTHERS.get(name) or catalog.architecture(MODELS.get(name, name.lower()))
