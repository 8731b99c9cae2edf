"""Sections of the page: scale, vectors, kills, fuzz, extractive answers, encoder, ways, runtimes.

Each function takes one file of `benchmarks/results` and gives its section; `page` puts them
together. The bars stand beside what was measured, and come from the goals the project set itself.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import sections_compare as compare
from benchmarks import sections_models as models
from benchmarks.markdown import judged, megabytes, table, where
from benchmarks.sections_reading import positions, structured

CORPUS_MEGABYTES = 5_000  # must be indexed in
CORPUS_MEMORY_BYTES = 2e9
WORKER_BYTES = 1e9
SECONDS = {"nothing_changed": 1.0, "one_changed": 2.0, "cold_search": 1.0}
NEAREST_MILLISECONDS, NEAREST_RECALL, NEAREST_BYTES = 10.0, 0.98, 1e9
FIRST_QUOTE, FIRST_TWO, ABSTAINED, ANSWERED = 0.78, 0.88, 0.60, 0.90
COSINE, NDCG_LOSS = 0.99, 0.005
ON_BAR = "xquad-en, fitted on nq and the other half"


def scale(result: dict[str, Any]) -> str:
    """Many files, much text, one large log."""
    many, text, log = result["many_files"], result["much_text"], result["large_log"]
    medians = {name: statistics.median(many[f"{name}_seconds"]) for name in SECONDS}
    labels = {
        "nothing_changed": f"a second `index` of {many['files']:,} files, nothing changed",
        "one_changed": f"`index` after 1 of {many['files']:,} files changed",
        "cold_search": f"`search` of those {many['files']:,} files from the shell",
    }
    rows = [
        (labels[name], f"{medians[name]:.2f} s", f"{bar:g} s", medians[name] < bar)
        for name, bar in SECONDS.items()
    ]
    expected = expected_memory(text)
    rows.append(
        (
            f"memory for {CORPUS_MEGABYTES / 1000:g} GB of text, extrapolated",
            megabytes(expected),
            megabytes(CORPUS_MEMORY_BYTES),
            expected < CORPUS_MEMORY_BYTES,
        )
    )
    sizes = table(
        ["MB of text", "passages", "seconds", "own memory, MB", "with mapped files, MB"],
        [
            [
                f"{one['megabytes']:.0f}",
                f"{one['passages']:,}",
                f"{one['seconds_without_embedding']:.0f}",
                f"{one['peak_own_bytes'] / 1e6:,.0f}",
                f"{one['peak_bytes'] / 1e6:,.0f}",
            ]
            for one in text
        ],
    )
    return "\n".join(
        [
            "## Many files, much text\n",
            "Whole processes, medians. The first index of these files took "
            f"{many['first_index_seconds']:.0f} s and {megabytes(many['first_index_peak_bytes'])}. "
            f"A log of 2 GB is named and skipped in {log['seconds']:.1f} s. {where(result)}\n",
            judged(rows),
            "Memory of `index` while text goes through all parts but the neural network. Mapped "
            "files are given back when others need the memory; the rest is the process's own.\n",
            sizes,
        ]
    )


def expected_memory(sizes: list[dict[str, Any]]) -> float:
    """Own memory for `CORPUS_MEGABYTES`, on the line through the smallest and largest measured."""
    small, large = sizes[0], sizes[-1]
    grown = large["peak_own_bytes"] - small["peak_own_bytes"]
    slope = max(0.0, grown / (large["megabytes"] - small["megabytes"]))
    return float(large["peak_own_bytes"] + slope * (CORPUS_MEGABYTES - large["megabytes"]))


def vectors(result: dict[str, Any]) -> str:
    """Nearest vectors, and the bar for a million of them."""
    runs = sorted(result["results"], key=lambda run: (run["rows"], run["system"]))
    rows = [
        [
            f"{run['system']}, {run['rows']:,} rows",
            f"{run['recall']['10']:.4f}",
            f"{run['milliseconds']['10']['median']:.2f}",
            f"{run['milliseconds']['10']['fastest']:.2f}",
            f"{run['milliseconds']['10']['processor']:.2f}",
            f"{run['build']['processor_seconds']:.1f}",
            f"{run['memory']['resident_bytes'] / 1e6:,.0f}",
            f"{run['load_average']:.1f}",
        ]
        for run in runs
    ]
    ours = next(run for run in runs if (run["system"], run["rows"]) == ("isoflop", 1_000_000))
    took, recall = ours["milliseconds"]["10"]["median"], ours["recall"]["10"]
    memory = ours["memory"]["resident_bytes"]
    head = ["system", "recall@10", "median ms", "fastest ms", "processor ms", "build, processor s"]
    return "\n".join(
        [
            "## Nearest vectors\n",
            f"Width {result['width']}, {result['queries']} questions and lines, ten nearest, "
            f"against exact fp32; {ours['embedded']:,} of the million rows are embedded lines, "
            f"the others means of two. {where(result)}\n",
            judged(
                [
                    (
                        "a million rows, median",
                        f"{took:.2f} ms",
                        f"{NEAREST_MILLISECONDS:g} ms",
                        took < NEAREST_MILLISECONDS,
                    ),
                    (
                        "recall@10",
                        f"{recall:.4f}",
                        f"{NEAREST_RECALL}",
                        recall >= NEAREST_RECALL,
                    ),
                    (
                        "resident",
                        megabytes(memory),
                        megabytes(NEAREST_BYTES),
                        memory < NEAREST_BYTES,
                    ),
                ]
            ),
            table([*head, "resident MB", "load"], rows),
        ]
    )


def kill(result: dict[str, Any]) -> str:
    """Kills at random moments."""
    faults = ("corrupt", "torn_reads", "different")
    where_hit = [
        [stage, str(result["while_building"][stage]), str(result["while_updating"][stage])]
        for stage in result["while_building"]
    ]
    return "\n".join(
        [
            "## Killed while it indexes\n",
            f"{result['kills']} kills of `isoflop index` at random moments over "
            f"{result['files']} files, then `index` again, compared with an undisturbed run; a "
            f"reader asks in between. {where(result)}\n",
            judged(
                (name.replace("_", " "), str(result[name]), "0", not result[name])
                for name in faults
            ),
            table(["killed while", "building", "updating"], where_hit),
        ]
    )


def fuzz(result: dict[str, Any]) -> str:
    """Mutated files."""
    largest = max(result["largest_worker_bytes"], result["largest_own_bytes"])
    slowest, faults = result["slowest_seconds"], len(result["faults"])
    outcomes = ", ".join(f"{count:,} {name}" for name, count in result["outcomes"].items())
    return "\n".join(
        [
            "## Mutated files\n",
            f"{result['files']:,} files of {len(result['by_kind'])} kinds: {outcomes}. "
            f"{where(result)}\n",
            judged(
                [
                    ("crashes and refusals without a reason", str(faults), "0", not faults),
                    ("slowest file", f"{slowest:.1f} s", "10 s", slowest < 10),
                    (
                        "largest memory",
                        megabytes(largest),
                        megabytes(WORKER_BYTES),
                        largest < WORKER_BYTES,
                    ),
                ]
            ),
        ]
    )


def extractive(result: dict[str, Any]) -> str:
    """Answers made of quotes."""
    names = {
        "answer in the first sentence": ("in the first quote", FIRST_QUOTE),
        "answer in the first two": ("in the first two", FIRST_TWO),
        "answered when it could be": ("answered", ANSWERED),
        "abstained when its article was left out": ("abstained when left out", ABSTAINED),
    }
    sets = {
        name: row
        for name, row in result.items()
        if isinstance(row, dict) and names.keys() <= row.keys()
    }
    rows = [
        [name, f"{row['questions']:,}", *(f"{row[figure]:.1%}" for figure in names)]
        for name, row in sets.items()
    ]
    return "\n".join(
        [
            "## Answers made of quotes\n",
            f"Retrieval included; the bar is for {ON_BAR!r}. {where(result)}\n",
            judged(
                (label, f"{sets[ON_BAR][figure]:.1%}", f"{bar:.0%}", sets[ON_BAR][figure] >= bar)
                for figure, (label, bar) in names.items()
            ),
            table(["questions of", "questions", *(label for label, _ in names.values())], rows),
        ]
    )


def encoder(result: dict[str, Any]) -> str:
    """Speed beside torch, share of the peak, and what int8 loses."""
    runs, fidelity, ndcg = result["throughput"], result["fidelity"], result["ndcg@10"]
    speed = [
        [
            name,
            f"{run['passages_per_processor_second']['int8']:.1f}",
            f"{run['passages_per_processor_second']['torch']:.1f}",
            f"{run['times_torch']['wall']:.2f}",
            f"{run['times_torch']['processor']:.2f}",
            f"{run['flops_per_second'] / 1e9:.0f}",
            f"{run['share_of_peak']['int8']:.0%}",
            f"{run['share_of_peak']['fp32']:.0%}",
        ]
        for name, run in runs.items()
        if isinstance(run, dict) and "times_torch" in run
    ]
    kinds = {name: row for name, row in fidelity.items() if "int8" in row}
    rows = [
        (
            f"mean cosine to fp32, {name}",
            f"{row['int8']['mean']:.4f}",
            f"{COSINE}",
            row["int8"]["mean"] >= COSINE,
        )
        for name, row in kinds.items()
    ] + [
        (
            f"nDCG@10 of int8 less that of fp32, {name}",
            f"{row['difference']:+.4f}",
            f"-{NDCG_LOSS}",
            row["difference"] >= -NDCG_LOSS,
        )
        for name, row in ndcg.items()
        if "difference" in row
    ]
    head = ["passages", "per processor-second", "torch", "times torch, wall", "processor"]
    return "\n".join(
        [
            "## The encoder alone\n",
            f"One thread per core, int8 here and fp32 in torch. {where(result)}\n",
            table([*head, "GFLOP/s", "of int8 peak", "of fp32 peak"], speed),
            judged(rows),
        ]
    )


def ways(result: dict[str, Any]) -> str:
    """nDCG@10 of each way of ranking."""
    sets = result["sets"]
    labels = list(next(iter(sets.values()))["ndcg"])
    return "\n".join(
        [
            "## Ways of ranking, part by part\n",
            f"nDCG@10; the library's parts called directly. {where(result)}\n",
            table(
                ["way", *sets],
                [[way, *(f"{sets[name]['ndcg'][way]:.4f}" for name in sets)] for way in labels],
            ),
        ]
    )


def runtimes(result: dict[str, Any]) -> str:
    """Runtimes and arithmetic that the encoder was chosen from."""
    rows = [
        [
            way,
            f"{row['processor_milliseconds']:.1f}",
            f"{row['load_seconds']:.2f}",
            f"{row['cosine_mean']:.4f}",
            f"{row['cosine_least']:.4f}",
        ]
        for way, row in result["ways"].items()
    ]
    head = ["runtime", "ms of processor", "load, s", "mean cosine", "least cosine"]
    return "\n".join(
        [
            "## Runtimes compared\n",
            f"A passage of {result['tokens']} tokens on one thread. {where(result)}\n",
            table(head, rows),
        ]
    )


def plan(result: dict[str, Any]) -> str:
    """Forecasts of `isoflop plan` against published figures."""
    bars = [(what, measured, bar, met) for what, measured, bar, met in result["bars"]]
    return (
        "## Planning\n\nSymmetric errors |ln(forecast / published)| on published runs, throughputs "
        "and energies; `python -m benchmarks.plan` prints every table. What is left out was not "
        f"fitted on.\n\n{judged(bars)}"
    )


def intervals(result: dict[str, Any]) -> str:
    """Whether intervals hold as often as they say."""
    rows, alarms, conformal = result["difference"], result["alarms"], result["conformal"]
    held = [row for row in rows if 0.93 <= row["coverage"] <= 0.97]
    low, high = (end(row["coverage"] for row in rows) for end in (min, max))
    worst = max(row["alarms"] for row in alarms)
    room = [
        row["level"] + 3 * (row["level"] * (1 - row["level"]) / row["draws"]) ** 0.5
        for row in conformal
    ]
    five = ", ".join(f"{row['alarms']:.1%}" for row in conformal if row["level"] == 0.05)
    safe = all(row["alarms"] <= most for row, most in zip(conformal, room, strict=True))
    seconds = sum(result["million"].values())
    bars = [
        (
            f"95 % intervals of a paired difference, {len(rows)} regimes of 2,000 comparisons",
            f"{len(held)} within; {low:.1%} to {high:.1%}",
            "93 to 97 %",
            len(held) == len(rows),
        ),
        *_compared(result.get("comparisons", [])),
        ("evidence that ever reaches 20 by chance, worst", f"{worst:.1%}", "5 %", worst <= 0.05),
        ("conformal false alarms at 5 %, 99 and 999 known texts", five, "5 % + 3 se", safe),
        (
            "a million answers, every interval and curve",
            f"{seconds:.0f} s of processor",
            "60 s",
            seconds < 60,
        ),
    ]
    return "\n".join(
        [
            "## Intervals and evidence\n",
            "Simulated from known truths; [every regime](../explanation/statistics.md). "
            f"{where(result)}\n",
            judged(bars),
        ]
    )


def _compared(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, bool]]:
    """The bar of comparisons: 50 to 1,000 questions, alone or in 10 to 100 clusters."""
    if not rows:
        return []
    low, high = min(row["least"] for row in rows), max(row["greatest"] for row in rows)
    held = sum(row["least"] >= 0.93 and row["greatest"] <= 0.97 for row in rows)
    regimes = sum(row["regimes"] for row in rows)
    what = f"the same for 50 to 1,000 questions, {len(rows)} shapes of {regimes} regimes"
    measured = f"{held} within; {low:.2%} to {high:.2%}"
    return [(what, measured, "93 to 97 %", held == len(rows))]


SECTIONS = {
    "encoder": encoder,
    "vectors": vectors,
    "scale": scale,
    "extractive": extractive,
    "kill": kill,
    "fuzz": fuzz,
    "ways": ways,
    "runtimes": runtimes,
    "plan": plan,
    "intervals": intervals,
    "positions": positions,
    "structured": structured,
    "likelihood": models.likelihood,
    "compression": models.compression,
    "exams": models.exams,
    "detection": models.detection,
    "training": models.training,
    "decode": models.decode,
    "capacity": models.capacity,
    "racing": compare.racing,
    "known_truth": compare.known_truth,
    "forecasts": compare.forecasts,
}
