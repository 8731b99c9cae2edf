"""Recorded answers: what a model was asked, what it said, and with which probability."""

from collections.abc import Mapping
from dataclasses import dataclass

Top = tuple[Mapping[str, float], ...]  # for each generated token, log-probability by alternative


@dataclass(frozen=True, slots=True)
class Output:
    """One recorded answer.

    Attributes:
        prompt: As it was sent; None when the recording does not hold it.
        text: What the model wrote; None when only likelihoods were recorded.
        id: As published; not trusted for joining when there is a prompt.
        top: Log-probabilities of the likeliest tokens at each place, as far as recorded.
        likelihoods: Log-likelihood of each choice in nats, in the order of the choices.
        unconditional: The same without the question, for pointwise mutual information.
        prompt_tokens: As the server counted; None when not recorded.
        output_tokens: As the server counted; None when not recorded.
    """

    prompt: str | None
    text: str | None
    id: str = ""
    top: Top = ()
    likelihoods: tuple[float, ...] = ()
    unconditional: tuple[float, ...] = ()
    prompt_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The answers of one model.

    Attributes:
        model: As the recording names it; else the name of its file.
        outputs: In recorded order.
    """

    model: str
    outputs: tuple[Output, ...]
