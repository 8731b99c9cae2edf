"""Where a token stands, as attention or the embedding is told: ALiBi, rotations, sinusoids."""

import math

import torch
from torch import Tensor

# Extra key dimensions that carry ALiBi's bias; kernels like multiples of eight.
ALIBI_WIDTH = 8
ALIBI_STEP = 128  # a position is 128 a + b, each exact in bfloat16 up to 32,768


def alibi_slopes(heads: int) -> Tensor:
    """ALiBi's slope of each head, (H,), float64.

    Source:
        Press, Smith and Lewis 2022, arXiv:2108.12409, and the authors' rule for other numbers of
        heads than powers of two: every second slope of the next power, then those between.
    """
    power = 2 ** math.ceil(math.log2(heads))
    slopes: Tensor = 2.0 ** (-8.0 / power * torch.arange(1, power + 1, dtype=torch.float64))
    if power == heads:
        return slopes
    return torch.cat([slopes[1::2], slopes[::2]])[:heads]


def alibi_bias(tokens: int, heads: int, device: torch.device | None = None) -> Tensor:
    """Slope x (j - i) of query i and key j, -inf at later keys: (1, H, T, T), float32."""
    places = torch.arange(tokens, dtype=torch.float32, device=device)
    behind = places - places[:, None]  # (T, T)
    bias = alibi_slopes(heads).to(behind)[:, None, None] * behind
    return bias.masked_fill(behind > 0, -torch.inf)[None]


def alibi_dimensions(
    positions: Tensor, heads: int, key_width: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Extra query and key dimensions whose product, scaled as attention scales, is the bias.

    A position p is 128 a + b; a key carries both, a query its slope x sqrt(key width) as two
    numbers exact in bfloat16 and, in float32, minus their products with its own position. The
    latter are a constant of the query, which softmax does not see, but they keep sums small: the
    bias is slope x (j - i), exact where it matters, rather than slope x j. In bfloat16 they would
    be rounded and are left out; the fused kernels sum in float32.

    Args:
        positions: (T,) or (B, T).
        heads: H.
        key_width: D, of the unwidened keys.
        dtype: Of attention.

    Returns:
        Of the queries (1 or B, H, T, 8) and of the keys (1 or B, 1, T, 8).
    """
    slopes = alibi_slopes(heads).to(positions.device) * math.sqrt(key_width)
    high = slopes.bfloat16().double()
    low = (slopes - high).bfloat16().double() if dtype == torch.bfloat16 else slopes - high
    positions = positions[None] if positions.dim() == 1 else positions
    coarse = positions // ALIBI_STEP * ALIBI_STEP
    fine = positions % ALIBI_STEP
    ones = torch.ones_like(fine)
    keys = torch.stack([coarse, ones, coarse, ones, fine, ones, fine, ones], dim=-1)
    parts = torch.stack([high, low, high, low], dim=-1)[:, None]  # (H, 1, 4)
    own = torch.stack([coarse, coarse, fine, fine], dim=-1)[:, None]  # (B, 1, T, 4)
    against = torch.zeros_like(own) if dtype == torch.bfloat16 else -own
    queries = torch.stack([parts.expand(own.shape[0], -1, own.shape[2], -1), parts * against], -1)
    return queries.flatten(-2).to(dtype), keys.to(dtype)[:, None]


def widened(x: Tensor, extra: Tensor) -> Tensor:
    """Queries or keys (B, H, T, D) behind their extra dimensions, (B, H, T, 8 + D)."""
    batch, heads, tokens, _ = x.shape
    # first, so that the large terms have cancelled before the others are added
    return torch.cat([extra.expand(batch, heads, tokens, -1), x], dim=-1)


def rotations(
    positions: Tensor, key_width: int, theta: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary scheme, (1 or B, 1, T, D).

    Angles are repeated in both halves, and the sines of the first half are negative.

    Source:
        Su et al. 2021 (RoFormer), arXiv:2104.09864, in the half-split order of Llama.
    """
    pairs = torch.arange(0, key_width, 2, dtype=torch.float32, device=positions.device)
    angles = positions[..., None].float() * theta ** -(pairs / key_width)
    angles = angles[None, None] if angles.dim() == 2 else angles[:, None]
    cosines, sines = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)


def rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Queries or keys (B, H, T, D), turned by their positions."""
    one, two = x.chunk(2, dim=-1)
    return x * cosines + torch.cat([two, one], dim=-1) * sines


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sines and cosines of the positions, (..., width).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """
    rates = 10_000.0 ** -(torch.arange(0, width, 2, device=positions.device) / width)
    angles = positions[..., None].float() * rates
    waves: Tensor = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width]
    return waves
