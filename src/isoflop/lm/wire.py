"""The chat completions format, without a network: requests, replies, usage and refusals.

Nothing that a server sends is trusted to have the right shape: a field of another type is a field
that is not there.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from isoflop.lm.events import events
from isoflop.lm.model import Generated, Message

MOST_BYTES = 8 * 2**20  # of one reply; a stream with 4,000 tokens takes about 1 MB
MOST_SAID = 300  # characters of a server's own words that an error repeats


class Garbled(Exception):
    """A reply that broke off, or is no chat completion at all."""


class Refused(Exception):
    """A reply that says no.

    Attributes:
        status: The HTTP status, or the code inside a stream.
        said: The server's words, on one line.
        code: The server's name for it, such as "insufficient_quota".
        wait: Seconds the server asks to wait; None when it does not say.
    """

    def __init__(self, status: int, said: str, code: str = "", wait: float | None = None) -> None:
        super().__init__(status, said)
        self.status, self.said, self.code, self.wait = status, said, code, wait


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model, before it is written down for one server."""

    model: str
    messages: tuple[Message, ...]
    most_tokens: int
    temperature: float
    stop: tuple[str, ...]

    def body(self, without: Iterable[str] = ()) -> dict[str, object]:
        """The JSON object to send.

        Args:
            without: Fields this server is known to refuse; "max_tokens" is then called by its
                newer name, "system" is said by the user, the others are left out.
        """
        without = set(without)
        limit = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
        messages = _by_user(self.messages) if "system" in without else self.messages
        body: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            limit: self.most_tokens,
            "temperature": self.temperature,
        }
        if self.stop:
            body["stop"] = list(self.stop)
        if "stream" not in without:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in body.items() if name not in without}


def _by_user(messages: Sequence[Message]) -> tuple[Message, ...]:
    said = "\n\n".join(m.content for m in messages if m.role in ("system", "user"))
    return (Message("user", said), *(m for m in messages if m.role == "assistant"))


class Reply:
    """An answer as it arrives."""

    def __init__(self, on_text: Callable[[str], None] | None = None) -> None:
        self.begun = False  # something was written, so something was paid
        self.finish_reason: str | None = None
        self._model = ""
        self._usage: dict[str, object] = {}
        self._text: list[str] = []
        self._half = ""  # the first half of a surrogate pair, waiting for the second
        self._on_text = on_text

    @property
    def whole(self) -> bool:
        """Whether the text is there to its end, whatever happens after."""
        return self.finish_reason is not None

    def read(self, chunks: Iterable[bytes]) -> None:
        """Takes in a whole body: a stream of events or, from servers without one, plain JSON.

        The first character tells which; the content type is often wrong.

        Raises:
            Garbled: If it is neither, or breaks off.
            Refused: If it holds an error object.
        """
        first, rest = _opening(_bounded(chunks))
        if first.startswith((b"{", b"[")):
            self._take(b"".join(chain([first], rest)).decode("utf-8", "replace"))
            done = bool(self.begun or self.finish_reason)
        else:
            done = self._read_events(chain([first], rest))
        self._write("", last=True)
        if not done:
            raise Garbled(self._why(first))

    def _read_events(self, chunks: Iterable[bytes]) -> bool:
        for event in events(chunks):
            if event.data.strip() == "[DONE]":
                return True
            self._take(event.data)
        return self.whole

    def _why(self, first: bytes) -> str:
        if self.begun:
            return f"it broke off after {len(''.join(self._text)):,} characters"
        if not first:
            return "what came is empty"
        what = "a web page" if first.startswith(b"<") else "no chat completion"
        return f"what came is {what}"

    def _take(self, data: str) -> None:
        try:
            part = json.loads(data)
        except ValueError as error:
            raise Garbled(self._why(data.encode("utf-8", "replace"))) from error
        if not isinstance(part, dict):
            raise Garbled(self._why(data.encode("utf-8", "replace")))
        if part.get("error") or part.get("object") == "error":
            raise refusal(0, data)
        self._model = _text(part.get("model")) or self._model
        groq = _object(part.get("x_groq")).get("usage")  # streamed there before it was standard
        self._usage = _object(part.get("usage")) or _object(groq) or self._usage
        choices = part.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else ():
            self._choose(_object(choice))

    def _choose(self, choice: dict[str, object]) -> None:
        said = _object(choice.get("delta")) or _object(choice.get("message"))
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        thought = _text(said.get("reasoning_content")) or _text(said.get("reasoning"))
        self.begun = self.begun or bool(thought)
        self._write(_content(said.get("content")) or _text(said.get("refusal")))

    def _write(self, piece: str, *, last: bool = False) -> None:
        """Keeps a piece of text and passes it on, never half a character."""
        piece = self._half + piece
        cut = not last and "\ud800" <= piece[-1:] <= "\udbff"
        self._half = piece[-1:] if cut else ""
        piece = piece[:-1] if cut else piece
        piece = piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if piece:
            self.begun = True
            self._text.append(piece)
            if self._on_text:
                self._on_text(piece)

    def generated(self, seconds: float, model: str) -> Generated:
        """What arrived, after `seconds`, from what we call `model`."""
        details = _object(self._usage.get("prompt_tokens_details"))
        cached = _count(details.get("cached_tokens"))
        if cached is None:
            cached = _count(self._usage.get("prompt_cache_hit_tokens"))
        return Generated(
            "".join(self._text),
            _count(self._usage.get("prompt_tokens")),
            cached,
            _count(self._usage.get("completion_tokens")),
            seconds,
            self.finish_reason,
            self._model or model,
        )


def refusal(status: int, body: str, wait: float | None = None) -> Refused:
    """What a server's error says, in whichever of the common forms it comes.

    Args:
        status: Of the HTTP answer; 0 when the error came inside a stream.
        body: The answer's body.
        wait: Seconds the server asks to wait.
    """
    try:
        found = json.loads(body)
    except ValueError:
        said = "" if body.lstrip().startswith("<") else body  # a proxy's HTML page says nothing
        return Refused(status, one_line(said), wait=wait)
    whole = _object(found)
    error = _object(whole.get("error")) or whole
    said = _text(error.get("message")) or _text(whole.get("error"))
    said = said or (body if "detail" in whole else "")
    code = error.get("code") or error.get("type")
    if not status:
        status = _count(error.get("code")) or _count(error.get("status")) or 500
    param = _text(error.get("param"))
    said = said if not param or param in said else f"{said} ({param})"
    return Refused(status, one_line(said), str(code or ""), wait)


def one_line(text: str, most: int = MOST_SAID) -> str:
    """Foreign text for a message: one line, printable, not long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def model_names(body: str) -> list[str]:
    """The names in the answer to GET /models; of anything else, none."""
    try:
        listed = _object(json.loads(body)).get("data")
    except ValueError:
        return []
    entries = listed if isinstance(listed, list) else []
    return [name for entry in entries if (name := _text(_object(entry).get("id")))]


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    read = 0
    for chunk in chunks:
        read += len(chunk)
        if read > MOST_BYTES:
            raise Garbled(f"what came is longer than {MOST_BYTES:,} bytes")
        yield chunk


def _opening(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Bytes up to the first that is no white space, and the rest."""
    first = b""
    while not (first := first.removeprefix(b"\xef\xbb\xbf").lstrip()):
        chunk = next(chunks, None)
        if chunk is None:
            break
        first += chunk
    return first, chunks


def _content(value: object) -> str:
    """Text given plainly or as a list of parts."""
    if isinstance(value, list):
        return "".join(_text(_object(part).get("text")) for part in value)
    return _text(value)


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if right and isinstance(value, int) else None
