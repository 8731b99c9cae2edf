"""Any OpenAI-compatible endpoint: the model `openai:NAME`.

Only the host in `base_url` is contacted: redirects are not followed, and proxies from the
environment serve other machines than this one. The key goes into one header and nowhere else.
"""

import email.utils
import ipaddress
import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx

from isoflop.errors import IsoflopError, Missing, MissingPackage, UsageError
from isoflop.lm.model import Generated, Message, OnText
from isoflop.lm.refusals import TOO_LONG, explained, unanswered
from isoflop.lm.wire import (
    MOST_BYTES,
    MOST_SAID,
    Garbled,
    Refused,
    Reply,
    Request,
    model_names,
    refusal,
)

OPENAI = "https://api.openai.com/v1"
MOST_WAIT = 60.0  # seconds; a server that asks for longer is not waited for
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FIELDS = ("stream_options", "max_tokens", "temperature", "stop", "stream", "system")

log = logging.getLogger(__name__)


class Endpoint:
    """A model behind an OpenAI-compatible chat completions endpoint.

    What a server refuses (usage in streams, streams, a temperature, a system message) is left out
    from then on; what it may charge for is never asked twice: once text has begun to arrive, or
    after silence, nothing is retried.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        connect_seconds: float = 10.0,
        silence_seconds: float = 300.0,
        retries: int = 4,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """An endpoint; nothing is contacted until it is asked something.

        Args:
            model: The server's name for the model.
            base_url: Where `/chat/completions` is appended; OpenAI when None.
            key: Sent as a bearer token; None looks it up with `key_for`, "" sends none.
            connect_seconds: Patience for a connection.
            silence_seconds: Patience between two pieces of an answer, the first one included.
            retries: Further attempts after a busy or failing server.
            pause: Called with the seconds to wait before another attempt.

        Raises:
            UsageError: If the name is empty, or `base_url` is no http(s) address or holds a
                password.
            Missing: If the key cannot be sent in a header, or openai.com is named without one.
        """
        if not model.strip():
            raise UsageError("No model is named after 'openai:'. Write openai:NAME.")
        self.model = model
        self.base_url = _checked(base_url or OPENAI)
        self._key = _printable(key_for(self.base_url) if key is None else key)
        self._retries, self._pause = retries, pause
        self._without: set[str] = set()
        self._client = _client(self.base_url, connect_seconds, silence_seconds)

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r}, base_url={self.base_url!r})"

    @property
    def name(self) -> str:
        """As the user writes it: `openai:NAME`."""
        return f"openai:{self.model}"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def generate(
        self,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> Generated:
        """The model's next turn; see `isoflop.lm.model.Model.generate`.

        Raises:
            EndpointError: If the server cannot be reached, refuses, falls silent or breaks off.
            Missing: If the server wants a key or does not know the model.
        """
        request = Request(self.model, tuple(messages), most_tokens, temperature, tuple(stop))
        started = time.perf_counter()
        reply = self._replied(request, on_text)
        return reply.generated(time.perf_counter() - started, self.model)

    def models(self) -> list[str]:
        """The models the server lists; empty when it lists none or does not answer."""
        url, headers = self._url("/models"), self._headers()
        try:
            with self._client.stream("GET", url, headers=headers, timeout=5.0) as answer:
                return model_names(_start(answer, MOST_BYTES)) if answer.is_success else []
        except httpx.HTTPError:
            return []

    def _replied(self, request: Request, on_text: OnText | None) -> Reply:
        tried = 0
        while True:
            reply = Reply(on_text)
            try:
                self._attempt(request.body(self._without), reply)
                return reply
            except Refused as refused:
                if reply.begun:
                    raise unanswered(refused, self.base_url, begun=True) from None
                if self._conceded(refused, request):
                    continue
                wait = _wait(refused, tried)
                if wait is None or tried >= self._retries:
                    raise self._explained(refused, tried) from None
            except (httpx.HTTPError, httpx.InvalidURL, Garbled) as error:
                if reply.whole:  # the text is there, only the count that follows is not
                    return reply
                wait = None if reply.begun else _wait_to_connect(error, tried, self.base_url)
                if wait is None or tried >= self._retries:
                    raise unanswered(error, self.base_url, begun=reply.begun) from error
            tried += 1
            log.info("%s: attempt %d failed, waiting %.1f s", self.base_url, tried, wait)
            self._pause(wait)

    def _attempt(self, body: Mapping[str, object], reply: Reply) -> None:
        with self._client.stream(
            "POST", self._url("/chat/completions"), json=body, headers=self._headers()
        ) as response:
            if not response.is_success:
                raise self._refusal(response)
            reply.read(response.iter_bytes())

    def _refusal(self, response: httpx.Response) -> Refused:
        if response.is_redirect:
            target = response.headers.get("location", "")
            return refusal(response.status_code, f"it points to {target}")
        said = self._hidden(_start(response, 64 * MOST_SAID))
        return refusal(response.status_code, said, _asked_wait(response))

    def _conceded(self, refused: Refused, request: Request) -> bool:
        """Whether the request can be written in a way that this server may accept."""
        sent = set(request.body(self._without))
        if "system" not in self._without and any(m.role == "system" for m in request.messages):
            sent.add("system")
        field = _field_refused(refused, sent)
        if field is None:
            return False
        log.info("%s: going on without %s: %s", self.base_url, field, refused.said)
        self._without.add(field)
        return True

    def _explained(self, refused: Refused, tried: int) -> IsoflopError:
        return explained(
            Refused(refused.status, self._hidden(refused.said), refused.code, refused.wait),
            model=self.model,
            base_url=self.base_url,
            key_sent=bool(self._key),
            key_names=key_names(self.base_url),
            tried=tried + 1,
            models=self.models,
        )

    def _hidden(self, said: str) -> str:
        return said.replace(self._key, "[key]") if self._key else said

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _url(self, path: str) -> httpx.URL:
        base = httpx.URL(self.base_url)
        return base.copy_with(path=base.path.rstrip("/") + path)


def is_this_machine(base_url: str) -> bool:
    """Whether a URL's host is a loopback name or address."""
    host = httpx.URL(base_url).host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def key_names(base_url: str) -> tuple[str, ...]:
    """The variables whose key may go to this host, first one first.

    A key for OpenAI is not shown to other machines because an address was typed.
    """
    own = _is_openai(base_url) or is_this_machine(base_url)
    return ("ISOFLOP_API_KEY", "OPENAI_API_KEY") if own else ("ISOFLOP_API_KEY",)


def _is_openai(base_url: str) -> bool:
    host = httpx.URL(base_url).host
    return host == "openai.com" or host.endswith(".openai.com")


def key_for(base_url: str, environment: Mapping[str, str] | None = None) -> str:
    """The key for this host from the environment; "" when there is none.

    `ISOFLOP_API_KEY` goes to whichever host the user names, `OPENAI_API_KEY` to openai.com and to
    this machine only.

    Raises:
        Missing: If there is none for openai.com, which answers nobody without one.
    """
    found = os.environ if environment is None else environment
    names = key_names(base_url)
    key = next((key for name in names if (key := found.get(name, "").strip())), "")
    if not key and _is_openai(base_url):
        raise Missing(
            f"{base_url} wants a key, and neither {' nor '.join(names)} is set.\n"
            "  Set one, or name another server with --base-url or ISOFLOP_BASE_URL."
        )
    return key


def _checked(base_url: str) -> str:
    """A base URL in its plain form."""
    example = "Write it like http://localhost:11434/v1."
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise UsageError(f"{base_url!r} is no address: {error}. {example}") from None
    if url.userinfo:
        raise UsageError(
            f"The address of {url.host} holds a name or password; addresses are shown in messages."
            "\n  Put the key into ISOFLOP_API_KEY instead."
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"{base_url!r} is no http or https address. {example}")
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return str(url.copy_with(path=path or "/", fragment=None)).rstrip("/")


def _printable(key: str) -> str:
    key = key.strip()
    if key.isascii() and key.isprintable():
        return key
    raise Missing(
        "The key holds a character that cannot be sent in a header, such as a line break.\n"
        "  Set the variable again, without quotes or breaks inside."
    )


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
    if refused.status not in TRY_AGAIN or "quota" in refused.code:
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
