"""Memory a training takes, and what to say where there is too little."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from isoflop.errors import IsoflopError
from isoflop.lm.transformer import SHORT
from isoflop.train import design
from isoflop.train.recipe import Recipe
from isoflop.train.report import free_bytes

# Processes need so much beside what is counted here: the libraries, and freed blocks.
RESERVED_BYTES = 0.6e9


def memory_bytes(recipe: Recipe) -> float:
    """Memory a training takes, in bytes: weights, masters, gradients, moments, activations."""
    from isoflop.plan.training_memory import layer_saved

    c = recipe.configuration
    value = 4 if recipe.dtype == "float32" else 2
    copies = 16 if recipe.dtype == "float32" else 2 * value + 16
    tokens = recipe.micro_batch * c.context
    layer = layer_saved(c.architecture, bytes_per_value=value, dropout=c.dropout > 0)
    kept = c.layers * (layer.split + layer.replicated) * tokens
    if recipe.dtype == "bfloat16" and c.context <= SHORT:  # the scores of attention, see `attend`
        kept += c.layers * c.heads * c.context * tokens * value
    logits = tokens * c.vocabulary * (value + 8)
    return RESERVED_BYTES + copies * design.parameters_of(c) + kept + logits


def refuse_memory(recipe: Recipe) -> None:
    """Refuse what this machine's memory cannot hold, before it is tried.

    Raises:
        IsoflopError: With the forecast and what to change.
    """
    free = free_bytes()
    if free is not None and memory_bytes(recipe) > free:
        raise IsoflopError(too_large(recipe))


def too_large(recipe: Recipe) -> str:
    """What to say where memory does not do."""
    free = free_bytes()
    has = f", and {free / 1e9:.1f} GB are free" if free is not None else ""
    c = recipe.configuration
    return (
        f"Training {design.parameters_of(c):,} parameters on {recipe.micro_batch} x {c.context} "
        f"tokens at a time takes about {memory_bytes(recipe) / 1e9:.1f} GB{has}. Train a smaller "
        "model (--params), a shorter --context, or close other programs."
    )


@contextmanager
def told_of_memory(saying: Callable[[], str]) -> Iterator[None]:
    """Say what to change where memory runs out in spite of the forecast.

    Raises:
        IsoflopError: In place of Python's or torch's error.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            raise IsoflopError(saying()) from error
        raise
