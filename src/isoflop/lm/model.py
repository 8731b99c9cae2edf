"""What a language model is to isoflop: messages in, text and a count of tokens out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

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
    """

    text: str
    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    seconds: float
    finish_reason: str | None
    model: str


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
