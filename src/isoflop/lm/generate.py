"""Continue token ids with any causal model, prompts of any lengths together.

Prompts are padded on the left, so that every row's newest token is in the last column; positions
and a mask make each row what it would be alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isoflop.errors import Unaskable, UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.constrained import Constraint, Following
from isoflop.lm.model import Generated, Scored
from isoflop.lm.sample import GREEDY, Sampler, Sampling
from isoflop.lm.writing import Writing

OnRow = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a batch besides its prompts.

    Attributes:
        most_tokens: Tokens that each row may write.
        sampling: How they are chosen. Row i of a batch draws with the seed `sampling.seed + i`.
        stop: Strings at which a row stops; they are not part of its text.
        constraint: A grammar that each text follows.
        alternatives: None for no log-probabilities; else how many alternatives to name beside
            each token. They are the model's own, before temperature, penalties and grammar.
        ignore_end: Whether to write on when the model would end.
        cached: Whether keys and values are kept; False reads everything again for each token.
    """

    most_tokens: int
    sampling: Sampling = GREEDY
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    alternatives: int | None = None
    ignore_end: bool = False
    cached: bool = True

    def __post_init__(self) -> None:
        if self.most_tokens < 1:
            raise UsageError(f"most_tokens={self.most_tokens}: ask for at least one token.")


@dataclass(slots=True)
class Row:
    """One prompt and what became of it."""

    number: int
    prompt: list[int]
    writing: Writing
    following: Following | None
    most: int
    seconds: float = 0.0
    finish_reason: str | None = None
    log_probabilities: list[float] = field(default_factory=list)
    alternatives: list[dict[str, float]] = field(default_factory=list)
    ended: bool = False  # by the model's end token, which is no text

    def add(self, token: int, ends: frozenset[int]) -> bool:
        """Take a token; whether the row goes on."""
        if token in ends:
            self.ended = True
            self.finish_reason = "stop"
            return False
        self.writing.add(token)
        if self.following is not None:
            self.following.add(token)
        if self.writing.stopped or (self.following is not None and self.following.finished):
            self.finish_reason = "stop"
        elif len(self.writing.ids) >= self.most:
            self.finish_reason = "length"
        return self.finish_reason is None


def generate(
    model: CausalModel,
    prompts: Sequence[Sequence[int]],
    request: Request,
    on_text: OnRow | None = None,
) -> list[Generated]:
    """What the model writes after each prompt.

    Args:
        model: Ours or transformers'.
        prompts: Token ids; each has at least one.
        request: What is asked.
        on_text: Called with a row's number and each piece of its text: whole characters, nothing
            of a stop string.

    Raises:
        UsageError: If a prompt is empty.
        Unaskable: If it fills the model's context.
    """
    started = time.perf_counter()
    rows = [_row(model, n, list(p), request, on_text) for n, p in enumerate(prompts)]
    for batch in _batches(model, rows):
        _run(model, batch, request, started)
    return [_generated(model, row, request) for row in rows]


def _row(
    model: CausalModel, number: int, prompt: list[int], request: Request, on_text: OnRow | None
) -> Row:
    if not prompt:
        raise UsageError("The prompt is empty, and the model has no token that begins a text.")
    check_length(model, len(prompt), "prompt")
    show = None if on_text is None else (lambda text: on_text(number, text))
    writing = Writing(model.decode, request.stop, show)
    following = request.constraint.follow() if request.constraint else None
    most = request.most_tokens
    if model.context_tokens is not None:  # the last token written is not read
        most = min(most, model.context_tokens - len(prompt) + 1)
    return Row(number, prompt, writing, following, most)


def check_length(model: CausalModel, tokens: int, what: str) -> None:
    """Refuse what the model cannot read at once.

    Raises:
        Unaskable: If there are more tokens than its context holds.
    """
    holds = model.context_tokens
    if holds is not None and tokens > holds:
        raise Unaskable(
            f"{what} is {tokens:,} tokens, {model.name} holds {holds:,}. Shorten the {what} or "
            "choose a model with a longer context."
        )


def _batches(model: CausalModel, rows: list[Row]) -> list[list[Row]]:
    """All rows at once, or by the length of their prompts where a model cannot be padded."""
    if model.accepts_positions:
        return [rows] if rows else []
    lengths = sorted({len(row.prompt) for row in rows})
    return [[row for row in rows if len(row.prompt) == length] for length in lengths]


def _run(model: CausalModel, rows: list[Row], request: Request, started: float) -> None:
    """Write the rows of one batch to their ends."""
    sampling = request.sampling
    seeds = [sampling.seed + row.number for row in rows]
    sampler = Sampler(sampling, [row.prompt for row in rows], model.vocabulary, seeds)
    reader = Reader(model, rows, cached=request.cached)
    ends = frozenset[int]() if request.ignore_end else model.ends
    while True:
        logits = reader.read()  # (B, V)
        chosen = _chosen(model, logits, rows, sampler, request)
        going = [at for at, row in enumerate(rows) if row.add(chosen[at], ends)]
        if len(going) < len(rows):
            for row in rows:
                if row.finish_reason is not None:
                    row.writing.close()
                    row.seconds = time.perf_counter() - started
            if not going:
                return
            rows, chosen = [rows[at] for at in going], [chosen[at] for at in going]
            sampler.keep(going)
            reader.keep(going)
        reader.add(chosen)


@torch.inference_mode()  # the logits were made in it, and are changed in place
def _chosen(
    model: CausalModel, logits: Tensor, rows: list[Row], sampler: Sampler, request: Request
) -> list[int]:
    """The next token of each row, its log-probability noted where that was asked for."""
    logged = None if request.alternatives is None else logits.log_softmax(-1)
    for at, row in enumerate(rows):
        if row.following is not None:
            row.following.restrict(logits[at])
    chosen = sampler.choose(logits)
    if logged is not None:
        tops = top_alternatives(model, logged, request.alternatives or 0)
        for at, row in enumerate(rows):
            row.log_probabilities.append(float(logged[at, chosen[at]]))
            row.alternatives.append(tops[at])
    return chosen


def work(model: CausalModel, answers: Sequence[Generated]) -> float | None:
    """FLOPs of reading the prompts and writing the answers; None for an unknown architecture.

    Padding between unequal prompts is not in it.
    """
    flops = 0.0
    for each in answers:
        prompt, written = each.prompt_tokens or 0, each.output_tokens or 0
        took = model.forward_flops(prompt + max(0, written - 1))  # the last token is not read
        if took is None:
            return None
        flops += took
    return flops


def top_alternatives(model: CausalModel, logged: Tensor, count: int) -> list[dict[str, float]]:
    """The most likely tokens as text, with their log-probabilities (B, V), most likely first."""
    if not count:
        return [{} for _ in logged]
    values, ids = logged.topk(min(count, logged.shape[-1]))
    found: list[dict[str, float]] = []
    for row, of in zip(ids.tolist(), values.tolist(), strict=True):
        found.append({})
        for token, value in zip(row, of, strict=True):  # of parts of characters, the likeliest
            found[-1].setdefault(model.decode([token]), value)
    return found


class Reader:
    """Reads a batch, then its rows' new tokens, and gives the logits of the next ones."""

    def __init__(self, model: CausalModel, rows: Sequence[Row], *, cached: bool) -> None:
        self.model = model
        lengths = torch.tensor([len(row.prompt) for row in rows])
        self.read_tokens, widest = 0, int(lengths.max())
        most = widest + max(row.most for row in rows) - 1
        padding = widest - lengths
        self.tokens = torch.zeros(len(rows), most, dtype=torch.long)
        for at, row in enumerate(rows):
            self.tokens[at, int(padding[at]) : widest] = torch.tensor(row.prompt)
        self.known = widest
        ragged = bool(padding.any())
        self.positions = (torch.arange(most) - padding[:, None]).clamp(min=0) if ragged else None
        self.padding = padding if ragged else None
        self.hidden = torch.zeros(len(rows), 1, 1, most) if ragged else None
        if self.hidden is not None:
            self.hidden.masked_fill_(
                (torch.arange(most) < padding[:, None])[:, None, None], -torch.inf
            )
        self.cache = model.new_cache(len(rows), most) if cached else None

    def read(self) -> Tensor:
        """Logits after the newest token, (B, V), float32."""
        start = self.read_tokens if self.cache is not None else 0
        stop = self.known
        positions = None if self.positions is None else self.positions[:, start:stop]
        logits = self.model.logits(
            self.tokens[:, start:stop],
            positions=positions,
            bias=self._bias(start, stop),
            cache=self.cache,
            last=True,
        )
        self.read_tokens = stop
        return logits[:, -1]

    def _bias(self, start: int, stop: int) -> Tensor | None:
        """(B, 1, T, S): a row sees its own earlier tokens, and padding sees itself."""
        if self.hidden is None:
            return None
        if stop - start == 1:
            return self.hidden[..., :stop]
        later = torch.full((stop - start, stop), -torch.inf).triu(start + 1)
        bias = self.hidden[..., :stop] + later
        # a row of -inf alone has no softmax, and what it gave would be NaN for all
        own = torch.arange(start, stop)
        bias[:, :, own - start, own] = 0.0
        return bias

    def add(self, chosen: Sequence[int]) -> None:
        """The rows' new tokens."""
        self.tokens[:, self.known] = torch.tensor(chosen)
        self.known += 1

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        self.tokens = self.tokens[rows]
        if self.positions is not None and self.hidden is not None:
            self.positions, self.hidden = self.positions[rows], self.hidden[rows]
        if self.cache is not None:
            self.cache = self.model.keep_rows(self.cache, rows)


def _generated(model: CausalModel, row: Row, request: Request) -> Generated:
    written = len(row.writing.ids) + row.ended
    return Generated(
        text=row.writing.text,
        prompt_tokens=len(row.prompt),
        cached_tokens=0,
        output_tokens=written,
        seconds=row.seconds,
        finish_reason=row.finish_reason,
        model=model.name,
        scored=None if request.alternatives is None else _scored(model, row, request),
    )


def _scored(model: CausalModel, row: Row, request: Request) -> Scored:
    """The log-probabilities of tokens that have a part in the text."""
    pieces, left = [], len(row.writing.text)
    for piece in row.writing.pieces:
        if not left and row.writing.stopped:
            break
        pieces.append(piece[:left])
        left -= len(pieces[-1])
    count = len(pieces)
    return Scored(
        tokens=tuple(pieces),
        byte_lengths=tuple(len(piece.encode()) for piece in pieces),
        log_probabilities=tuple(row.log_probabilities[:count]),
        alternatives=tuple(row.alternatives[:count]) if request.alternatives else None,
        prompt_tokens=len(row.prompt),
        output_tokens=len(row.writing.ids) + row.ended,
        seconds=row.seconds,
        model=model.name,
    )
