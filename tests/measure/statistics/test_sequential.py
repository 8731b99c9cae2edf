"""Evidence at any time: error rates under optional stopping, by simulation; a race."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.measure.statistics.race import Race
from isoflop.measure.statistics.sequential import (
    FRACTIONS,
    anytime_interval,
    conditional_limit,
    e_values,
    stopped,
)

LEVEL = 0.05


def drawn(random: np.random.Generator, wins: float, losses: float, n: int) -> np.ndarray:
    """Differences of right and wrong: 1, -1 or 0."""
    return random.choice([1.0, -1.0, 0.0], n, p=[wins, losses, 1 - wins - losses])


def most(runs: int) -> float:
    """The level with three standard errors of room."""
    return LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / runs)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(-0.9, 0.9))
def test_the_capital_is_the_mean_of_the_products(gaps: list[float], null: float) -> None:
    outcomes, m = (np.array(gaps) + 1) / 2, (null + 1) / 2
    products = [np.prod(1 + f * (outcomes / m - 1)) for f in FRACTIONS]
    assert e_values(gaps, null=null)[-1] == pytest.approx(np.mean(products), rel=1e-9)


@pytest.mark.parametrize("noise", ["binary", "graded"])
def test_looking_after_every_question_alarms_no_more_often_than_the_level(noise: str) -> None:
    random, runs, alarms = np.random.default_rng(1), 3000, 0
    for _ in range(runs):
        gaps = drawn(random, 0.15, 0.15, 400) if noise == "binary" else random.uniform(-1, 1, 400)
        alarms += e_values(gaps).max() >= 1 / LEVEL
    assert alarms / runs <= most(runs)


def test_questions_without_replacement_alarm_no_more_often_than_the_level() -> None:
    random, runs, alarms = np.random.default_rng(2), 3000, 0
    exam = np.array([1.0] * 30 + [-1.0] * 30 + [0.0] * 90)  # equal on the whole exam
    for _ in range(runs):
        alarms += e_values(random.permutation(exam), population=150).max() >= 1 / LEVEL
    assert alarms / runs <= most(runs)


def test_the_anytime_interval_always_holds_the_truth_as_often_as_it_says() -> None:
    random, runs = np.random.default_rng(3), 200
    for population in (None, 200):
        missed = 0
        for _ in range(runs):
            gaps = drawn(random, 0.3, 0.1, 200)
            truth = 0.2 if population is None else gaps.mean()
            seen = gaps if population is None else gaps[:199]
            found = anytime_interval(seen, population=population)  # never left out so far
            missed += not found.low <= truth <= found.high
        assert missed / runs <= LEVEL + 3 * math.sqrt(LEVEL / runs)


def test_a_real_difference_is_found_and_the_known_end_of_an_exam_helps() -> None:
    random = np.random.default_rng(4)
    needed: dict[int | None, list[int]] = {None: [], 300: []}
    for _ in range(200):
        exam = random.permutation([1.0] * 54 + [-1.0] * 24 + [0.0] * 222)  # ten points apart
        for population, found in needed.items():
            over = e_values(exam, population=population) >= 1 / LEVEL
            found.append(int(over.argmax()) if over.any() else 300)
    assert np.mean(needed[300]) < 0.9 * np.mean(needed[None])
    assert np.mean(np.array(needed[300]) < 300) == 1
    assert np.median(needed[300]) < 200


def test_an_exam_that_cannot_turn_is_decided() -> None:
    # 6 of 10 won: the other way can no longer draw level
    assert e_values([1.0] * 6, population=10)[-1] == math.inf
    assert e_values([1.0] * 5, population=10)[-1] < math.inf
    assert e_values([1.0, 0.0], population=2)[-1] == math.inf
    found = anytime_interval([1.0, 0.0, 0.0], population=3)
    assert (found.low, found.high) == pytest.approx((1 / 3, 1 / 3))


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=3, max_size=25))
def test_the_interval_holds_exactly_the_means_that_no_bettor_refuted(gaps: list[float]) -> None:
    found = anytime_interval(gaps, confidence=0.8)
    for mean in (found.low, found.high):
        above, below = (
            (
                e_values(sign * np.array(gaps), null=sign * m).max() >= 2 / 0.2
                for sign, m in ((1, mean - 1e-6), (-1, mean + 1e-6))
                if -1 < m < 1
            )
            if -1 + 1e-6 < mean < 1 - 1e-6
            else (mean < 0, mean > 0)
        )
        assert above or below


def test_the_bound_only_rescales() -> None:
    gaps = np.random.default_rng(5).uniform(-1, 1, 50)
    assert e_values(gaps * 7, bound=7) == pytest.approx(e_values(gaps))
    assert anytime_interval(gaps * 7, bound=7).high == pytest.approx(
        7 * anytime_interval(gaps).high
    )


def test_the_next_mean_follows_from_what_is_left() -> None:
    assert conditional_limit(0.5, 3, 4, 10) == pytest.approx((5 - 3) / 6)
    assert conditional_limit(0.5, 3, 4, None) == 0.5


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        ("holm", [True, False, True]),  # 100 >= 3 x 20, 45 >= 2 x 20, 19 < 20
        ("bonferroni", [True, False, False]),  # 45 < 60
        ("none", [True, False, True]),
    ],
)
def test_several_hypotheses_share_the_level(correction: str, expected: list[bool]) -> None:
    assert stopped([100, 19, 45], LEVEL, correction) == expected  # type: ignore[arg-type] # each


@pytest.mark.parametrize("population", [None, 200])
def test_equal_ways_are_seldom_stopped_however_many_race(population: int | None) -> None:
    random, runs, wrong = np.random.default_rng(6), 200, 0
    names = "abcd"
    for _ in range(runs):
        race = Race(dict.fromkeys(names, names), population=population)
        easy = random.random(200) < 0.7
        table = (random.random((200, 4)) < 0.2) ^ easy[:, None]
        if population:  # equal on this very exam
            table = np.stack([random.permutation(table[:, 0]) for _ in names], axis=1)
        for row in table:
            race.update(dict(zip(names, map(float, row), strict=True)))
            if race.stops:
                wrong += 1
                break
    assert wrong / runs <= LEVEL + 3 * math.sqrt(LEVEL / runs)


def test_a_beaten_way_is_stopped_by_the_leader_and_a_dearer_one_stops_nobody() -> None:
    random = np.random.default_rng(7)
    race = Race({"cheap": [], "middle": ["cheap"], "dear": ["cheap", "middle"]})
    accuracy = {"cheap": 0.5, "middle": 0.3, "dear": 0.9}
    for _ in range(400):
        race.update({name: float(random.random() < accuracy[name]) for name in race.running})
    assert race.running == ["cheap", "dear"]
    (stop,) = race.stops
    assert (stop.name, stop.rival) == ("middle", "cheap")
    assert stop.e_value >= 2 / LEVEL
    assert 0.05 < stop.difference < 0.5
    assert 20 < stop.questions < 400
    assert race.e_value("cheap") == 1


def test_of_two_that_refute_each_other_the_one_ahead_runs_on() -> None:
    race = Race({"a": ["b"], "b": ["a"]}, population=8, correction="none")
    race.update({"a": 0.0, "b": 1.0})
    for bettor in race._bettors.values():
        bettor.peak = math.inf  # as when a wrong stop, of probability 0.05, meets a right one
    (stop,) = race.update({"a": 0.0, "b": 0.0})
    assert (stop.name, race.running) == ("a", ["b"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: e_values([]), "differences are empty"),
        (lambda: e_values([0.5, 1.5]), "1.5 from 0; bound=1 allows no more"),
        (lambda: e_values([0.5], null=1), "null=1 is not between -1 and 1"),
        (lambda: e_values([0.5, 0], population=1), "population=1 is fewer than the 2"),
        (lambda: stopped([-1]), "-1 is negative"),
        (lambda: Race({"a": ["b"]}), "a has the rival b, which does not run"),
        (lambda: Race({"a": ["b"], "b": []}).update({"a": 1.0}), "none for b"),
        (lambda: Race({"a": [], "b": []}).update({"a": 2.0, "b": 0.0}), "from 0.0 to 2.0"),
        (lambda: Race({"a": []}, level=0), "level=0 is not between"),
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()
