"""Whether a server's log-probabilities of a text are a language model's.

Several servers give none, give those of their own output instead, or zeros; others give numbers
left over from an earlier request. Evaluations go on with them, at chance and without a word. So
three short texts are scored first: a sentence, the same words in reverse order, and the sentence
with another after it. A language model finds the reversed words much less likely, and gives the
words of the first sentence the same log-probabilities whatever follows.

Source:
    What goes wrong: ggml-org/llama.cpp issue 27174 (every multiple choice at exact chance, 2026)
    and vllm-project/vllm issue 42019 (values of an earlier request, 2026).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from isoflop.bill import Bill
from isoflop.lm.model import Scored

# Long enough that a prefix cache keeps blocks of it (16 tokens each in vLLM), in plain words that
# any vocabulary writes with few tokens.
SENTENCE = (
    "When the old man came home in the evening, he sat down by the fire and told the children"
    " that the river had been so high in the spring that they could not see the other side of it."
)
FIRST, *REST = SENTENCE.split(" ")
TWIN = " ".join([FIRST, *reversed(REST)])  # the first word has no log-probability everywhere
LONGER = SENTENCE + " They did not believe him, but they were too tired to say so."
# The least difference between sentence and twin, in nats per byte. `python -m benchmarks.probe`
# on 25 November 2026: models of counts of two and more tokens give 0.22 to 0.80, of three bytes
# 0.036 to 0.054; larger models give more. Counts of one token or two bytes give at most 0.004,
# log-probabilities read one place late -0.01 to -0.11.
LEAST_DIFFERENCE = 0.03
# The most that a log-probability may change, on average, with what follows. bfloat16 and other
# batches move single ones by a few hundredths; leftovers of other texts move them by nats.
MOST_CHANGE = 0.1
# The largest part of tokens that may be likelier than the likeliest: two that are written alike,
# such as pieces of characters, share one entry in a server's table, and the last one stays.
MOST_ABOVE = 0.05


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe of an endpoint found.

    Attributes:
        way: How the log-probabilities of a text are asked for: "echo" or "prompt_logprobs".
        difference: Nats per byte by which the sentence is likelier than its words reversed.
        change: Nats by which a token's log-probability changes with what follows, on average.
        begins: Whether the model begins a text with a token of its own, so that the first one of
            the text has a log-probability.
        bill: What the probe took.
    """

    way: str
    difference: float
    change: float
    begins: bool
    bill: Bill


def fault(scored: Scored) -> str | None:
    """What one answer shows to be no log-probabilities of a text; None if it shows nothing."""
    first, *rest = scored.log_probabilities
    known = [value for value in (first, *rest) if value is not None]
    if not known:
        return f"none of its {len(scored.tokens)} tokens has a log-probability"
    if None in rest:
        return f"{rest.count(None)} of its {len(scored.tokens)} tokens have no log-probability"
    if not all(map(math.isfinite, known)):
        return "some of its log-probabilities are not finite numbers"
    if max(known) > 1e-3:  # rounding of half precision around a probability of 1
        return f"a log-probability is above zero ({max(known):.3g})"
    if (above := _above_the_likeliest(scored)) > max(1, MOST_ABOVE * len(known)):
        return f"{above} of its {len(known)} tokens are likelier than the likeliest token there"
    total = max((_mass(place) for place in scored.alternatives or ()), default=0.0)
    if total > 1.01:  # duplicates are merged by their name, which can only make it smaller
        return f"the alternatives at one place have a probability of {total:.3g} together"
    return None


def _above_the_likeliest(scored: Scored) -> int:
    """Tokens whose log-probability is above that of every alternative: it is another token's."""
    places = zip(scored.log_probabilities, scored.alternatives or (), strict=False)
    return sum(
        value > max(others.values()) + 0.01
        for value, others in places
        if value is not None and others
    )


def difference(sentence: Scored, twin: Scored) -> float:
    """Nats per byte by which a sentence is likelier than its words in reverse order."""
    return _per_byte(sentence) - _per_byte(twin)


def change(sentence: Scored, longer: Scored) -> float:
    """Mean change of the log-probabilities of a text with what follows it, in nats.

    The last tokens are left out, since the text's end may be cut otherwise when it goes on.
    """
    shared = 0
    for mine, other in zip(sentence.tokens, longer.tokens, strict=False):
        if mine != other:
            break
        shared += 1
    pairs = zip(sentence.log_probabilities[:shared], longer.log_probabilities[:shared], strict=True)
    changes = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    return sum(changes) / len(changes) if changes else math.inf


def faults(sentence: Scored, twin: Scored, longer: Scored) -> str | None:
    """What three answers show together; None if they are a language model's."""
    known = [value for value in sentence.log_probabilities if value is not None]
    if known and max(known) - min(known) < 1e-6:
        return f"all of its {len(known)} log-probabilities are {known[0]:.4g}"
    for scored in (sentence, twin, longer):
        if (wrong := fault(scored)) is not None:
            return wrong
    moved = change(sentence, longer)
    if moved > MOST_CHANGE:
        return (
            f"the log-probabilities of the same words changed by {moved:.2g} nats a token between"
            " two requests, as they do when they are left over from another text"
        )
    more = difference(sentence, twin)
    if more < LEAST_DIFFERENCE:
        return (
            f"it finds a plain sentence only {more:.2g} nats per byte likelier than the same words"
            f" in reverse order ({LEAST_DIFFERENCE} would be little)"
        )
    return None


def found(way: str, sentence: Scored, twin: Scored, longer: Scored, *, bill: Bill) -> Probe:
    """What three answers without a fault say."""
    begins = sentence.log_probabilities[0] is not None
    more, moved = difference(sentence, twin), change(sentence, longer)
    return Probe(way, more, moved, begins, bill)


def _per_byte(scored: Scored) -> float:
    """Nats per byte of the tokens that have a log-probability."""
    pairs: Sequence[tuple[float | None, int]] = list(
        zip(scored.log_probabilities, scored.byte_lengths, strict=True)
    )
    bytes_ = sum(length for value, length in pairs if value is not None)
    return sum(value for value, _ in pairs if value is not None) / max(bytes_, 1)


def _mass(place: object) -> float:
    values = place.values() if isinstance(place, dict) else ()
    return sum(math.exp(min(value, 1.0)) for value in values)
