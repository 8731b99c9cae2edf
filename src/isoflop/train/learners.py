"""What a training changes: a model of ours, all of another's weights, or low-rank factors."""

import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import save_file
from torch import Tensor, nn

from isoflop.architecture import Architecture
from isoflop.errors import UsageError
from isoflop.lm import checkpoint
from isoflop.lm.adapters import Adapter
from isoflop.lm.tokenizer import Tokenizer
from isoflop.lm.transformer import Transformer
from isoflop.plan.flops import matmul_parameters, training_flops_per_token
from isoflop.train.batches import Measure
from isoflop.train.lora import LowRank
from isoflop.train.loss import Network

WEIGHTS = "weights.safetensors"


class Learner(Protocol):
    """What a training changes, which part of it learns, and how that part is kept."""

    @property
    def network(self) -> Network:
        """What reads tokens."""

    @property
    def trained(self) -> nn.Module:
        """Whose parameters are changed: the network itself, or factors beside it."""

    @property
    def measure(self) -> Measure:
        """Its tokenizer."""

    def flops(self, tokens: int, counted: int) -> float | None:
        """FLOPs of an update by so many tokens, of which some count; None if not known."""

    def write(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """Keep the trained weights, by the names of `trained`, in a folder that exists."""

    def read(self, folder: Path) -> dict[str, Tensor]:
        """The weights that `write` kept.

        Raises:
            DamagedCheckpoint: If they are damaged.
        """


class Whole:
    """A model of ours that learns in all its weights; a `Learner`."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, context: int) -> None:
        self.network = self.trained = model
        self.measure, self.context = tokenizer, context

    def flops(self, tokens: int, counted: int) -> float:
        """Only tokens that count meet the head."""
        c = self.network.configuration
        without_head = 6.0 * c.architecture.head_parameters
        per_token = training_flops_per_token(c.architecture, self.context) - without_head
        return tokens * per_token + counted * without_head

    def write(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """As a model folder."""
        checkpoint.write(self.network, self.measure, folder, weights=weights)

    def read(self, folder: Path) -> dict[str, Tensor]:
        """Of a model folder."""
        return dict(checkpoint.load(folder).named_parameters())


class Foreign:
    """A network of transformers as the loop reads tokens with it; a `Network`.

    Every position meets the output head inside it: what else a head does, such as scaling or
    capping, is the model's own business.
    """

    def __init__(self, model: Any, takes: Container[str]) -> None:
        self.model = model
        self.given = {"use_cache": False} if "use_cache" in takes else {}

    def states(self, inputs: Tensor) -> Tensor:
        """The logits (B, T, V), which pass for the last states."""
        logits: Tensor = self.model(input_ids=inputs, **self.given).logits
        return logits

    def logits(self, states: Tensor) -> Tensor:
        """The logits given, float32."""
        return states.float()

    def train(self, mode: bool = True) -> None:
        """Into training."""
        self.model.train(mode)

    def eval(self) -> None:
        """Into evaluation."""
        self.model.eval()


class Alphabet:
    """A tokenizer of transformers as packing needs it; an `Encoder`.

    Attributes:
        vocabulary: More than any of its ids.
        end: Its EOS token.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        if tokenizer.eos_token_id is None:
            raise UsageError(
                f"{name} has no end-of-text token, so documents cannot be kept apart. Choose a "
                "model whose tokenizer has one."
            )
        self.tokenizer, self.name = tokenizer, name
        self.vocabulary, self.end = len(tokenizer), int(tokenizer.eos_token_id)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; special tokens written out in it are plain text."""
        if not texts:
            return []
        given = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        ids: list[list[int]] = given["input_ids"]
        return ids

    def special(self, token: str) -> int:
        """The id of a special token.

        Raises:
            UsageError: If it has none of that name.
        """
        if token not in self.tokenizer.get_added_vocab():
            raise UsageError(
                f"{self.name} has no special token {token}. Write conversations as prompts and "
                "completions, in the words of its own template."
            )
        return int(self.tokenizer.convert_tokens_to_ids(token))

    def to_json(self) -> str:
        """What it is, whole."""
        inner = getattr(self.tokenizer, "backend_tokenizer", None)
        return inner.to_str() if inner is not None else json.dumps(self.tokenizer.get_vocab())


class AllWeights:
    """A model of transformers that learns in all its weights; a `Learner`."""

    def __init__(
        self,
        network: Foreign,
        measure: Measure,
        architecture: Architecture | None,
        context: int,
    ) -> None:
        self.network, self.measure = network, measure
        self.trained: nn.Module = network.model.requires_grad_(True)
        self.architecture, self.context = architecture, context

    def flops(self, tokens: int, counted: int) -> float | None:
        """Every token meets the head."""
        if self.architecture is None:
            return None
        return tokens * training_flops_per_token(self.architecture, self.context)

    def write(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """Under the names of the module's parameters."""
        kept = {name: tensor.contiguous() for name, tensor in weights.items()}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})

    def read(self, folder: Path) -> dict[str, Tensor]:
        """As written."""
        return checkpoint.read_tensors(folder / WEIGHTS)


class Beside:
    """A frozen model with low-rank factors that learn; a `Learner`."""

    def __init__(
        self,
        network: Network,
        measure: Measure,
        factors: LowRank,
        architecture: Architecture | None,
        *,
        base: str,
        context: int,
        some_meet_head: bool,
    ) -> None:
        """A learner.

        Args:
            network: With the factors attached.
            measure: Its tokenizer.
            factors: What learns.
            architecture: None if unknown.
            base: Written into the adapter.
            context: Tokens of a row.
            some_meet_head: Whether only tokens that count meet the head, as in our models.
        """
        self.network, self.measure, self.trained = network, measure, factors
        self.factors, self.architecture, self.base = factors, architecture, base
        self.context, self.some_meet_head = context, some_meet_head
        self.parameters = sum(each.numel() for each in factors.parameters())

    def flops(self, tokens: int, counted: int) -> float | None:
        """See `flops_beside`."""
        if self.architecture is None:
            return None
        each, head = flops_beside(
            self.architecture, self.context, self.factors.rank, self.parameters,
            some_meet_head=self.some_meet_head,
        )  # fmt: skip
        meeting = counted if self.some_meet_head else tokens
        return tokens * each + meeting * head

    def write(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """As an adapter in PEFT's format."""
        self.factors.adapter(self.base, weights).write(folder)

    def read(self, folder: Path) -> dict[str, Tensor]:
        """Of an adapter."""
        return LowRank.weights(Adapter.read(folder))


def flops_beside(
    architecture: Architecture, context: int, rank: int, parameters: int, *, some_meet_head: bool
) -> tuple[float, float]:
    """FLOPs of a token where factors learn beside a frozen model: without the head, and of it.

    4 for a frozen entry, whose gradient nobody needs; 6 for a factor's; see `isoflop plan`. The
    inputs of the first layer need no gradient either: of our models, whose shape is known for
    certain, the way back to them is taken off.

    Args:
        architecture: Of the model.
        context: Tokens of a row.
        rank: Of the factors.
        parameters: Of all factors.
        some_meet_head: Whether only tokens that count meet the head, as in our models.
    """
    a = architecture
    head = 4.0 * a.head_parameters
    each = training_flops_per_token(a, context) - 2.0 * matmul_parameters(a)
    if some_meet_head:
        width = (a.heads + 2 * (a.kv_heads or a.heads)) * (a.head_width or a.width // a.heads)
        each -= 2.0 * a.width * (width + 3 * rank)
    return each + 6.0 * parameters - head, head
