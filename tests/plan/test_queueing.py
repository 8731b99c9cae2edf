"""Waiting under load: closed forms it must agree with, and what must always hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.plan.queueing import Demand, Server, waiting


def a_server(most: int = 64, read: float = 1e-4, request: float = 0.0) -> Server:
    """Reads a token in `read` seconds; a step takes 10 ms and 0.1 ms for each sequence."""
    return Server(
        lambda tokens: read * tokens,
        lambda batch, context: 0.01 + 1e-4 * batch,
        most,
        8192,
        request,
    )


def test_one_user_never_waits() -> None:
    found = waiting(a_server(request=0.05), Demand(1000, 101, users=1, spread=0), requests=20)
    assert found.first_token_seconds == pytest.approx(0.05 + 0.1)
    assert found.token_seconds == pytest.approx(0.0101)
    assert found.answer_seconds == pytest.approx(0.15 + 100 * 0.0101)
    assert found.sequences == pytest.approx(100 * 0.0101 / (0.1 + 100 * 0.0101))


def test_a_full_house_keeps_littles_law() -> None:
    # users = requests per second x (answer + think); a theorem, whatever the server does
    demand = Demand(500, 100, users=30, think_seconds=5)
    found = waiting(a_server(), demand, requests=3000)
    assert found.requests_per_second * (found.answer_seconds + 5) == pytest.approx(30, rel=0.03)


def test_a_queue_of_single_prompts_waits_as_pollaczek_and_khinchine_say() -> None:
    # M/D/1: one output token, one prompt a pass; mean wait = load x service / (2 (1 - load))
    server = Server(lambda tokens: 0.1 * tokens, lambda b, c: 0.0, 1, chunk=1)
    for load in (0.3, 0.6):
        demand = Demand(1, 1, requests_per_second=load / 0.1, spread=0)
        found = waiting(server, demand, requests=40_000)
        expected = 0.1 + load * 0.1 / (2 * (1 - load))
        assert found.first_token_seconds == pytest.approx(expected, rel=0.05)
        assert found.busy == pytest.approx(load, rel=0.05)


def test_a_burst_is_read_in_order() -> None:
    # 8 prompts of 0.1 s, four in a pass of 4,000 tokens: four see 0.4 s, four 0.8 s
    server = Server(lambda tokens: 1e-4 * tokens, lambda b, c: 0.0, 64, chunk=4000)
    found = waiting(server, Demand(1000, 2, users=8, spread=0), requests=8, burst=True)
    assert found.first_token_seconds == pytest.approx(0.6)
    assert found.first_token_95 == pytest.approx(0.8)


@settings(max_examples=25, deadline=None)
@given(users=st.integers(1, 60), think=st.floats(0, 20), prompt=st.floats(10, 5000))
def test_twice_the_users_do_not_wait_less(users: int, think: float, prompt: float) -> None:
    few, many = (
        waiting(a_server(), Demand(prompt, 50, users=n, think_seconds=think), requests=600)
        for n in (users, 2 * users)
    )
    assert many.first_token_seconds >= few.first_token_seconds * 0.9  # 600 requests: some noise
    assert many.token_seconds >= few.token_seconds * 0.98


def test_what_memory_cannot_hold_waits() -> None:
    roomy, narrow = (
        waiting(a_server(most), Demand(100, 100, users=20), requests=400) for most in (20, 5)
    )
    assert narrow.sequences <= 5
    assert narrow.first_token_seconds > 2 * roomy.first_token_seconds


def test_the_same_demand_gives_the_same_answer() -> None:
    demand = Demand(700, 80, users=12, think_seconds=1)
    assert waiting(a_server(), demand) == waiting(a_server(), demand)


def test_more_requests_than_can_be_answered_are_refused() -> None:
    with pytest.raises(UsageError, match="faster than they are answered"):
        waiting(a_server(most=1), Demand(1000, 100, requests_per_second=50), requests=50)


def test_demand_is_of_users_or_of_requests() -> None:
    with pytest.raises(ValueError, match="either"):
        Demand(10, 10)
    with pytest.raises(ValueError, match="either"):
        Demand(10, 10, users=1, requests_per_second=1.0)
