"""From a budget to a recipe: how large a model, on how many tokens, in batches of which size."""

import itertools
import math
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.lm.transformer import Configuration, Position
from isoflop.plan import scaling, shape
from isoflop.plan.flops import parameters as counted
from isoflop.plan.laws import DEFAULT, LAWS

SMALLEST = 100_000  # parameters
# Bytes a token of byte-level BPE stands for in English prose, by vocabulary (novels of 1839-1929:
# 3.3 at 3,072 tokens here; 4.3 to 4.8 at 32k to 128k as published for Llama 2 and 3).
BYTES_PER_TOKEN = ((256, 1.0), (512, 1.9), (3072, 3.3), (32_768, 4.3), (131_072, 4.6))
# The batch that loses little grows with the budget: 0.5 M tokens at 4e19 FLOP (nanochat d20) and
# 8k at 5e14 here, a power of about 1/3 of the FLOPs.
BATCH_TOKENS, BATCH_AT, BATCH_EXPONENT = 8192, 5e14, 1 / 3
SMALLEST_BATCH = 2048
CONTEXTS = ((5e6, 256), (5e7, 512), (5e8, 1024), (math.inf, 2048))  # by parameters below


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is trained on how many tokens.

    Attributes:
        parameters: Wanted; the shape comes within a few percent.
        tokens: Wanted.
    """

    parameters: float
    tokens: float


def size(
    flops: float,
    *,
    law: str = DEFAULT,
    unique_tokens: float | None = None,
    vocabulary: int | None = None,
    context: int | None = None,
    parameters: float | None = None,
) -> Size:
    """The compute-optimal size for a budget, and the tokens it reads.

    Args:
        flops: Of training, as computed: matrices, head and attention.
        law: Which scaling law, see `isoflop plan`.
        unique_tokens: Different tokens there are; None for no limit.
        vocabulary: None for the compute-optimal one.
        context: Tokens of a sequence; None for what is usual at that size.
        parameters: Given, the tokens follow.
    """

    def per_token(n: float) -> float:
        return shape.flops_per_token(n, context or usual_context(n), vocabulary=vocabulary)

    if parameters is None:
        parameters = scaling.optimum(
            LAWS["muennighoff"] if unique_tokens else LAWS[law],
            flops,
            unique_tokens=unique_tokens,
            flops_per_token=per_token,
        ).parameters
    parameters = max(parameters, SMALLEST)
    return Size(parameters, flops / per_token(parameters))


def usual_context(parameters: float) -> int:
    """Tokens of a training sequence, by size of the model."""
    return next(context for below, context in CONTEXTS if parameters < below)


def usual_vocabulary(parameters: float) -> int:
    """The compute-optimal vocabulary; under a million parameters, one that leaves them room."""
    return shape.best_vocabulary(parameters) if parameters >= 1e6 else 512


def usual_batch(flops: float, context: int) -> int:
    """Sequences of one update for a training of so many FLOPs."""
    tokens = max(SMALLEST_BATCH, BATCH_TOKENS * (flops / BATCH_AT) ** BATCH_EXPONENT)
    return max(1, int(2 ** round(math.log2(tokens / context))))


def bytes_per_token(vocabulary: int) -> float:
    """Of English prose, before a tokenizer is trained; between the known points on a log scale."""
    known = BYTES_PER_TOKEN
    x = math.log(min(max(vocabulary, known[0][0]), known[-1][0]))
    for (low, few), (high, many) in itertools.pairwise(known):
        if x <= math.log(high):
            share = (x - math.log(low)) / (math.log(high) - math.log(low))
            return few + share * (many - few)
    return known[-1][1]


def configuration(
    parameters: float,
    *,
    position: Position,
    vocabulary: int,
    context: int,
    dropout: float = 0.0,
) -> Configuration:
    """A model of about so many parameters.

    Heads are 64 wide where the width allows: attention's exponentials, the slow part on a
    processor, are half those of heads of 32.

    Raises:
        UsageError: If the vocabulary leaves no room for layers.
    """
    if position == "rope":
        found = shape.shape(max(parameters, shape.SMALLEST), vocabulary=vocabulary)
        width, layers, hidden = found.width, found.layers, found.hidden
        if parameters < shape.SMALLEST:
            width, layers, hidden = _small(parameters, vocabulary)
    else:
        width, layers = _plain(parameters, vocabulary)
        hidden = 4 * width
    heads = max(1, width // (64 if width % 64 == 0 and width >= 128 else 32))
    if parameters >= 1e9:
        heads = width // 128
    return Configuration(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=8 if position == "rope" and parameters >= shape.GROUPED_FROM else heads,
        hidden=hidden,
        context=context,
        position=position,
        query_key_norm=position == "rope",
        tied=position != "rope" or parameters < shape.TIED_BELOW,
        dropout=dropout,
    )


def _small(parameters: float, vocabulary: int) -> tuple[int, int, int]:
    """Width, layers and hidden width of a gated model under a million parameters."""
    width, layers = _plain(parameters, vocabulary)
    return width, layers, round(8 / 3 * width / 16) * 16


def _plain(parameters: float, vocabulary: int) -> tuple[int, int]:
    """Width and layers of a model with 12 width^2 entries a layer and a tied table."""
    step = 64 if parameters >= 1e6 else 32
    found: list[tuple[float, int, int]] = []
    wanted_aspect = 64 * (parameters / 1e8) ** 0.124  # as plan.shape has it
    for width in range(step, 16_384, step):
        room = parameters - vocabulary * width
        layers = max(1, round(room / (12 * width * width)))
        total = vocabulary * width + layers * 12 * width * width
        off = abs(math.log(total / parameters))
        aspect = abs(math.log(width / layers / wanted_aspect))
        found.append((aspect + 3 * off, width, layers))
        if room <= 0:
            break
    _, width, layers = min(found)
    total = vocabulary * width + layers * 12 * width * width
    if total > 1.5 * parameters:
        raise UsageError(
            f"A vocabulary of {vocabulary:,} leaves too little of {parameters:,.0f} parameters for "
            f"layers. Take a smaller one (--vocabulary {usual_vocabulary(parameters):,})."
        )
    return width, layers


def parameters_of(configuration: Configuration) -> int:
    """All parameters, embeddings included."""
    return counted(configuration.architecture)
