"""What tells two sets of texts apart without reading them: the floor below every detector."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isoflop.measure.detection.normalise import normalised
from isoflop.measure.statistics.auroc import auroc
from isoflop.measure.statistics.distributions import two_sided
from isoflop.measure.statistics.inputs import Flags, Floats
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.multiple import holm

LEVEL = 0.05  # of all features together
FOLDS = 5
RIDGE = 1e-3  # of the features' variances, so that two equal ones can be combined

WORDS = re.compile(r"\S+")


def _share(of: Callable[[str], bool]) -> Callable[[str], float]:
    return lambda text: sum(map(of, text)) / max(1, len(text))


def _word_length(text: str) -> float:
    words = WORDS.findall(text)
    return sum(map(len, words)) / max(1, len(words))


# Each as plain as can be: a person could count it without knowing the language.
FEATURES: dict[str, Callable[[str], float]] = {
    "newlines": lambda text: text.count("\n"),
    "characters": len,
    "words": lambda text: len(WORDS.findall(text)),
    "capitals": _share(str.isupper),
    "digits": _share(str.isdigit),
    "punctuation": _share(lambda c: not (c.isalnum() or c.isspace())),
    "not ASCII": _share(lambda c: not c.isascii()),
    "word length": _word_length,
    "blanks in a row": lambda text: len(re.findall(r"[^\S\n]{2,}", text)),
    "ends a sentence": lambda text: text.rstrip()[-1:] in tuple(".!?\"'\u201d\u2019)"),
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One surface feature of a set.

    Attributes:
        name: What is counted.
        area: AUROC of more of it against the machine's texts; below 0.5 people have more.
        p: Two-sided that the area is 0.5, after Holm's correction over the features.
    """

    name: str
    area: Interval
    p: float

    @property
    def strength(self) -> float:
        """The area whichever way round."""
        return max(self.area.value, 1 - self.area.value)

    @property
    def leaks(self) -> bool:
        """Whether the kinds differ in it by more than chance."""
        return self.p <= LEVEL


@dataclass(frozen=True, slots=True)
class Surface:
    """All surface features of a set, strongest first.

    Attributes:
        features: One by one.
        combined: AUROC of all together, combined linearly on the other folds.
        scores: The combined score of each text, out of fold; shape (n,).
    """

    features: tuple[Feature, ...]
    combined: Interval
    scores: Floats

    @property
    def floor(self) -> float:
        """What a detector must exceed: the strongest feature, or all together."""
        return max(self.features[0].strength, self.combined.value)


def surface(
    texts: Sequence[str], machine: Flags, pairs: Sequence[int], *, plain: bool = False
) -> Surface:
    """Measure the features of a set.

    Args:
        texts: Of both kinds.
        machine: Which are the machine's, shape (n,).
        pairs: Texts of one number stand or fall together in cross-validation.
        plain: Whether to normalise first, as detectors do.

    Raises:
        UsageError: If there are fewer than two of a kind.
    """
    read = [normalised(text).text for text in texts] if plain else texts
    counted = np.array([[of(text) for of in FEATURES.values()] for text in read], np.float64)
    areas = [auroc(machine, column, clusters=None) for column in counted.T]
    corrected = holm([_p(area) for area in areas])
    found = [
        Feature(name, area, p) for name, area, p in zip(FEATURES, areas, corrected, strict=True)
    ]
    scores = _combined(counted, machine, np.asarray(pairs))
    ordered = tuple(sorted(found, key=lambda each: -each.strength))
    return Surface(ordered, auroc(machine, scores), scores)


def _p(area: Interval) -> float:
    if area.method == "tied":
        return 1.0
    # the interval of areas 0 and 1 has no error; its open end is at least as far as this
    error = area.standard_error or abs(area.high - area.low) / 2
    return two_sided((area.value - 0.5) / error) if error else 1.0


def _combined(counted: Floats, machine: Flags, pairs: Floats) -> Floats:
    """Fisher's linear discriminant, each fold scored by the other ones; shape (n,).

    The features are replaced by their ranks, which tames a text of ten thousand words.
    """
    ranks = np.argsort(np.argsort(counted, axis=0, kind="stable"), axis=0) / len(counted)
    for column in range(counted.shape[1]):  # equal values have the mean of their ranks
        _, inverse, counts = np.unique(counted[:, column], return_inverse=True, return_counts=True)
        ranks[:, column] = (np.bincount(inverse, ranks[:, column]) / counts)[inverse]
    scores = np.zeros(len(counted))
    for fold in range(FOLDS):
        held = pairs % FOLDS == fold
        kinds = [ranks[~held & kind] for kind in (machine, ~machine)]
        if not held.any() or min(map(len, kinds)) < 2:
            continue
        within = np.cov(kinds[0], rowvar=False) + np.cov(kinds[1], rowvar=False)
        within += RIDGE * np.eye(len(within))
        weights = np.linalg.solve(within, kinds[0].mean(0) - kinds[1].mean(0))
        middle = (kinds[0].mean(0) + kinds[1].mean(0)) / 2
        scores[held] = (ranks[held] - middle) @ weights
    return scores
