"""Make docs/reference/benchmarks.md from the results: `python -m benchmarks.page`.

The page holds no figure of its own. With `--check` nothing is written, and the exit code is 1 if
the page is not the one the results make.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import RESULTS, ROOT
from benchmarks.markdown import judged, median_p95, reached, table, where
from benchmarks.sections import SECTIONS

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
BARS = {"indexing": 2.5, "warm": 15.0, "search_alone": 2.0, "cold": 1.0}
NAMES = {
    "isoflop": "isoflop",
    "isoflop_encoder": "isoflop, encoder alone",
    "llamaindex": "LlamaIndex",
    "langchain": "LangChain + FAISS",
    "txtai": "txtai",
    "chroma": "Chroma",
}
SETS = {
    "even": "every passage exactly 256 tokens",
    "mixed": "paragraphs of mixed length",
}

HEAD = """# Benchmarks

isoflop beside LlamaIndex, LangChain with FAISS, txtai and Chroma, all with the weights of
sentence-transformers/all-MiniLM-L6-v2 on the processor. This page is made by
`python -m benchmarks.page` from the files in `benchmarks/results`; `benchmarks/README.md` says how
to repeat them. A missed bar is printed like a reached one.
"""


def main() -> None:
    """Write the page, or with `--check` compare it."""
    results = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    text = page({result["name"]: result for result in results if "name" in result})
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            raise SystemExit(f"{PAGE} is stale. Run: python -m benchmarks.page")
        return
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)


def page(results: dict[str, dict[str, Any]]) -> str:
    """The whole page, as Markdown."""
    parts = [HEAD]
    runs = [result for name, result in results.items() if name.startswith("indexing-")]
    if runs:
        parts.append("## Indexing\n\n" + INDEXING)
        parts += [indexing(result) for result in runs]
    if "quality" in results:
        parts.append(quality(results["quality"]))
    if "latency" in results:
        parts.append(latency(results["latency"]))
    parts += [make(results[name]) for name, make in SECTIONS.items() if name in results]
    others = {name: result for name, result in results.items() if not _has_section(name)}
    if others:
        rows = [
            [name, result["machine"]["date"][:10] if "machine" in result else "-"]
            for name, result in others.items()
        ]
        parts.append("## Further results\n\n" + table(["file", "measured"], rows))
    return "\n".join(part.rstrip() + "\n" for part in parts)


INDEXING = """The same strings, until a question finds a passage. Rounds are interleaved; each
system has a fresh process each round; loading the weights is not counted. isoflop reads one file
for each passage, cuts it, embeds it, and writes words, vectors and text to disk, durably. The peers
are given the strings in memory and keep the index there.
"""


def indexing(result: dict[str, Any]) -> str:
    """The section of one set of passages."""
    tokens, systems = result["tokens"], result["systems"]
    lines = [
        f"### {SETS[result['set']].capitalize()}\n",
        f"{result['passages']:,} passages, {tokens['total']:,} tokens (mean {tokens['mean']}, "
        f"shortest {tokens['shortest']}, longest {tokens['longest']}), {result['rounds']} rounds. "
        f"{where(result)}\n",
        table(
            ["system", "passages/s", "slowest", "fastest", "wall s", "processor s", "peak MiB"],
            [_indexing_row(name, systems[name]) for name in _fastest_first(systems)],
        ),
    ]
    for name, ratios in result["ratios"].items():
        rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios["wall_by_round"])
        lines.append(
            f"- {_label(name)}: **{ratios['wall']:.2f} times** the best peer "
            f"({_label(ratios['best_peer'])}) in wall time (rounds: {rounds}), "
            f"{ratios['processor']:.2f} times in processor time. Bar {BARS['indexing']}: "
            f"{reached(ratios['wall'] >= BARS['indexing'])}."
        )
    note = [f"- {result['note']}"] if "note" in result else []
    return "\n".join([*lines, *note, _share_of_peak(result)])


def _share_of_peak(result: dict[str, Any]) -> str:
    peak, done = result["peak_flops_per_second"], result["systems"]
    shares = [
        f"{_label(name)} {done[name]['flops_per_second'] / 1e9:.0f} GFLOP/s "
        f"({done[name]['flops_per_second'] / peak['int8']:.0%} of int8, "
        f"{done[name]['flops_per_second'] / peak['fp32']:.0%} of fp32)"
        for name in result["ratios"]
    ]
    return (
        f"- Peak of this machine in the same run, large matrix products: "
        f"fp32 {peak['fp32'] / 1e9:.0f}, int8 {peak['int8'] / 1e9:.0f} GFLOP/s. "
        f"Achieved: {'; '.join(shares)}.\n"
    )


def quality(result: dict[str, Any]) -> str:
    """Rankings: a table of documents, and one of passages where they are judged."""
    sets = result["sets"]
    labels = sorted({label for figures in sets.values() for label in figures}, key=_ours_first)
    rows = [
        [_label(label), *(_figure(sets[name].get(label), "documents_ndcg") for name in sets)]
        for label in labels
    ]
    head = f"## Ranking\n\nisoflop's default is {result['default']!r}. {QUALITY}"
    parts = [head, table(["system", *sets], rows), *verdicts(sets, result["default"]), ""]
    for name, figures in sets.items():
        judged = [label for label in labels if "passages_ndcg" in figures.get(label, {})]
        if judged:
            parts += [f"### Passages of {name}\n", PASSAGES, _passages(figures, judged)]
    return "\n".join([*parts, where(result), ""])


QUALITY = """The figures are nDCG@10 over documents. Peers rank by
their defaults, which are vectors alone, and a document of theirs stands where its best passage is;
"cut" means by the peer's own splitter first. Chroma has none and is given the one its study of
chunking advises, txtai its paragraphs.
"""

PASSAGES = """nDCG@10 over each system's own passages (a passage answers if it shares at least half
of itself, or of a reference, with a reference), and the share of the reference text within the
first 4,000 characters ranked, which does not depend on how passages are cut.
"""


def verdicts(sets: dict[str, dict[str, dict[str, float]]], default: str) -> list[str]:
    """For each set, whether the default reaches the best peer and beats its own parts."""
    lines = []
    for name, figures in sets.items():
        if f"isoflop, {default}" not in figures:
            continue
        own = figures[f"isoflop, {default}"]["documents_ndcg"]
        parts = max(figures[f"isoflop, {way}"]["documents_ndcg"] for way in ("bm25", "dense"))
        rivals = {k: v["documents_ndcg"] for k, v in figures.items() if not k.startswith("isoflop")}
        best = max(rivals, key=lambda label: rivals[label]) if rivals else None
        against = f"{own - rivals[best]:+.4f} to the best peer ({_label(best)}); " if best else ""
        lines.append(
            f"- {name}: {against}{own - parts:+.4f} to the better of bm25 and dense (bar +0.01)."
        )
        if (judged := _better_passages(figures, default)) is not None:
            lines[-1] += f" By passages: {judged:+.4f}."
    return lines


def _better_passages(figures: dict[str, dict[str, Any]], default: str) -> float | None:
    """How far the default's passages are from the better of words and vectors, where judged."""
    if "passages_ndcg" not in figures[f"isoflop, {default}"]:
        return None
    own, *parts = (
        float(figures[f"isoflop, {way}"]["passages_ndcg"]) for way in (default, "bm25", "dense")
    )
    return own - max(parts)


def _passages(figures: dict[str, dict[str, Any]], labels: Sequence[str]) -> str:
    head = ["system", "nDCG@10", "reference text found", "passages", "mean characters"]
    return table(
        head,
        [
            [
                _label(label),
                _figure(figures[label], "passages_ndcg"),
                _figure(figures[label], "covered"),
                f"{figures[label]['passages']:,}",
                f"{figures[label]['passage_characters']:,}",
            ]
            for label in labels
        ],
    )


def latency(result: dict[str, Any]) -> str:
    """Milliseconds and seconds per question."""
    warm = result["warm"]
    rows = [
        [
            way,
            *(median_p95(warm[part][way]) for part in ("whole", "search_alone")),
            f"{result['cold'][way]['median']:.2f} ({result['cold'][way]['processor']:.2f})",
        ]
        for way in result["cold"]
    ]
    bars = (
        ("question to passages", warm["whole"], BARS["warm"], "ms"),
        ("search alone", warm["search_alone"], BARS["search_alone"], "ms"),
        ("cold from the shell", result["cold"], BARS["cold"], "s"),
    )
    verdicts = [
        (
            f"{what}, {way}",
            f"{times[way]['median']:.2f} {unit}",
            f"{bar:g} {unit}",
            times[way]["median"] < bar,
        )
        for what, times, bar, unit in bars
        for way in times
    ]
    return "\n".join(
        [
            "## A question\n",
            f"{result['counts']['passages']:,} passages, {result['questions']} questions, ten "
            "passages each. Medians, 95th percentile in brackets; cold is `isoflop search` in a "
            "new process, with processor seconds in brackets. isoflop's default is "
            f"{result['default']!r}. {where(result)}\n",
            table(["way", "warm, ms", "search alone, ms", "cold, s"], rows),
            f"Embedding a question takes {median_p95(warm['embedding'])} ms; the process holds at "
            f"most {warm['peak_bytes'] / 2**20:,.0f} MiB.\n",
            judged(verdicts),
        ]
    )


def _indexing_row(name: str, figures: dict[str, float]) -> list[str]:
    rates = (figures[key] for key in ("passages_per_second", "slowest", "fastest"))
    return [
        _label(name),
        *(f"{rate:.1f}" for rate in rates),
        f"{figures['wall_seconds']:.1f}",
        f"{figures['processor_seconds']:.1f}",
        f"{figures['peak_bytes'] / 2**20:,.0f}",
    ]


def _fastest_first(systems: dict[str, dict[str, float]]) -> list[str]:
    return sorted(systems, key=lambda name: -systems[name]["passages_per_second"])


def _figure(entry: dict[str, Any] | None, key: str) -> str:
    return f"{entry[key]:.4f}" if entry and key in entry else "-"


def _label(name: str) -> str:
    """A system's name as its makers write it, with what follows a comma kept."""
    system, comma, rest = name.partition(",")
    return NAMES.get(system, system) + comma + rest


def _ours_first(label: str) -> tuple[bool, str]:
    return not label.startswith("isoflop"), label


def _has_section(name: str) -> bool:
    return name.startswith("indexing-") or name in {"quality", "latency", *SECTIONS}


if __name__ == "__main__":
    main()
