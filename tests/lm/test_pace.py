"""How fast a server is asked, by a clock that the test moves, and by real threads."""

import threading
import time

import pytest

from isoflop.errors import UsageError
from isoflop.lm.pace import Pace


class Time:
    """A clock that moves when someone waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def pause(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))
        self.now += seconds

    def clock(self) -> float:
        return self.now


def test_requests_are_spaced_evenly_and_a_late_one_does_not_wait() -> None:
    time_ = Time()
    pace = Pace(30, pause=time_.pause, clock=time_.clock)
    for spent in (0, 0.5, 7, 0):
        time_.now += spent
        with pace.turn():
            pass
    assert time_.waits == [1.5, 2.0]


def test_everybody_waits_when_the_server_says_that_it_is_too_much() -> None:
    time_ = Time()
    pace = Pace(pause=time_.pause, clock=time_.clock)
    pace.hold(5)
    pace.hold(3)
    for _ in range(2):
        with pace.turn():
            pass
    assert time_.waits == [5.0]


def test_no_more_threads_than_allowed_are_inside_at_once() -> None:
    pace, inside, most, lock = Pace(at_once=3), 0, 0, threading.Lock()

    def ask() -> None:
        nonlocal inside, most
        with pace.turn():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


@pytest.mark.parametrize("limits", [(0, None), (-1, None), (None, 0), (float("nan"), None)])
def test_a_limit_that_would_ask_nothing_is_refused(
    limits: tuple[float | None, int | None],
) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Pace(*limits)
