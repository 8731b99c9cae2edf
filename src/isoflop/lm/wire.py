"""The chat and completions formats, without a network: replies, usage and refusals.

Nothing that a server sends is trusted to have the right shape: a field of another type is a field
that is not there.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypedDict

from isoflop.lm.events import events
from isoflop.lm.logprobs import Tokens
from isoflop.lm.model import Generated, Scored

MOST_BYTES = 8 * 2**20  # of one reply; a stream with 4,000 tokens takes about 1 MB
MOST_SCORED_BYTES = 256 * 2**20  # of one scored text; 100,000 tokens with five others: 40 MB
MOST_SAID = 300  # characters of a server's own words that an error repeats


class Counts(TypedDict):
    """Tokens as a server counts them; None for each that it does not count."""

    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None


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


class Reply:
    """An answer as it arrives."""

    def __init__(
        self, on_text: Callable[[str], None] | None = None, most_bytes: int = MOST_BYTES
    ) -> None:
        """An empty answer; `on_text` is called with each piece as it arrives."""
        self._most_bytes = most_bytes
        self.begun = False  # something was written, so something was paid
        self.finish_reason: str | None = None
        self._model = ""
        self._usage: dict[str, object] = {}
        self._text: list[str] = []
        self._half = ""  # the first half of a surrogate pair, waiting for the second
        self._on_text = on_text
        self._tokens = Tokens()

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
        first, rest = _opening(_bounded(chunks, self._most_bytes))
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
        self._tokens.take(choice.get("logprobs"))
        text = _text(choice.get("text"))  # of a completion, which is no message
        self._write(text or _content(said.get("content")) or _text(said.get("refusal")))

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
        counts = counted(self._usage)
        scored = self._tokens.all()
        if scored:
            scored = replace(scored, **counts, seconds=seconds, model=self._model or model)
        return Generated(
            "".join(self._text),
            **counts,
            seconds=seconds,
            finish_reason=self.finish_reason,
            model=self._model or model,
            scored=scored,
        )


class Reading:
    """The answer to a `ScoreRequest`, as it arrives.

    Attributes:
        text: What the server wrote, or repeated and wrote.
        tokens: The log-probabilities it gave.
        counts: Its counts of tokens.
        model: The name under which it answered; "" if it did not say.
    """

    begun = whole = False  # asking again costs little, and half an answer is none

    def __init__(self, way: str) -> None:
        self._way = way
        self.text = self.model = ""
        self.tokens = Tokens()
        self.counts: Counts = counted({})

    def read(self, chunks: Iterable[bytes]) -> None:
        """Takes in a whole body, of JSON.

        Raises:
            Garbled: If it is something else.
            Refused: If it holds an error object.
        """
        body = b"".join(_bounded(chunks, MOST_SCORED_BYTES))
        try:
            part = json.loads(body.decode("utf-8", "replace"))
        except ValueError as error:
            page = body.lstrip().startswith(b"<")
            what = "a web page" if page else "no completion" if body.strip() else "empty"
            raise Garbled(f"what came is {what}") from error
        part = _object(part)
        if part.get("error") or part.get("object") == "error":
            raise refusal(0, json.dumps(part))
        choices = part.get("choices")
        choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
        self.text, self.model = _text(choice.get("text")), _text(part.get("model"))
        self.counts = counted(_object(part.get("usage")))
        if self._way == "prompt_logprobs":  # vLLM: in the choice; its chat, and others, beside it
            self.tokens.take_prompt(choice.get("prompt_logprobs") or part.get("prompt_logprobs"))
        else:
            self.tokens.take(choice.get("logprobs"))

    def scored(self, text: str, start: int, seconds: float, model: str) -> Scored | None:
        """The tokens of what was sent from byte `start` on; None if they do not spell it."""
        scored = self.tokens.of(text, start)
        return scored and replace(scored, **self.counts, seconds=seconds, model=self.model or model)

    def instead(self, text: str) -> str:
        """What came instead of the tokens of the text."""
        given, written = len(self.tokens), self.text.startswith(text)
        if not given:
            return "no log-probabilities came" + (", only the text" if written else "")
        if given <= 1 and len(text) > given:
            return "only the log-probability of the token that it wrote came"
        first = one_line("|".join(token or "?" for token in self.tokens.written[:8]), 60)
        return f"its {given:,} tokens do not spell the text that was sent; they begin {first!r}"


def counted(usage: dict[str, object]) -> Counts:
    """The counts in a `usage` object; None for each that is not there.

    Cached tokens are where OpenAI, vLLM, SGLang and OpenRouter put them, or where DeepSeek does.
    """
    details = _object(usage.get("prompt_tokens_details"))
    cached = _count(details.get("cached_tokens"))
    if cached is None:
        cached = _count(usage.get("prompt_cache_hit_tokens"))
    return {
        "prompt_tokens": _count(usage.get("prompt_tokens")),
        "cached_tokens": cached,
        "output_tokens": _count(usage.get("completion_tokens")),
    }


def refusal(status: int, body: str, wait: float | None = None) -> Refused:
    """What a server's error says, in whichever of the common forms it comes.

    Args:
        status: Of the HTTP answer; 0 when the error came inside a stream.
        body: The answer's body.
        wait: Seconds the server asks to wait.

    Returns:
        Its words, long ones not yet cut: a key in them must be hidden first.
    """
    try:
        found = json.loads(body)
    except ValueError:
        said = "" if body.lstrip().startswith("<") else body  # a proxy's HTML page says nothing
        return Refused(status, one_line(said, 64 * MOST_SAID), wait=wait)
    whole = _object(found)
    error = _object(whole.get("error")) or whole
    said = _text(error.get("message")) or _text(whole.get("error"))
    said = said or (body if "detail" in whole else "")
    code = error.get("code") or error.get("type")
    if not status:
        status = _count(error.get("code")) or _count(error.get("status")) or 500
    param = _text(error.get("param"))
    said = said if not param or param in said else f"{said} ({param})"
    return Refused(status, one_line(said, 64 * MOST_SAID), str(code or ""), wait)


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


def _bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    read = 0
    for chunk in chunks:
        read += len(chunk)
        if read > most:
            raise Garbled(f"what came is longer than {most:,} bytes")
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
