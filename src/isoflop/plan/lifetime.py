"""The model that is cheapest to train and then to serve, at a wanted loss."""

import math
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.plan.laws import Law
from isoflop.plan.scaling import FLAT, edge, loss, lowest, surface_of, tokens_for

LAW = "chinchilla-3"  # the law of Sardana et al.'s examples; unrounded, or they do not come out


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model will serve in its life.

    Attributes:
        prompt_tokens: Read in all.
        output_tokens: Written in all.
    """

    prompt_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What a FLOP costs in each phase, in one unit of one's choice; all 1 counts FLOPs."""

    training: float = 1.0
    prompt: float = 1.0
    output: float = 1.0


COUNT = Rates()


@dataclass(frozen=True, slots=True)
class Life:
    """One model from training to the last served token.

    Attributes:
        parameters: N.
        tokens: Trained on, repetitions counted; infinite where no number of tokens is enough.
        loss: After training, in nats per token.
        training: Cost, in the unit of the rates.
        prompts: Cost of reading prompts.
        outputs: Cost of writing.
    """

    parameters: float
    tokens: float
    loss: float
    training: float
    prompts: float
    outputs: float

    @property
    def cost(self) -> float:
        """Of all."""
        return self.training + self.prompts + self.outputs


def dollars_per_flop(dollars_per_hour: float, peak: float, utilisation: float) -> float:
    """What a useful FLOP costs on a chip.

    Args:
        dollars_per_hour: Of the chip.
        peak: Its dense FLOP/s in the number format used.
        utilisation: Share of the peak that does the model's FLOPs (MFU).

    Raises:
        UsageError: If the price or the share makes no sense.
    """
    if not dollars_per_hour > 0:
        raise UsageError(f"A chip costs more than $0 an hour, got {dollars_per_hour:g}.")
    if not 0 < utilisation <= 1:
        raise UsageError(f"Utilisation is more than 0 and at most 1, got {utilisation:g}.")
    return dollars_per_hour / 3600 / (peak * utilisation)


def quality(law: Law, parameters: float, tokens: float | None = None) -> float:
    """The loss of a model; compute-optimally trained where the tokens are not given."""
    if tokens is None:
        tokens = surface_of(law).tokens_for_parameters(parameters)
    found = loss(law, parameters, tokens)
    assert found is not None
    return found


def life(
    law: Law,
    parameters: float,
    target: float,
    demand: Demand,
    *,
    rates: Rates = COUNT,
    unique_tokens: float | None = None,
) -> Life:
    """What a model of this size costs, trained until it has this loss, and then served.

    6 N D to train, 2 N for a token read or written; attention and embeddings are not counted.

    Source:
        Sardana et al. 2024, arXiv:2401.00448, equations 4 and 5.
    """
    tokens = tokens_for(law, parameters, target, unique_tokens=unique_tokens)
    return Life(
        parameters,
        tokens,
        target,
        training=rates.training * 6 * parameters * tokens,
        prompts=rates.prompt * 2 * parameters * demand.prompt_tokens,
        outputs=rates.output * 2 * parameters * demand.output_tokens,
    )


def best(
    law: Law,
    target: float,
    demand: Demand,
    *,
    rates: Rates = COUNT,
    unique_tokens: float | None = None,
) -> Life:
    """The size that costs least in all at this loss.

    Raises:
        UsageError: If no size reaches the loss, with the different tokens there are.
    """

    def cost(log_parameters: float) -> float:
        size = math.exp(log_parameters)
        return life(law, size, target, demand, rates=rates, unique_tokens=unique_tokens).cost

    surface = surface_of(law)
    if target <= surface.E:
        raise UsageError(
            f"No model has a loss of {target:.4g}: {law.title} ends at {surface.E:.4g}."
        )
    least = math.log(surface.A / (target - surface.E)) / surface.alpha  # with endless fresh data
    parameters = math.exp(lowest(cost, least, least + math.log(1e4), grid=200))
    found = life(law, parameters, target, demand, rates=rates, unique_tokens=unique_tokens)
    if math.isinf(found.cost):
        raise UsageError(
            f"No size reaches a loss of {target:.4g} with {unique_tokens:,.0f} different tokens, "
            "however often they are repeated. More data is needed."
        )
    return found


def band(
    law: Law,
    cheapest: Life,
    demand: Demand,
    *,
    rates: Rates = COUNT,
    unique_tokens: float | None = None,
    tolerance: float = FLAT,
) -> tuple[Life, Life]:
    """The smallest and the largest model that, for the same cost, lose at most `tolerance`."""

    def spent(parameters: float) -> Life:
        """All of the cheapest one's cost on this size: what serving leaves goes into training."""
        prompts = rates.prompt * 2 * parameters * demand.prompt_tokens
        outputs = rates.output * 2 * parameters * demand.output_tokens
        training = cheapest.cost - prompts - outputs
        tokens = training / (rates.training * 6 * parameters)
        reached = math.inf
        if tokens > 0:
            found = loss(law, parameters, tokens, unique_tokens=unique_tokens)
            reached = math.inf if found is None else found
        return Life(parameters, tokens, reached, training, prompts, outputs)

    def over(parameters: float) -> bool:
        return spent(parameters).loss > cheapest.loss * (1 + tolerance)

    return spent(edge(over, cheapest.parameters, 0.5)), spent(edge(over, cheapest.parameters, 2.0))
