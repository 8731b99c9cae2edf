"""How fast a server is asked: requests a minute, and how many at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from isoflop.errors import UsageError


class Pace:
    """A limit shared by all threads that ask one server.

    Requests are spaced evenly instead of being sent in bursts, since services count over windows
    of a length that they do not tell.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        at_once: int | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A pace; None for no limit.

        Raises:
            UsageError: If a limit is not positive.
        """
        for name, limit in (("requests a minute", requests_per_minute), ("at once", at_once)):
            if limit is not None and not limit > 0:
                raise UsageError(f"{limit} {name} would ask nothing. Give a number above 0.")
        self._interval = 60 / requests_per_minute if requests_per_minute else 0.0
        self._places = threading.BoundedSemaphore(at_once) if at_once else nullcontext()
        self._pause, self._clock = pause, clock
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may be sent

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a place and for the moment; holds the place inside the `with`."""
        with self._places:
            with self._lock:
                now = self._clock()
                start = max(now, self._next)
                self._next = start + self._interval
            if start > now:
                self._pause(start - now)
            yield

    def hold(self, seconds: float) -> None:
        """Nobody sends anything for so long: the server said that it is too much."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
