"""How likely a causal model finds texts, the same in whatever batches and pieces it reads them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.generate import check_length, top_alternatives
from isoflop.lm.model import Scored

MOST_LOGITS = 1 << 26  # at once, 256 MB as float32


@dataclass(slots=True)
class Likelihood:
    """Of one row of tokens.

    Attributes:
        log_probabilities: Of each token but the first, given those before it, in nats.
        alternatives: The most likely tokens at each of these places, where they were asked for.
    """

    log_probabilities: list[float] = field(default_factory=list)
    alternatives: list[dict[str, float]] = field(default_factory=list)


def likelihoods(
    model: CausalModel,
    rows: Sequence[Sequence[int]],
    *,
    batch: int = 8,
    chunk: int = 512,
    alternatives: int = 0,
) -> list[Likelihood]:
    """The likelihood of each row of token ids.

    Args:
        model: Ours or transformers'.
        rows: Token ids, of any lengths.
        batch: Rows read together; shorter ones are padded on the right, where nothing looks.
        chunk: Tokens of a row read together; the keys and values before are kept.
        alternatives: Most likely tokens to name at each place.

    Raises:
        UsageError: If a row is longer than the model's context.
    """
    found = [Likelihood() for _ in rows]
    order = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
    for start in range(0, len(order), batch):
        part = [at for at in order[start : start + batch] if len(rows[at]) > 1]
        if part:
            _read(model, [rows[at] for at in part], [found[at] for at in part], chunk, alternatives)
    return found


def _read(
    model: CausalModel,
    rows: list[Sequence[int]],
    found: list[Likelihood],
    chunk: int,
    alternatives: int,
) -> None:
    for row in rows:
        check_length(model, len(row) - 1, "text")
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for at, row in enumerate(rows):
        tokens[at, : len(row)] = torch.tensor(row)
    for start, logged in _log_probabilities(model, tokens, chunk):
        stop = start + logged.shape[1]
        own = logged.gather(-1, tokens[:, start + 1 : stop + 1, None])[..., 0]
        for at, row in enumerate(rows):
            count = max(0, min(stop, len(row) - 1) - start)
            found[at].log_probabilities += own[at, :count].tolist()
            if alternatives:
                tops = top_alternatives(model, logged[at, :count], alternatives)
                found[at].alternatives += tops


def _log_probabilities(
    model: CausalModel, tokens: Tensor, chunk: int
) -> Iterator[tuple[int, Tensor]]:
    """Places and log-probabilities (B, T, V) of what follows them, chunk by chunk."""
    batch, count = tokens.shape[0], tokens.shape[1] - 1
    chunk = max(1, min(chunk, MOST_LOGITS // (batch * model.vocabulary)))
    cache = model.new_cache(batch, count) if count > chunk else None
    for start in range(0, count, chunk):
        part = tokens[:, start : min(start + chunk, count)]
        yield start, model.logits(part, cache=cache).log_softmax(-1)


def score(model: CausalModel, text: str, *, alternatives: int = 0) -> Scored:
    """Every token of a text; see `isoflop.lm.model.Scorer.score`."""
    if not text:
        raise UsageError("The text is empty, so there is nothing to score.")
    return _scored(model, text, 0, alternatives)


def score_continuation(model: CausalModel, prompt: str, continuation: str) -> Scored:
    """The tokens of a continuation; see `isoflop.lm.model.Scorer.score_continuation`."""
    if not continuation:
        raise UsageError("The continuation is empty, so there is nothing to score.")
    return _scored(model, prompt + continuation, len(prompt.encode()), 0)


def _scored(model: CausalModel, text: str, boundary: int, alternatives: int) -> Scored:
    """The tokens of a text that reach beyond a boundary, in bytes."""
    started = time.perf_counter()
    ids = model.encode(text)
    lengths = model.byte_lengths(ids)
    whole = text.encode()
    if sum(lengths) != len(whole):
        raise UsageError(
            f"{model.name} changes the text before it reads it ({len(whole):,} bytes became "
            f"{sum(lengths):,}), so its log-probabilities are of another text."
        )
    begun = [] if model.beginning is None else [model.beginning]
    found = likelihoods(model, [[*begun, *ids]], alternatives=alternatives)[0]
    logged: list[float | None] = [*found.log_probabilities]
    tops = found.alternatives
    if not begun:
        logged, tops = [None, *logged], [{}, *tops]
    stops = list(accumulate(lengths))
    first = next(at for at, stop in enumerate(stops) if stop > boundary)
    starts = [boundary, *stops[first:-1]]
    return Scored(
        tokens=tuple(
            whole[a:b].decode("utf-8", "replace")
            for a, b in zip(starts, stops[first:], strict=True)
        ),
        byte_lengths=tuple(b - a for a, b in zip(starts, stops[first:], strict=True)),
        log_probabilities=tuple(logged[first:]),
        prompt_bytes=boundary - (stops[first] - lengths[first]),
        alternatives=tuple(tops[first:]) if alternatives else None,
        prompt_tokens=len(begun) + len(ids),
        cached_tokens=0,
        output_tokens=0,
        seconds=time.perf_counter() - started,
        model=model.name,
    )
