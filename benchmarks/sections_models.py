"""Sections of the page: scoring, compression, detection and training of language models."""

from __future__ import annotations

from typing import Any

from benchmarks.compression import close, smaller
from benchmarks.markdown import judged, table, where

MILLION_SECONDS, SAME = 60.0, 5e-5
FASTER, AS_FAST, LOSS_SECONDS = 1.6, 1.0, 60.0


def likelihood(result: dict[str, Any]) -> str:
    """Scoring beside the forward pass alone."""
    share, bar = result["share"], result["bar"]
    return "\n".join(
        [
            "## Scoring text\n",
            f"Every figure of {result['tokens']:,} tokens by isoflop:{result['model']} on one "
            f"core, beside its forward pass alone. {where(result)}\n",
            judged(
                [("share of the forward pass's speed", f"{share:.2f}", f"{bar:g}", share >= bar)]
            ),
        ]
    )


def capacity(result: dict[str, Any]) -> str:
    """Facts learned by heart, closed book."""
    rows = [
        [
            f"{run['parameters']:,}",
            f"{run['exposures']:,}",
            f"{run['facts']:,}",
            f"{run['bits']:,.0f}",
            f"{run['recalled']:.0%}",
            f"{run['bits'] / run['parameters']:.2f}",
            f"{run['recalled_bits_per_parameter']:.2f}",
            f"{run['stored_bits_per_parameter']:.2f}",
        ]
        for run in result["runs"]
    ]
    head = ["parameters", "exposures", "facts", "bits", "recalled", "bits a parameter", "recalled"]
    seconds = sum(run["processor_seconds"] for run in result["runs"])
    return "\n".join(
        [
            "## How many facts fit\n",
            "Facts of invented worlds in models of two layers that can hold them nowhere but in "
            "their weights; [what is counted](../explanation/capacity.md). "
            f"{seconds:,.0f} processor seconds in all. {where(result)}\n",
            table([*head, "stored"], rows),
        ]
    )


def compression(result: dict[str, Any]) -> str:
    """Texts compressed by the shipped model, beside other compressors."""
    texts = result["texts"]
    rivals = list(texts[0]["rivals"])
    rows = [
        [
            row["text"],
            f"{row['bytes']:,}",
            f"{row['compressed_bytes']:,}",
            f"{row['bits_per_byte']:.3f}",
            *(_size(row["rivals"][name]["bytes"]) for name in rivals),
            f"{row['processor_seconds']['decompress']:.0f}",
        ]
        for row in texts
    ]
    back = sum(row["same_bytes"] for row in texts)
    least = sum(smaller(row) for row in texts)
    coded = sum(close(row) for row in texts)
    excess = max(row["coder_bits"] / row["ideal_bits"] - 1 for row in texts)
    of = f"of {len(texts)}"
    bars = [
        ("the same bytes from a second process, two threads", f"{back} {of}", "all", back),
        ("smaller than every other compressor", f"{least} {of}", "all", least),
        (f"coder's bits over the ideal, at most {excess:.5%}", f"{coded} {of}", "0.3 %", coded),
    ]
    head = ["text", "bytes", "coded", "bits/byte", *rivals, "decoding, s"]
    return "\n".join(
        [
            "## Compression by a model\n",
            f"{texts[0]['model']}, {texts[0]['model_bytes'] / 1e6:.2f} MB of files that are not "
            "counted, on texts it never saw; decoding in processor seconds. A dash: not "
            f"installed. {where(result)}\n",
            table(head, rows),
            judged((what, found, bar, met == len(texts)) for what, found, bar, met in bars),
        ]
    )


def exams(result: dict[str, Any]) -> str:
    """Recorded answers: how long a million take, and the causality recordings."""
    bars = []
    for row in result["scoring"]:
        seconds = row["processor_seconds"] * 1e6 / row["answers"]
        what = (
            f"{row['models']} models, {row['questions']:,} questions, of {row['answers']:,} answers"
        )
        bars.append(
            (
                f"a million answers read, joined and scored ({what})",
                f"{seconds:.0f} s of processor",
                f"{MILLION_SECONDS:g} s",
                seconds < MILLION_SECONDS,
            )
        )
    bars += [
        (f"{row['name']}, accuracy", f"{row['ours']:.4f}", f"{row['published']:.4f}",
         abs(row["ours"] - row["published"]) < SAME)
        for row in result["recordings"]
    ]  # fmt: skip
    return "\n".join(
        [
            "## Recorded answers\n",
            "Accuracies count an unreadable answer as the publishers of the recordings do, who "
            f"report the bar. {where(result)}\n",
            judged(bars),
        ]
    )


def detection(result: dict[str, Any]) -> str:
    """Detectors on samples of the shipped model, beside the surface floor."""
    lengths = result["lengths"]
    rows = [
        [
            name,
            *(f"{length['detectors'][name]['value']:.3f}" for length in lengths),
        ]
        for name in lengths[0]["detectors"]
    ]
    floor = ["surface floor", *(f"{length['surface floor']:.3f}" for length in lengths)]
    best = [max(length["detectors"].items(), key=lambda one: one[1]["value"]) for length in lengths]
    above = sum(
        found["low"] > length["surface floor"]
        for (_, found), length in zip(best, lengths, strict=True)
    )
    count = result["texts of each kind"]
    return "\n".join(
        [
            "## Detection of a model's own samples\n",
            f"AUROC of {count} samples of {result['model']['name']} against {count} held-out human "
            "texts of the same length after normalisation; standard errors are 0.04 to 0.05. The "
            "floor counts newlines, length, capitals and the like. Published whatever it is: the "
            f"best detector's interval lies above the floor at {above} of {len(lengths)} lengths. "
            f"{where(result)}\n",
            table(
                ["detector", *(f"{length['tokens']} tokens" for length in lengths)],
                [*rows, floor],
            ),
        ]
    )


def training(result: dict[str, Any]) -> str:
    """Training beside nanoGPT on one core."""
    parts = ["## Training beside nanoGPT\n"]
    bars: list[tuple[str, str, str, bool]] = []
    if "speed" in result:
        speed = result["speed"]
        rows = [
            [
                name,
                f"{row['tokens_per_processor_second']:,.0f}",
                f"{row['share_of_measured_peak']:.0%}",
            ]
            for name, row in speed["rows"].items()
        ]
        parts += [
            "Whole updates of the 10.65 M shape, 16 windows of 256, one thread, in turn. The peak "
            f"is that of a large matrix product. {where(speed)}\n",
            table(["", "tokens per processor second", "of the peak"], rows),
        ]
        for optimizer, suffix in (("AdamW", ""), ("Muon, the default", "_muon")):
            ratios = [
                ("our default against its default", f"ratio_to_default{suffix}", FASTER),
                ("float32 against float32", f"ratio_float32{suffix}", AS_FAST),
                ("bfloat16 against bfloat16", f"ratio_bfloat16{suffix}", AS_FAST),
            ]
            bars += [
                (f"{what}, {optimizer}", f"{speed[key]:.3f}", f"{bar:g}", speed[key] >= bar)
                for what, key, bar in ratios
                if key in speed
            ]
    if "shakespeare" in result:
        found = result["shakespeare"]
        took, loss = found["processor_seconds"], found["validation_loss"]
        bars.append(
            (
                f"tiny Shakespeare to a loss of {found['target']:g} ({loss:.3f}; nanoGPT "
                f"{found['nanogpt_processor_seconds']:g} s)",
                f"{took:.0f} s of processor",
                f"{LOSS_SECONDS:g} s",
                took <= LOSS_SECONDS and loss <= found["target"],
            )
        )
        parts.append(f"Tiny Shakespeare: {where(found)}\n")
    return "\n".join([*parts, judged(bars)])


def decode(result: dict[str, Any]) -> str:
    """Tokens written one after the other, beside transformers and without a cache."""
    rows = [
        [
            row["position"],
            str(row["batch"]),
            row["way"],
            f"{row['tokens_per_processor_second']:,.0f}",
        ]
        for row in result["rows"]
    ]
    bars = [
        (
            f"tokens per processor second, {row['position']}, batch {row['batch']}",
            f"{row['tokens_per_processor_second']:,.0f}",
            f"{row['bar']:,}",
            row["tokens_per_processor_second"] >= row["bar"],
        )
        for row in result["rows"]
        if row["bar"] is not None
    ]
    return "\n".join(
        [
            "## Writing\n",
            "120 tokens after 16, greedily, by the 10.65 M shape in float32 on one thread; the "
            f"best of three turns each. {where(result)}\n",
            table(["positions", "batch", "", "tokens per processor second"], rows),
            judged(bars),
        ]
    )


def _size(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
