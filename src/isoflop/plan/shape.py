"""A concrete architecture for a wanted number of parameters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.plan.flops import parameters as counted

WITHIN = 0.02
SMALLEST, LARGEST = 1e6, 1e13

# Width over layers, as dense models were built: 64 at 1e8 (GPT-2, nanochat), 110-140 from 7e9 to
# 7e10 (LLaMA, GPT-NeoX, Llama 3), 200 at 1e12 (Gopher, Megatron). Loss hardly depends on it: 3 %
# over a factor of 40 (Kaplan et al. 2020, arXiv:2001.08361, figure 5).
ASPECT, ASPECT_EXPONENT = 64.0, 0.124
# Hidden over width of a gated feed-forward layer: 8/3 (Shazeer 2020, arXiv:2002.05202) keeps the
# parameters of an ungated one of 4; Llama 3 takes 3.5, Qwen 2.5 up to 5.8. From 2.5 to 4 here.
HIDDEN, HIDDEN_LOW, HIDDEN_HIGH = 8 / 3, 2.5, 4.0
# Compute-optimal vocabularies: 16k at 302M, 43k at 3e9, 216k at 70e9; close to a square root
# (Tao et al. 2024, arXiv:2407.13623).
VOCABULARY, VOCABULARY_AT = 43_000, 3e9
VOCABULARY_SMALLEST, VOCABULARY_LARGEST = 256, 262_144
TIED_BELOW = 4e9  # Qwen 2.5 and Llama 3.2 share embedding and head up to 3e9, not from 7e9
WIDE_HEADS_FROM = 1e9  # heads of 128 from about 1e9 (Llama, Qwen), of 64 below (GPT-2, Pythia)
GROUPED_FROM = 3e9  # 8 key-value heads from about 3e9 (Llama 3.2, Mistral, Llama 3 to 405B)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What follows from the size alone."""

    size: float
    vocabulary: int
    head_width: int
    tied: bool
    grouped: bool
    hidden_multiple: int

    @property
    def aspect(self) -> float:
        return _aspect(self.size)


def shape(parameters: float, *, vocabulary: int | None = None) -> Architecture:
    """A dense, gated, causal transformer with so many parameters, within 2 %.

    Layers and width keep the ratio of published models of that size; the feed-forward width takes
    up what is left over. Everything is a multiple that matrix units like: width of the head
    width, hidden of 128 or 256 (16 below 2e7), vocabulary of a power of two unless it is given.

    Args:
        parameters: In all, embeddings included; 1e6 to 1e13.
        vocabulary: Tokens; None for the compute-optimal size.

    Raises:
        UsageError: If the size is out of range, or the vocabulary leaves no room for layers.
    """
    if not SMALLEST <= parameters <= LARGEST:
        raise UsageError(
            f"No shape for {parameters:g} parameters: from {SMALLEST:g} to {LARGEST:g} are known."
        )
    if vocabulary is not None and vocabulary < 2:
        raise UsageError(f"A vocabulary needs two tokens, got {vocabulary}.")
    rules = _rules(parameters, vocabulary or best_vocabulary(parameters))
    fitting = ((_oddity(rules, found), found) for found in _candidates(rules))
    best = min(fitting, key=lambda pair: pair[0], default=None)
    if best is None:
        raise UsageError(
            f"A vocabulary of {rules.vocabulary:,} leaves too little of {parameters:g} parameters "
            f"for layers. Take a smaller one, such as {best_vocabulary(parameters):,}."
        )
    return best[1]


def best_vocabulary(parameters: float) -> int:
    """The compute-optimal vocabulary, as a power of two.

    Source:
        Tao et al. 2024, arXiv:2407.13623; see the constants above.
    """
    wanted = VOCABULARY * math.sqrt(parameters / VOCABULARY_AT)
    power = 2 ** round(math.log2(wanted))
    return int(min(max(power, VOCABULARY_SMALLEST), VOCABULARY_LARGEST))


def flops_per_token(parameters: float, length: float, *, vocabulary: int | None = None) -> float:
    """Training FLOPs per token of a model of such a shape, smooth in its parameters.

    Counts what is computed: matrices and output head 6 each, the embedding table 0, causal
    attention 6 x layers x width x length. `optimum` and `isoflop` take it in place of 6 N.

    Args:
        parameters: In all.
        length: Tokens of a sequence.
        vocabulary: Tokens; None for the compute-optimal size.
    """
    tokens = vocabulary or VOCABULARY * math.sqrt(parameters / VOCABULARY_AT)
    layers, width = _ideal(parameters, tokens)
    table = tokens * width
    tables = table if parameters < TIED_BELOW else 2 * table
    inside = max(parameters - tables, 0.0)
    return 6 * (inside + table) + 6 * layers * width * length


def _aspect(parameters: float) -> float:
    return ASPECT * math.pow(parameters / 1e8, ASPECT_EXPONENT)


def _rules(parameters: float, vocabulary: int) -> _Rules:
    wide = parameters >= WIDE_HEADS_FROM
    return _Rules(
        parameters,
        vocabulary,
        head_width=128 if wide else 64 if parameters >= 2e7 else 32,
        tied=parameters < TIED_BELOW,
        grouped=parameters >= GROUPED_FROM,
        hidden_multiple=256 if wide else 128 if parameters >= 2e7 else 16,
    )


def _ideal(parameters: float, vocabulary: float) -> tuple[float, float]:
    """Layers and width, not rounded, of a model without grouped heads: 12 layers width^2."""
    aspect = _aspect(parameters)
    tables = 1 if parameters < TIED_BELOW else 2
    width = (parameters * aspect / 12) ** (1 / 3)
    for _ in range(40):  # what the tables take depends on the width; halved steps converge
        inside = max(parameters - tables * vocabulary * width, parameters / 10)
        width = (width + (inside * aspect / 12) ** (1 / 3)) / 2
    return width / aspect, width


def _candidates(rules: _Rules) -> Iterator[Architecture]:
    """Shapes near the usual ones that have the wanted size."""
    _, width = _ideal(rules.size, rules.vocabulary)
    middle = max(1, round(width / rules.head_width))
    spread = max(8, middle // 8)
    for heads in range(max(1, middle - spread), middle + spread + 1):
        if rules.grouped and heads % 8:
            continue
        usual = heads * rules.head_width / rules.aspect
        deeper = max(3.0, usual / 4)
        for layers in range(max(1, math.floor(usual - deeper)), math.ceil(usual + deeper) + 1):
            if (found := _filled(rules, heads, layers)) is not None:
                yield found


def _filled(rules: _Rules, heads: int, layers: int) -> Architecture | None:
    """These heads and layers with the hidden width that makes up the size; None if none does."""
    width = heads * rules.head_width
    made = Architecture(
        layers=layers,
        width=width,
        heads=heads,
        hidden=rules.hidden_multiple,
        vocabulary=rules.vocabulary,
        kv_heads=8 if rules.grouped else heads,
        head_width=rules.head_width,
        gated=True,
        tied=rules.tied,
    )
    a_unit = layers * 3 * width * rules.hidden_multiple
    units = 1 + round((rules.size - counted(made)) / a_unit)
    hidden = units * rules.hidden_multiple
    if not HIDDEN_LOW <= hidden / width <= HIDDEN_HIGH:
        return None
    total = counted(made) + (units - 1) * a_unit
    if abs(total / rules.size - 1) > WITHIN:
        return None
    return replace(made, hidden=hidden)


def _oddity(rules: _Rules, found: Architecture) -> float:
    """How far a shape is from what is usual; 0 is usual in every way."""
    aspect = math.log(found.width / found.layers / rules.aspect)
    hidden = math.log(found.hidden / found.width / HIDDEN)
    size = math.log(counted(found) / rules.size)
    even = 0.0 if found.width % (2 * rules.head_width) == 0 else 0.1
    return abs(aspect) + abs(hidden) + 10 * abs(size) + even
