import numpy as np
import pytest
from numpy.typing import NDArray

from isoflop.measure.comparison.budget import Budget
from isoflop.measure.comparison.racing import FIRST, NEAR, Field, Foresight, advised, calls_saved
from isoflop.measure.statistics.distributions import normal_quantile
from tests.measure.comparison.scripted import Scripted, carried, folders, numbered, plan_of, run_in

Floats = NDArray[np.float64]
QUESTIONS = 200
# Accuracy, and cost of a question: a worthless cheap way, two close ones, a dear one no better.
WAYS = {
    "memory": (0.15, 1.0),
    "retrieval": (0.62, 10.0),
    "more": (0.64, 30.0),
    "all": (0.60, 900.0),
}


def answers(seed: int, ease: float = 0.7) -> Floats:
    """Right or wrong, shape (ways, questions); what is easy for one way is easy for others."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=QUESTIONS) * ease**0.5
    own = random.normal(size=(len(WAYS), QUESTIONS)) * (1 - ease) ** 0.5
    limits = [normal_quantile(1 - accuracy) for accuracy, _ in WAYS.values()]
    return np.asarray(shared + own > np.array(limits)[:, None], dtype=float)


def whole_grid(scores: Floats) -> str:
    apart = scores[:, None] - scores[None, :]
    errors = apart.std(axis=2, ddof=1) / QUESTIONS**0.5
    z = normal_quantile(1 - 0.05 / (2 * (len(WAYS) - 1)))
    return list(WAYS)[int(advised(scores.mean(1)[None], errors, np.arange(len(WAYS)), z)[0])]


def raced(scores: Floats, **options: float) -> tuple[Field, int]:
    field = Field({name: cost for name, (_, cost) in WAYS.items()}, QUESTIONS, **options)  # type: ignore[arg-type]  # a bound
    calls = 0
    for column in scores.T:
        running = field.running
        if not running:
            break
        calls += len(running)
        field.update({name: column[list(WAYS).index(name)] for name in running})
    return field, calls


def test_a_race_saves_two_fifths_of_the_calls_and_gives_the_advice_of_the_whole_grid() -> None:
    same = calls = 0
    for seed in range(24):
        scores = answers(seed)
        field, made = raced(scores)
        left = [name for name in WAYS if name not in field.stops]
        chosen = field.advice or whole_grid(scores)
        assert chosen in left
        same += chosen == whole_grid(scores)
        calls += made
    assert same >= 22
    assert 1 - calls / (24 * QUESTIONS * len(WAYS)) >= 0.4


def test_what_a_rival_beats_at_no_higher_cost_stops_by_evidence_and_nothing_cheaper_does() -> None:
    scores = np.zeros((4, QUESTIONS))
    scores[1] = 1  # retrieval, always right
    field, _ = raced(scores[:, :25])
    assert {name: stop.why for name, stop in field.stops.items()} == {
        "more": "beaten", "all": "beaten",
    }  # fmt: skip
    assert field.stops["all"].rival == "retrieval"
    assert field.stops["all"].e_value >= 20
    assert field.running == ["memory", "retrieval"]


def test_ways_that_are_the_same_end_with_the_cheapest() -> None:
    scores = np.tile(answers(1)[1], (4, 1))
    field, calls = raced(scores)
    assert field.advice == "memory"
    assert calls < 0.6 * scores.size


def test_nothing_is_settled_before_the_first_questions_and_nothing_stops_without_a_race() -> None:
    field, _ = raced(answers(2)[:, : FIRST - 1])
    assert not field.advice
    assert all(stop.why == "beaten" for stop in field.stops.values())
    still = Field(dict.fromkeys("ab", 1.0), 100, racing=False)
    for _ in range(100):
        assert still.update({"a": 1.0, "b": 0.0}) == []
    assert still.running == ["a", "b"]


def test_nothing_stops_after_the_last_question() -> None:
    field = Field({"better": 1.0, "worse": 2.0}, 6)
    assert not field.update({"better": 1.0, "worse": 0.0})
    for _ in range(5):
        assert not field.update({"better": 1.0, "worse": 1.0})
    assert field.running == ["better", "worse"]


def test_a_way_that_fails_is_no_rival_any_more() -> None:
    field = Field({"a": 1.0, "b": 1.0, "c": 1.0}, 100)
    field.update({"a": 1.0, "b": 0.0, "c": 0.0})
    field.fail("a")
    for _ in range(90):
        if field.running:
            field.update(dict.fromkeys(field.running, 0.5))
    assert "a" not in field.stops
    assert field.advice in ("b", "c")


def test_unknown_costs_are_taken_for_the_highest() -> None:
    field = Field({"unknown": None, "known": 1e18}, 400)
    for n in range(400):
        if field.running:
            field.update({"unknown": float(n % 2), "known": float(n % 2)})
    assert field.advice == "known"


def test_costs_as_measured_replace_those_forecast() -> None:
    field = Field({"a": 1.0, "b": 2.0}, 400)
    for n in range(400):
        if field.running:
            field.update({"a": float(n % 2), "b": float(n % 2)}, {"a": 5.0, "b": 2.0})
    assert field.advice == "b"


def test_the_rest_is_drawn_with_the_spread_of_a_finite_population() -> None:
    seen = answers(3)[:, :50]
    foresight = Foresight.of(seen, QUESTIONS, np.arange(4), 4)
    spread = seen.std(axis=1, ddof=1) * (1 / 50 - 1 / QUESTIONS) ** 0.5
    assert foresight.means.std(axis=0) == pytest.approx(spread, rel=0.12)
    assert foresight.means.mean(axis=0) == pytest.approx(seen.mean(axis=1), abs=0.01)


@pytest.mark.parametrize(
    ("means", "error", "way"),
    [
        ([0.50, 0.60, 0.70], 0.1, 2),  # the others are not near
        ([0.66, 0.60, 0.70], 0.1, 0),  # near, not significantly worse, and cheaper
        ([0.66, 0.60, 0.70], 0.01, 2),  # near, and significantly worse
        ([0.70, 0.70, 0.70], 0.0, 0),
    ],
)
def test_the_cheapest_that_is_near_and_not_significantly_worse_is_advised(
    means: list[float], error: float, way: int
) -> None:
    errors = np.full((3, 3), error)
    assert advised(np.array([means]), errors, np.arange(3), 2.0).tolist() == [way]
    assert NEAR == 0.05


def test_calls_of_several_at_once_end_with_the_race() -> None:
    methods = {
        "right": Scripted({f"q{n}": "yes" for n in range(150)}, {}, price={"flops": (1, 1)}),
        "wrong": Scripted({}, {}, price={"flops": (2, 2)}),
    }
    for at_once in (1, 7):
        with folders() as folder, run_in(folder) as run:
            plan = plan_of(methods, numbered(150), Budget("flops", 1e6), at_once=at_once)
            outcome = carried(plan, run)
        assert outcome.stops["wrong scripted"]["why"] == "beaten"
        asked = outcome.asked["right scripted"]
        assert FIRST <= asked < FIRST + 7
        assert outcome.asked["wrong scripted"] < FIRST


def test_calls_saved_are_a_share_of_the_whole_grid() -> None:
    assert calls_saved({"a": 10, "b": 5}, 10, ["a", "b"]) == 0.25
    assert calls_saved({}, 0, []) == 0.0
