"""Memory of real training steps on the CPU allocator of PyTorch, beside what is planned.

Small transformers of the kinds that plans know: classic layers and gated ones with grouped
queries, attention fused and plain, everything kept and everything computed again. Measured is the
peak of a microbatch while gradients of one before it and Adam's states are held, all in fp32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from benchmarks.markdown import table
from isoflop.architecture import Architecture
from isoflop.plan.parallel import Layout
from isoflop.plan.training_memory import Attention, training_memory


@dataclass(frozen=True)
class Case:
    """One step to measure."""

    name: str
    shape: Architecture
    batch: int
    length: int
    attention: Attention = "fused"
    again: bool = False


CLASSIC = Architecture(6, 256, 4, 1024, 2048, tied=False)
GATED = Architecture(6, 256, 8, 704, 2048, kv_heads=2, gated=True, tied=False)
DEEP = Architecture(16, 192, 6, 768, 512, tied=True)
WIDE = Architecture(2, 512, 8, 1408, 8192, kv_heads=4, gated=True, tied=True)
CASES = (
    Case("classic", CLASSIC, 4, 256),
    Case("classic, plain attention", CLASSIC, 4, 256, "plain"),
    Case("classic, long, plain attention", CLASSIC, 1, 1024, "plain"),
    Case("classic, all computed again", CLASSIC, 4, 512, again=True),
    Case("gated, grouped queries", GATED, 4, 512),
    Case("gated, plain attention", GATED, 2, 512, "plain"),
    Case("gated, all computed again", GATED, 8, 512, again=True),
    Case("deep and narrow", DEEP, 4, 512),
    Case("wide, large vocabulary", WIDE, 2, 512),
)


class Attend(nn.Module):
    """Causal attention with grouped keys and values, fused or with its scores in sight."""

    def __init__(self, a: Architecture, kind: Attention) -> None:
        super().__init__()
        self.a, self.kind = a, kind
        self.queries = nn.Linear(a.width, a.query_width, bias=False)
        self.keys = nn.Linear(a.width, a.kv_width, bias=False)
        self.values = nn.Linear(a.width, a.kv_width, bias=False)
        self.out = nn.Linear(a.query_width, a.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of (batch, tokens, width)."""
        batch, tokens, _ = x.shape
        width = self.a.query_width // self.a.heads
        q, k, v = (
            made(x).view(batch, tokens, -1, width).transpose(1, 2)
            for made in (self.queries, self.keys, self.values)
        )  # (B, heads, T, width)
        if self.kind == "fused":
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            copies = q.shape[1] // k.shape[1]
            k, v = k.repeat_interleave(copies, 1), v.repeat_interleave(copies, 1)
            hidden = torch.full((tokens, tokens), -math.inf).triu(1)
            scores = (q / math.sqrt(width)) @ k.transpose(2, 3)
            y = scores.add_(hidden).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, tokens, -1))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, a: Architecture, kind: Attention) -> None:
        super().__init__()
        self.gated = a.gated
        self.first, self.second = (
            nn.LayerNorm(a.width, bias=False),
            nn.LayerNorm(a.width, bias=False),
        )
        self.attend = Attend(a, kind)
        self.up = nn.Linear(a.width, a.hidden, bias=False)
        self.gate = nn.Linear(a.width, a.hidden, bias=False) if a.gated else None
        self.down = nn.Linear(a.hidden, a.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of (batch, tokens, width)."""
        x = x + self.attend(self.first(x))
        y = self.second(x)
        if self.gate is not None:
            return x + self.down(functional.silu(self.gate(y)) * self.up(y))  # type: ignore[no-any-return]
        return x + self.down(functional.gelu(self.up(y)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """The whole model, with its loss."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        a = case.shape
        self.again = case.again
        self.embedding = nn.Embedding(a.vocabulary, a.width)
        self.layers = nn.ModuleList(Layer(a, case.attention) for _ in range(a.layers))
        self.norm = nn.LayerNorm(a.width, bias=False)
        self.head = nn.Linear(a.width, a.vocabulary, bias=False)
        if a.tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Mean loss of predicting each token from those before it."""
        x = self.embedding(tokens)
        for layer in self.layers:
            x = checkpoint(layer, x, use_reentrant=False) if self.again else layer(x)
        return functional.cross_entropy(self.head(self.norm(x)).flatten(0, 1), tokens.flatten())


def measured(case: Case) -> int:
    """Peak bytes of a microbatch, weights, gradients and Adam's states included."""
    torch.manual_seed(0)
    model = Transformer(case)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    tokens = torch.randint(case.shape.vocabulary, (case.batch, case.length))
    model(tokens).backward()
    optimizer.step()
    held = sum(p.nbytes + (p.grad.nbytes if p.grad is not None else 0) for p in model.parameters())
    held += sum(value.nbytes for state in optimizer.state.values() for value in state.values())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        model(tokens).backward()
    return held + _peak(profiled)


def _peak(profiled: profile) -> int:
    """The most that was allocated beyond the start, from the allocator's own events."""
    results = profiled.profiler.kineto_results  # type: ignore[union-attr]
    changes = [
        (event.start_ns(), event.nbytes())
        for event in results.events()
        if event.name() == "[memory]"
    ]
    level = most = 0
    for _, change in sorted(changes):
        level += change
        most = max(most, level)
    return most


def planned(case: Case) -> float:
    """The same, as planned."""
    layout = Layout(microbatch=case.batch, recompute="full" if case.again else "none")
    memory = training_memory(
        case.shape, layout, case.length, optimizer="adam-fp32", attention=case.attention
    )
    return memory.tensors


def errors() -> list[tuple[Case, int, float]]:
    """Every case: measured bytes, and ln(planned / measured)."""
    found = [(case, measured(case)) for case in CASES]
    return [(case, bytes_, math.log(planned(case) / bytes_)) for case, bytes_ in found]


def report() -> str:
    """The table."""
    rows = [
        [case.name, f"{bytes_ / 2**20:.1f}", f"{100 * error:+.1f} %"]
        for case, bytes_, error in errors()
    ]
    return table(["step in fp32, CPU allocator", "measured MiB", "planned"], rows)


if __name__ == "__main__":
    print(report())
