"""Everything that decides what a training or a fine-tuning does, apart from its data."""

from dataclasses import dataclass, field
from typing import Any, Literal

from isoflop.lm.transformer import Configuration
from isoflop.plan.flops import training_flops_per_token
from isoflop.train.optimize import Rates


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a training does, apart from its data.

    Attributes:
        configuration: Of the model.
        steps: Updates of the weights.
        batch: Sequences of one update, over all processes.
        micro_batch: Sequences of one pass; it divides `batch`.
        seed: Of weights, data order and dropout.
        dtype: Of the computation; masters are float32 always.
        align: How rows are cut from the documents, see `Batches`.
        rates: Of learning.
        save_seconds: Time between checkpoints.
        evaluate_steps: Steps between measurements on held-out text.
        report_steps: Steps between lines of the ledger.
    """

    configuration: Configuration
    steps: int
    batch: int
    micro_batch: int
    seed: int = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    align: Literal["stream", "document"] = "stream"
    rates: Rates = field(default_factory=Rates)
    save_seconds: float = 300.0
    evaluate_steps: int = 250
    report_steps: int = 10

    @property
    def context(self) -> int:
        """Tokens of a row."""
        return self.configuration.context

    @property
    def tokens(self) -> int:
        """Tokens read in all, padding included."""
        return self.steps * self.batch * self.context

    @property
    def flops(self) -> float:
        """FLOPs of all updates, every token meeting the head; the optimizer's own left out."""
        c = self.configuration
        return self.tokens * training_flops_per_token(c.architecture, c.context)

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Recipe":
        """From what `asdict` made."""
        parts = {
            "configuration": Configuration(**values["configuration"]),
            "rates": Rates(**values["rates"]),
        }
        return cls(**{**values, **parts})


@dataclass(frozen=True, slots=True)
class Tuning:
    """The recipe of a fine-tuning.

    Attributes:
        base: Name of the model it begins with.
        context: Tokens of a row.
        steps: Updates of the weights.
        batch: Rows of one update.
        micro_batch: Rows of one pass; it divides `batch`.
        rank: Of the factors; None to change all weights.
        alpha: Factors are scaled by alpha / rank.
        seed: Of factors, data order and dropout.
        dtype: Of the computation; masters are float32 always.
        align: How rows are cut from the documents, see `Batches`.
        rates: Of learning.
        save_seconds: Time between checkpoints.
        evaluate_steps: Steps between measurements on held-out text.
        report_steps: Steps between lines of the ledger.
    """

    base: str
    context: int
    steps: int
    batch: int
    micro_batch: int
    rank: int | None = None
    alpha: float = 32.0
    seed: int = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    align: Literal["stream", "document"] = "stream"
    rates: Rates = field(default_factory=Rates)
    save_seconds: float = 300.0
    evaluate_steps: int = 250
    report_steps: int = 10

    @property
    def tokens(self) -> int:
        """Tokens read in all, padding included."""
        return self.steps * self.batch * self.context

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Tuning":
        """From what `asdict` made."""
        return cls(**{**values, "rates": Rates(**values["rates"])})
