"""Fits the constants of extractive answers to what was found for questions with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoflop.augment import extractive
from isoflop.augment.evidence import FEATURES

ANSWERED = 0.95  # share of the fitting questions that the threshold lets through
RIDGE = 1e-3  # on standardised features


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


def fitted(sets: Sequence[Sequence[Case]]) -> Fitted:
    """Constants fitted on these sets, each weighing the same.

    The threshold lets `ANSWERED` of every set through: the lowest that one of them needs.
    """
    cases = [case for cases in sets for case in cases]
    shares = np.array([1 / len(cases) / len(sets) for cases in sets for _ in cases])
    weights = fitted_weights([case.found for case in cases], shares)
    confidence = fitted_confidence(cases, shares)
    thresholds = [
        np.quantile([logit(confidence, case.found) for case in cases], 1 - ANSWERED)
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


def logit(confidence: np.ndarray, found: Candidates) -> float:
    """Of the probability that one of these sentences answers."""
    return float(_best(found) @ confidence[:-1] + confidence[-1])
