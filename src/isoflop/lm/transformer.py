"""A causal transformer in two families that export exactly, and three for study.

rope         RMSNorm, gated SiLU, grouped heads, optional norms of queries and keys; as Llama, Qwen3
alibi        LayerNorm without bias, GELU of 4 x width, tied head; as MPT
sinusoidal, learned, none    the alibi body with another scheme, to compare position schemes
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.lm.cache import KeyValueCache
from isoflop.lm.norm import RootMeanSquareNorm
from isoflop.lm.positions import (
    ALIBI_WIDTH,
    alibi_bias,
    alibi_dimensions,
    rotated,
    rotations,
    sinusoids,
    widened,
)

Position = Literal["rope", "alibi", "sinusoidal", "learned", "none"]
POSITIONS: tuple[Position, ...] = ("rope", "alibi", "sinusoidal", "learned", "none")
# Up to so many tokens all scores of attention are a small part of what training keeps. A mask with
# ALiBi's bias is then cheaper than wider keys, and in bfloat16 plain products take half of the time
# of the fused kernel, whose backward pass does not use the processor's matrix instructions.
SHORT = 256


@dataclass(frozen=True, slots=True)
class Configuration:
    """Sizes and kinds of a model, all that is needed to build it.

    Attributes:
        vocabulary: Tokens, and rows of the embedding table.
        width: Of the residual stream.
        layers: Blocks.
        heads: Query heads.
        kv_heads: Key and value heads; they divide `heads`.
        hidden: Width of the feed-forward layer; 4 x width outside the rope family.
        context: Tokens of a training sequence.
        position: The position scheme.
        head_width: None for width / heads.
        query_key_norm: Whether queries and keys are normed per head (rope family).
        tied: Whether the output head is the embedding table.
        dropout: Of embeddings and of what each layer adds, in training.
        rope_theta: Base of the rotation's wavelengths.
        norm_epsilon: Added to the variance.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    position: Position = "rope"
    head_width: int | None = None
    query_key_norm: bool = False
    tied: bool = True
    dropout: float = 0.0
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.position not in POSITIONS:
            raise UsageError(f"No position scheme {self.position!r}: {', '.join(POSITIONS)}.")
        if self.heads % self.kv_heads:
            raise UsageError(f"{self.kv_heads} key-value heads do not divide {self.heads} heads.")
        if self.head_width is None and self.width % self.heads:
            raise UsageError(f"A width of {self.width} is no multiple of {self.heads} heads.")
        if not self.gated and not self._is_plain:
            raise UsageError(
                "Outside the rope family the hidden width is 4 x width, every head has keys and "
                "values of width / heads, nothing is normed per head and the head is tied."
            )

    @property
    def gated(self) -> bool:
        """Whether it is of the rope family."""
        return self.position == "rope"

    @property
    def key_width(self) -> int:
        """Width of one head."""
        return self.head_width or self.width // self.heads

    @property
    def cached_key_width(self) -> int:
        """Of one head's keys as attention reads them, ALiBi's extra dimensions included."""
        return self.key_width + (ALIBI_WIDTH if self.position == "alibi" else 0)

    @property
    def architecture(self) -> Architecture:
        """The same sizes as the plan counts them."""
        return Architecture(
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            hidden=self.hidden,
            vocabulary=self.vocabulary,
            kv_heads=self.kv_heads,
            head_width=self.key_width,
            gated=self.gated,
            positions=self.context if self.position == "learned" else 0,
            tied=self.tied,
            query_key_norms="head" if self.query_key_norm else "",
            context=self.context,
        )

    @property
    def _is_plain(self) -> bool:
        heads = self.kv_heads == self.heads and self.key_width * self.heads == self.width
        return self.hidden == 4 * self.width and heads and self.tied and not self.query_key_norm


class Transformer(nn.Module):
    """Tokens in, logits of the next token out."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        c = self.configuration = configuration
        self.embedding = nn.Embedding(c.vocabulary, c.width)
        if c.position == "learned":
            self.position_table = nn.Embedding(c.context, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = _norm(c, c.width)
        self.head = None if c.tied else nn.Linear(c.width, c.vocabulary, bias=False)

    def forward(
        self,
        tokens: Tensor,
        *,
        cache: KeyValueCache | None = None,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Logits of the next token after each token.

        Args:
            tokens: (B, T), int64.
            cache: Keys and values of earlier tokens; these tokens' are added to it.
            positions: (T,) or (B, T), int64; None to go on counting after the cache.
            bias: Added to attention's scores, (B or 1, 1, T, S) for S cached and new tokens; it
                holds the causal mask too. None for plain causal attention.

        Returns:
            (B, T, V), float32.

        Raises:
            UsageError: If a learned position table has no row for a position.
        """
        return self.logits(self.states(tokens, cache=cache, positions=positions, bias=bias))

    def states(
        self,
        tokens: Tensor,
        *,
        cache: KeyValueCache | None = None,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """The normed last states, (B, T, width); arguments as of `forward`."""
        past = cache.length if cache else 0
        count = tokens.shape[1]
        c, plain = self.configuration, positions is None and bias is None and cache is None
        if c.position == "alibi" and plain and count <= SHORT:
            bias = alibi_bias(count, c.heads, tokens.device)
        if positions is None:
            positions = torch.arange(past, past + count, device=tokens.device)
        x = self.embedding(tokens) + self._added(positions)  # (B, T, W)
        x = functional.dropout(x, c.dropout, self.training)
        where = self._where(positions, x.dtype) if bias is None or not plain else ()
        if bias is None and past and count > 1:
            bias = causal_bias(count, past + count, x.device)
        if bias is not None:
            bias = bias.to(x.dtype)
        for layer, block in enumerate(self.blocks):
            x = block(x, where, bias, cache, layer)
        if cache is not None:
            cache.length += count
        normed: Tensor = self.norm(x)
        return normed

    def logits(self, states: Tensor) -> Tensor:
        """The output head over states (..., width): (..., V), float32."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return functional.linear(states, weight).float()

    def initialise(self, seed: int) -> None:
        """Random weights: every layer adds nothing at first, so depth does not matter.

        Source:
            Zero-initialised output projections as in Zhang et al. 2019 (Fixup), arXiv:1901.09321.
        """
        draw = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                nn.init.ones_(weight)
            elif name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                nn.init.zeros_(weight)
            else:
                table = "embedding" in name or "table" in name
                deviation = 0.02 if table else weight.shape[1] ** -0.5 / 2
                nn.init.normal_(weight, std=deviation, generator=draw)

    def _added(self, positions: Tensor) -> Tensor | float:
        """What the position scheme adds to the embedding: (T, W), (B, T, W) or 0."""
        c = self.configuration
        if c.position == "learned":
            if int(positions.max()) >= c.context:
                raise UsageError(
                    f"A learned position table of {c.context:,} rows cannot read token "
                    f"{int(positions.max()) + 1:,}. Shorten the text, or train with alibi or rope."
                )
            table: Tensor = self.position_table(positions)
            return table
        if c.position == "sinusoidal":
            return sinusoids(positions, c.width).to(self.embedding.weight.dtype)
        return 0.0

    def _where(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """What attention needs of the positions, computed once for all layers."""
        c = self.configuration
        if c.position == "rope":
            return rotations(positions, c.key_width, c.rope_theta, dtype)
        if c.position == "alibi":
            return alibi_dimensions(positions, c.heads, c.key_width, dtype)
        return ()


class Block(nn.Module):
    """Attention, then the feed-forward layer, each added to the stream."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        c = configuration
        self.dropout = c.dropout
        self.attention_norm = _norm(c, c.width)
        self.attention = Attention(c)
        self.feed_forward_norm = _norm(c, c.width)
        self.feed_forward = FeedForward(c)

    def forward(
        self,
        x: Tensor,
        where: tuple[Tensor, ...],
        bias: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
    ) -> Tensor:
        """The stream (B, T, W) after this block."""
        x = x + self._dropped(self.attention(self.attention_norm(x), where, bias, cache, layer))
        return x + self._dropped(self.feed_forward(self.feed_forward_norm(x)))

    def _dropped(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training) if self.dropout else x


class Attention(nn.Module):
    """Causal attention; the position scheme turns queries and keys, or widens them."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        c = self.configuration = configuration
        self.each = [c.heads, c.kv_heads]
        self.qkv = nn.Linear(c.width, (c.heads + 2 * c.kv_heads) * c.key_width, bias=False)
        self.out = nn.Linear(c.heads * c.key_width, c.width, bias=False)
        self.query_norm = _norm(c, c.key_width) if c.query_key_norm else None
        self.key_norm = _norm(c, c.key_width) if c.query_key_norm else None

    def forward(
        self,
        x: Tensor,
        where: tuple[Tensor, ...],
        bias: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
    ) -> Tensor:
        """What attention adds, (B, T, W)."""
        c = self.configuration
        batch, tokens, _ = x.shape
        each = self.qkv(x).view(batch, tokens, -1, c.key_width)  # (B, T, H + 2 Hkv, D)
        if c.position == "rope":  # once for both: a step of one token is mostly overhead
            qk, v = each.split([c.heads + c.kv_heads, c.kv_heads], dim=2)
            qk = qk.transpose(1, 2)  # (B, H + Hkv, T, D)
            if self.query_norm is not None and self.key_norm is not None:
                q, k = qk.split(self.each, dim=1)
                qk = torch.cat([self.query_norm(q), self.key_norm(k)], dim=1)
            q, k = torch.split(rotated(qk, *where), self.each, dim=1)
            v = v.transpose(1, 2)
        else:
            q, k, v = (part.transpose(1, 2) for part in each.chunk(3, dim=2))
        if c.position == "alibi" and where:
            q, k = widened(q, where[0]), widened(k, where[1])
        first = cache is None or cache.length == 0
        if cache is not None:
            k, v = cache.extended(layer, k, v)  # (B, Hkv, S, D)
        y = attend(q, k, v, bias, causal=first and bias is None, scale=c.key_width**-0.5)
        added: Tensor = self.out(y.transpose(1, 2).reshape(batch, tokens, -1))
        return added


class FeedForward(nn.Module):
    """The layer between attentions: gated SiLU, or GELU."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        c = configuration
        self.gated = c.gated
        self.up = nn.Linear(c.width, (2 if c.gated else 1) * c.hidden, bias=False)
        self.down = nn.Linear(c.hidden, c.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """What the layer adds, (B, T, W)."""
        if self.gated:
            gate, up = self.up(x).chunk(2, dim=-1)
            inner = functional.silu(gate) * up
        else:
            inner = functional.gelu(self.up(x))
        added: Tensor = self.down(inner)
        return added


def attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, *, causal: bool, scale: float
) -> Tensor:
    """Softmax attention, (B, H, T, D of the values); keys may be wider than values.

    Keys and values (B, Hkv, S, D) serve H / Hkv heads of queries each.
    """
    narrower, groups = q.shape[-1] - v.shape[-1], q.shape[1] // k.shape[1]
    if (narrower or groups > 1) and q.shape[2] == 1 and q.dtype == torch.float32:
        return _attend_one(q, k, v, bias, scale)
    if groups > 1:
        k, v = (part.repeat_interleave(groups, dim=1) for part in (k, v))
    if narrower:  # the fused kernels want one width
        v = functional.pad(v, (0, narrower))
    causal = causal and q.shape[2] > 1
    if q.dtype == torch.bfloat16 and q.shape[2] <= SHORT and _learns_on_a_processor(q):
        if causal:
            bias = causal_bias(q.shape[2], k.shape[2]).to(q.dtype)
        y = _attend_whole(q, k, v, bias, scale)
        return y[..., : v.shape[-1] - narrower] if narrower else y
    y = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=bias, is_causal=causal, scale=scale
    )
    return y[..., : v.shape[-1] - narrower] if narrower else y


def _attend_whole(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """The same with all scores at once, where the fused kernel's backward pass is slow."""
    scores = (q * scale) @ k.transpose(-1, -2)
    if bias is not None:
        scores += bias
    return scores.softmax(-1) @ v


def _learns_on_a_processor(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad and x.device.type == "cpu"


def _attend_one(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """The same for one query per row, where copying keys or values would cost more than this."""
    batch, heads, _, width = q.shape
    scores = (q * scale).reshape(batch, k.shape[1], -1, width) @ k.transpose(-1, -2)
    if bias is not None:  # (B or 1, 1, 1, S)
        scores += bias
    return (scores.softmax(-1) @ v).reshape(batch, heads, 1, -1)


def causal_bias(tokens: int, seen: int, device: torch.device | None = None) -> Tensor:
    """(1, 1, T, S), float32: 0 where a token may look, -inf at later ones; the last T of S."""
    blocked = torch.full((tokens, seen), -torch.inf, device=device)
    return blocked.triu(seen - tokens + 1)[None, None]


def _norm(configuration: Configuration, width: int) -> nn.Module:
    if configuration.gated:
        return RootMeanSquareNorm(width, eps=configuration.norm_epsilon)
    return nn.LayerNorm(width, eps=configuration.norm_epsilon, bias=False)
