"""What a language model is to isoflop: it continues a text, or says how likely one is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from isoflop.bill import Bill

Role = Literal["system", "user", "assistant"]
OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: What is said, as plain text.
    """

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Scored:
    """How likely a model finds a text, token by token.

    Tokens that stand for no text, such as one that marks the beginning, are left out.

    Attributes:
        tokens: As the model writes each; a piece of a character may read as U+FFFD or "".
        byte_lengths: Bytes of the scored text that each token stands for; they sum to
            `len(text.encode())`. Of a character that several tokens share, each has its own bytes
            where they can be told apart, else the last has all of them.
        log_probabilities: Natural logarithms; None for a first token without context.
        prompt_bytes: Bytes at the end of the prompt that belong to the first token too, because
            it straddles the boundary; 0 if none does.
        alternatives: The most likely tokens at each place with their log-probabilities; None
            where they were not asked for.
        prompt_tokens: Tokens read, cached ones and those of the prompt included.
        cached_tokens: Of those, tokens whose work was kept from an earlier call.
        output_tokens: Tokens written on the way; some servers cannot score without writing one.
        seconds: Wall time, waiting and retries included.
        model: The name under which the model answered.
    """

    tokens: tuple[str, ...]
    byte_lengths: tuple[int, ...]
    log_probabilities: tuple[float | None, ...]
    prompt_bytes: int = 0
    alternatives: tuple[Mapping[str, float], ...] | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    model: str = ""

    @property
    def log_probability(self) -> float | None:
        """Of all tokens together, in nats; None if it is unknown of one."""
        total = 0.0
        for each in self.log_probabilities:
            if each is None:
                return None
            total += each
        return total

    @property
    def bill(self) -> Bill:
        """Tokens and seconds as they were counted."""
        return usage_bill(self)


@dataclass(frozen=True, slots=True)
class Generated:
    """What a model wrote and what it counted; a count it did not report is None.

    Attributes:
        text: The text, without what the model thought in a separate channel.
        prompt_tokens: Tokens read, cached ones included.
        cached_tokens: Of those, tokens whose work was kept from an earlier call.
        output_tokens: Tokens written, thinking included.
        seconds: Wall time from the call to the last character, waiting and retries included.
        finish_reason: "stop" when the model was done, "length" when it ran out of tokens.
        model: The name under which the server answered.
        scored: The tokens it wrote and their log-probabilities; None where they were not asked
            for, or the server gave none.
    """

    text: str
    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    seconds: float
    finish_reason: str | None
    model: str
    scored: Scored | None = None

    @property
    def bill(self) -> Bill:
        """Tokens and seconds as they were counted."""
        return usage_bill(self)


def usage_bill(of: Scored | Generated) -> Bill:
    """A bill of what was counted; what machine it took, and its price, the caller adds.

    FLOPs, energy, dollars and carbon are not in it: 0 with no basis, as in `Bill()`.
    """
    return Bill.measured(
        prompt_tokens=of.prompt_tokens,
        cached_tokens=of.cached_tokens,
        output_tokens=of.output_tokens,
        seconds=of.seconds,
    )


class Model(Protocol):
    """Anything that continues a conversation."""

    @property
    def name(self) -> str:
        """`scheme:name`, as the user writes it."""

    def generate(
        self,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> Generated:
        """The model's next turn.

        Args:
            messages: The conversation so far.
            most_tokens: Tokens it may write.
            temperature: 0 for the most likely text.
            stop: Strings at which it stops, not included in the text.
            on_text: Called with each piece of text as it arrives.
        """


class Scorer(Protocol):
    """Anything that says how likely a text is."""

    @property
    def name(self) -> str:
        """`scheme:name`, as the user writes it."""

    def score(self, text: str) -> Scored:
        """Every token of a text, each given those before it.

        The first one has a log-probability only where the model begins texts with a token of its
        own; else it is None.

        Raises:
            UsageError: If the text is empty, or longer than the model can read.
        """

    def score_continuation(self, prompt: str, continuation: str) -> Scored:
        """The tokens of the continuation, given the prompt and the tokens before.

        Prompt and continuation are read as one text, as the model would meet them. Where a token
        straddles the boundary, it counts with the continuation, whole: its log-probability is
        also of the last `prompt_bytes` bytes of the prompt, and `byte_lengths` counts only the
        continuation's. Compare continuations that straddle alike: end the prompt where a token
        ends, for most vocabularies before a space.

        Args:
            prompt: May be empty.
            continuation: What is scored.

        Raises:
            UsageError: If the continuation is empty, or both together are too long.
        """
