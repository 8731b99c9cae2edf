"""Readers of risky formats, run in a worker process that may crash, hang or swell.

PDF, office files, archives and HTML are parsed by native or complex libraries, and files are
made by others. The worker has a limit of memory (by the operating system) and of time (by this
side, which kills it). Both talk in JSON with a length before it, so that a worker that was taken
over can hand back wrong text but not code.
"""

import json
import logging
import os
import resource
import selectors
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from isoflop.documents import Document, Span
from isoflop.search.read import MOST_BYTES, START_BYTES, Refusal, read
from isoflop.search.read.kinds import HARMLESS, RAW, REFUSED, kind_of_name, kind_of_start
from isoflop.search.walk import Found

log = logging.getLogger(__name__)

SECONDS = 8.0
SECONDS_PER_MEGABYTE = 1.0
# An archive earns time by what it yields, so that a large one is read and a stuck one is not.
SECONDS_PER_DOCUMENT = 0.5
STARTING_SECONDS = 30.0
MEMORY_BYTES = 1 << 30
HARMLESS_BYTES = 1 << 20
LENGTH = struct.Struct(">Q")
START = "from isoflop.search.sandbox import work; work()"


class Reading:
    """Reads files; owns at most one worker process, started when the first risky file comes.

    ```python
    with Reading() as reading:
        for found in walk(folder):
            results = reading.read(found)
    ```
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        most_bytes: int = MOST_BYTES,
    ):
        self.seconds = seconds
        self.memory_bytes = memory_bytes
        self.most_bytes = most_bytes
        self.worker: _Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def read(self, found: Found) -> list[Document | Refusal]:
        """The documents in a file, and refusals for what cannot be read; never raises for a file.

        A reader that crashes, or takes more time or memory than its limits, is stopped; the file
        is refused with that reason, and the next one gets a fresh worker.
        """
        if not is_risky(found):
            return list(read(found.path, found.id, most_bytes=self.most_bytes))
        if self.worker is None:
            self.worker = _Worker(self.memory_bytes)
        seconds = self.seconds + SECONDS_PER_MEGABYTE * found.bytes / 1e6
        results: list[Document | Refusal] = []
        try:
            results.extend(self.worker.read(found, seconds, self.most_bytes))
        except _Stopped as reason:
            self._stop()
            results.append(Refusal(found.id, str(reason)))
        return results

    def _stop(self) -> None:
        if self.worker is not None:
            self.worker.stop()
            self.worker = None


def is_risky(found: Found) -> bool:
    """Whether a file is read in the worker: for its kind, or for its size if lines are parsed.

    Sixty megabytes of blank lines are read in a second as text, but are gigabytes as Markdown.
    """
    kind = kind_of_name(found.path.name)
    if kind is None:
        try:
            with found.path.open("rb") as file:
                kind = kind_of_start(file.read(START_BYTES))
        except OSError:
            return False  # reading it here names the reason
    harmless = kind in REFUSED or kind in (HARMLESS if found.bytes <= HARMLESS_BYTES else RAW)
    return not harmless


class _Stopped(Exception):
    """The worker is gone, or must go."""


class _Worker:
    """A child process and the pipes to it."""

    def __init__(self, memory_bytes: int):
        path = os.pathsep.join(part for part in sys.path if part)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(memory_bytes)],
            bufsize=0,  # nothing is left to flush when the worker has died
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests, self.answers = self.process.stdin, self.process.stdout
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.answers, selectors.EVENT_READ)
        self.started = False

    def read(self, found: Found, seconds: float, most_bytes: int) -> Iterator[Document | Refusal]:
        """What the worker makes of a file.

        Raises:
            _Stopped: If it crashed or took too long.
        """
        request = {"path": found.place, "id": found.id, "most_bytes": most_bytes}
        if not self.started:  # its limit of time begins when it has loaded its libraries
            self._answer(time.monotonic() + STARTING_SECONDS, STARTING_SECONDS)
            self.started = True
        try:
            _send(self.requests, request)
        except BrokenPipeError as error:
            raise _Stopped(_died(self.process.wait())) from error
        deadline = time.monotonic() + seconds
        while True:
            answer = self._answer(deadline, seconds)
            if answer is None:
                return
            deadline += SECONDS_PER_DOCUMENT
            yield answer

    def _answer(self, deadline: float, seconds: float) -> Document | Refusal | None:
        size = LENGTH.unpack(self._exactly(LENGTH.size, deadline, seconds))[0]
        return _received(json.loads(self._exactly(size, deadline, seconds)))

    def _exactly(self, size: int, deadline: float, seconds: float) -> bytearray:
        received = bytearray()
        while len(received) < size:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise _Stopped(
                    f"took longer than {seconds:.0f} s to read, so it was stopped. "
                    "Save it anew in a simpler form, or leave it out."
                )
            block = os.read(self.answers.fileno(), min(size - len(received), 1 << 20))
            if not block:
                raise _Stopped(_died(self.process.wait()))
            received += block
        return received

    def stop(self) -> None:
        """Kill the reader, whatever it is at, and wait until it is gone."""
        self.selector.close()
        self.process.kill()
        self.process.wait()
        self.requests.close()
        self.answers.close()


def _died(status: int) -> str:
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"crashed its reader ({how}): it is damaged. Repair it or save it anew."


def _send(pipe: IO[bytes], message: object) -> None:
    data = json.dumps(message).encode("ascii")
    pipe.write(LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _packed(result: Document | Refusal) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"id": result.id, "reason": result.reason}
    spans = [(span.start, span.stop, span.kind, span.label, span.level) for span in result.spans]
    plain = {name: getattr(result, name) for name in ("id", "text", "source", "media_type")}
    metadata = dict(result.metadata)
    return {**plain, "sha256": result.sha256, "metadata": metadata, "spans": spans}


def _received(message: dict[str, Any] | None) -> Document | Refusal | None:
    if message is None:
        return None
    if "reason" in message:
        return Refusal(**message)
    spans = tuple(Span(*span) for span in message.pop("spans"))
    return Document(**message, spans=spans)


def work() -> None:
    """The worker: reads requests from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    memory_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = sys.stdin.buffer
    _send(answers, None)
    while header := requests.read(LENGTH.size):
        request = json.loads(requests.read(LENGTH.unpack(header)[0]))
        try:
            path, most_bytes = Path(request["path"]), request["most_bytes"]
            for result in read(path, request["id"], most_bytes=most_bytes):
                _send(answers, _packed(result))
        except MemoryError:
            _send(answers, _packed(_too_large(request["id"], memory_bytes)))
        except RecursionError:
            _send(answers, _packed(Refusal(request["id"], "is nested too deeply. Leave it out.")))
        _send(answers, None)


def _too_large(id: str, memory_bytes: int) -> Refusal:
    limit = f"{memory_bytes / 1e6:,.0f} MB"
    return Refusal(id, f"needs more than {limit} of memory to read. Split it, or leave it out.")
