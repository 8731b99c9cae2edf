"""One server: what is sent to it, how often it is asked again, and what it may not repeat.

Only the host in `base_url` is contacted: redirects are not followed, and proxies from the
environment serve other machines than this one. The key goes into one header and nowhere else.
"""

import email.utils
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import httpx

from isoflop.errors import EndpointError, IsoflopError, MissingPackage, UsageError
from isoflop.lm.address import checked, is_this_machine, key_for, key_names, printable
from isoflop.lm.pace import Pace
from isoflop.lm.refusals import TOO_LONG, explained, unanswered
from isoflop.lm.wire import MOST_SAID, Garbled, Refused, model_names, one_line, refusal

MOST_WAIT = 60.0  # seconds; a server that asks for longer is not waited for
MOST_NAMES = 2**20  # bytes of a list of models
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# What llama-server (b9847) says with status 500; no waiting changes it.
NEVER = re.compile(r"(?i)not supported|unsupported|only no echo")
FIELDS = ("stream_options", "max_tokens", "temperature", "stop", "stream", "system")

log = logging.getLogger(__name__)


class Asked(Protocol):
    """A request that can be written in several ways."""

    @property
    def path(self) -> str:
        """Appended to the base URL."""

    @property
    def roles(self) -> Set[str]:
        """Who speaks in it."""

    def body(self, without: Iterable[str] = ()) -> dict[str, object]:
        """The JSON object to send, without the fields that the server is known to refuse."""


class Answer(Protocol):
    """A reply as it arrives."""

    @property
    def begun(self) -> bool:
        """Whether something was written, so that something was paid."""

    @property
    def whole(self) -> bool:
        """Whether all of it is there, whatever happens after."""

    def read(self, chunks: Iterable[bytes]) -> None:
        """Takes in a body."""


A = TypeVar("A", bound=Answer)


class TooSlow(httpx.ReadTimeout):
    """Pieces came, but not the last one in the time allowed."""


class Connection:
    """A server, and what was learnt of what it refuses; any number of threads may ask."""

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        connect_seconds: float,
        silence_seconds: float,
        answer_seconds: float | None,
        retries: int,
        pace: Pace,
        pause: Callable[[float], None],
    ) -> None:
        """A connection that is not yet opened; see `isoflop.lm.endpoint.Endpoint`."""
        self.base_url = checked(base_url)
        self._key = printable(key_for(self.base_url) if key is None else key)
        if self._key and self._key in self.base_url:
            raise UsageError(
                "The address holds the key, and addresses are shown in messages. Leave it out."
            )
        self._retries, self._pace, self._pause = retries, pace, pause
        self._answer_seconds = answer_seconds
        self._without: set[str] = set()
        self._lock = threading.Lock()
        self._client = _client(self.base_url, connect_seconds, silence_seconds)

    def __repr__(self) -> str:
        return f"Connection({self.base_url!r})"

    def close(self) -> None:
        """Closes what is open."""
        self._client.close()

    def models(self) -> list[str]:
        """The models the server lists; empty when it lists none or does not answer."""
        url, headers = self._url("/models"), self._headers()
        try:
            with self._client.stream("GET", url, headers=headers, timeout=5.0) as answer:
                return model_names(_start(answer, MOST_NAMES)) if answer.is_success else []
        except httpx.HTTPError:
            return []

    def exchange(
        self, request: Asked, empty: Callable[[], A], model: str, passing: Set[int] = frozenset()
    ) -> A:
        """A reply, after as many attempts as make sense.

        Args:
            request: What to send.
            empty: Makes a reply to read into, one for each attempt.
            model: As the user calls it, for messages.
            passing: Statuses whose refusals are handed on instead of explained.

        Raises:
            Refused: If it was refused with a status of `passing`.
            EndpointError: If the server cannot be reached, refuses, falls silent or breaks off.
            Missing: If it wants a key or does not know the model.
        """
        tried = 0
        while True:
            reply = empty()
            try:
                with self._pace.turn():
                    self._attempt(request, reply)
                return reply
            except Refused as refused:
                wait = self._after_refusal(refused, request, reply, tried, model, passing)
                if wait is None:
                    continue
            except (httpx.HTTPError, httpx.InvalidURL, Garbled) as error:
                if reply.whole:  # the text is there, only the count that follows is not
                    return reply
                again = None if reply.begun else _wait_to_connect(error, tried, self.base_url)
                if again is None or tried >= self._retries:
                    raise self._unanswered(error, reply) from self._shown(error)
                wait = again
            tried += 1
            log.info("%s: attempt %d failed, waiting %.1f s", self.base_url, tried, wait)
            self._pause(wait)

    def _after_refusal(
        self,
        refused: Refused,
        request: Asked,
        reply: Answer,
        tried: int,
        model: str,
        passing: Set[int],
    ) -> float | None:
        """Seconds to wait before asking again; None to ask at once without a refused field."""
        if reply.begun:
            raise self._unanswered(refused, reply) from None
        if self._conceded(refused, request):
            return None
        wait = _wait(refused, tried)
        if wait is not None and tried < self._retries:
            if refused.status == 429:
                self._pace.hold(wait)
            return wait
        if refused.status in passing:
            raise refused
        raise self._explained(refused, tried, model) from None

    def _attempt(self, request: Asked, reply: Answer) -> None:
        """One request. What a server says is kept without the key, should it repeat it."""
        with self._client.stream(
            "POST",
            self._url(request.path),
            json=request.body(self._without),
            headers=self._headers(),
        ) as response:
            if not response.is_success:
                raise self._refusal(response)
            try:
                reply.read(self._in_time(response.iter_bytes()))
            except Refused as inside:
                raise self._without_key(inside) from None

    def _in_time(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        started = time.monotonic()
        for chunk in chunks:
            yield chunk
            if self._answer_seconds and time.monotonic() - started > self._answer_seconds:
                raise TooSlow(f"it took longer than the {self._answer_seconds:g} s allowed")

    def _refusal(self, response: httpx.Response) -> Refused:
        said = _start(response, 64 * MOST_SAID)
        if response.is_redirect:
            said = f"it points to {response.headers.get('location', '')}"
        return self._without_key(refusal(response.status_code, said, _asked_wait(response)))

    def _conceded(self, refused: Refused, request: Asked) -> bool:
        """Whether the request can be written in a way that this server may accept."""
        with self._lock:
            sent = set(request.body(self._without))
            if "system" not in self._without and "system" in request.roles:
                sent.add("system")
            field = _field_refused(refused, sent)
            if field is None:
                return False
            log.info("%s: going on without %s: %s", self.base_url, field, refused.said)
            self._without.add(field)
            return True

    def _explained(self, refused: Refused, tried: int, model: str) -> IsoflopError:
        return explained(
            refused,
            model=model,
            base_url=self.base_url,
            key_sent=bool(self._key),
            key_names=key_names(self.base_url),
            tried=tried + 1,
            models=self.models,
        )

    def _unanswered(self, error: Exception, reply: Answer) -> EndpointError:
        told = unanswered(error, self.base_url, begun=reply.begun)
        return EndpointError(self._hidden(str(told)))

    def _shown(self, error: Exception) -> Exception | None:
        """An error to name as the cause, unless it repeats the key."""
        return None if self._key and self._key in str(error) else error

    def _without_key(self, refused: Refused) -> Refused:
        """A refusal to show: without the key, and not longer than a message can bear."""
        said, code = one_line(self._hidden(refused.said)), self._hidden(refused.code)
        return Refused(refused.status, said, code, refused.wait)

    def _hidden(self, said: str) -> str:
        return said.replace(self._key, "[key]") if self._key else said

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _url(self, path: str) -> httpx.URL:
        base = httpx.URL(self.base_url)
        return base.copy_with(path=base.path.rstrip("/") + path)


def _client(base_url: str, connect_seconds: float, silence_seconds: float) -> httpx.Client:
    try:
        return httpx.Client(
            trust_env=not is_this_machine(base_url),  # a proxy cannot see our localhost
            follow_redirects=False,
            timeout=httpx.Timeout(silence_seconds, connect=connect_seconds),
            headers={"User-Agent": "isoflop", "Accept-Encoding": "identity"},
        )
    except ImportError:
        raise MissingPackage(
            "The environment names a SOCKS proxy, which needs a package that is not installed.\n"
            "  pip install 'httpx[socks]'"
        ) from None
    except ValueError as error:
        raise UsageError(f"The proxy in the environment cannot be used: {error}.") from None


def _start(response: httpx.Response, most_bytes: int) -> str:
    """The beginning of a body, as far as it can be read."""
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > most_bytes:
                break
    except httpx.HTTPError:
        pass  # the status alone is an answer
    return body.decode("utf-8", "replace")


def _asked_wait(response: httpx.Response) -> float | None:
    """Seconds of the Retry-After header, which holds seconds or a date."""
    value = response.headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _wait(refused: Refused, tried: int) -> float | None:
    """Seconds until another attempt makes sense; None when it never does."""
    if refused.status not in TRY_AGAIN or "quota" in refused.code or NEVER.search(refused.said):
        return None
    if refused.wait is None:
        return _back_off(tried)
    return None if refused.wait > MOST_WAIT else refused.wait + random.uniform(0, 0.25)


def _wait_to_connect(error: Exception, tried: int, base_url: str) -> float | None:
    """Seconds until another attempt to connect; None when the request may have been paid.

    Where nothing listens on this machine, nothing will in a few seconds.
    """
    if isinstance(error, httpx.ConnectError) and is_this_machine(base_url):
        return None
    again = httpx.NetworkError | httpx.RemoteProtocolError | httpx.ConnectTimeout | httpx.ProxyError
    return _back_off(tried) if isinstance(error, again) else None


def _back_off(tried: int) -> float:
    """Half a second, doubled each time up to 16 s, spread so that callers do not come together."""
    return random.uniform(0.5, 1.0) * min(16.0, 0.5 * 2.0**tried)


def _field_refused(refused: Refused, sent: Set[str]) -> str | None:
    """The field of our request that a server does not take; None when it is another matter.

    Args:
        refused: What the server said.
        sent: The fields that the request had, and "system" if it had such a message.
    """
    if refused.status not in (400, 422, 501) or TOO_LONG.search(refused.said):
        return None
    for field in FIELDS:
        if field in sent and re.search(rf"(?i)\b{field}\b", refused.said):
            return field
    # The field that servers of before 2024 do not know, when they do not say which it is.
    vague = not refused.said or re.search(
        r"(?i)field|argument|parameter|extra|unexpected", refused.said
    )
    return "stream_options" if vague and "stream_options" in sent else None
