"""What a layer keeps for the way back, against the tensors that PyTorch saves."""

from typing import Any

import pytest

from isoflop.architecture import Architecture
from isoflop.plan.training_memory import layer_saved

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

BATCH, LENGTH = 2, 64
CLASSIC = Architecture(1, 96, 4, 384, 100)
GATED = Architecture(1, 96, 4, 256, 100, kv_heads=2, gated=True)


def _layer(a: Architecture, plain: bool) -> Any:
    """A layer of that shape as a function, its matrices made here."""
    sizes = {"q": a.query_width, "k": a.kv_width, "v": a.kv_width, "up": a.hidden}
    sizes |= {"gate": a.hidden} if a.gated else {}
    made = {name: nn.Linear(a.width, size, bias=False) for name, size in sizes.items()}
    out, down = nn.Linear(a.query_width, a.width, False), nn.Linear(a.hidden, a.width, False)
    first, second = nn.LayerNorm(a.width), nn.LayerNorm(a.width)
    head = a.query_width // a.heads

    def split(x: Any) -> Any:
        return x.view(BATCH, LENGTH, -1, head).transpose(1, 2)

    def run(x: Any) -> Any:
        y = first(x)
        q, k, v = split(made["q"](y)), split(made["k"](y)), split(made["v"](y))
        if plain:
            seen = (q @ k.transpose(2, 3)).softmax(-1) @ v
        else:
            seen = functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=a.kv_heads is not None
            )
        x = x + out(seen.transpose(1, 2).reshape(BATCH, LENGTH, -1))
        y = second(x)
        if a.gated:
            return x + down(functional.silu(made["gate"](y)) * made["up"](y))
        return x + down(functional.gelu(made["up"](y)))

    weights = [*made.values(), out, down, first, second]
    return run, {p.untyped_storage().data_ptr() for m in weights for p in m.parameters()}


def _kept(a: Architecture, plain: bool) -> int:
    """Bytes of all tensors saved for the way back, each storage once, weights left out."""
    run, weights = _layer(a, plain)
    storages: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    x = torch.randn(BATCH, LENGTH, a.width, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run(x).sum()
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize(
    ("shape", "attention"), [(CLASSIC, "plain"), (CLASSIC, "fused"), (GATED, "fused")]
)
def test_a_layer_keeps_what_pytorch_saves(shape: Architecture, attention: str) -> None:
    kept = layer_saved(shape, bytes_per_value=4, attention=attention)  # type: ignore[arg-type]
    each = kept.split + kept.replicated + kept.pairs * LENGTH
    measured = _kept(shape, attention == "plain")
    # norms keep a mean and a deviation a token besides, and fused attention its random state
    beside = 2 * 2 * 4 * BATCH * LENGTH
    assert measured == pytest.approx(each * BATCH * LENGTH + beside, rel=0.01)
