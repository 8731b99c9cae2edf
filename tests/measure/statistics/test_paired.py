"""Paired comparisons against brute force, published values and scipy."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from isoflop.errors import UsageError
from isoflop.measure.statistics.bootstrap import (
    bca_ends,
    bootstrap,
    leave_one_out,
    resampled_means,
)
from isoflop.measure.statistics.clustered import totals
from isoflop.measure.statistics.paired import difference, mcnemar


def outcomes(only_first: int, only_second: int, both: int = 3) -> tuple[list[bool], list[bool]]:
    first = [True] * only_first + [False] * only_second + [True] * both
    return first, [False] * only_first + [True] * only_second + [True] * both


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9))
def test_mcnemar_is_the_share_of_coin_tosses_at_least_as_lopsided(
    pairs: list[tuple[bool, bool]],
) -> None:
    differing = [a for a, b in pairs if a != b]
    n, firsts = len(differing), sum(differing)
    extreme = sum(
        abs(sum(toss) - n / 2) >= abs(firsts - n / 2) for toss in product((0, 1), repeat=n)
    )
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert mcnemar(first, second) == pytest.approx(extreme / 2**n)


def test_mcnemar_of_the_airway_study() -> None:
    # Fagerland, Lydersen and Laake 2013, table 1 (1 against 7): exact 0.070, mid-p 0.039
    assert mcnemar(*outcomes(1, 7)) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(*outcomes(1, 7), mid_p=True) == pytest.approx(0.0391, abs=5e-5)


def test_mcnemar_of_the_consolidation_study() -> None:
    # Cavo et al. 2012 (6 against 16) in Fagerland, Lydersen and Laake 2017, chapter 8
    assert mcnemar(*outcomes(6, 16)) == pytest.approx(0.052479, abs=5e-7)
    assert mcnemar(*outcomes(6, 16), mid_p=True) == pytest.approx(0.034690, abs=5e-7)


def test_tangos_interval_of_the_consolidation_study() -> None:
    # the same: -0.0621, from -0.1240 to -0.0054
    found = difference(*outcomes(6, 16, both=59 + 80))
    assert found.method == "score"
    assert (found.value, found.low, found.high) == pytest.approx(
        (-0.0621, -0.1240, -0.0054), abs=5e-5
    )


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 30), st.floats(0.5, 0.99))
def test_tangos_ends_are_where_the_score_test_begins_to_reject(
    won: int, lost: int, both: int, confidence: float
) -> None:
    n, z = won + lost + both, stats.norm.ppf(0.5 + confidence / 2)
    found = difference(*outcomes(won, lost, both), confidence=confidence)

    def score(d: float) -> float:
        """The statistic with the constrained likelihood maximised numerically."""

        def loss(q: float) -> float:  # q: only the second is right; q + d: only the first
            shares = ((won, q + d), (lost, q), (both, 1 - 2 * q - d))
            return -sum(k * math.log(max(p, 1e-300)) for k, p in shares if k)

        ends = max(0.0, -d), (1 - d) / 2
        q = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12})
        q = min((q.x, *ends), key=loss)
        return float((won - lost - n * d) / math.sqrt(n * (2 * q + d * (1 - d)) + 1e-300))

    for end in (found.low, found.high):
        if abs(end) < 0.999:
            assert abs(score(end)) == pytest.approx(z, rel=1e-3)


def test_where_hardly_anything_differs_the_interval_is_not_empty() -> None:
    same = [0.5, 0.7, 1.0, 0.0] * 10
    found = difference(same, same)
    assert (found.value, found.standard_error, found.method) == (0, 0, "cr2-t+2")
    assert found.high == pytest.approx(-found.low)
    # two imaginary questions: sd sqrt(2 / 41) over 42, Student's quantile of 41 degrees
    assert found.high == pytest.approx(2.0195 * math.sqrt(2 / 41 / 42), rel=1e-4)
    clustered = difference([1, 0, 1, 1], [1, 0, 1, 1], clusters="aabb")
    assert clustered.low < -0.2 < 0.2 < clustered.high


@pytest.mark.parametrize(("a", "b"), [(0, 1), (5, 5), (40, 61), (3000, 3210)])
def test_mcnemar_is_scipys_binomial_test(a: int, b: int) -> None:
    expected = stats.binomtest(a, a + b).pvalue
    assert mcnemar(*outcomes(a, b)) == pytest.approx(expected, abs=1e-9)
    mid = min(1.0, expected - stats.binom.pmf(a, a + b, 0.5)) if a != b else 1.0
    assert mcnemar(*outcomes(a, b), mid_p=True) == pytest.approx(mid, abs=1e-9)


def test_a_bootstrap_of_few_kinds_draws_from_the_same_distribution() -> None:
    sums = totals(np.array([1.0] * 30 + [0.0] * 50 + [-1.0] * 20))
    by_kind = resampled_means(sums, 20_000, np.random.default_rng(0))
    jitter = np.random.default_rng(1).normal(0, 1e-9, 100)  # all kinds differ: drawn one by one
    one_by_one = resampled_means(
        totals(sums.values + jitter), 20_000, np.random.default_rng(2)
    ).round(6)
    assert by_kind.mean() == pytest.approx(one_by_one.mean(), abs=0.002)
    assert by_kind.std() == pytest.approx(one_by_one.std(), rel=0.02)
    assert by_kind.std() == pytest.approx(math.sqrt(0.49 / 100), rel=0.02)  # 0.5 - 0.1^2


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_ends_are_scipys_of_the_same_draws(method: str, confidence: float) -> None:
    values = np.random.default_rng(3).exponential(size=40)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method=method, confidence_level=confidence, rng=1
    )
    drawn, tail = theirs.bootstrap_distribution, (1 - confidence) / 2
    ends: tuple[float, float] = (tail, 1 - tail)
    if method == "bca":
        ends = bca_ends(drawn, values.mean(), leave_one_out(totals(values)), tail)
    assert np.quantile(drawn, ends) == pytest.approx(theirs.confidence_interval, abs=1e-9)


def test_whole_clusters_are_drawn_so_copies_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(5).normal(size=60)
    alone = bootstrap(values, seed=3)
    copied = bootstrap(np.tile(values, 10), clusters=list(range(60)) * 10, seed=3)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))


def test_weights_count_like_copies_of_the_question() -> None:
    values, weights = [0.3, 0.9, 0.1, 0.5, 0.7], [1, 2, 3, 1, 1]
    weighted = bootstrap(values, weights=weights, seed=1)
    copies = np.repeat(values, weights)
    copied = bootstrap(copies, clusters=list(np.repeat(range(5), weights)), seed=1)
    assert weighted.value == pytest.approx(copied.value)
    assert (weighted.low, weighted.high) == pytest.approx((copied.low, copied.high))


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    values = np.random.default_rng(0).random(50)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


@pytest.mark.parametrize("method", ["cr2-t", "bca", "percentile"])
def test_the_difference_is_of_pairs(method: str) -> None:
    random = np.random.default_rng(6)
    hard = random.normal(size=300)
    first, second = hard + 0.1 + random.normal(0, 0.1, 300), hard
    found = difference(first, second, method=method)  # type: ignore[arg-type] # each in turn
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.method == method
    assert 0.08 < found.low < found.high < 0.13  # 0.1 / sqrt(300) each way, not 1 / sqrt(300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: difference([], []), "first are empty"),
        (lambda: difference([1, 0], [1]), "second: 1 values for 2"),
        (lambda: difference([0.5, 1], [0, 1], method="score"), "needs right or wrong"),
        (lambda: mcnemar([1, 0], [1]), "second: 1 values for 2"),
        (lambda: mcnemar([1, 2], [1, 0]), "first: 2 at place 1 is neither 1 nor 0"),
        (lambda: bootstrap([1, 0], resamples=1), "resamples=1"),
        (lambda: bootstrap([1, 0], clusters="aa"), "all questions share one"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize("kind", ["alone", "uneven clusters"])
def test_of_2000_simulated_comparisons_93_to_97_in_100_cover_the_truth(kind: str) -> None:
    random, runs, covered = np.random.default_rng(11), 2000, 0
    limits = stats.norm.ppf([0.25, 0.30])  # accuracies of 0.75 and 0.70
    for _ in range(runs):
        sizes = np.full(150, 1) if kind == "alone" else random.geometric(0.1, 20)
        clusters = np.repeat(np.arange(sizes.size), sizes)
        shared = random.normal(size=(sizes.size, 2))[clusters] * 0.5**0.5  # by one way alone
        ease = random.normal(size=(clusters.size, 1)) * 0.3**0.5
        quality = ease + shared + random.normal(size=(clusters.size, 2)) * 0.2**0.5
        first, second = (quality > limits).T
        given = None if kind == "alone" else clusters.tolist()
        found = difference(first, second, clusters=given)
        covered += found.low <= 0.05 <= found.high
    assert 0.93 <= covered / runs <= 0.97
