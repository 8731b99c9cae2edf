"""One forward pass of a model over texts, from which every measure of likelihood is made.

Perplexity, bits per byte and every likelihood detector are sums over a `TokenStream`; none of
them reads the text again.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isoflop.bill import Bill, total
from isoflop.errors import IsoflopError, UsageError
from isoflop.lm.causal import CausalModel
from isoflop.measure.windows import Reading, Settled, Window, batched, windows
from isoflop.meter import measured

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

WHOLE = Reading()  # as many tokens at once as the model was made for, no window overlapping

ROWS_BYTES = 3 << 17  # of logits worked on at once: they stay in the second-level cache


@dataclass(frozen=True, slots=True)
class TokenStream:
    """What one forward pass says of each token of a text; arrays of shape (N,), in nats.

    With p the model's distribution over the next token, the figures of a token are about p at its
    place. Figures of tokens that were not scored are NaN, and their rank is 0.

    Attributes:
        tokens: Their ids.
        byte_lengths: Bytes of text that each stands for; they sum to those of the text.
        contexts: Tokens the model saw before each, the beginning token included; 0 where not
            scored.
        log_probabilities: log p of the token.
        ranks: 1 where no token was more likely.
        means: Mean of log p under p, which is minus its entropy.
        variances: Variance of log p under p.
        cross_means: Mean of log p under the reference model's distribution; None without one.
        cross_variances: Variance of log p under it.
        bill: Of the pass: tokens read with padding, FLOPs, seconds, joules.
    """

    tokens: Integers
    byte_lengths: Integers
    contexts: Integers
    log_probabilities: Floats
    ranks: Integers
    means: Floats
    variances: Floats
    cross_means: Floats | None = None
    cross_variances: Floats | None = None
    bill: Bill = field(default_factory=Bill)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which tokens have figures: all but a first one that nothing stands before."""
        return self.contexts > 0

    @property
    def entropies(self) -> Floats:
        """Of p at each place."""
        return -self.means

    @property
    def nats(self) -> float:
        """Minus the log-probability of all scored tokens together."""
        return -math.fsum(self.log_probabilities[self.scored])

    def __getitem__(self, part: slice) -> "TokenStream":
        """Some of the tokens, for example those of a sentence; the bill is nobody's."""
        cut: dict[str, Any] = {"bill": Bill()}
        for column in COLUMNS:
            whole = getattr(self, column)
            cut[column] = None if whole is None else whole[part]
        return TokenStream(**cut)


COLUMNS = tuple(column.name for column in fields(TokenStream) if column.name != "bill")


def score(
    model: CausalModel,
    text: str,
    *,
    reference: CausalModel | None = None,
    reading: Reading = WHOLE,
) -> TokenStream:
    """Read one text; see `score_all`."""
    return score_all(model, [text], reference=reference, reading=reading)[0]


def score_all(
    model: CausalModel,
    texts: Sequence[str],
    *,
    reference: CausalModel | None = None,
    reading: Reading = WHOLE,
) -> list[TokenStream]:
    """Read several texts, many windows at a time.

    Windows are laid on a text as lm-evaluation-harness lays them: the first reads the model's
    beginning token and then the text; a later one begins with the token before its first new
    one, or, where the stride is smaller than the window, with as many as fill the window.

    Args:
        model: Whose probabilities are taken.
        texts: None of them empty.
        reference: A model of the same tokens, whose distribution the cross-moments are under.
        reading: Windows and batches.

    Returns:
        One stream per text, in their order; of the bill each has the share of its tokens.

    Raises:
        UsageError: If a text is empty, has nothing to score, or the models' tokens differ.
        IsoflopError: If a model's output is not a number.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    encoded = {place: _encode(model, reference, texts[place]) for place in order}
    settled = reading.settled(*_both(model, reference))
    laid = (
        window for place in order for window in windows(model, [encoded[place]], settled, place)
    )
    found: dict[int, list[TokenStream]] = {place: [] for place in order}
    for window, stream in _read(model, reference, laid, settled):
        found[window.text].append(stream)
    return [_joined(found[place]) for place in range(len(texts))]


def score_pieces(
    model: CausalModel,
    pieces: Iterable[str],
    *,
    reference: CausalModel | None = None,
    reading: Reading = WHOLE,
) -> Iterator[TokenStream]:
    """Read one text that need not fit in memory, window by window.

    Args:
        model: As in `score_all`.
        pieces: Of the text, cut where no token is; see `pieces_of`.
        reference: As in `score_all`.
        reading: Windows and batches.

    Yields:
        The streams of consecutive tokens, each with the bill of its share.

    Raises:
        UsageError: If there is nothing to score.
    """
    settled = reading.settled(*_both(model, reference))
    encoded = (_encode(model, reference, piece) for piece in pieces if piece)
    nothing = True
    for _, stream in _read(model, reference, windows(model, encoded, settled), settled):
        nothing = False
        yield stream
    if nothing:
        raise UsageError("The text is empty: there is nothing to score.")


def _both(model: CausalModel, reference: CausalModel | None) -> tuple[CausalModel, ...]:
    return (model,) if reference is None else (model, reference)


def _encode(model: CausalModel, reference: CausalModel | None, text: str) -> Integers:
    """The tokens of a text, which the reference model must share, and their bytes: (2, N)."""
    if not text:
        raise UsageError("The text is empty: there is nothing to score.")
    ids = model.encode(text)
    if reference is not None and (
        reference.vocabulary != model.vocabulary or reference.encode(text) != ids
    ):
        raise UsageError(
            f"{reference.name} has other tokens than {model.name}, so the two cannot be compared "
            "token by token. Choose a reference with the same tokenizer."
        )
    return np.asarray([ids, model.byte_lengths(ids)], np.int64)


def _read(
    model: CausalModel, reference: CausalModel | None, laid: Iterator[Window], settled: Settled
) -> Iterator[tuple[Window, TokenStream]]:
    """Read windows in batches; each comes back with the stream of its scored tokens."""
    for batch in batched(laid, settled.batch):
        with measured() as meter:
            figures, flops = _figures(model, reference, batch, settled)
        each = Bill.measured(
            prompt_tokens=figures.shape[2] * len(_both(model, reference)),
            flops=flops,
            seconds=meter.seconds / len(batch),
            joules=None if meter.joules is None else meter.joules / len(batch),
            dollars=None,
            grams_co2e=None,
        )
        for row, window in enumerate(batch):
            part = figures[:, row, window.fresh - 1 : len(window.ids) - 1]
            yield window, replace(_stream(model, window, part), bill=each)


def _figures(
    model: CausalModel, reference: CausalModel | None, batch: list[Window], settled: Settled
) -> tuple[Floats, float | None]:
    """Figures of every read place, (4 or 6, B, T), and the FLOPs of a row."""
    longest = max(len(window.ids) for window in batch) - 1
    read = torch.zeros(len(batch), longest, dtype=torch.int64)  # zeros stand behind what is read
    targets = torch.zeros_like(read)
    for row, window in enumerate(batch):
        ids = torch.from_numpy(window.ids)
        read[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = ids[1:]
    models = _both(model, reference)
    caches = [None] * len(models)
    if longest > settled.piece:
        caches = [each.new_cache(len(batch), longest) for each in models]
    parts: list[Floats] = []
    flops: float | None = 0.0
    for start in range(0, longest, settled.piece):
        stop = min(start + settled.piece, longest)
        logits = [
            each.logits(read[:, start:stop], cache=cache).flatten(0, 1)
            for each, cache in zip(models, caches, strict=True)
        ]
        figures = statistics(logits[0], targets[:, start:stop].flatten(), *logits[1:])
        parts.append(figures.view(-1, len(batch), stop - start).double().numpy())
        for each in models:
            once = each.forward_flops(stop - start, start)
            flops = None if flops is None or once is None else flops + once
    return np.concatenate(parts, axis=2), flops


def statistics(logits: Tensor, targets: Tensor, reference: Tensor | None = None) -> Tensor:
    """Figures of N places over V tokens, few rows at a time so that they stay in the cache.

    Args:
        logits: (N, V), float32.
        targets: (N,), the tokens that came.
        reference: (N, V), logits of the reference model.

    Returns:
        (4, N): log p of the target, its rank, mean and variance of log p under p; with a
        reference (6, N), the last two being mean and variance of log p under its distribution.
    """
    count, vocabulary = logits.shape
    rows = max(1, ROWS_BYTES // (4 * vocabulary))
    found = logits.new_empty(4 if reference is None else 6, count)
    kept, scratch = logits.new_empty(2, min(rows, count), vocabulary)
    for start in range(0, count, rows):
        part = slice(start, start + rows)
        size = len(targets[part])
        log_p = torch.log_softmax(logits[part], -1, out=kept[:size])
        one, two = found[:, part], scratch[:size]
        target = log_p.gather(1, targets[part, None])
        one[0] = target[:, 0]
        one[1] = torch.gt(log_p, target, out=two).sum(-1).add_(1)
        one[2], one[3] = _moments(torch.exp(log_p, out=two), log_p)
        if reference is not None:
            torch.softmax(reference[part], -1, out=two)
            one[4], one[5] = _moments(two, log_p)
    return found


def _moments(p: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of values (N, V) under p (N, V), which is overwritten."""
    mean = torch.linalg.vecdot(p, values)
    second = torch.linalg.vecdot(p.mul_(values), values)
    return mean, second.sub_(mean.square()).clamp_(min=0)


def _stream(model: CausalModel, window: Window, figures: Floats) -> TokenStream:
    """The stream of a window's scored tokens, and of a first one that has no figures."""
    lead = int(window.lead)
    new = slice(window.fresh - lead, None)
    ids = window.ids[new]
    if not np.isfinite(figures[0]).all():
        bad = int(np.flatnonzero(~np.isfinite(figures[0]))[0])
        raise IsoflopError(
            f"{model.name} gives token {int(ids[bad + lead])} the log-probability "
            f"{figures[0][bad]}, which is no number to count with. Its weights may be damaged, or "
            "its precision too low."
        )
    padded = np.pad(figures, ((0, 0), (lead, 0)), constant_values=np.nan)
    contexts = np.arange(window.fresh, len(window.ids), dtype=np.int64)
    crosses: dict[str, Any] = {}
    if len(padded) == 6:
        crosses = {"cross_means": padded[4], "cross_variances": padded[5]}
    return TokenStream(
        tokens=ids,
        byte_lengths=window.byte_lengths[new],
        contexts=np.pad(contexts, (lead, 0)),
        log_probabilities=padded[0],
        ranks=np.pad(figures[1].astype(np.int64), (lead, 0)),
        means=padded[2],
        variances=padded[3],
        **crosses,
    )


def _joined(streams: list[TokenStream]) -> TokenStream:
    """Streams of consecutive tokens as one."""
    joined: dict[str, Any] = {"bill": total(stream.bill for stream in streams)}
    for column in COLUMNS:
        parts = [getattr(stream, column) for stream in streams]
        joined[column] = None if parts[0] is None else np.concatenate(parts)
    return TokenStream(**joined)
