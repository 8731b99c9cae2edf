"""Published scaling laws, with their constants unrounded where those are known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from isoflop.errors import UsageError, did_you_mean

DEFAULT = "epoch"
PETAFLOP_DAY = 8.64e19  # 10^15 FLOP/s for 86,400 s


@dataclass(frozen=True, slots=True)
class Surface:
    """L(N, D) = E + A / N^alpha + B / D^beta, in nats per token.

    E is the loss no model gets below; A / N^alpha is what too few parameters cost, B / D^beta what
    too few tokens cost.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Of so many parameters after so many fresh tokens."""
        few = self.A * math.exp(-self.alpha * math.log(parameters))
        return self.E + few + self.B * math.exp(-self.beta * math.log(tokens))

    @property
    def exponent(self) -> float:
        """a in N_opt = G (C / 6)^a, for C = 6 N D."""
        return self.beta / (self.alpha + self.beta)

    @property
    def balance(self) -> float:
        """G in N_opt = G (C / 6)^a."""
        ratio = self.alpha * self.A / (self.beta * self.B)
        return math.exp(math.log(ratio) / (self.alpha + self.beta))

    def tokens_for_parameters(self, parameters: float) -> float:
        """How many tokens are compute-optimal for so many parameters, at C = 6 N D."""
        few = self.alpha * self.A * math.exp(-self.alpha * math.log(parameters))
        return math.exp(math.log(self.beta * self.B / few) / self.beta)

    def parameters_for_tokens(self, tokens: float) -> float:
        """How many parameters so many tokens are compute-optimal for, at C = 6 N D.

        At the optimum alpha A / N^alpha = beta B / D^beta.
        """
        short = self.beta * self.B * math.exp(-self.beta * math.log(tokens))
        return math.exp(math.log(self.alpha * self.A / short) / self.alpha)


@dataclass(frozen=True, slots=True)
class EarlyStopped:
    """L(N, D) = [(Nc / N)^(alpha_N / alpha_D) + Dc / D]^alpha_D: trained on D tokens until the
    loss on held-out text rises, without embedding parameters in N.
    """

    Nc: float
    Dc: float
    alpha_N: float
    alpha_D: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Of so many parameters on so many tokens, in nats per token."""
        few = (self.Nc / parameters) ** (self.alpha_N / self.alpha_D)
        return math.exp(self.alpha_D * math.log(few + self.Dc / tokens))


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """coefficient x (budget / unit)^exponent."""

    coefficient: float
    exponent: float
    unit: float = 1.0

    def __call__(self, budget: float) -> float:
        """At this budget."""
        return self.coefficient * math.exp(self.exponent * math.log(budget / self.unit))


@dataclass(frozen=True, slots=True)
class Law:
    """One published answer to how a budget splits into parameters and tokens.

    Attributes:
        title: Who found it, how.
        source: Where its constants were read.
        date: Of the source, ISO.
        fitted_on: The runs behind it.
        sizes: Parameters of the smallest and the largest of them; beyond is extrapolation.
        surface: Loss from parameters and tokens; None if it says nothing about loss.
        split: Optimal parameters for a budget, where they do not follow from the surface.
        frontier: Loss of the optimal split of a budget, where it does not follow either.
        exponent_interval: 10th and 90th percentile of a in N_opt ~ C^a, as published; from a
            standard error where that is what was published.
        counts_embeddings: Whether N includes the embedding tables.
    """

    title: str
    source: str
    date: str
    fitted_on: str
    sizes: tuple[float, float]
    surface: Surface | EarlyStopped | None = None
    split: PowerLaw | None = None
    frontier: PowerLaw | None = None
    exponent_interval: tuple[float, float] | None = None
    counts_embeddings: bool = True

    @property
    def has_isoflop_curve(self) -> bool:
        """Whether the loss of other splits than the best is known."""
        return isinstance(self.surface, Surface)

    def reaches(self, parameters: float) -> bool:
        """Whether runs of about that size are among those it was fitted to."""
        return self.sizes[0] <= parameters <= self.sizes[1]


HOFFMANN, RUNS = (
    "Hoffmann et al. 2022, arXiv:2203.15556",
    "over 400 runs of 70M to 16B, MassiveText",
)
HOFFMANN_SIZES = (70e6, 16e9)

# Approaches 1 and 2 are published as tables of budgets. The power laws go through all rows but
# 67B, which is a rounded label (the rest lie on a line within 0.2 %); at 1e21 FLOP approach 1 then
# gives 2.86B, as appendix D.4 says.
LAWS: Mapping[str, Law] = {
    "kaplan": Law(
        "Kaplan et al. 2020",
        "arXiv:2001.08361, equations 1.5 and 1.7, tables 2 and 6",
        "2020-01-23",
        "runs of 768 to 1.5B parameters without embeddings, WebText2",
        (768, 1.5e9),
        EarlyStopped(Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103),
        # their budget is C_min; training at the critical batch size takes twice that. Hoffmann
        # et al., appendix D.4, read it so too: 4.68B at 1e21 FLOP
        PowerLaw(1.3e9, 0.73, 2 * PETAFLOP_DAY),
        PowerLaw(1.0, -0.050, 2 * 3.1e8 * PETAFLOP_DAY),
        counts_embeddings=False,
    ),
    "chinchilla-1": Law(
        "Hoffmann et al. 2022, approach 1: minimum over training curves",
        f"{HOFFMANN}, tables 2 and 3",
        "2022-03-29",
        RUNS,
        HOFFMANN_SIZES,
        split=PowerLaw(0.0993487, 0.4980916),
        exponent_interval=(0.488, 0.502),
    ),
    "chinchilla-2": Law(
        "Hoffmann et al. 2022, approach 2: isoFLOP profiles",
        f"{HOFFMANN}, tables 2 and A3",
        "2022-03-29",
        RUNS,
        HOFFMANN_SIZES,
        split=PowerLaw(0.1455744, 0.4899273),
        exponent_interval=(0.462, 0.534),
    ),
    "chinchilla-3": Law(
        "Hoffmann et al. 2022, approach 3: parametric loss, unrounded",
        f"{HOFFMANN}, comment beside equation 10 in its TeX source",
        "2022-03-29",
        RUNS,
        HOFFMANN_SIZES,
        Surface(
            math.exp(0.5267228), math.exp(6.0073404), math.exp(6.0179186), 0.33917084, 0.2849083
        ),
        exponent_interval=(0.454, 0.455),
    ),
    "chinchilla-3-printed": Law(
        "Hoffmann et al. 2022, approach 3: parametric loss, as printed",
        f"{HOFFMANN}, equation 10",
        "2022-03-29",
        RUNS,
        HOFFMANN_SIZES,
        Surface(1.69, 406.4, 410.7, 0.34, 0.28),
        exponent_interval=(0.454, 0.455),
    ),
    "sardana": Law(
        "Sardana et al. 2024: approach 3, rounded to three digits",
        "arXiv:2401.00448; defaults of its code, nikhilsardana/beyond-chinchilla",
        "2024-07-18",
        RUNS,
        HOFFMANN_SIZES,
        Surface(1.69, 406.4, 410.7, 0.336, 0.283),
    ),
    "epoch": Law(
        "Besiroglu et al. 2024: approach 3 fitted again",
        "arXiv:2404.10102, equation 3 and table 1",
        "2024-04-15",
        "240 of Hoffmann et al.'s runs, read from their figure 4",
        (57e6, 16.2e9),
        Surface(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
        exponent_interval=(0.513 - 1.2816 * 0.020, 0.513 + 1.2816 * 0.020),
    ),
    "muennighoff": Law(
        "Muennighoff et al. 2023: repeated data",
        "arXiv:2305.16264, appendix A",
        "2023-05-25",
        "182 runs of 7M to 9B, 1 to 500 epochs of C4",
        (7e6, 9e9),
        Surface(math.exp(0.6254804), math.exp(6.255414), math.exp(7.3049974), 0.3526596, 0.3526596),
    ),
}


def law(name: str) -> Law:
    """A published law by name.

    Raises:
        UsageError: If there is none; the message names the nearest and lists all.
    """
    if name not in LAWS:
        hint = did_you_mean(name, LAWS)
        raise UsageError(f"No scaling law called {name!r}.{hint} Known: {', '.join(LAWS)}.")
    return LAWS[name]
