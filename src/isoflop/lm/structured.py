"""Context without end: a model that has read groups of text, each alone, and answers after all.

Structured prompting (Hao et al. 2022, arXiv:2212.06713) reads M groups alone, their last tokens
all at the same position, and lets new text attend to all of them and, M times as much, to itself.
A weight of M on a token is ln M added to its score, so positions and a bias are all it takes, and
any causal model that accepts both can do it. Parallel context windows (Ratner et al. 2022,
arXiv:2212.10947) are the same with two switches: first tokens at the same position, weight 1.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from isoflop.bill import Bill
from isoflop.errors import UsageError, did_you_mean
from isoflop.lm import groups as reading
from isoflop.lm.causal import CausalModel
from isoflop.lm.groups import Group, Store
from isoflop.lm.local import LocalModel
from isoflop.lm.model import Generated, Message, OnText
from isoflop.lm.transformer import causal_bias

Scheme = Literal["structured", "parallel", "plain"]
SCHEMES: tuple[Scheme, ...] = ("structured", "parallel", "plain")
Text = str | Sequence[int]


@dataclass(slots=True)
class GroupedCache:
    """A model's cache that begins with the groups.

    Attributes:
        inner: The model's own.
        length: Tokens in it after the groups.
    """

    inner: Any
    length: int = 0


class Groups(LocalModel):
    """A model that has read groups; a `CausalModel` whose every text comes after all of them.

    So whatever scores or generates with a causal model does so after the groups, and it is a
    `Model` and a `Scorer` too. Positions and biases given to `logits` are of the new text alone.

    Attributes:
        model: The one that read them.
        groups: What they left behind.
        scheme: How new text attends to them.
        reach: Position of the first new token.
        weight: Of new tokens in attention, against 1 of the groups' tokens.
        tokens: Of all groups that new text attends to.
        bill: What reading them took; groups that were on disk are cached tokens in it.
    """

    def __init__(
        self, model: CausalModel, groups: Sequence[Group], scheme: Scheme, reach: int, bill: Bill
    ) -> None:
        self.inner, self.groups, self.scheme = model, list(groups), scheme
        self.reach, self.bill = reach, bill
        self.weight = len(groups) if scheme == "structured" else 1
        self._skip = _skipped(model, groups, scheme)
        self.tokens = sum(len(group.tokens) for group in groups) - sum(self._skip)

    @property
    def name(self) -> str:
        """Of the model that read them."""
        return self.inner.name

    @property
    def model(self) -> torch.nn.Module:
        """The network."""
        return self.inner.model

    @property
    def context_tokens(self) -> int | None:
        """Tokens of new text it can read; None where the position scheme sets no bound."""
        bound = self.inner.context_tokens
        return None if bound is None else bound - self.reach

    @property
    def vocabulary(self) -> int:
        """Width of its logits."""
        return self.inner.vocabulary

    @property
    def parameters(self) -> int:
        """All parameters, embeddings included."""
        return self.inner.parameters

    @property
    def beginning(self) -> None:
        """None: new text goes on after the groups, so no token stands before it."""
        return

    @property
    def end(self) -> int | None:
        """The token after which nothing more is written."""
        return self.inner.end

    @property
    def ends(self) -> frozenset[int]:
        """All tokens after which nothing more is written."""
        return self.inner.ends

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self.inner.dtype

    @property
    def accepts_positions(self) -> bool:
        """Whether new texts of several lengths can be read together."""
        return self.inner.accepts_positions

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added."""
        return self.inner.encode(text)

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, without the token that begins a text."""
        ids = self.inner.encode_messages(messages)
        return ids[1:] if ids[:1] == [self.inner.beginning] else ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self.inner.decode(ids)

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each id stands for."""
        return self.inner.byte_lengths(ids)

    def forward_flops(self, tokens: int, past: int = 0) -> float | None:
        """FLOPs to read so much new text after the groups and so many cached new tokens."""
        return self.inner.forward_flops(tokens, self.tokens + past)

    def new_cache(self, batch: int, most: int) -> GroupedCache:
        """A cache that holds the groups and has room for so many sequences of new text."""
        inner = self.inner.new_cache(batch, self.tokens + most)
        reading.extend(inner, self.groups, self._skip, batch)
        return GroupedCache(inner)

    def keep_rows(self, cache: GroupedCache, rows: list[int]) -> GroupedCache:
        """The cache with these rows of a batch, in this order."""
        return GroupedCache(self.inner.keep_rows(cache.inner, rows), cache.length)

    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: GroupedCache | None = None,
        last: bool = False,
    ) -> Tensor:
        """Logits after each token of new text; see `CausalModel.logits`."""
        batch, count = tokens.shape
        if cache is None:
            cache = self.new_cache(batch, count)
        if positions is None and self.tokens != self.reach:  # else the model counts on itself
            positions = torch.arange(cache.length, cache.length + count)
        if positions is not None:
            positions = positions + self.reach
        whole = self._bias(bias, count, cache.length)
        cache.length += count
        return self.inner.logits(
            tokens, positions=positions, bias=whole, cache=cache.inner, last=last
        )

    def generate(
        self,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> Generated:
        """The model's next turn after the groups, which are cached tokens of the prompt."""
        made = super().generate(
            messages, most_tokens=most_tokens, temperature=temperature, stop=stop, on_text=on_text
        )
        whole = (made.prompt_tokens or 0) + self.tokens
        return replace(made, prompt_tokens=whole, cached_tokens=self.tokens)

    def logits_of(self, prompts: Sequence[Sequence[int]]) -> list[Tensor]:
        """Logits after each token of several new texts, each (T, V), in one pass.

        They are read as one row whose texts do not see each other, so the groups' keys and values
        are neither copied nor read again for each.
        """
        lengths = [len(prompt) for prompt in prompts]
        tokens = torch.tensor([[id for prompt in prompts for id in prompt]])
        positions = torch.cat([torch.arange(length) for length in lengths])
        text = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
        bias = causal_bias(len(text), len(text))
        bias = bias.masked_fill(text[:, None] != text, -torch.inf)
        logits = self.logits(tokens, positions=positions, bias=bias)[0]
        return list(torch.split(logits, lengths))

    def score_continuations(self, prompt: str, continuations: Sequence[str]) -> "Answered":
        """Log-probability of each continuation of a prompt, in nats, in one pass.

        Raises:
            UsageError: If the prompt or a continuation is empty.
        """
        asked = self.encode(prompt)
        said = [self.encode(each) for each in continuations]
        if not asked or not all(said):
            raise UsageError("A prompt and continuations of at least one token each are needed.")
        start = time.perf_counter()
        each = self.logits_of([asked + ids[:-1] for ids in said])
        scores = tuple(
            float(logits[-len(ids) :].log_softmax(-1)[range(len(ids)), ids].sum())
            for logits, ids in zip(each, said, strict=True)
        )
        lengths = [len(asked) + len(ids) - 1 for ids in said]
        return Answered(scores, self.cost(lengths, time.perf_counter() - start))

    def cost(self, lengths: Sequence[int], seconds: float, written: int = 0) -> Bill:
        """What new texts take that are read in one pass: the groups are cached tokens of each."""
        cached = self.tokens * len(lengths)
        return Bill.measured(
            prompt_tokens=cached + sum(lengths) - written,
            cached_tokens=cached,
            output_tokens=written,
            flops=_sum([self.forward_flops(length) for length in lengths]),
            seconds=seconds,
        )

    def _bias(self, own: Tensor | None, count: int, past: int) -> Tensor | None:
        """The bias over groups and new text; None where the model's own mask does."""
        if own is None and self.weight == 1:
            return None
        if own is None:
            own = causal_bias(count, past + count)
        return torch.nn.functional.pad(own + math.log(self.weight), (self.tokens, 0))


@dataclass(frozen=True, slots=True)
class Answered:
    """How likely continuations are, and what asking took.

    Attributes:
        log_probabilities: Of each continuation, in nats.
        bill: Tokens, FLOPs and seconds; the groups are cached tokens.
    """

    log_probabilities: tuple[float, ...]
    bill: Bill


def read_groups(
    model: CausalModel,
    texts: Sequence[Text],
    *,
    scheme: Scheme = "structured",
    folder: Path | None = None,
    reach: int | None = None,
) -> Groups:
    """Read groups of text once, to ask about them many times.

    Args:
        model: Reads them; it must take positions and a bias (refused if it ignores them).
        texts: One per group, as text or token ids. See `pack` for many short texts.
        scheme: "structured" ends all groups just before the new text and gives the new text their
            number as weight. "parallel" begins all at position 0, with weight 1 and one beginning
            token for all (that of the longest), as its authors' code does. "plain" reads all of
            them as one text: long context.
        folder: Where groups are kept on disk, and looked for first.
        reach: Position at which new text begins; None for the longest group's length. A fixed one
            keeps stored groups of any length usable when longer ones are added.

    Raises:
        UsageError: If there is nothing to read, a group is too long, or the model cannot do it.
    """
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, SCHEMES)
        raise UsageError(f"No scheme {scheme!r}: {', '.join(SCHEMES)}.{hint}")
    start = time.perf_counter()
    ids = _tokens(model, texts, scheme)
    longest = max(map(len, ids))
    reach = longest if reach is None else reach
    _check_room(model, ids, reach)
    if len(ids) > 1:
        _check_support(model)
    firsts = [reach - len(each) if scheme == "structured" else 0 for each in ids]
    groups = _read(model, ids, firsts, reach, Store(folder, model) if folder else None)
    bill = _reading_bill(model, groups, time.perf_counter() - start)
    return Groups(model, groups, scheme, reach, bill)


def _tokens(model: CausalModel, texts: Sequence[Text], scheme: Scheme) -> list[list[int]]:
    """Tokens of each group, the beginning token included."""
    ids = [model.encode(text) if isinstance(text, str) else list(text) for text in texts]
    if scheme == "plain":
        ids = [[id for each in ids for id in each]]
    empty = [number for number, each in enumerate(ids) if not each]
    if not ids or empty:
        raise UsageError(f"Group {empty[0]} is empty." if empty else "There are no groups to read.")
    beginning = [] if model.beginning is None else [model.beginning]
    return [beginning + each for each in ids]


def _check_room(model: CausalModel, ids: Sequence[Sequence[int]], reach: int) -> None:
    longest = max(range(len(ids)), key=lambda group: len(ids[group]))
    if len(ids[longest]) > reach:
        raise UsageError(
            f"Group {longest} is {len(ids[longest]):,} tokens, which do not fit before {reach=:,}."
        )
    bound = model.context_tokens
    if bound is not None and reach >= bound:
        raise UsageError(
            f"Groups reach to {reach:,} tokens (group {longest}), {model.name} holds {bound:,}, "
            "the new text included. Cut the texts into more and shorter groups."
        )


def _check_support(model: CausalModel) -> None:
    """See on a few tokens whether two identical groups are one to this model.

    An architecture that says it takes positions and a bias, but does not heed them, would answer
    wrongly without a word.
    """
    if not model.accepts_positions:
        raise UsageError(
            f"{model.name} counts positions itself, so it cannot read groups side by side. Use the "
            "scheme 'plain', or a model with rotary or learned positions."
        )
    text, new = [id % model.vocabulary for id in (1, 2, 3, 5, 8)], [13 % model.vocabulary] * 2
    one, two = (
        Groups(model, reading.read(model, [text] * m, [0] * m, 5), "structured", 5, Bill())
        .logits_of([new])[0]
        .float()
        for m in (1, 2)
    )
    allowed = 1e-3 if model.dtype == torch.float32 else 3e-2  # of rounding, in standard deviations
    if not torch.allclose(one, two, rtol=0, atol=allowed * float(one.std())):
        raise UsageError(
            f"{model.name} does not heed the positions it is given, so it cannot read groups side "
            "by side. Use the scheme 'plain', or another model."
        )


def _read(
    model: CausalModel,
    ids: Sequence[Sequence[int]],
    firsts: Sequence[int],
    reach: int,
    store: Store | None,
) -> list[Group]:
    """Groups from the store; those that are not there are read and stored."""
    pairs = list(zip(ids, firsts, strict=True))
    found = [store.load(*pair) if store else None for pair in pairs]
    missing = [place for place, group in enumerate(found) if group is None]
    fresh = iter(
        reading.read(model, [ids[p] for p in missing], [firsts[p] for p in missing], reach)
        if missing
        else []
    )
    groups = [group or next(fresh) for group in found]
    if store:
        for place in missing:
            store.save(groups[place])
    return groups


def _reading_bill(model: CausalModel, groups: Sequence[Group], seconds: float) -> Bill:
    flops = [0.0 if g.stored else model.forward_flops(len(g.tokens)) for g in groups]
    return Bill.measured(
        prompt_tokens=sum(len(group.tokens) for group in groups),
        cached_tokens=sum(len(group.tokens) for group in groups if group.stored),
        flops=_sum(flops),
        seconds=seconds,
    )


def _sum(figures: Sequence[float | None]) -> float | None:
    """The sum, unknown if any is."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def _skipped(model: CausalModel, groups: Sequence[Group], scheme: Scheme) -> list[int]:
    """Tokens at the start of each group that new text does not see."""
    lengths = [len(group.tokens) for group in groups]
    if scheme != "parallel" or model.beginning is None:
        return [0] * len(groups)
    longest = lengths.index(max(lengths))
    return [int(place != longest) for place in range(len(groups))]
