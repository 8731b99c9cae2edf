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
from isoflop.augment import extractive
from isoflop.augment.evidence import FEATURES, evidence
from isoflop.questions import Hit, Question
from isoflop.search.encoder import Encoder
from isoflop.search.index import Index

DEPTH = 60  # hits searched, so that enough are left when an article is struck out
ANSWERED = 0.95  # share of the fitting questions that the threshold lets through
RIDGE = 1e-3  # on standardised features
FOLDS = 2
EVERY = {"nq": 3}  # of so many questions one is asked, to save time; all passages are there
SETS = ("xquad-en", "nq", "xquad-de", "chunks")


@dataclass(frozen=True)
class Candidates:
    """The sentences found for one question.

    Attributes:
        features: (sentences, FEATURES).
        right: Those in the right place that hold the answer.
        holds: Those that hold an accepted answer, wherever they stand.
    """

    features: np.ndarray
    right: np.ndarray
    holds: np.ndarray


@dataclass(frozen=True)
class Case:
    """A question with what was found for it, with and without its article in the index."""

    cluster: str
    found: Candidates
    left_out: Candidates


@dataclass(frozen=True)
class Fitted:
    """Constants: of the score, of the confidence, the threshold on the latter's logit."""

    weights: np.ndarray
    confidence: np.ndarray
    threshold: float


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
    folds = _folds(cases["nq"], cases["xquad-en"])
    result: dict[str, Any] = {
        "fitted on": "nq and one half of the articles of xquad-en; measured on the other half",
        "xquad-en": _crossed(folds, cases["xquad-en"]),
        "shipped, xquad-en, half not fitted on": judged(shipped(), cases["xquad-en"], half=1),
    }
    for name in SETS:
        if name != "xquad-en":
            note = ", fitted on" if name == "nq" else ""
            result[f"shipped, {name}{note}"] = judged(shipped(), cases[name])
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


def fitted(sets: Sequence[Sequence[Case]]) -> Fitted:
    """Constants fitted on these sets, each weighing the same.

    The threshold lets `ANSWERED` of every set through: the lowest that one of them needs.
    """
    cases = [case for cases in sets for case in cases]
    shares = np.array([1 / len(cases) / len(sets) for cases in sets for _ in cases])
    weights = fitted_weights([case.found for case in cases], shares)
    confidence = fitted_confidence(cases, shares)
    thresholds = [
        np.quantile([_logit(confidence, case.found) for case in cases], 1 - ANSWERED)
        for cases in sets
    ]
    return Fitted(weights, confidence, float(min(thresholds)))


def fitted_weights(found: Sequence[Candidates], shares: np.ndarray, steps: int = 400) -> np.ndarray:
    """Weights under which right sentences get most of the probability, question by question.

    Minimises the mean of -log(sum over right sentences of the softmax of the scores), with a
    ridge, by Adam. Questions for which no right sentence was found are left out.
    """
    answerable = np.array([one.right.any() for one in found])
    useful = [one for one, kept in zip(found, answerable, strict=True) if kept]
    each = shares[answerable] / shares[answerable].sum()
    features = np.concatenate([one.features for one in useful])
    right = np.concatenate([one.right for one in useful]).astype(float)
    sizes = np.array([len(one.right) for one in useful])
    starts, group = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)
    spread = features.std(axis=0) + 1e-9
    scaled = (features - features.mean(axis=0)) / spread
    weights, mean, square = (np.zeros(features.shape[1]) for _ in range(3))
    for step in range(1, steps + 1):
        scores = scaled @ weights
        raised = np.exp(scores - np.maximum.reduceat(scores, starts)[group])
        all_share = raised / np.add.reduceat(raised, starts)[group]
        right_share = raised * right / np.add.reduceat(raised * right, starts)[group]
        missing = (all_share - right_share) * each[group]
        gradient = missing @ scaled + 2 * RIDGE * weights
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        rate = 0.05 if step < steps * 2 / 3 else 0.01
        weights -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights / spread


def fitted_confidence(cases: Sequence[Case], shares: np.ndarray, steps: int = 30) -> np.ndarray:
    """Weights of `extractive.CONFIDENCE` and the constant: logistic regression by Newton steps."""
    each = np.repeat(shares, 2) / shares.sum() / 2
    rows = np.array([_best(one) for case in cases for one in (case.found, case.left_out)])
    answers = np.tile([1.0, 0.0], len(cases))
    centre, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.c_[(rows - centre) / spread, np.ones(len(rows))]
    weights = np.zeros(scaled.shape[1])
    ridge = RIDGE * np.r_[np.ones(len(weights) - 1), 0]
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-scaled @ weights))
        gradient = scaled.T @ (each * (chance - answers)) + ridge * weights
        curve = (scaled.T * (each * chance * (1 - chance))) @ scaled + np.diag(ridge)
        weights -= np.linalg.solve(curve, gradient)
    slopes = weights[:-1] / spread
    return np.r_[slopes, weights[-1] - slopes @ centre]


def _best(found: Candidates) -> np.ndarray:
    """The highest value of each feature that the confidence is made of."""
    columns = [FEATURES.index(name) for name in extractive.CONFIDENCE]
    return found.features[:, columns].max(axis=0, initial=0)


def _logit(confidence: np.ndarray, found: Candidates) -> float:
    return float(_best(found) @ confidence[:-1] + confidence[-1])


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
    answered = _logit(constants.confidence, case.found) >= constants.threshold
    refused = _logit(constants.confidence, case.left_out) < constants.threshold
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
