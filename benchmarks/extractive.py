"""Do the quotes hold the answer, and does it abstain when the documents lack it?

    python -m benchmarks.extractive            # measure, save, print
    python -m benchmarks.extractive --fit      # also print the constants to put in extractive.py
    python -m benchmarks.extractive --keep DIR # keep what was found there, and start from it

Questions and documents are paragraphs with marked answers (xquad), encyclopedia passages with
lists of accepted answers (nq), and long documents with marked excerpts (chunks: a quote is right
if it shares half of itself or of an excerpt), indexed and searched as a user would. A question
without an answer is made by leaving out its article: what was found in it is struck from a longer
list of hits.

The articles of xquad-en are dealt into two halves. Everything is fitted on nq and one half, which
weigh the same, and measured on the other half, both ways round, so that no question is judged by
constants that have seen its article. The constants that are shipped are those fitted on nq and
the first half.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, machine
from benchmarks.data import Collection, Span
from benchmarks.extractive_fit import Candidates, Case, Fitted, fitted, logit
from isoflop.augment import extractive
from isoflop.augment.evidence import FEATURES, evidence
from isoflop.questions import Hit, Question
from isoflop.search.encoder import Encoder
from isoflop.search.index import Index

DEPTH = 60  # hits searched, so that enough are left when an article is struck out
FOLDS = 2
EVERY = {"nq": 3}  # of so many questions one is asked, to save time; all passages are there
SETS = ("xquad-en", "nq", "xquad-de", "chunks")


@dataclass
class Remembering:
    """An encoder that reads every passage once."""

    encoder: Encoder
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    offsets: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """As the encoder's; what was asked before is not computed again."""
        new = [text for text in dict.fromkeys(texts) if text not in self.rows]
        for text, rows in zip(new, self.encoder.token_vectors(new), strict=True):
            self.rows[text] = rows.astype(np.float16)
        return [self.rows[text].astype(np.float32) for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """As the encoder's."""
        if text not in self.offsets:
            self.offsets[text] = self.encoder.token_offsets(text)
        return self.offsets[text]


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fit", action="store_true", help="print the constants as fitted now")
    parser.add_argument("--keep", type=Path, help="folder for what was found, to start from")
    options = parser.parse_args()
    cases = {name: _kept(name, options.keep) for name in SETS}
    xquad, natural = cases["xquad-en"], cases["nq"]
    folds = _folds(natural, xquad)
    result: dict[str, Any] = {
        "xquad-en, fitted on nq and the other half": _crossed(folds, xquad),
        "nq, fitted on xquad-en and the other half": _crossed(_folds(xquad, natural), natural),
        "xquad-en, fitted on nq alone": judged(fitted([natural]), xquad),
        "nq, fitted on xquad-en alone": judged(fitted([xquad]), natural),
        "xquad-en, second half, as shipped": judged(shipped(), xquad, half=1),
        "xquad-de, as shipped": judged(shipped(), cases["xquad-de"]),
        "chunks, as shipped": judged(shipped(), cases["chunks"]),
        "one selection": timed(),
    }
    machine.save("extractive", result)
    print(json.dumps(result, indent=1))
    if options.fit:
        print(as_python(folds[1]))


def _kept(name: str, folder: Path | None) -> list[Case]:
    """What an earlier run found for a set, else what is found now."""
    if folder is None:
        return gathered(name)
    path = folder / f"{name}.pickle"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(gathered(name)))
    found: list[Case] = pickle.loads(path.read_bytes())
    return found


def gathered(name: str) -> list[Case]:
    """Search for every question of a set, with and without its article."""
    collection = data.collection(name)
    asked = questions(name)
    articles = {question.id: question.cluster for question in asked}
    asked = asked[:: EVERY.get(name, 1)]
    article_of = {
        document: articles[id] for id, some in collection.relevant.items() for document in some
    }
    with tempfile.TemporaryDirectory() as place:
        collection.write(Path(place))
        index = Index.open(place)
        index.update()
        encoder = Remembering(index.encoder)
        cases = []
        for number, question in enumerate(asked):
            hits = index.search(question.text, DEPTH)
            others = [h for h in hits if article_of[h.passage.document] != question.cluster]
            found, left_out = (
                candidates(collection, question, some[: extractive.PASSAGES], encoder)
                for some in (hits, others)
            )
            cases.append(Case(question.cluster, found, left_out))
            if number % 100 == 0:
                print(f"{name}: {number} of {len(asked)}", file=sys.stderr, flush=True)
        index.close()
    return cases


def timed(count: int = 100) -> dict[str, float]:
    """What choosing the quotes takes when the passages are found: medians over some questions."""
    collection = data.collection("xquad-en")
    texts = list(collection.questions.values())
    with tempfile.TemporaryDirectory() as place:
        collection.write(Path(place))
        index = Index.open(place)
        index.update()
        rows = []
        for text in texts[:: len(texts) // count]:
            hits = index.search(text, extractive.PASSAGES)
            wall, processor = time.perf_counter(), time.process_time()
            chosen = extractive.select(text, hits, index.encoder)
            spent = time.perf_counter() - wall, time.process_time() - processor
            rows.append((*spent, len(chosen.citations), chosen.tokens, chosen.flops or 0))
        index.close()
    names = ("seconds", "processor seconds", "quotes", "tokens", "flops")
    medians = dict(zip(names, np.median(rows, axis=0).tolist(), strict=True))
    fastest = np.min(rows, axis=0).tolist()
    return medians | {"fastest seconds": fastest[0], "mean quotes": float(np.mean(rows, 0)[2])}


def candidates(
    collection: Collection, question: Question, hits: Sequence[Hit], encoder: Any
) -> Candidates:
    """The sentences of these hits, and which of them answer."""
    found = evidence(question.text, hits, encoder)
    spans = collection.spans.get(question.id, ())
    right, holds = [], []
    for number, start, stop in found.places:
        passage = hits[number].passage
        first, last = passage.start + start, passage.start + stop
        quote = passage.text[start:stop]
        held = any(answer in quote for answer in question.answers)
        here = passage.document in collection.relevant[question.id]
        if spans:
            here = any(_covers(passage.document, first, last, span) for span in spans)
            held = held or here
        right.append(held and here)
        holds.append(held)
    return Candidates(
        np.array(found.features).reshape(-1, len(FEATURES)),
        np.array(right, bool),
        np.array(holds, bool),
    )


def _covers(document: str, first: int, last: int, span: Span) -> bool:
    """Whether a quote has half of a marked span, or a marked span has half of the quote."""
    common = min(last, span[2]) - max(first, span[1])
    return document == span[0] and 2 * common >= min(last - first, span[2] - span[1])


def questions(name: str) -> list[Question]:
    """Questions by the ids of `data.collection`, with accepted answers and their article."""
    if name == "chunks":
        collection = data.collection(name)
        return [
            Question(id, text, cluster=min(collection.relevant[id]))
            for id, text in collection.questions.items()
        ]
    if name == "nq":
        path = data.evaldata() / "nq" / "nq-open-oracle.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return [
            Question(f"q{n:04}", r["question"], (), tuple(r["answers"]), r["ctxs"][0]["title"])
            for n, r in enumerate(rows)
        ]
    path = data.evaldata() / "xquad" / f"{name.replace('-', '.')}.json"
    return [
        Question(q["id"], q["question"], (), (q["answers"][0]["text"],), article["title"])
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for q in paragraph["qas"]
    ]


def halves(cases: Sequence[Case]) -> np.ndarray:
    """0 or 1 for each case: clusters are dealt in turn, so that a cluster stays together."""
    order = {
        cluster: n % FOLDS for n, cluster in enumerate(dict.fromkeys(c.cluster for c in cases))
    }
    return np.array([order[case.cluster] for case in cases])


def _folds(always: list[Case], dealt: list[Case]) -> list[Fitted]:
    """For each half of `dealt`, the constants fitted without it."""
    half = halves(dealt)
    return [
        fitted([always, [case for case, own in zip(dealt, half, strict=True) if own != without]])
        for without in range(FOLDS)
    ]


def shipped() -> Fitted:
    """The constants as they stand in the package."""
    return Fitted(
        np.array([extractive.WEIGHTS[name] for name in FEATURES]),
        np.array([*extractive.CONFIDENCE.values(), extractive.CONSTANT]),
        float(np.log(extractive.THRESHOLD / (1 - extractive.THRESHOLD))),
    )


def judged(constants: Fitted, cases: Sequence[Case], half: int | None = None) -> dict[str, float]:
    """Shares of questions, under these constants; of one half of the clusters or of all."""
    chosen = [
        _outcome(constants, case)
        for case, own in zip(cases, halves(cases), strict=True)
        if half is None or own == half
    ]
    return _summary(chosen)


def _crossed(folds: Sequence[Fitted], cases: Sequence[Case]) -> dict[str, Any]:
    """Every case under the constants that were fitted without its half."""
    half = halves(cases)
    outcomes = [_outcome(folds[own], case) for own, case in zip(half, cases, strict=True)]
    each = [[o for o, own in zip(outcomes, half, strict=True) if own == f] for f in range(FOLDS)]
    return _summary(outcomes) | {"by half": [_summary(some) for some in each]}


def _outcome(constants: Fitted, case: Case) -> tuple[bool, ...]:
    scores = case.found.features @ constants.weights
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= scores.max(initial=-np.inf) - extractive.FARTHEST]  # as quoted
    holds, right = case.found.holds[order], case.found.right[order]
    answered = logit(constants.confidence, case.found) >= constants.threshold
    refused = logit(constants.confidence, case.left_out) < constants.threshold
    first, second = bool(holds[:1].any()), bool(holds[:2].any())
    place = bool(right[:1].any())
    return first, second, place, answered, refused, answered and first, answered and second


def _summary(outcomes: Sequence[tuple[bool, ...]]) -> dict[str, float]:
    names = (
        "answer in the first sentence",
        "answer in the first two",
        "answer in the first sentence, of the right document",
        "answered when it could be",
        "abstained when its article was left out",
        "answered, and answer in the first sentence",
        "answered, and answer in the first two",
    )
    shares = np.array(outcomes, float).mean(axis=0)
    return {"questions": len(outcomes)} | {
        name: round(float(share), 4) for name, share in zip(names, shares, strict=True)
    }


def as_python(constants: Fitted) -> str:
    """The constants as they are written in the package."""
    weights = zip(FEATURES, constants.weights.round(1), strict=True)
    confidence = zip(extractive.CONFIDENCE, constants.confidence.round(1), strict=False)
    threshold = 1 / (1 + np.exp(-constants.threshold))
    return (
        f"WEIGHTS = { ({name: float(value) for name, value in weights}) }\n"
        f"CONFIDENCE = { ({name: float(value) for name, value in confidence}) }\n"
        f"CONSTANT = {constants.confidence[-1]:.1f}\nTHRESHOLD = {threshold:.2f}"
    )


if __name__ == "__main__":
    started = time.process_time()
    main()
    print(f"{time.process_time() - started:.0f} s of processor time", file=sys.stderr)
