"""Answerer: a model with the form in which passages and questions are put to it, and its prices.

Three kinds: no language model at all, a model that continues texts (ours, and base models), and a
model that follows instructions (with a chat template, or on a server).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import TooLongThere, Unaskable, UsageError, did_you_mean
from isoflop.questions import Answer, Hit, Question

NAMES = ("extractive", "isoflop:PATH", "hf:PATH-or-repo", "openai:NAME")


@dataclass(frozen=True, slots=True)
class Told:
    """What the user says of a model on a server; what is None is looked up, or not known.

    Attributes:
        architecture: A name of the catalog's architectures, or the path of a config.json.
        context: Tokens of prompt and answer that the server allows.
        tokenizer: Path of its tokenizer.json, by which the server's counts are checked.
    """

    architecture: str | None = None
    context: int | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model answers here, as a trial or a few questions have shown.

    Attributes:
        prompt_seconds: Of one token read.
        output_seconds: Of one token written.
        call_seconds: Of a call beside these.
    """

    prompt_seconds: float
    output_seconds: float
    call_seconds: float = 0.0

    def seconds(self, prompt: float, written: float) -> float:
        """Of a call that reads and writes so many tokens."""
        return self.call_seconds + self.prompt_seconds * prompt + self.output_seconds * written


class Answerer(Protocol):
    """Answers a question from passages, or from none."""

    @property
    def name(self) -> str:
        """Of the model, `scheme:name`, or "extractive"."""

    @property
    def is_language_model(self) -> bool:
        """Whether it can answer without passages."""

    @property
    def context_tokens(self) -> int | None:
        """Tokens of prompt and answer together; None where nothing bounds them."""

    @property
    def most_tokens(self) -> int:
        """It may write for one answer."""

    @property
    def model(self) -> Any:
        """What runs it: a `CausalModel`, an endpoint, or None."""

    def prompt_tokens(self, question: str, passages: Sequence[Passage]) -> int:
        """Tokens of the prompt; exact where the model's own tokenizer is at hand."""

    def answer_tokens(self, question: Question, *, alone: bool = False) -> float:
        """Tokens it will probably write: of an accepted answer where there is one.

        Args:
            question: With its accepted answers.
            alone: Whether nothing stands before it that may answer it. As where it has no
                answers, a model may then write something else, which a trial shows if there
                was one.
        """

    def asking(self, question: str, passages: Sequence[Passage], written: float) -> Bill:
        """A forecast of one answer to this question from these passages.

        Args:
            question: What is asked.
            passages: That stand before it.
            written: Tokens of the answer.
        """

    def cost(self, prompt: float, written: float, *, cached: float = 0, calls: float = 1) -> Bill:
        """A forecast for calls that read and write so many tokens altogether.

        Args:
            prompt: Tokens read, cached ones included.
            written: Tokens written.
            cached: Of the prompt, tokens whose keys and values are kept.
            calls: Number of calls.
        """

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The answer from these passages, with its bill."""

    def exercise(
        self, question: str, passages: Sequence[Passage], said: str | None
    ) -> dict[str, Any]:
        """A record of `isoflop.train.records` from which an answer is learned, as it is asked here.

        Args:
            question: What is asked.
            passages: That stand before it.
            said: The answer; None where it is that there is none.

        Raises:
            UsageError: If its kind learns nothing here.
        """

    def over(self, model: Any) -> "Answerer":
        """The same form over another model of its kind: tuned, or with groups read before.

        Raises:
            UsageError: If its kind has none.
        """


UNASKED = (Unaskable, TooLongThere)  # of one question; the next may be asked


def unasked(why: Exception, hits: Sequence[Hit] = ()) -> Answer:
    """That a question could not be put to a model: it is not answered, and says why."""
    said = str(why)
    return Answer(said, (), tuple(hits), abstained=True, bill=Bill(), refused=said)


def open_answerer(
    name: str,
    *,
    base_url: str | None = None,
    encoder: Any = None,
    most_tokens: int | None = None,
    told: Told = Told(),
    **options: Any,
) -> Answerer:
    """The answerer for a model's name.

    Args:
        name: "extractive", "isoflop:PATH", "hf:PATH-or-repo" or "openai:NAME".
        base_url: Of an OpenAI-compatible server.
        encoder: Of the index, with which "extractive" reads.
        most_tokens: For one answer; by its form when None.
        told: What the user says of a model on a server.
        options: Passed on to what opens the model.

    Raises:
        UsageError: If the model is unknown.
        Missing: If packages, weights or a key are not there.
    """
    if name == "extractive":
        from isoflop.augment.answerers.quoting import Quoting

        return Quoting(encoder)
    if ":" not in name:
        raise UsageError(
            f"No model called {name!r}.{did_you_mean(name, NAMES)} Models are {', '.join(NAMES)}."
        )
    from isoflop.lm.open import open_model

    if told.tokenizer is not None:
        from isoflop.augment.answerers.served import counter

        options["count_tokens"] = counter(told.tokenizer)
    model = open_model(name, needs=["generate"], base_url=base_url, **options)
    if not hasattr(model, "logits"):  # on a server
        made: Answerer = _served(name.partition(":")[2], model, told)
    elif _has_chat(model):
        from isoflop.augment.answerers.instructed import Instructed

        made = Instructed(model)
    else:
        from isoflop.augment.answerers.continuing import Continuing

        made = Continuing(model)
    return made if most_tokens is None else replace(made, most_tokens=most_tokens)  # type: ignore[type-var]  # all are dataclasses


def _served(name: str, model: Any, told: Told) -> Answerer:
    """A model on a server, with what is known of it."""
    from isoflop.augment.answerers.instructed import Served
    from isoflop.augment.answerers.served import architecture_of

    price = catalog.price(name, getattr(model, "base_url", None))
    shape = (
        architecture_of(name)
        if told.architecture is None
        else catalog.architecture(told.architecture)
    )
    context = told.context if told.context or shape is None else shape.context
    return Served(model, price, context=context, architecture=shape)


def _has_chat(model: Any) -> bool:
    """Whether it was taught to follow turns of a conversation."""
    tokenizer = getattr(model, "tokenizer", None)
    return bool(getattr(tokenizer, "chat_template", None) or getattr(tokenizer, "chat", False))
