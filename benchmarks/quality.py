"""How well isoflop and its peers rank: nDCG@10 on judged questions, each by its default.

    python -m benchmarks.quality
    python -m benchmarks.quality --systems isoflop --sets nq     # the other figures are kept

Documents are paragraphs (xquad), encyclopedia passages (nq), five Markdown files (chunks) and
four filings (pdf). A peer's document ranks where its best passage does. Peers get whole paragraphs,
and paragraphs cut by their own splitter besides; longer documents are always cut by their splitter,
filings after their text was read as isoflop's PDF library reads it. On chunks, passages are judged
too: by nDCG@10 over each system's own passages, and by the share of the reference text within the
first 4,000 characters ranked, which does not depend on how passages are cut.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import data, machine, ranking
from benchmarks.data import Collection, Span
from benchmarks.peers.environment import FOLDER, PEERS
from benchmarks.peers.work import work
from isoflop.questions import WAYS
from isoflop.search.index import DEFAULT_WAY, Index

DEPTH = 100
# longer documents cannot be embedded whole, and encyclopedia passages are short already
CUTS = {"xquad-en": (False, True), "xquad-de": (False, True), "nq": (False,)}
MEMORY = FOLDER / "vectors.npz"


def main() -> None:
    """Rank, judge, save and print."""
    options = _options()
    for name in options.sets:
        collection = data.collection(name)
        for system in options.systems:
            print(f"{name}: {system}", file=sys.stderr, flush=True)
            measured = ours(collection) if system == "isoflop" else theirs(collection, system)
            record(name, measured)
    print_table(_kept())


def record(name: str, measured: dict[str, dict[str, Any]]) -> None:
    """Put these figures of a set among those already saved, each with its date and commit."""
    kept, when = _kept(), machine.describe(())
    for label, entry in measured.items():
        kept.setdefault(name, {})[label] = entry | {"date": when["date"], "commit": when["commit"]}
    machine.save("quality", {"depth": DEPTH, "default": DEFAULT_WAY, "sets": kept})


def theirs(collection: Collection, peer: str) -> dict[str, dict[str, Any]]:
    """A peer's figures: for whole documents, for pieces by its own splitter, or both."""
    names, texts = list(collection.documents), list(collection.documents.values())
    figures = {}
    for split in CUTS.get(collection.name, (True,)):
        questions = list(collection.questions.values())
        done = work(peer, texts, questions, split=split, k=DEPTH, memory=MEMORY)
        pieces = [(names[number], *span) for number, *span in done.get("pieces", [])]
        pieces = pieces or [(name, 0, len(text)) for name, text in collection.documents.items()]
        found = [[pieces[position] for position in row] for row in done["run"]]
        label = f"{peer}, cut" if split else peer
        figures[label] = judge(collection, pieces, _by_question(collection, found)) | {
            "versions": done["versions"],
        }
    return figures


def ours(collection: Collection) -> dict[str, dict[str, Any]]:
    """isoflop's figures by each way of ranking, from the commands a user would type."""
    figures = {}
    with tempfile.TemporaryDirectory() as place:
        documents, queries = Path(place) / "documents", Path(place) / "queries.jsonl"
        documents.mkdir()
        collection.write(documents)
        lines = [{"id": name, "text": text} for name, text in collection.questions.items()]
        queries.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        _isoflop("index", documents)
        pieces = _pieces(documents)
        for way in WAYS:
            asked = ["search", "--in", documents, "--queries", queries, "-k", DEPTH, "--by", way]
            run = Path(place) / f"{way}.trec"
            _isoflop(*asked, "--unit", "document", "--run", run)
            figures[f"isoflop, {way}"] = {
                "documents_ndcg": _mean_ndcg(collection, read_run(run)),
            }
            if collection.spans:
                _isoflop(*asked, "--unit", "passage", "--run", run)
                found = {question: _spans(ids) for question, ids in read_run(run).items()}
                figures[f"isoflop, {way}"] |= judge_passages(collection, pieces, found)
    return figures


def judge(
    collection: Collection, pieces: list[Span], found: Mapping[str, list[Span]]
) -> dict[str, Any]:
    """All figures of a ranking of passages."""
    documents = {
        question: ranking.first_of_each(name for name, *_ in row) for question, row in found.items()
    }
    figures: dict[str, Any] = {"documents_ndcg": _mean_ndcg(collection, documents)}
    return figures | (judge_passages(collection, pieces, found) if collection.spans else {})


def judge_passages(
    collection: Collection, pieces: list[Span], found: Mapping[str, list[Span]]
) -> dict[str, Any]:
    """Figures of passages against the reference spans."""
    by_document = defaultdict(list)
    for piece in pieces:
        by_document[piece[0]].append(piece)
    gains, shares = [], []
    for question, references in collection.spans.items():
        row = found.get(question, [])
        possible = [piece for name, *_ in references[:1] for piece in by_document[name]]
        gains.append(ranking.piece_ndcg(row, possible, references))
        shares.append(ranking.covered(row, references))
    return {
        "passages_ndcg": round(statistics.fmean(gains), 4),
        "covered": round(statistics.fmean(shares), 4),
        "passages": len(pieces),
        "passage_characters": round(statistics.fmean(stop - start for _, start, stop in pieces)),
    }


def read_run(path: Path) -> dict[str, list[str]]:
    """Ids by question, best first, from a six-column run file."""
    rows: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        question, _, found, rank, _, _ = line.split()
        rows[question].append((int(rank), found))
    return {question: [found for _, found in sorted(row)] for question, row in rows.items()}


def print_table(kept: dict[str, dict[str, dict[str, Any]]]) -> None:
    """One line for each set and system."""
    for name, systems in kept.items():
        for label, entry in sorted(systems.items()):
            passages = entry.get("passages_ndcg")
            more = "" if passages is None else f"  {passages:.4f}  {entry['covered']:.4f}"
            print(f"{name:9} {label:18} {entry['documents_ndcg']:.4f}{more}")


def _mean_ndcg(collection: Collection, found: Mapping[str, list[str]]) -> float:
    """Over all questions; one without an answer in the run counts as zero."""
    gains = (
        ranking.ndcg(found.get(question, []), relevant)
        for question, relevant in collection.relevant.items()
    )
    return round(statistics.fmean(gains), 4)


def _by_question(collection: Collection, rows: list[list[Span]]) -> dict[str, list[Span]]:
    return dict(zip(collection.questions, rows, strict=True))


def _pieces(documents: Path) -> list[Span]:
    index = Index.open(documents)
    pieces = [(piece.document, piece.start, piece.stop) for piece in index.passages()]
    index.close()
    return pieces


def _spans(ids: list[str]) -> list[Span]:
    """Passage ids (`notes/plan.md#120-480`) taken apart."""
    spans = []
    for name in ids:
        document, _, place = name.rpartition("#")
        start, _, stop = place.partition("-")
        spans.append((document, int(start), int(stop)))
    return spans


def _isoflop(*arguments: object) -> None:
    """Run a command; what it says goes to the terminal only if it fails."""
    command = [sys.executable, "-m", "isoflop", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr[-3000:]}")


def _kept() -> dict[str, dict[str, dict[str, Any]]]:
    path = machine.RESULTS / "quality.json"
    return json.loads(path.read_text(encoding="utf-8"))["sets"] if path.exists() else {}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(data.SETS), choices=data.SETS)
    systems = ["isoflop", *PEERS]
    parser.add_argument("--systems", nargs="+", default=systems, choices=systems)
    return parser.parse_args()


if __name__ == "__main__":
    main()
