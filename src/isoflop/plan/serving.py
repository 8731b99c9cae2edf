"""Seconds of one pass through a served model: a roofline with few measured efficiencies."""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from isoflop.plan.deployment import BYTES, Deployment, routed_parameters
from isoflop.plan.flops import attended_pairs, attention_flops, forward_flops
from isoflop.plan.memory import kv_cache_bytes
from isoflop.plan.queueing import Server


@dataclass(frozen=True, slots=True)
class Efficiencies:
    """What hardware does not reach of its data sheet, the same for every chip and model.

    Attributes:
        bandwidth: Share of the memory's bandwidth that matrix products with few tokens reach.
        slicing: That share falls as tensor_parallel ** -slicing: slices get thin, and the slowest
            chip is waited for.
        experts: Share of the rate of plain matrix products that grouped ones of experts reach.
        hop_seconds: Latency of one all-reduce among two chips; it grows with log2 of their number.
        link: Share of the links' rate that an all-reduce of many bytes reaches.
        expert_layer_seconds: Routing and sorting of tokens, per layer with experts and pass.
    """

    bandwidth: float = 0.902
    slicing: float = 0.135
    experts: float = 0.147
    hop_seconds: float = 2.37e-6
    link: float = 0.8
    expert_layer_seconds: float = 13.7e-6


MEASURED = Efficiencies()
PIPELINE_SECONDS = 1e-4  # from stage to stage, as llama.cpp's rows of layers split over cards show
FEW_TOKENS = 16  # products of so few are made from four bits as they are
NODE = 8  # chips joined by the fast link
RACKS = {"gb200": 72, "gb300": 72}  # NVL72


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of some tokens through all layers, on all chips of one copy.

    Attributes:
        seconds: Wall time.
        memory_seconds: Reading weights and cache, if nothing else took time.
        compute_seconds: Multiplying, if nothing else took time.
        traffic_seconds: Norms, activations, residuals.
        link_seconds: All-reduces between chips.
        overhead_seconds: Kernels' start and end, routing, the host.
        flops: Model FLOPs of the tokens.
        bytes: Weights and cache that must be read once, over all chips.
    """

    seconds: float
    memory_seconds: float
    compute_seconds: float
    traffic_seconds: float
    link_seconds: float
    overhead_seconds: float
    flops: float
    bytes: float


def prefill(
    d: Deployment,
    prompt_tokens: float,
    *,
    batch: float = 1,
    cached_tokens: float = 0,
    efficiencies: Efficiencies = MEASURED,
) -> Pass:
    """Reading prompts, in as many passes as the engine's chunks make.

    Args:
        d: The deployment.
        prompt_tokens: Of each prompt.
        batch: Prompts read together.
        cached_tokens: Tokens at the start of each prompt whose keys and values are kept already.
        efficiencies: As fitted, unless said otherwise.
    """
    a = d.architecture
    tokens = batch * (prompt_tokens - cached_tokens)
    pairs = batch * (attended_pairs(a, prompt_tokens) - attended_pairs(a, cached_tokens))
    passes = max(1, math.ceil(tokens / d.engine.chunk))
    each = batch / passes
    one = _pass(
        d, _Work(tokens / passes, each, each, cached_tokens, pairs / passes, True), efficiencies
    )
    stages = (passes + d.pipeline - 1) / d.pipeline  # chunks follow each other through the stages
    read = [forward_flops(a, [length]) for length in (prompt_tokens, cached_tokens)]
    return Pass(
        seconds=one.seconds * stages,
        memory_seconds=one.memory_seconds * stages,
        compute_seconds=one.compute_seconds * stages,
        traffic_seconds=one.traffic_seconds * stages,
        link_seconds=one.link_seconds * stages,
        overhead_seconds=one.overhead_seconds * stages,
        flops=batch * (read[0] - read[1]),
        bytes=one.bytes * passes,
    )


def decode_step(
    d: Deployment,
    context: float,
    *,
    batch: float = 1,
    drafted: int = 0,
    efficiencies: Efficiencies = MEASURED,
) -> Pass:
    """Writing one token in each of `batch` sequences (of one data-parallel group).

    Args:
        d: The deployment.
        context: Tokens before it.
        batch: Sequences.
        drafted: Tokens after it that are checked in the same pass (see `tokens_per_step`).
        efficiencies: As fitted, unless said otherwise.
    """
    a = d.architecture
    pairs = (a.attention_layers - a.window_layers) * context
    if a.window:
        pairs += a.window_layers * min(context, a.window.tokens)
    tokens = batch * (1 + drafted)
    work = _Work(tokens, tokens, batch, context, tokens * pairs, False)
    one = _pass(d, work, efficiencies)
    hops = (d.pipeline - 1) * PIPELINE_SECONDS
    return replace(one, seconds=one.seconds + hops, overhead_seconds=one.overhead_seconds + hops)


def tokens_per_step(drafted: int, accepted: float) -> float:
    """Tokens that one step yields where a small model drafts some and the large one checks them.

    Args:
        drafted: Tokens of a draft.
        accepted: Chance that a drafted token is what the large model would have written.

    Raises:
        ValueError: If the chance is not between 0 and 1.

    Source:
        Leviathan et al. 2023, arXiv:2211.17192, equation 1.
    """
    if not 0 <= accepted <= 1:
        raise ValueError(f"a chance is from 0 to 1, got accepted={accepted}")
    return float(sum(accepted**n for n in range(drafted + 1)))


@dataclass(frozen=True, slots=True)
class _Work:
    """Tokens of one pass, how many of them go through the output head, in how many sequences."""

    tokens: float
    heads: float
    sequences: float
    context: float
    pairs: float
    reading: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Seconds to read and to multiply on one chip, FLOPs and bytes of all chips of a group."""

    memory: float = 0.0
    compute: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0


def _pass(d: Deployment, w: _Work, e: Efficiencies) -> Pass:
    a, t = d.architecture, d.tensor_parallel
    parts = (_matrices(d, w, e), _experts(d, w, e), _attention(d, w, e))
    traffic = d.engine.traffic * w.tokens * a.layers * a.width / t / d.bandwidth
    if BYTES[d.weights] < 1 and w.tokens > FEW_TOKENS:
        others = a.matrix_parameters - routed_parameters(a)
        traffic += d.engine.widening_bytes * others / t / d.bandwidth
    link = _all_reduces(d, w.tokens, e)
    overhead = a.layers * d.engine.layer_seconds + a.expert_layers * e.expert_layer_seconds
    overhead += w.sequences * d.engine.sequence_seconds
    return Pass(
        seconds=sum(max(p.memory, p.compute) for p in parts) + traffic + link + overhead,
        memory_seconds=sum(p.memory for p in parts),
        compute_seconds=sum(p.compute for p in parts),
        traffic_seconds=traffic,
        link_seconds=link,
        overhead_seconds=overhead,
        flops=sum(p.flops for p in parts),
        bytes=sum(p.bytes for p in parts),
    )


def _matrices(d: Deployment, w: _Work, e: Efficiencies) -> _Part:
    """Everything but routed experts: attention's matrices, feed-forward layers, output head."""
    a, t = d.architecture, d.tensor_parallel
    others = a.matrix_parameters - routed_parameters(a)
    size = others * BYTES[d.other_weights] + a.head_parameters * d.table_bytes
    body, head = 2.0 * others * w.tokens, 2.0 * a.head_parameters * w.heads
    products = d.engine.products
    seconds = body / d.multiply_rate(d.other_weights) + head / d.multiply_rate("bf16")
    return _Part(size / t / _bandwidth(d, e), seconds / t / products, body + head, size)


def _experts(d: Deployment, w: _Work, e: Efficiencies) -> _Part:
    """Of all groups together, which share them: m tokens meet n (1 - (1 - k/n)^m) of n experts."""
    a = d.architecture
    if a.experts is None:
        return _Part()
    routed, share = routed_parameters(a), a.experts.active / a.experts.count
    together, chips = w.tokens * d.data_parallel, d.tensor_parallel * d.data_parallel
    size = routed * (1 - (1 - share) ** together) * BYTES[d.weights]
    rate = d.multiply_rate(d.weights) * d.engine.products * e.experts
    return _Part(
        memory=size / chips / _bandwidth(d, e),
        compute=2 * routed * share * together / chips / rate,
        flops=2 * routed * share * w.tokens,
        bytes=size,
    )


def _attention(d: Deployment, w: _Work, e: Efficiencies) -> _Part:
    """Scores and weighted values, and the cache that was kept before."""
    a = d.architecture
    flops = attention_flops(a, w.pairs)
    if a.latent and not w.reading:  # absorbed: scores and values in the rank of the cache
        flops = 2.0 * a.heads * (2 * a.latent.kv_rank + a.latent.rope_width) * w.pairs
    size = w.sequences * kv_cache_bytes(a, round(w.context), bytes_per_value=BYTES[d.cache])
    return _Part(
        memory=size / d.cache_ways(w.sequences) / _bandwidth(d, e),
        compute=flops / d.tensor_parallel / (d.multiply_rate("bf16") * d.engine.products),
        flops=flops,
        bytes=size,
    )


def _bandwidth(d: Deployment, e: Efficiencies) -> float:
    """What one of the chips that share a layer reaches."""
    reached = min(d.bandwidth * e.bandwidth, d.engine.most_bytes_per_second)
    return reached * float(d.tensor_parallel**-e.slicing)


def _all_reduces(d: Deployment, tokens: float, e: Efficiencies) -> float:
    """Two in each layer, after attention and after the feed-forward layer, in 16 bits."""
    a, t = d.architecture, d.tensor_parallel
    if t == 1:
        return 0.0
    rate = (d.chip.link_bytes_per_second or 32e9) * e.link
    size = tokens * a.width * 2
    seconds = 2 * (t - 1) / t * size / rate + e.hop_seconds * math.log2(t)
    node = RACKS.get(d.chip.name, t if d.chip.vendor == "Google" else NODE)
    if t > node:  # within the nodes first; then each chip exchanges its part over its own card
        network = d.chip.network_bytes_per_second or 25e9
        seconds += 2 * size / node / (network * e.link)
    return 2 * a.layers * seconds


def server(
    d: Deployment,
    most_sequences: int,
    prompt_tokens: float,
    output_tokens: float,
    *,
    cached_tokens: float = 0,
    efficiencies: Efficiencies = MEASURED,
) -> Server:
    """The deployment as the simulation of waiting sees it, near these lengths.

    Passes are worked out at a few sizes, and taken to be straight lines between them.
    """
    steps = [1.0]
    while steps[-1] < most_sequences:
        steps.append(min(most_sequences, steps[-1] * 2))
    low, high = prompt_tokens, prompt_tokens + output_tokens
    begin = _line(
        steps, [decode_step(d, low, batch=b, efficiencies=efficiencies).seconds for b in steps]
    )
    end = _line(
        steps, [decode_step(d, high, batch=b, efficiencies=efficiencies).seconds for b in steps]
    )

    def step_seconds(batch: float, context: float) -> float:
        along = (context - low) / (high - low)
        return begin(batch) * (1 - along) + end(batch) * along

    prompts = [0.25, 0.5, 1.0, 1.5, 2.0]
    while prompts[-1] * prompt_tokens < d.engine.chunk:
        prompts.append(prompts[-1] * 2)
    reads = [
        prefill(d, prompt_tokens, batch=n, cached_tokens=cached_tokens, efficiencies=efficiencies)
        for n in prompts
    ]
    return Server(
        prefill_seconds=_line([n * prompt_tokens for n in prompts], [r.seconds for r in reads]),
        step_seconds=step_seconds,
        most_sequences=most_sequences,
        chunk=d.engine.chunk,
        request_seconds=d.engine.request_seconds,
    )


def _line(xs: Sequence[float], ys: Sequence[float]) -> Callable[[float], float]:
    """Straight lines through the points, the first and last of them drawn on."""

    def at(x: float) -> float:
        """The line's height there."""
        if len(xs) == 1:
            return ys[0]
        after = min(len(xs) - 1, max(1, bisect.bisect_left(xs, x)))
        slope = (ys[after] - ys[after - 1]) / (xs[after] - xs[after - 1])
        return ys[after - 1] + slope * (x - xs[after - 1])

    return at
