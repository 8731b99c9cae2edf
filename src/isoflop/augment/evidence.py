"""What speaks for each sentence of the found passages as the answer to a question.

Two kinds of evidence. Words: which of the question's words the sentence and its neighbours hold,
rare ones counting more; and all of them more where the encoder breaks the question's words into
many pieces, as it does in languages it does not know. Vectors: every passage is read once by the
encoder, and a sentence is the stretch of token vectors that stands for it, so that "he" and "the
company" mean what they mean in their passage.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isoflop.augment.asked import Asked, stems
from isoflop.augment.quotable import quotable, table_heads, titles
from isoflop.augment.sentences import Span
from isoflop.plan.flops import forward_flops
from isoflop.questions import Hit
from isoflop.search.chunk import embedded_text
from isoflop.search.fuse import strangeness
from isoflop.search.interaction import closeness

if TYPE_CHECKING:
    from isoflop.search.encoder import Encoder

FEATURES = (
    "passage cosine",  # of the question and the whole passage
    # for each token of the question its best match in the sentence, averaged; a table's row is
    # read with the head of the table
    "late interaction",
    "weakest match",  # the least of these
    "passage words",  # share of the question's words, by rarity, in the passage and above it
    "words",  # share in the sentence, of words that no title of the passage has
    "topic words",  # share in the sentence, of words that a title has
    "words before",  # further share in the sentence before
    "words after",  # further share in the sentence after
    "number",  # a number not in the question, when one is asked for
    "date",  # a year, month or ordinal not in the question, when a date is asked for
    "person",  # capitalised words not in the question, when a person is asked for; 3 count as 1
)

Near = tuple[float, float, float]  # the first three features
Cost = tuple[int, int, float | None]  # tokens, padded tokens, FLOPs

PADDING = 16  # encoders pad a text to a multiple of this many tokens
BEGIN_AND_END = 2  # tokens that they put around it


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sentences that may answer, and what speaks for each.

    Attributes:
        places: For each sentence the number of its hit, and the characters of the passage.
        features: For each sentence the values of `FEATURES`.
        tokens: Read by the encoder.
        padded_tokens: The same with padding.
        flops: Of the encoder; None where a server computed them.
    """

    places: list[tuple[int, int, int]]
    features: list[tuple[float, ...]]
    tokens: int
    padded_tokens: int
    flops: float | None


def padded_tokens(encoder: "Encoder", text: str) -> int:
    """Tokens of a text as the encoder reads it, padding included; what is too long is cut."""
    length = len(encoder.token_offsets(text)) + BEGIN_AND_END
    return min(-(-length // PADDING) * PADDING, encoder.max_tokens)


def evidence(question: str, hits: Sequence[Hit], encoder: "Encoder") -> Evidence:
    """Every sentence of these passages with its features.

    Args:
        question: As asked.
        hits: Best first.
        encoder: With which question and passages are read, once each. One behind an endpoint
            gives no token vectors; with it sentences are compared as wholes, each by itself.
    """
    spans = [quotable(hit.passage) for hit in hits]
    compare = _compared_by_token if encoder.architecture else _compared_by_sentence
    near, cost = compare(question, hits, spans, encoder)
    strange = strangeness(question, len(encoder.token_offsets(question)))
    words = _word_features(Asked.of(question), hits, spans, strange)
    return Evidence(
        [(number, *span) for number, some in enumerate(spans) for span in some],
        [(*one, *other) for one, other in zip(near, words, strict=True)],
        *cost,
    )


def _compared_by_token(
    question: str, hits: Sequence[Hit], spans: Sequence[list[Span]], encoder: "Encoder"
) -> tuple[list[Near], Cost]:
    """Nearness of sentences as stretches of their passages."""
    texts = [embedded_text(hit.passage) for hit in hits]
    asked, *read = encoder.token_vectors([question, *texts])
    near: list[Near] = []
    for hit, text, rows, some in zip(hits, texts, read, spans, strict=True):
        ahead = len(text) - len(hit.passage.text)  # headings that are read with it
        starts = [start - ahead for start, _ in encoder.token_offsets(text)]
        cosine, close = closeness(asked, rows, starts, some, table_heads(hit.passage, some))
        near += [(cosine, *figures) for figures in close]
    lengths = [len(asked), *map(len, read)]
    padded = [-(-length // PADDING) * PADDING for length in lengths]
    assert encoder.architecture is not None
    return near, (sum(lengths), sum(padded), forward_flops(encoder.architecture, padded))


def _compared_by_sentence(
    question: str, hits: Sequence[Hit], spans: Sequence[list[Span]], encoder: "Encoder"
) -> tuple[list[Near], Cost]:
    """Nearness of sentences as texts of their own; the cosine stands for both other figures."""
    quotes = [
        hit.passage.text[start:stop]
        for hit, some in zip(hits, spans, strict=True)
        for start, stop in some
    ]
    wholes = [embedded_text(hit.passage) for hit in hits]
    encoded = encoder.encode([question, *wholes, *quotes])
    cosines = [float(cosine) for cosine in encoded.vectors[1:] @ encoded.vectors[0]]
    of_quotes = iter(cosines[len(wholes) :])
    near = [
        (whole, cosine, cosine)
        for whole, some in zip(cosines, spans, strict=False)
        for cosine in itertools.islice(of_quotes, len(some))
    ]
    return near, (encoded.tokens, encoded.padded_tokens, encoded.flops)


def _word_features(
    asked: Asked, hits: Sequence[Hit], spans: Sequence[list[Span]], strange: float
) -> list[tuple[float, ...]]:
    """For each sentence of all passages: the features from "passage words" on."""
    texts = [
        [hit.passage.text[start:stop] for start, stop in some]
        for hit, some in zip(hits, spans, strict=True)
    ]
    stemmed = [[stems(text) for text in some] for some in texts]
    rarity = _rarity(asked, [words for some in stemmed for words in some], strange)
    rows: list[tuple[float, ...]] = []
    for hit, some_texts, some_words in zip(hits, texts, stemmed, strict=True):
        shares = [asked.found(words) for words in some_words]
        topic = asked.found(stems(titles(hit.passage)))
        whole = _share(asked.found(stems(embedded_text(hit.passage))), rarity)
        for number, text in enumerate(some_texts):
            own = shares[number] - topic
            topical = shares[number] & topic
            before = shares[number - 1] - own - topic if number else frozenset()
            after = shares[number + 1] - own - topic if number + 1 < len(shares) else frozenset()
            rows.append(
                (
                    whole,
                    *(_share(part, rarity) for part in (own, topical, before, after)),
                    *asked.kinds_in(text),
                )
            )
    return rows


def _rarity(asked: Asked, sentence_words: list[list[str]], total: float) -> dict[str, float]:
    """Inverse document frequency of the question's words among these sentences, up to `total`."""
    counts = Counter(word for words in sentence_words for word in asked.found(words))
    n = len(sentence_words)
    weights = {
        word: math.log(1 + (n - counts[word] + 0.5) / (counts[word] + 0.5)) for word in asked.stems
    }
    whole = sum(weights.values()) or 1.0
    return {word: total * weight / whole for word, weight in weights.items()}


def _share(found: frozenset[str], rarity: dict[str, float]) -> float:
    return sum(rarity[word] for word in found)
