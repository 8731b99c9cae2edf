"""What is asked of a served model, written down for servers that refuse different fields."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from isoflop.lm.model import Message


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model, before it is written down for one server.

    Attributes:
        model: The server's name for it.
        asked: A conversation, or a text to go on with.
        most_tokens: Tokens it may write.
        temperature: 0 for the most likely text.
        stop: Strings at which it stops.
        alternatives: Log-probabilities of what it writes, with this many others at each place;
            None for none.
    """

    model: str
    asked: tuple[Message, ...] | str
    most_tokens: int
    temperature: float
    stop: tuple[str, ...] = ()
    alternatives: int | None = None

    @property
    def path(self) -> str:
        """Appended to the base URL."""
        return "/completions" if isinstance(self.asked, str) else "/chat/completions"

    @property
    def roles(self) -> Set[str]:
        """Who speaks in it."""
        return set() if isinstance(self.asked, str) else {m.role for m in self.asked}

    def body(self, without: Iterable[str] = ()) -> dict[str, object]:
        """The JSON object to send.

        Args:
            without: Fields this server is known to refuse; "max_tokens" is then called by its
                newer name, "system" is said by the user, the others are left out.
        """
        without = set(without)
        limit = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
        body: dict[str, object] = {
            "model": self.model,
            **self._asked(without),
            limit: self.most_tokens,
            "temperature": self.temperature,
        }
        if self.stop:
            body["stop"] = list(self.stop)
        if "stream" not in without:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in body.items() if name not in without}

    def _asked(self, without: Set[str]) -> dict[str, object]:
        """The question, and the log-probabilities as each of the two formats asks for them."""
        others = self.alternatives
        if isinstance(self.asked, str):
            return {"prompt": self.asked} | ({} if others is None else {"logprobs": others})
        messages = _by_user(self.asked) if "system" in without else self.asked
        said = [{"role": m.role, "content": m.content} for m in messages]
        wanted = {} if others is None else {"logprobs": True, "top_logprobs": others}
        return {"messages": said, **wanted}


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A text whose log-probabilities are wanted.

    One token is written and thrown away, since servers that refuse to write none are many and
    Ollama takes 0 for no limit. The temperature is 1, because some servers divide by it first.
    """

    model: str
    text: str
    way: str
    alternatives: int

    @property
    def path(self) -> str:
        """Appended to the base URL."""
        return "/completions"

    @property
    def roles(self) -> Set[str]:
        """Nobody speaks in it."""
        return set()

    def body(self, without: Iterable[str] = ()) -> dict[str, object]:
        """The JSON object to send, without the fields that the server is known to refuse."""
        ways: dict[str, dict[str, object]] = {
            "echo": {"echo": True, "logprobs": self.alternatives},
            "prompt_logprobs": {"prompt_logprobs": self.alternatives},
        }
        body = {
            "model": self.model,
            "prompt": self.text,
            "max_tokens": 1,
            "temperature": 1.0,
            **ways[self.way],
        }
        if "max_tokens" in set(without):
            body["max_completion_tokens"] = 1
        return {name: value for name, value in body.items() if name not in set(without)}


def _by_user(messages: Sequence[Message]) -> tuple[Message, ...]:
    said = "\n\n".join(m.content for m in messages if m.role in ("system", "user"))
    return (Message("user", said), *(m for m in messages if m.role == "assistant"))
