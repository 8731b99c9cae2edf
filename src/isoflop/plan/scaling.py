"""Loss from parameters and tokens, and the best split of a budget between them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.estimate import Estimate
from isoflop.plan.laws import DEFAULT, LAWS, Law, Surface

FLAT = 0.005  # splits within 0.5 % of the least loss are told apart by nothing one can measure

# Muennighoff et al. 2023, arXiv:2305.16264, appendix A: after R* repetitions more, a repeated
# token (an excess parameter) is worth 1/e of a fresh one. Fitted on C4 up to 9B, with dropout.
REPEATED_TOKENS, EXCESS_PARAMETERS = 15.387756, 5.309743

# Laws whose disagreement stands for what is not known about a split. Kaplan's is left out: its
# learning-rate schedules did not end with the run (Hoffmann et al., section 2).
MODERN = ("chinchilla-1", "chinchilla-2", "chinchilla-3", "epoch", "muennighoff")

# Surfaces fitted to the same runs, those of Hoffmann et al.
REFITS = ("chinchilla-3", "sardana", "epoch")

# Where those laws know their optimum best, and how well: standard deviation of ln N_opt over 1000
# bootstrap samples of Epoch's points, which is hypot(0.024, 0.020 ln(C / 2e19)) from 1e18 to 6e23
# FLOP (`isoflop plan fit`, 2026-11-24).
BEST_KNOWN_AT, BEST_KNOWN = 2e19, 0.024

FlopsPerToken = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Split:
    """A budget split into parameters and tokens.

    Attributes:
        parameters: N.
        tokens: D, repetitions counted.
        loss: In nats per token of the law's own tokenizer; None if the law does not say.
    """

    parameters: float
    tokens: float
    loss: float | None

    @property
    def perplexity(self) -> float | None:
        """exp(loss): compares models of one tokenizer and one text only."""
        return None if self.loss is None else math.exp(self.loss)


def six(parameters: float) -> float:
    """Training FLOPs per token as the laws count them: C = 6 N D."""
    return 6 * parameters


def loss(
    law: Law, parameters: float, tokens: float, *, unique_tokens: float | None = None
) -> float | None:
    """What a law says of a model, in nats per token; None if it does not say.

    Args:
        law: Which law.
        parameters: N, embeddings counted or not as the law does.
        tokens: D, every repetition counted.
        unique_tokens: How many different ones there are; None if all are fresh. Applies
            Muennighoff et al.'s worth of repeated tokens and excess parameters.

    Raises:
        UsageError: If a count is not positive.
    """
    _positive(parameters=parameters, tokens=tokens, unique_tokens=unique_tokens)
    if law.surface is None:
        return None
    if unique_tokens is None or tokens <= unique_tokens:
        return law.surface.loss(parameters, tokens)
    if not isinstance(law.surface, Surface):
        raise UsageError(f"{law.title} says nothing of repeated data; choose muennighoff or epoch.")
    return law.surface.loss(
        effective_parameters(law.surface, parameters, unique_tokens),
        effective_tokens(tokens, unique_tokens),
    )


def effective_tokens(tokens: float, unique_tokens: float) -> float:
    """How many fresh tokens so many are worth, of which only some are different.

    D' = U + U R* (1 - exp(-R / R*)), R = D / U - 1: four epochs are worth almost as much as fresh
    tokens, and no number of epochs is worth more than U (1 + R*).

    Source:
        Muennighoff et al. 2023, arXiv:2305.16264, equation 5.
    """
    return _worth(tokens, unique_tokens, REPEATED_TOKENS)


def effective_parameters(surface: Surface, parameters: float, unique_tokens: float) -> float:
    """How many parameters so many are worth on so few different tokens.

    Parameters beyond what the different tokens are compute-optimal for lose worth likewise.

    Source:
        Muennighoff et al. 2023, arXiv:2305.16264, equation 6.
    """
    enough = surface.parameters_for_tokens(unique_tokens)
    return _worth(parameters, enough, EXCESS_PARAMETERS)


def optimum(
    law: Law,
    flops: float,
    *,
    unique_tokens: float | None = None,
    flops_per_token: FlopsPerToken = six,
) -> Split:
    """The split of a training budget with the least loss.

    Args:
        law: Which law.
        flops: Budget.
        unique_tokens: Different tokens there are; more are repetitions. None for no limit.
        flops_per_token: Of training, from parameters: 6 N, or what is really computed.

    Raises:
        UsageError: If the budget or the limit is not positive, or the law knows no repetition.
    """
    _positive(flops=flops, unique_tokens=unique_tokens)
    if law.split is not None:
        parameters = law.split(flops)
        tokens = flops / flops_per_token(parameters)
        if unique_tokens is not None and tokens > unique_tokens:
            raise UsageError(f"{law.title} says nothing of repeated data; choose muennighoff.")
        return Split(parameters, tokens, law.frontier(flops) if law.frontier else None)
    surface = surface_of(law)
    if flops_per_token is six:
        parameters = surface.balance * (flops / 6) ** surface.exponent
        tokens = flops / six(parameters)
        if unique_tokens is None or tokens <= unique_tokens:
            return Split(parameters, tokens, surface.loss(parameters, tokens))
    return _search(law, flops, unique_tokens, flops_per_token)


def split(
    law: Law,
    flops: float,
    parameters: float,
    *,
    unique_tokens: float | None = None,
    flops_per_token: FlopsPerToken = six,
) -> Split:
    """A budget spent on a model of so many parameters, whether that is the best or not."""
    _positive(flops=flops, parameters=parameters, unique_tokens=unique_tokens)
    tokens = flops / flops_per_token(parameters)
    return Split(parameters, tokens, loss(law, parameters, tokens, unique_tokens=unique_tokens))


def isoflop(
    law: Law,
    flops: float,
    *,
    reach: float = 10,
    points: int = 41,
    unique_tokens: float | None = None,
    flops_per_token: FlopsPerToken = six,
) -> list[Split]:
    """Splits of one budget around the best, evenly spaced in the logarithm of parameters.

    Args:
        law: One with an isoFLOP curve.
        flops: Budget.
        reach: From the best parameters divided by this to the best times this.
        points: How many; odd numbers have the best in the middle.
        unique_tokens: Different tokens there are; None for no limit.
        flops_per_token: Of training, from parameters.

    Raises:
        UsageError: If the law gives the best split only.
    """
    surface_of(law)
    best = optimum(law, flops, unique_tokens=unique_tokens, flops_per_token=flops_per_token)
    sizes = (best.parameters * reach ** (2 * i / (points - 1) - 1) for i in range(points))
    return [
        split(law, flops, n, unique_tokens=unique_tokens, flops_per_token=flops_per_token)
        for n in sizes
    ]


def flat_band(
    law: Law,
    flops: float,
    *,
    tolerance: float = FLAT,
    unique_tokens: float | None = None,
    flops_per_token: FlopsPerToken = six,
) -> tuple[Split, Split]:
    """The smallest and the largest model whose loss is within `tolerance` of the least.

    Raises:
        UsageError: If the law gives the best split only.
    """
    surface_of(law)

    def at(parameters: float) -> Split:
        return split(
            law, flops, parameters, unique_tokens=unique_tokens, flops_per_token=flops_per_token
        )

    best = optimum(law, flops, unique_tokens=unique_tokens, flops_per_token=flops_per_token)
    assert best.loss is not None
    most = best.loss * (1 + tolerance)

    def over(parameters: float) -> bool:
        found = at(parameters).loss
        return found is not None and found > most

    return at(edge(over, best.parameters, 0.5)), at(edge(over, best.parameters, 2.0))


def tokens_for(
    law: Law, parameters: float, target: float, *, unique_tokens: float | None = None
) -> float:
    """How many tokens bring a model of this size to this loss; infinite if none do."""
    surface = surface_of(law)
    _positive(parameters=parameters, loss=target, unique_tokens=unique_tokens)
    if unique_tokens is not None:
        parameters = effective_parameters(surface, parameters, unique_tokens)
    left = target - surface.E - surface.A * parameters**-surface.alpha
    if left <= 0:
        return math.inf
    fresh = math.exp(math.log(surface.B / left) / surface.beta)
    return fresh if unique_tokens is None else _unworth(fresh, unique_tokens, REPEATED_TOKENS)


def expected(flops: float, *, name: str = DEFAULT) -> tuple[Estimate, Estimate]:
    """Optimal parameters and tokens by one law, with what is not known about them.

    The interval holds what the laws since 2022 say, and the published error of the law's exponent
    carried from the budget where it is known best to this one. It says how far careful people
    disagree; no run tells which is right, for the optimum is flat.

    Args:
        flops: Budget, at 6 N D.
        name: Of the law that gives the middle.
    """
    best = optimum(LAWS[name], flops)
    sizes = [optimum(LAWS[other], flops).parameters for other in MODERN]
    if interval := LAWS[name].exponent_interval:
        away = (interval[1] - interval[0]) / 2 * math.log(flops / BEST_KNOWN_AT)
        half = math.hypot(1.2816 * BEST_KNOWN, away)
        sizes += [best.parameters * math.exp(half), best.parameters * math.exp(-half)]
    low, high = min(*sizes, best.parameters), max(*sizes, best.parameters)
    return (
        Estimate(low, best.parameters, high),
        Estimate(flops / six(high), best.tokens, flops / six(low)),
    )


def expected_loss(
    name: str, parameters: float, tokens: float, *, unique_tokens: float | None = None
) -> Estimate | None:
    """Loss by one law; low and high are what other fits of the same runs say.

    None if the law says nothing of loss. What another text, tokenizer or architecture changes is
    not in the interval.
    """
    value = loss(LAWS[name], parameters, tokens, unique_tokens=unique_tokens)
    if value is None:
        return None
    others = REFITS if name in REFITS else ()
    said = [loss(LAWS[o], parameters, tokens, unique_tokens=unique_tokens) for o in others]
    ends = [value, *(each for each in said if each is not None)]
    return Estimate(min(ends), value, max(ends))


def _search(law: Law, flops: float, unique: float | None, per_token: FlopsPerToken) -> Split:
    """The least loss along a budget, found numerically: it has one minimum in log N."""

    def at(log_parameters: float) -> float:
        n = math.exp(log_parameters)
        found = loss(law, n, flops / per_token(n), unique_tokens=unique)
        assert found is not None
        return found

    parameters = math.exp(lowest(at, 0.0, math.log(flops / 6)))
    return split(law, flops, parameters, unique_tokens=unique, flops_per_token=per_token)


def lowest(function: Callable[[float], float], low: float, high: float, grid: int = 64) -> float:
    """Where a function of one minimum is least: the best of a grid, then golden sections.

    The grid comes first because far from the minimum the function may be level or infinite.
    """
    step = (high - low) / grid
    best = min((low + step * i for i in range(grid + 1)), key=function)
    low, high = max(low, best - step), min(high, best + step)
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-9 * max(1.0, abs(high)):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def edge(over: Callable[[float], bool], inside: float, factor: float) -> float:
    """The last place where `over` is false, going from `inside` by this factor; by bisection."""
    outside = inside * factor
    while not over(outside):
        inside, outside = outside, outside * factor
    for _ in range(50):
        middle = math.sqrt(inside * outside)
        inside, outside = (inside, middle) if over(middle) else (middle, outside)
    return inside


def _worth(amount: float, fresh: float, decay: float) -> float:
    if amount <= fresh:
        return amount
    return fresh * (1 + decay * -math.expm1(-(amount / fresh - 1) / decay))


def _unworth(worth: float, fresh: float, decay: float) -> float:
    """The inverse of `_worth`; infinite beyond fresh x (1 + decay)."""
    if worth <= fresh:
        return worth
    share = (worth / fresh - 1) / decay
    return math.inf if share >= 1 else fresh * (1 - decay * math.log1p(-share))


def surface_of(law: Law) -> Surface:
    """The surface of a law that says what other splits than the best lose.

    Raises:
        UsageError: If it does not.
    """
    if not isinstance(law.surface, Surface):
        curved = ", ".join(name for name, known in LAWS.items() if known.has_isoflop_curve)
        raise UsageError(
            f"{law.title} gives the best split only, not the loss of others. Choose {curved}."
        )
    return law.surface


def _positive(**counts: float | None) -> None:
    for name, count in counts.items():
        if count is not None and not 0 < count < math.inf:
            raise UsageError(f"{name.replace('_', ' ')} must be more than zero, got {count:g}.")
