"""The shape of a transformer: what parameters, FLOPs and memory are counted from."""

from dataclasses import dataclass
from typing import Literal

from isoflop.recurrent import Recurrent

__all__ = ["Architecture", "Experts", "Indexer", "Latent", "Recurrent", "Window"]


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts in place of the feed-forward layer.

    Attributes:
        count: Routed experts in a layer.
        active: Routed experts a token goes through.
        hidden: Width of one routed expert.
        shared_hidden: Width of all shared experts of a layer together, or of the dense layer
            beside the experts (Arctic); 0 for none.
        layers: Layers with experts; the others have a feed-forward layer of the architecture's
            `hidden` width. None for all.
        shared_gate: Whether the shared expert has a gate of its own (width parameters).
    """

    count: int
    active: int
    hidden: int
    shared_hidden: int = 0
    layers: int | None = None
    shared_gate: bool = False


@dataclass(frozen=True, slots=True)
class Latent:
    """Multi-head latent attention: keys and values are kept as one low-rank vector a token.

    Attributes:
        query_rank: Rank of the query projection; 0 where queries are projected directly.
        kv_rank: Rank of keys and values together, kept in the cache.
        nope_width: Per head, of query and key without position.
        rope_width: Per query head with position; the key's is shared by all heads and cached.
        value_width: Per head.

    Source:
        DeepSeek-V2, arXiv:2405.04434, section 2.1.
    """

    query_rank: int
    kv_rank: int
    nope_width: int
    rope_width: int
    value_width: int


@dataclass(frozen=True, slots=True)
class Window:
    """Sliding-window attention in some layers.

    Attributes:
        tokens: A token attends to so many tokens, itself included.
        layers: How many layers do; the other attention layers attend to everything.
        reused: How many of these have no keys and values of their own (see `reused_layers`).
    """

    tokens: int
    layers: int
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Indexer:
    """A small scorer that picks the tokens which attention then looks at.

    Attributes:
        heads: Of the scorer.
        width: Of each head; one key of this width a token is kept, for all heads.
        tokens: Picked for each query, at most.

    Source:
        DeepSeek-V3.2-Exp, section 1; modeling_glm_moe_dsa.py of transformers.
    """

    heads: int
    width: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a transformer.

    Attributes:
        layers: Blocks.
        width: Of the residual stream.
        heads: Query heads per layer.
        hidden: Width of the feed-forward layer (of the dense layers, where there are experts).
        vocabulary: Tokens in the embedding table.
        kv_heads: Key and value heads; None for as many as `heads`.
        head_width: None for width / heads.
        gated: Whether the feed-forward layer has a gate (three matrices rather than two).
        causal: Whether a token attends only to those before it.
        positions: Rows of a learned position table; 0 for none.
        segments: Rows of a segment table (BERT); 0 for none.
        tied: Whether the output head shares the embedding table; None for no head (encoders).
        biases: Whether the matrices have biases; the router and each expert too.
        qkv_biases: Whether queries, keys and values have; None for as `biases`.
        output_bias: Whether attention's output has; None for as `biases`.
        norms: Norms of the width of the stream in a layer. 0 for norms without parameters, the
            last norm then likewise (OLMo); 4 where outputs are normed as well (Gemma 2).
        norm_biases: Whether these norms have biases; None for as `biases`.
        query_key_norms: Norms of queries and keys: "head" has one of the head's width for each,
            "all" one of the width of all heads.
        output_gate: Whether attention's output is gated by a second query projection (Qwen3-Next).
        experts: Mixture of experts, if any.
        latent: Multi-head latent attention, if any.
        window: Sliding-window layers, if any.
        recurrent: Layers without attention, if any.
        indexer: Picks the tokens attention looks at, if any.
        feed_forward_layers: Layers with a feed-forward layer or experts; None for all.
        mixer_or_feed_forward: Whether a layer is either a mixer or a feed-forward layer, never
            both (Nemotron-H); else each layer has a mixer.
        reused_layers: Layers with attention to keys and values of an earlier layer, which keep
            none of their own (Gemma 3n).
        other_parameters: Counted from the published module and not by the fields above (biases of
            the head or of routing, per-layer embeddings); included in both totals.
        image_parameters: Of the encoder of images beside the language model; in the total, as
            published, but no token of text meets it.
        context: Longest published context, in tokens; None if unknown.
    """

    layers: int
    width: int
    heads: int
    hidden: int
    vocabulary: int
    kv_heads: int | None = None
    head_width: int | None = None
    gated: bool = False
    causal: bool = True
    positions: int = 0
    segments: int = 0
    tied: bool | None = True
    biases: bool = False
    qkv_biases: bool | None = None
    output_bias: bool | None = None
    norms: int = 2
    norm_biases: bool | None = None
    query_key_norms: Literal["", "head", "all"] = ""
    output_gate: bool = False
    experts: Experts | None = None
    latent: Latent | None = None
    window: Window | None = None
    recurrent: Recurrent | None = None
    indexer: Indexer | None = None
    feed_forward_layers: int | None = None
    mixer_or_feed_forward: bool = False
    reused_layers: int = 0
    other_parameters: int = 0
    image_parameters: int = 0
    context: int | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "vocabulary"):
            if getattr(self, name) < 1:
                raise ValueError(f"an architecture needs {name} >= 1, got {getattr(self, name)}")
        if self.hidden < (0 if self.experts or self.feed_forward_layers == 0 else 1):
            raise ValueError(f"an architecture needs hidden >= 1, got {self.hidden}")

    @property
    def key_width(self) -> int:
        """Width of one head."""
        return self.head_width or self.width // self.heads

    @property
    def query_width(self) -> int:
        """Width of all queries of a layer together."""
        return self.heads * self.key_width

    @property
    def kv_width(self) -> int:
        """Width of all keys (or all values) of a layer together."""
        return (self.kv_heads or self.heads) * self.key_width

    @property
    def attention_layers(self) -> int:
        """Layers with attention."""
        layers = self.layers
        if self.mixer_or_feed_forward:
            layers -= self.with_feed_forward
        if self.recurrent and not self.recurrent.beside_attention:
            layers -= self.recurrent.layers
        return layers

    @property
    def with_feed_forward(self) -> int:
        """Layers with a feed-forward layer or experts."""
        return self.layers if self.feed_forward_layers is None else self.feed_forward_layers

    @property
    def window_layers(self) -> int:
        """Of those, layers that attend to a window only."""
        return self.window.layers if self.window else 0

    @property
    def expert_layers(self) -> int:
        """Layers with a mixture of experts."""
        if self.experts is None:
            return 0
        return self.with_feed_forward if self.experts.layers is None else self.experts.layers

    @property
    def attention_parameters(self) -> int:
        """Entries of the matrices of one attention layer, biases and norms left out."""
        if self.latent is None:
            gate = self.query_width if self.output_gate else 0
            matrices = self.width * (2 * self.query_width + 2 * self.kv_width + gate)
        else:
            matrices = self._latent_parameters(self.latent)
        if (i := self.indexer) is None:
            return matrices
        queries_from = self.latent.query_rank if self.latent else self.width
        return matrices + queries_from * i.heads * i.width + self.width * (i.width + i.heads)

    @property
    def attention_vectors(self) -> int:
        """Biases and norms inside one attention layer."""
        queries, keys = self.query_width, self.kv_width
        qkv = self.biases if self.qkv_biases is None else self.qkv_biases
        out = self.biases if self.output_bias is None else self.output_bias
        vectors = (queries + 2 * keys if qkv else 0) + (self.width if out else 0)
        vectors += {"": 0, "head": 2 * self.key_width, "all": queries + keys}[self.query_key_norms]
        if self.latent:
            vectors += self.latent.query_rank + self.latent.kv_rank
        return vectors + (2 * self.indexer.width if self.indexer else 0)

    @property
    def feed_forward_parameters(self) -> int:
        """Entries of the matrices of one dense feed-forward layer."""
        return self._matrices * self.width * self.hidden

    @property
    def expert_layer_parameters(self) -> int:
        """Entries of one layer's experts, shared ones and router."""
        if (e := self.experts) is None:
            return 0
        widths = e.count * e.hidden + e.shared_hidden
        return self._matrices * self.width * widths + self._routing(e)

    @property
    def active_expert_layer_parameters(self) -> int:
        """Of those, entries that one token is multiplied with."""
        if (e := self.experts) is None:
            return 0
        widths = e.active * e.hidden + e.shared_hidden
        return self._matrices * self.width * widths + self._routing(e)

    @property
    def matrix_parameters_per_layer(self) -> int:
        """Entries of one plain layer's attention and feed-forward, biases and norms left out."""
        return self.attention_parameters + self.feed_forward_parameters

    @property
    def matrix_parameters(self) -> int:
        """Entries of all layers' matrices, every expert counted; without embedding and head."""
        return self._all_layers(self.expert_layer_parameters)

    @property
    def active_matrix_parameters(self) -> int:
        """Entries of all layers' matrices that one token is multiplied with."""
        return self._all_layers(self.active_expert_layer_parameters)

    @property
    def head_parameters(self) -> int:
        """Entries of the output head, tied or not; 0 for encoders."""
        return 0 if self.tied is None else self.width * self.vocabulary

    @property
    def _matrices(self) -> int:
        return 3 if self.gated else 2

    def _routing(self, experts: Experts) -> int:
        return self.width * (experts.count + (1 if experts.shared_gate else 0))

    def _latent_parameters(self, m: Latent) -> int:
        queries = self.heads * (m.nope_width + m.rope_width)
        into = self.width * queries
        if m.query_rank:
            into = m.query_rank * (self.width + queries)
        kept = self.width * (m.kv_rank + m.rope_width)
        out_of = m.kv_rank * self.heads * (m.nope_width + m.value_width)
        return into + kept + out_of + self.heads * m.value_width * self.width

    def _all_layers(self, expert_layer: int) -> int:
        mixers = self.attention_layers * self.attention_parameters
        if self.recurrent:
            mixers += self.recurrent.layers * self.recurrent.parameters
        dense = (self.with_feed_forward - self.expert_layers) * self.feed_forward_parameters
        return mixers + dense + self.expert_layers * expert_layer
