"""The transformer: causal, cached or not, its positions where they are said to be."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from isoflop.errors import UsageError
from isoflop.lm.cache import KeyValueCache
from isoflop.lm.norm import RootMeanSquareNorm
from isoflop.lm.positions import alibi_bias, alibi_dimensions, alibi_slopes
from isoflop.lm.transformer import (
    POSITIONS,
    Configuration,
    Position,
    Transformer,
    attend,
    causal_bias,
)
from isoflop.plan import flops

TOKENS = torch.randint(50, (2, 40), generator=torch.Generator().manual_seed(1))


def configuration(position: Position, *, context: int = 48, norm: bool = False) -> Configuration:
    grouped = position == "rope"
    hidden = 40 if grouped else 128
    return Configuration(
        50, 32, 2, 4, 2 if grouped else 4, hidden, context, position, query_key_norm=norm
    )


@cache
def network(position: Position) -> Transformer:
    torch.set_num_threads(1)
    model = Transformer(configuration(position)).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, mean=float(weight.dim() < 2), std=0.25, generator=draw)
    return model


def differ(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("cuts", [(1,), (7, 8, 25), tuple(range(1, 40))])
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(
    position: Position, cuts: tuple[int, ...]
) -> None:
    model = network(position)
    held = KeyValueCache.of(model.configuration, 2, 40)
    bounds = [0, *cuts, 40]
    parts = [model(TOKENS[:, start:stop], cache=held) for start, stop in pairwise(bounds)]
    assert differ(torch.cat(parts, dim=1), model(TOKENS)) < 2e-5


@pytest.mark.parametrize("position", POSITIONS)
def test_a_token_changes_nothing_before_it_and_something_after(position: Position) -> None:
    changed = TOKENS.clone()
    changed[:, 20] = (changed[:, 20] + 1) % 50
    one, other = network(position)(TOKENS), network(position)(changed)
    assert differ(one[:, :20], other[:, :20]) < 1e-5
    assert float((one - other)[:, 20:].abs().amax(-1).min()) > 1e-3


@pytest.mark.parametrize("position", POSITIONS)
def test_only_distances_count_where_positions_are_relative(position: Position) -> None:
    moved = network(position)(TOKENS, positions=torch.arange(8, 48))
    if position in ("sinusoidal", "learned"):
        assert differ(moved, network(position)(TOKENS)) > 0.1
    else:
        assert differ(moved, network(position)(TOKENS)) < 2e-5


@pytest.mark.parametrize("position", POSITIONS)
def test_each_row_has_its_own_positions(position: Position) -> None:
    rows = torch.stack([torch.arange(40), torch.arange(0, 40) // 2])
    both = network(position)(TOKENS, positions=rows)
    for row in range(2):
        alone = network(position)(TOKENS[row : row + 1], positions=rows[row])
        assert differ(both[row], alone[0]) < 1e-5


@pytest.mark.parametrize("length", [40, 160])
def test_alibi_is_a_network_without_positions_and_a_mask_of_slopes(length: int) -> None:
    model, plain = network("alibi"), Transformer(configuration("none")).eval()
    plain.load_state_dict(model.state_dict())
    tokens = torch.randint(50, (1, length), generator=torch.Generator().manual_seed(2))
    places = torch.arange(length)
    distances = (places[None] - places[:, None]).float()  # j - i
    mask = alibi_slopes(4).float()[None, :, None, None] * distances + causal_bias(length, length)
    with torch.no_grad():
        assert differ(model(tokens), plain(tokens, bias=mask)) < 2e-5
        assert differ(model(tokens), plain(tokens)) > 0.1


def test_the_norm_and_its_gradients_are_those_of_torch() -> None:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 8, generator=draw, dtype=torch.float64, requires_grad=True)
    norm = RootMeanSquareNorm(8, eps=0.1, dtype=torch.float64)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=draw)
    wanted = torch.nn.functional.rms_norm(x, (8,), norm.weight, 0.1)
    assert differ(norm(x), wanted) < 1e-12
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(norm, {"weight": weight}, (x,)),
        (x, norm.weight),
    )


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_that_learns_is_within_rounding_of_float64(
    dtype: torch.dtype, masked: bool
) -> None:
    draw = torch.Generator().manual_seed(4)
    bias = alibi_bias(48, 4) if masked else None
    parts = [torch.randn(2, heads, 48, 16, generator=draw) for heads in (4, 2, 2)]
    found = []
    for kind in (torch.float64, dtype):
        learning = [part.to(dtype).to(kind).requires_grad_() for part in parts]
        mask = None if bias is None else bias.to(kind)
        q, k, v = learning
        y = attend(q, k, v, mask, causal=not masked, scale=0.25)
        y.sin().sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        found.append([y, *(part.grad for part in learning)])
    for exact, rounded in zip(*found, strict=True):
        assert exact is not None
        assert rounded is not None
        largest = float(exact.detach().abs().max())
        assert differ(exact, rounded) < 16 * torch.finfo(dtype).eps * largest


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_alibi_carries_every_position_up_to_32768_exactly(dtype: torch.dtype) -> None:
    positions = torch.arange(32_768)
    _, keys = alibi_dimensions(positions, 8, 64, dtype)
    carried = keys[0, 0, :, 0].double() + keys[0, 0, :, 4].double()
    assert torch.equal(carried, positions.double())


@pytest.mark.parametrize("heads", [8, 12])
def test_alibi_slopes_keep_sixteen_bits_in_bfloat16(heads: int) -> None:
    queries, _ = alibi_dimensions(torch.arange(2), heads, 64, torch.bfloat16)
    carried = queries[0, :, 0, 0].double() + queries[0, :, 0, 2].double()
    assert torch.allclose(carried, alibi_slopes(heads) * 8.0, rtol=2.0**-16, atol=0)


def test_a_learned_table_reads_no_further_than_it_has_rows() -> None:
    model = network("learned")
    model(torch.zeros(1, 48, dtype=torch.int64))
    with pytest.raises(UsageError, match="48 rows cannot read token 49"):
        model(torch.zeros(1, 49, dtype=torch.int64))


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("norm", [False, True])
def test_the_plan_counts_the_parameters_of_the_network(position: Position, norm: bool) -> None:
    if norm and position != "rope":
        with pytest.raises(UsageError, match="nothing is normed per head"):
            configuration(position, norm=norm)
        return
    model = Transformer(configuration(position, norm=norm))
    counted = sum(weight.numel() for weight in model.parameters())
    assert flops.parameters(model.configuration.architecture) == counted


@pytest.mark.parametrize("position", ["rope", "alibi", "none"])
def test_at_first_every_layer_adds_nothing(position: Position) -> None:
    model = Transformer(configuration(position))
    model.initialise(3)
    embedded = model.norm(model.embedding(TOKENS))
    assert differ(model(TOKENS), model.logits(embedded)) < 1e-5


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = (Transformer(configuration("rope")) for _ in range(3))
    for model, seed in ((one, 3), (same, 3), (other, 4)):
        model.initialise(seed)
    assert torch.equal(one.embedding.weight, same.embedding.weight)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)


def test_a_full_cache_refuses_more() -> None:
    held = KeyValueCache.of(configuration("rope"), 1, 4)
    with pytest.raises(UsageError, match="5 tokens do not fit in a cache of 4"):
        network("rope")(TOKENS[:1, :5], cache=held)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((50, 32, 2, 4, 3, 128, 48, "rope"), "3 key-value heads do not divide 4"),
        ((50, 34, 2, 4, 4, 128, 48, "rope"), "34 is no multiple of 4"),
        ((50, 32, 2, 4, 4, 100, 48, "alibi"), "4 x width"),
        ((50, 32, 2, 4, 4, 128, 48, "rotary"), "No position scheme 'rotary'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: tuple[Any, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Configuration(*sizes)
