"""How fast passages become searchable: isoflop beside its peers, same weights, same run.

    python -m benchmarks.indexing --passages 2000

Rounds are interleaved (A B C, A B C), so that a machine that slows down slows all of them. Each
piece of work has a process of its own; importing and loading weights are not counted. A system
has finished when a question made of a passage's own words finds that passage.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from tokenizers import Tokenizer

from benchmarks import data, machine, peak
from benchmarks.peers.environment import PEERS, interpreter, weights
from benchmarks.peers.work import work

OURS = ("isoflop", "isoflop_encoder")
LAYERS, WIDTH, HIDDEN = 6, 384, 1536  # all-MiniLM-L6-v2


def main() -> None:
    """Measure and save; print the ratios."""
    options = _options()
    tokenizer = Tokenizer.from_file(str(weights() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    systems = _systems(options)
    for name, _ in systems:
        interpreter(name)  # installs what is missing before anything is timed
    sets = {
        "even": data.even_passages(options.passages, tokenizer),
        "mixed": data.mixed_passages(options.passages, tokenizer),
    }
    for name in options.sets:
        result = measure(sets[name], systems, options.rounds)
        result |= {"set": name, "tokens": data.lengths(sets[name], tokenizer)}
        result["flops"] = flops(sets[name], tokenizer)
        add_rates(result)
        print(f"saved {machine.save(f'indexing-{name}', result)}")
        print_table(result)


def measure(
    passages: list[str], systems: list[tuple[str, int | None]], rounds: int
) -> dict[str, Any]:
    """Every system indexes the passages once a round; all measurements are kept."""
    before, seen = machine.load_average(), {label(*system): [] for system in systems}
    peaks, versions = [], {}
    position = len(passages) // 2
    question = " ".join(passages[position].split()[:40])
    for number in range(rounds):
        peaks.append(peak.flops_per_second())
        for name, batch in systems:
            done = work(name, passages, [question], batch=batch, k=10)
            found = done.pop("run")[0]
            if position not in found:
                raise SystemExit(f"{name} does not find passage {position} after indexing: {found}")
            versions |= done.pop("versions")
            seen[label(name, batch)].append(done | {"load_average": machine.load_average()})
            rate = len(passages) / done["wall_seconds"]
            print(f"round {number + 1}, {label(name, batch)}: {rate:.1f} passages/s", flush=True)
    return {
        "passages": len(passages),
        "rounds": rounds,
        "load_average_before": before,
        "load_average_after": machine.load_average(),
        "peak_flops_per_second": {
            kind: max(one[kind] for one in peaks) for kind in ("fp32", "int8")
        },
        "peer_versions": versions,
        "measurements": seen,
    }


def flops(passages: list[str], tokenizer: Tokenizer) -> int:
    """Operations the encoder needs for these passages, padding not counted.

    Per token and layer: four projections of width by width, two of width by hidden, and the two
    products of attention over the passage's own tokens. Embedding look-ups, normalisation and
    softmax are not counted.
    """
    matrices = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * HIDDEN)
    counts = [len(encoding.ids) for encoding in tokenizer.encode_batch(passages)]
    return sum(LAYERS * (count * matrices + 4 * count * count * WIDTH) for count in counts)


def add_rates(result: dict[str, Any]) -> None:
    """Medians, extremes and ratios, computed from the measurements in place."""
    systems = {}
    for name, rounds in result["measurements"].items():
        wall = [one["wall_seconds"] for one in rounds]
        processor = [one["processor_seconds"] for one in rounds]
        systems[name] = {
            "passages_per_second": result["passages"] / statistics.median(wall),
            "slowest": result["passages"] / max(wall),
            "fastest": result["passages"] / min(wall),
            "wall_seconds": statistics.median(wall),
            "processor_seconds": statistics.median(processor),
            "peak_bytes": max(one["peak_bytes"] for one in rounds),
            "flops_per_second": result["flops"] / statistics.median(wall),
        }
    result["systems"] = systems
    result["ratios"] = {
        name: _ratios(result["measurements"], name) for name in systems if name in OURS
    }


def label(name: str, batch: int | None) -> str:
    """A system's name in the result, with its batch size where it is not the default."""
    return name if batch is None else f"{name}, batch {batch}"


def print_table(result: dict[str, Any]) -> None:
    """One line a system, then the ratios."""
    for name, figures in result["systems"].items():
        print(
            f"{name:22} {figures['passages_per_second']:7.1f} passages/s"
            f" {figures['processor_seconds']:8.1f} s processor"
            f" {figures['peak_bytes'] / 2**20:7.0f} MiB"
        )
    for name, ratios in result["ratios"].items():
        print(f"{name}: {ratios['wall']:.2f} times the best peer ({ratios['best_peer']})")


def _ratios(measurements: dict[str, list[dict[str, float]]], name: str) -> dict[str, Any]:
    """Against the fastest peer, wall and processor time: the median over rounds of the ratio."""
    rivals = [other for other in measurements if other not in OURS]
    median = {
        other: statistics.median(one["wall_seconds"] for one in measurements[other])
        for other in rivals
    }
    best = min(rivals, key=median.__getitem__)
    pairs = list(zip(measurements[best], measurements[name], strict=True))
    wall = [theirs["wall_seconds"] / ours["wall_seconds"] for theirs, ours in pairs]
    processor = [theirs["processor_seconds"] / ours["processor_seconds"] for theirs, ours in pairs]
    return {
        "best_peer": best,
        "wall": statistics.median(wall),
        "wall_by_round": wall,
        "processor": statistics.median(processor),
        "processor_by_round": processor,
    }


def _systems(options: argparse.Namespace) -> list[tuple[str, int | None]]:
    defaults: list[tuple[str, int | None]] = [(name, None) for name in options.systems]
    rivals = [name for name in options.systems if name in PEERS]
    return defaults + [(name, batch) for batch in options.batches for name in rivals]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=2000, help="passages in each set")
    parser.add_argument("--rounds", type=int, default=3, help="times each system runs")
    parser.add_argument("--sets", nargs="+", default=["even", "mixed"], help="even, mixed")
    parser.add_argument(
        "--systems", nargs="+", default=[*OURS, *PEERS], help="what runs, in this order"
    )
    parser.add_argument(
        "--batches", nargs="*", type=int, default=[], help="batch sizes peers run with besides"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
