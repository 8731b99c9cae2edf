"""Waiting under load: a small simulation of continuous batching, the same each time."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from isoflop.errors import UsageError


@dataclass(frozen=True, slots=True)
class Demand:
    """What users ask of one copy of a model.

    Attributes:
        users: Who ask, read the answer, and ask again; None where requests come from outside.
        think_seconds: Between an answer and the same user's next question, on average.
        requests_per_second: Where requests come from outside, at random.
        prompt_tokens: On average.
        output_tokens: On average.
        spread: Lengths are spread evenly within this share of the average to either side.
    """

    prompt_tokens: float
    output_tokens: float
    users: int | None = None
    think_seconds: float = 0.0
    requests_per_second: float | None = None
    spread: float = 0.5

    def __post_init__(self) -> None:
        if (self.users is None) == (self.requests_per_second is None):
            raise ValueError("demand is either of users or of requests per second")


@dataclass(frozen=True, slots=True)
class Server:
    """What a copy of the model needs for its work.

    Attributes:
        prefill_seconds: Of so many prompt tokens read together.
        step_seconds: Of one token in each of so many sequences, with so much context each.
        most_sequences: That the memory holds.
        chunk: Most prompt tokens read in one pass.
        request_seconds: From a request's arrival until it can be read.
    """

    prefill_seconds: Callable[[float], float]
    step_seconds: Callable[[float, float], float]
    most_sequences: int
    chunk: float = 8192
    request_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long users waited, over all requests that were counted.

    Attributes:
        first_token_seconds: Mean, from the request's arrival.
        first_token_median: Half waited less.
        first_token_95: 95 in 100 waited less.
        token_seconds: Mean over requests of the time of an output token after the first (TPOT).
        answer_seconds: Mean, from the request to its last token.
        requests_per_second: Answered.
        sequences: Mean number written at once, while any was.
        busy: Share of the time in which the copy worked.
    """

    first_token_seconds: float
    first_token_median: float
    first_token_95: float
    token_seconds: float
    answer_seconds: float
    requests_per_second: float
    sequences: float
    busy: float


@dataclass(slots=True)
class _Request:
    user: int
    arrival: float
    prompt: float
    output: int
    began: int = 0  # the step after which it is written
    first: float = 0.0
    last: float = 0.0


def waiting(
    server: Server, demand: Demand, *, requests: int = 1000, burst: bool = False, seed: int = 1
) -> Waiting:
    """Simulates one copy until so many requests are answered.

    Whoever waits is read next, in the order of arrival, as many prompts in a pass as the chunk
    holds; sequences being written get one token in each pass (continuous batching). What the
    memory cannot hold waits.

    Args:
        server: The copy.
        demand: On this copy.
        requests: To answer and count; as many as there are users come before them, uncounted.
        burst: All users ask at once, and everything is counted: how servers are benchmarked.
        seed: Of lengths and arrivals.

    Raises:
        ValueError: If there is nothing to count.
        UsageError: If requests come faster than they are answered.
    """
    if requests < 1:
        raise ValueError(f"nothing to count: requests={requests}")
    run = _Simulation(server, demand, burst, seed)
    warm = 0 if burst else max(demand.users or 0, requests // 4)
    run.until(warm + requests)
    return run.summary(run.done[warm:])


@dataclass(slots=True)
class _Simulation:
    server: Server
    demand: Demand
    burst: bool
    seed: int
    now: float = 0.0
    steps: int = 0  # tokens that a sequence written throughout would have
    busy: float = 0.0
    worked: float = 0.0  # sequences x seconds
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    queue: deque[_Request] = field(default_factory=deque)
    running: list[tuple[int, int, _Request]] = field(default_factory=list)
    held: float = 0.0  # prompt tokens of the running, less the step each began at
    done: list[_Request] = field(default_factory=list)
    asked: int = 0
    random: Random = field(default_factory=Random)

    def until(self, requests: int) -> None:
        """Go on from the start until so many requests are answered."""
        self.random.seed(self.seed)
        self._begin()
        while len(self.done) < requests:
            self._admit()
            if self.queue and len(self.running) < self.server.most_sequences:
                self._read()
            elif self.running:
                self._write()
            else:
                self.now = self.arrivals[0][0]
            if len(self.queue) > 20 * requests:
                raise UsageError(
                    "Requests come faster than they are answered. "
                    "Give more chips, or fewer requests."
                )

    def _begin(self) -> None:
        if self.demand.users is None:
            self.arrivals = [(0.0, 0)]
            return
        cycle = self.demand.think_seconds
        for user in range(self.demand.users):
            start = 0.0 if self.burst else self.random.uniform(0, cycle)
            self.arrivals.append((start + self.server.request_seconds, user))
        heapq.heapify(self.arrivals)

    def _admit(self) -> None:
        while self.arrivals and self.arrivals[0][0] <= self.now:
            ready, user = heapq.heappop(self.arrivals)
            self.queue.append(
                _Request(
                    user,
                    ready - self.server.request_seconds,
                    self._length(self.demand.prompt_tokens),
                    max(1, round(self._length(self.demand.output_tokens))),
                )
            )
            if self.demand.requests_per_second is not None:
                gap = self.random.expovariate(self.demand.requests_per_second)
                heapq.heappush(self.arrivals, (ready + gap, 0))

    def _length(self, mean: float) -> float:
        return mean * self.random.uniform(1 - self.demand.spread, 1 + self.demand.spread)

    def _read(self) -> None:
        room = self.server.most_sequences - len(self.running)
        taken = [self.queue.popleft()]
        tokens = taken[0].prompt
        while self.queue and len(taken) < room:
            if tokens + self.queue[0].prompt > self.server.chunk:
                break
            taken.append(self.queue.popleft())
            tokens += taken[-1].prompt
        passes = max(1, math.ceil(tokens / self.server.chunk)) if self.running else 0
        seconds = self.server.prefill_seconds(tokens)
        if passes:
            seconds += passes * self._step()
        self._advance(seconds, passes)
        for request in taken:
            request.first, request.began = self.now, self.steps
            self.asked += 1
            end = self.steps + request.output - 1
            heapq.heappush(self.running, (end, self.asked, request))
            self.held += request.prompt - self.steps
        self._finish()

    def _write(self) -> None:
        steps = self.running[0][0] - self.steps
        one = self._step()
        if self.arrivals and len(self.running) < self.server.most_sequences:
            until = math.ceil((self.arrivals[0][0] - self.now) / one)
            steps = max(1, min(steps, until))
        self._advance(steps * one, steps)
        self._finish()

    def _step(self) -> float:
        batch = len(self.running)
        context = self.held / batch + self.steps
        return self.server.step_seconds(batch, context)

    def _advance(self, seconds: float, steps: int) -> None:
        self.now += seconds
        self.busy += seconds
        self.worked += seconds * len(self.running)
        self.steps += steps

    def _finish(self) -> None:
        while self.running and self.running[0][0] <= self.steps:
            _, _, request = heapq.heappop(self.running)
            self.held -= request.prompt - request.began
            request.last = self.now
            self.done.append(request)
            if self.demand.users is not None:
                think = self.demand.think_seconds
                pause = self.random.expovariate(1 / think) if think else 0.0
                ready = self.now + pause + self.server.request_seconds
                heapq.heappush(self.arrivals, (ready, request.user))

    def summary(self, counted: list[_Request]) -> Waiting:
        """What these requests saw; the rate and the load are of the whole time."""
        first = sorted(r.first - r.arrival for r in counted)
        paces = [(r.last - r.first) / (r.output - 1) for r in counted if r.output > 1]
        return Waiting(
            first_token_seconds=sum(first) / len(first),
            first_token_median=first[len(first) // 2],
            first_token_95=first[min(len(first) - 1, int(0.95 * len(first)))],
            token_seconds=sum(paces) / len(paces) if paces else 0.0,
            answer_seconds=sum(r.last - r.arrival for r in counted) / len(counted),
            requests_per_second=len(self.done) / self.now,
            sequences=self.worked / self.busy,
            busy=self.busy / self.now,
        )
