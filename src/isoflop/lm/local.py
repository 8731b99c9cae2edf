"""What models in this process share: they write and score, whoever's their weights are."""

from collections.abc import Sequence

from isoflop.lm import scoring
from isoflop.lm.causal import CausalModel
from isoflop.lm.generate import Request, generate
from isoflop.lm.model import Generated, Message, OnText, Scored
from isoflop.lm.sample import Sampling


class LocalModel:
    """Makes a `CausalModel` a `Model` and a `Scorer`."""

    def generate(
        self: CausalModel,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> Generated:
        """The model's next turn; see `isoflop.lm.model.Model.generate`.

        `isoflop.lm.generate.generate` takes batches and everything else there is to set.

        Raises:
            UsageError: If the conversation fills the model's context.
        """
        request = Request(most_tokens, Sampling(temperature=temperature), tuple(stop))
        show = None if on_text is None else (lambda _, text: on_text(text))
        return generate(self, [self.encode_messages(messages)], request, show)[0]

    def score(self: CausalModel, text: str) -> Scored:
        """Every token of a text; see `isoflop.lm.model.Scorer.score`."""
        return scoring.score(self, text)

    def score_continuation(self: CausalModel, prompt: str, continuation: str) -> Scored:
        """The continuation's tokens; see `isoflop.lm.model.Scorer.score_continuation`."""
        return scoring.score_continuation(self, prompt, continuation)


def prompt_ids(model: CausalModel, text: str) -> list[int]:
    """A text to be continued: the model's beginning token, then the text's own."""
    begun = [] if model.beginning is None else [model.beginning]
    return [*begun, *model.encode(text)]


def plain(messages: Sequence[Message]) -> str:
    """A conversation as a text, for models that know no chat template."""
    return "\n\n".join(message.content for message in messages)
