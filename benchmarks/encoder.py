"""How fast and how faithful the encoder is, beside torch on the same passages in the same run.

    python -m benchmarks.encoder --passages 400 --rounds 3

Throughput: rounds are interleaved (int8, fp32, torch, and again), wall and processor time both, so
that a busy machine shows. Fidelity: cosine to torch's fp32 vectors on texts of many kinds, none of
which int8 was calibrated on, and nDCG@10 of int8 beside fp32 on every judged set.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks import data, machine, peak
from benchmarks.machine import ROOT
from benchmarks.peers.environment import interpreter, variables, weights
from benchmarks.ranking import first_of_each, ndcg
from isoflop.search.encode import Encoder, minilm

SENTENCE_TRANSFORMERS = "langchain"  # the peer whose environment runs torch
PACKAGES = ("isoflop", "numpy", "openvino", "tokenizers")
PARTS = ("throughput", "latency", "fidelity", "ndcg@10")
QUERY = "how long does the ferry take to the island?"  # 12 tokens with the special ones


def main() -> None:
    """Measure, save, and print the figures that have a bar."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--passages", type=int, default=400, help="of 256 tokens each")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--sets", nargs="*", default=list(data.SETS), help="judged, for nDCG@10")
    options.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    chosen = options.parse_args()
    interpreter(SENTENCE_TRANSFORMERS)  # installs what is missing before anything is timed
    encoders = {"int8": minilm(), "fp32": minilm(exact=True)}
    result = _kept()
    for part in chosen.parts:
        result[part] = {
            "throughput": lambda: throughput(encoders, chosen.passages, chosen.rounds),
            "latency": lambda: latency(encoders["int8"]),
            "fidelity": lambda: {
                kind: fidelity(encoders, texts) for kind, texts in kinds().items()
            },
            "ndcg@10": lambda: {name: rankings(encoders, name) for name in chosen.sets},
        }[part]()
        result[part]["taken"] = machine.describe(PACKAGES)
        print(f"saved {machine.save('encoder', result)}", flush=True)
    print_table(result)


def _kept() -> dict[str, Any]:
    """The parts measured before; a part not asked for keeps its figures and their date."""
    path = machine.RESULTS / "encoder.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {part: kept[part] for part in PARTS if part in kept}


def throughput(encoders: dict[str, Encoder], count: int, rounds: int) -> dict[str, Any]:
    """Every single measurement and the medians, for even and for mixed passages."""
    tokenizer = Tokenizer.from_file(str(weights() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    sets = {
        "even": data.even_passages(count, tokenizer),
        "mixed": data.mixed_passages(2 * count, tokenizer),
    }
    for encoder in encoders.values():
        encoder.encode(sets["mixed"])  # every length once, so that no round compiles
        encoder.encode(sets["even"][:4])
    result: dict[str, Any] = {}
    for name, passages in sets.items():
        measured: dict[str, list[dict[str, float]]] = {"int8": [], "fp32": [], "torch": []}
        peaks = []
        for _ in range(rounds):
            peaks.append(peak.flops_per_second())
            for kind, encoder in encoders.items():
                measured[kind].append(timed(encoder, passages))
            measured["torch"].append(in_torch(passages)[1])
        encoded = encoders["int8"].encode(passages)
        result[name] = {
            "passages": len(passages),
            "tokens": encoded.tokens,
            "padded_tokens": encoded.padded_tokens,
            "flops": encoded.flops,
            "peak_flops_per_second": peaks,
            "rounds": measured,
        } | summary(measured, peaks, len(passages), encoded.flops or 0.0)
    return result


def timed(encoder: Encoder, texts: Sequence[str]) -> dict[str, float]:
    """Wall and processor seconds to encode the texts."""
    wall, processor = time.perf_counter(), time.process_time()
    encoder.encode(texts)
    return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def in_torch(texts: Sequence[str]) -> tuple[np.ndarray, dict[str, float]]:
    """Vectors of sentence-transformers in fp32, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "texts.json", Path(folder) / "vectors.npy"
        given.write_text(json.dumps(list(texts)), encoding="utf-8")
        python = interpreter(SENTENCE_TRANSFORMERS)
        command = [python, "-m", "benchmarks.peers.reference", weights(), given, found]
        done = subprocess.run(
            command, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, text=True, check=True
        )
        seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return np.load(found), seconds


def summary(
    measured: dict[str, list[dict[str, float]]],
    peaks: list[dict[str, float]],
    passages: int,
    flops: float,
) -> dict[str, Any]:
    """Medians over rounds; ratios are taken within a round first."""
    ours, theirs = measured["int8"], measured["torch"]
    rate = [flops / one["wall"] for one in ours]
    return {
        "passages_per_second": {
            kind: statistics.median(passages / one["wall"] for one in rounds)
            for kind, rounds in measured.items()
        },
        "passages_per_processor_second": {
            kind: statistics.median(passages / one["processor"] for one in rounds)
            for kind, rounds in measured.items()
        },
        "times_torch": {
            clock: statistics.median(b[clock] / a[clock] for a, b in zip(ours, theirs, strict=True))
            for clock in ("wall", "processor")
        },
        "flops_per_second": statistics.median(rate),
        "share_of_peak": {
            kind: statistics.median(r / p[kind] for r, p in zip(rate, peaks, strict=True))
            for kind in ("int8", "fp32")
        },
    }


def latency(encoder: Encoder) -> dict[str, Any]:
    """Milliseconds of one question in a warm process, and of a whole process that asks one."""
    for number in range(20):
        encoder.encode([f"{QUERY} {number}"])
    # no two alike, for the encoder keeps what it computed of the last one
    warm = [timed(encoder, [f"{QUERY} {number}"]) for number in range(200)]
    code = f"from isoflop.search.encode import load; load().encode([{QUERY!r}])"
    wall, processor = [], []
    for _ in range(7):
        start, before = time.perf_counter(), _children_seconds()
        subprocess.run([sys.executable, "-c", code], check=True)
        wall.append(time.perf_counter() - start)
        processor.append(_children_seconds() - before)
    return {
        "tokens": encoder.encode([QUERY]).tokens,
        "warm_milliseconds": {
            clock: statistics.median(1e3 * one[clock] for one in warm) for clock in warm[0]
        },
        "cold_process_seconds": {
            clock: {"median": statistics.median(seconds), "least": min(seconds)}
            for clock, seconds in (("wall", wall), ("processor", processor))
        },
    }


def _children_seconds() -> float:
    """Processor time of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kinds() -> dict[str, list[str]]:
    """Up to 60 texts of each kind; tables and numbers are made up, the rest is found."""
    dice = random.Random(5)
    english = list(data.collection("xquad-en").documents.values())
    filings = data.collection("pdf").documents.values()
    return {
        "english": english[:60],
        "german": list(data.collection("xquad-de").documents.values())[:60],
        "questions": list(data.collection("xquad-en").questions.values())[:60],
        "code": list(_pieces(_standard_library(), 900))[:60],
        "filings": [text[at : at + 1100] for text in filings for at in range(0, 15 * 2200, 2200)],
        "tables": [_table(dice) for _ in range(60)],
        "numbers": [" ".join(_number(dice) for _ in range(60)) for _ in range(60)],
    }


def _pieces(texts: Sequence[str], length: int) -> Iterator[str]:
    for text in texts:
        for start in range(0, min(len(text), 12 * length) - length, 4 * length):
            yield text[start : start + length]


def _standard_library() -> list[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("[a-z]*.py"))[:40]]


def _table(dice: random.Random) -> str:
    rows = [["town", "year", "rain mm", "note"]]
    for _ in range(12):
        town = dice.choice(["Oulu", "Bergen", "Salta", "Hobart", "Nara"])
        rows.append([town, str(dice.randint(1900, 2025)), _number(dice), dice.choice("abcd")])
    return "\n".join(" | ".join(row) for row in rows)


def _number(dice: random.Random) -> str:
    return dice.choice(["{:.2f}", "{:,.0f}", "{:.3e}"]).format(dice.lognormvariate(4, 3))


def fidelity(encoders: dict[str, Encoder], texts: list[str]) -> dict[str, Any]:
    """Cosines to torch's vectors: mean and least."""
    reference, _ = in_torch(texts)
    result: dict[str, Any] = {"texts": len(texts)}
    for kind, encoder in encoders.items():
        cosines = (encoder.encode(texts).vectors * reference).sum(axis=1)
        result[kind] = {"mean": float(cosines.mean()), "least": float(cosines.min())}
    return result


def rankings(encoders: dict[str, Encoder], name: str) -> dict[str, float]:
    """nDCG@10 of documents by their best passage, with each arithmetic and the difference."""
    collection = data.collection(name)
    names, texts = [], []
    for document, text in collection.documents.items():
        for piece in _windows(encoders["int8"], text):
            names.append(document)
            texts.append(piece)
    result = {}
    for kind, encoder in encoders.items():
        questions = encoder.encode(list(collection.questions.values())).vectors
        scores = questions @ encoder.encode(texts).vectors.T
        gains = []
        for question, row in zip(collection.questions, scores, strict=True):
            ranked = first_of_each(names[place] for place in np.argsort(-row)[:200])
            gains.append(ndcg(ranked, collection.relevant[question]))
        result[kind] = statistics.fmean(gains)
    return result | {"difference": result["int8"] - result["fp32"], "passages": len(texts)}


def _windows(encoder: Encoder, text: str) -> Iterator[str]:
    """The text in pieces that the encoder reads whole."""
    offsets, most = encoder.token_offsets(text), encoder.max_tokens - 2
    for first in range(0, len(offsets), most):
        last = min(first + most, len(offsets)) - 1
        yield text[offsets[first][0] : offsets[last][1]]


def print_table(result: dict[str, Any]) -> None:
    """What has a bar, and how far from it."""
    parts = {
        part: {k: v for k, v in result.get(part, {}).items() if k != "taken"} for part in PARTS
    }
    for name, one in parts["throughput"].items():
        rates, share = one["passages_per_second"], one["share_of_peak"]
        print(
            f"{name:8} int8 {rates['int8']:.1f}/s, fp32 {rates['fp32']:.1f}/s, "
            f"torch {rates['torch']:.1f}/s: {one['times_torch']['wall']:.2f}x by wall, "
            f"{one['times_torch']['processor']:.2f}x by processor time; "
            f"{one['flops_per_second'] / 1e9:.0f} GFLOP/s, {share['int8']:.0%} of the int8 peak, "
            f"{share['fp32']:.0%} of the fp32 peak"
        )
    print(parts["latency"])
    for kind, one in parts["fidelity"].items():
        print(f"{kind:10} int8 {one['int8']}  fp32 {one['fp32']}")
    for name, one in parts["ndcg@10"].items():
        print(f"{name:10} {one['int8']:.4f} {one['fp32']:.4f} {one['difference']:+.4f}")


if __name__ == "__main__":
    main()
