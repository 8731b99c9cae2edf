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
from isoflop.architecture import Architecture, Experts, Latent, Recurrent, Window
from isoflop.machine import Accelerator
from isoflop.plan.deployment import Deployment
from isoflop.plan.engines import ENGINES

# Sizes of models that were never published as weights; hidden is 4 x width where nothing is said.
# Megatron and GPT: FasterTransformer docs/gpt_guide.md. PaLM: arXiv:2204.02311, table 1.
_GPT = {"vocabulary": 51200, "biases": True}
PAPERS = {
    "GPT-20B": Architecture(44, 6144, 48, 4 * 6144, **_GPT),
    "Megatron-530B": Architecture(105, 20480, 128, 4 * 20480, **_GPT),
    "GPT-175B": Architecture(96, 12288, 96, 4 * 12288, **_GPT),
    "GPT-6.7B": Architecture(32, 4096, 32, 4 * 4096, **_GPT),
    "kipply-13B": Architecture(40, 5120, 40, 4 * 5120, **_GPT),
    "PaLM-540B": Architecture(
        118, 18432, 48, 4 * 18432, 256_000, kv_heads=1, head_width=256, gated=True
    ),
    "PaLM-62B": Architecture(
        64, 8192, 32, 4 * 8192, 256_000, kv_heads=1, head_width=256, gated=True
    ),
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


# The same models as the catalog's, under the names of the rows.
_LATENT = Latent(1536, 512, 128, 64, 128)
_MODELS = {
    "GPT-J 6B": Architecture(28, 4096, 16, 16384, 50400, biases=True, tied=False),
    "LLaMA 7B": Architecture(32, 4096, 32, 11008, 32000, gated=True, tied=False),
    "LLaMA 70B": Architecture(80, 8192, 64, 28672, 32000, kv_heads=8, gated=True, tied=False),
    "Llama-3-70B": Architecture(80, 8192, 64, 28672, 128256, kv_heads=8, gated=True, tied=False),
    "DeepSeek": Architecture(
        61, 7168, 128, 18432, 129280, gated=True, tied=False, latent=_LATENT,
        experts=Experts(256, 8, 2048, 2048, 58),
    ),
    "Kimi-K2.5": Architecture(
        61, 7168, 64, 18432, 163840, gated=True, tied=False, latent=_LATENT,
        experts=Experts(384, 8, 2048, 2048, 60),
    ),
    "GLM-5": Architecture(
        78, 6144, 64, 12288, 154880, gated=True, tied=False,
        latent=Latent(2048, 512, 192, 64, 256), experts=Experts(256, 8, 2048, 2048, 75),
    ),
    "Qwen3-235B": Architecture(
        94, 4096, 64, 12288, 151936, kv_heads=4, head_width=128, gated=True, tied=False,
        experts=Experts(128, 8, 1536),
    ),
    "Qwen3-32B": Architecture(
        64, 5120, 64, 25600, 151936, kv_heads=8, head_width=128, gated=True, tied=False
    ),
    "gpt-oss-120b": Architecture(
        36, 2880, 64, 2880, 201088, kv_heads=8, head_width=64, gated=True, tied=False,
        experts=Experts(128, 4, 2880), window=Window(128, 18),
    ),
    "MiniMax-M2.5": Architecture(
        62, 3072, 48, 1536, 200064, kv_heads=8, head_width=128, gated=True, tied=False,
        experts=Experts(256, 8, 1536),
    ),
    "Qwen3.5-397B": Architecture(
        60, 4096, 32, 1024, 248320, kv_heads=2, head_width=256, gated=True, tied=False,
        experts=Experts(512, 10, 1024, 1024),
        recurrent=Recurrent(
            45, 4096 * (2 * 2048 + 2 * 8192 + 128) + 8192 * 4096, 64 * 128 * 128 + 3 * 12288,
            4 * 64 * 128 * 128,
        ),
    ),
}  # fmt: skip
_NAMES = {"Llama-2-7B": "LLaMA 7B", "Llama-2-70B": "LLaMA 70B", "Llama-3.1-70B": "Llama-3-70B"}


@cache
def _architecture(model: str) -> Architecture:
    name = model.rpartition("/")[2]
    if name in PAPERS:
        return PAPERS[name]
    if name.startswith("Llama-3") and "8B" in name:
        return catalog.architecture("llama-3.1-8b")
    name = _NAMES.get(name, name)
    (found,) = [known for known in _MODELS if name.startswith(known)]
    return _MODELS[found]
