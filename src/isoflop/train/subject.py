"""The model that is fine-tuned: ours or transformers', behind one face."""

import inspect
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isoflop.architecture import Architecture
from isoflop.errors import IsoflopError, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.causal import CausalModel
from isoflop.lm.open import open_model
from isoflop.train.learners import AllWeights, Alphabet, Beside, Foreign, Learner, Whole
from isoflop.train.lora import LowRank
from isoflop.train.loss import Network
from isoflop.train.memory import RESERVED_BYTES
from isoflop.train.recipe import Tuning
from isoflop.train.records import Segment, TrainingDocument
from isoflop.train.report import free_bytes
from isoflop.train.shards import Encoder

SCHEMES = ("isoflop", "hf")
USUAL_CONTEXT = 1024  # of rows, for models that hold more; longer ones are asked for


@dataclass
class Subject:
    """A model before and after.

    Attributes:
        name: As the user writes it.
        own: Whether it is ours.
        model: What `open_model` opened.
        encoder: Its tokenizer, for packing.
        architecture: Its sizes; None if unknown.
        factors: Beside its matrices, once a learner with a rank was made.
    """

    name: str
    own: bool
    model: Any
    encoder: Encoder
    architecture: Architecture | None
    factors: LowRank | None = None

    @classmethod
    def open(cls, name: str, dtype: str) -> "Subject":
        """The model of that name, in a number format.

        Raises:
            UsageError: If it is on a server, or no model that can be changed here.
            Missing: If there is none.
        """
        scheme = name.partition(":")[0]
        if scheme not in SCHEMES and ":" in name:
            raise UsageError(
                f"{name} cannot be fine-tuned here: its weights are elsewhere. Name isoflop:PATH "
                "or hf:PATH-or-repo."
            )
        model = open_model(name, needs=["logits"], dtype=getattr(torch, dtype))
        if scheme == "isoflop":
            architecture = model.model.configuration.architecture
            return cls(name, True, model, model.tokenizer, architecture)
        return cls(name, False, model, Alphabet(model.tokenizer, name), model.architecture)

    @property
    def home(self) -> str:
        """What an adapter says of its base: a folder that transformers loads, or a repository."""
        if self.own:
            return str(Path(self.model.folder).resolve())
        return self.name.partition(":")[2]

    @property
    def context(self) -> int:
        """Tokens of a row, where none are asked for."""
        if self.own:
            return int(self.model.trained_tokens)
        return min(self.model.context_tokens or USUAL_CONTEXT, USUAL_CONTEXT)

    @property
    def bounded(self) -> bool:
        """Whether it can read no longer rows than `holds`."""
        return self.model.context_tokens is not None

    @property
    def holds(self) -> int:
        """Tokens it can read at most; of an unbounded one, what it was trained on."""
        return int(self.model.context_tokens or self.context)

    @property
    def parameters(self) -> int:
        """All of the model's."""
        return int(self.model.parameters)

    @property
    def width(self) -> int | None:
        """Of the residual stream."""
        return None if self.architecture is None else self.architecture.width

    def begun(self, document: TrainingDocument) -> TrainingDocument:
        """A document as this model meets it: behind its BOS token, where that is not its end."""
        beginning = self.model.beginning
        if self.own or beginning is None or beginning == self.encoder.end:
            return document
        token = self.model.tokenizer.convert_ids_to_tokens(beginning)
        return document._replace(segments=(Segment(token, False, special=True), *document.segments))

    def learner(self, tuning: Tuning) -> Learner:
        """What a recipe changes of it; the second call gives the same factors."""
        inner = self.model.model
        measure: CausalModel = self.model
        if tuning.rank is None:
            if self.own:
                return Whole(inner.requires_grad_(True), self.model.tokenizer, tuning.context)
            return AllWeights(self._foreign(), measure, self.architecture, tuning.context)
        network: Network = inner if self.own else self._foreign()
        if self.factors is None:
            self.factors = LowRank(inner, tuning.rank, tuning.alpha, tuning.seed)
        return Beside(
            network, measure, self.factors, self.architecture,
            base=self.home, context=tuning.context, some_meet_head=self.own,
        )  # fmt: skip

    def _foreign(self) -> Foreign:
        return Foreign(self.model.model, inspect.signature(self.model.model.forward).parameters)

    @torch.no_grad()
    def save(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write the model as a folder that `isoflop:` or `hf:` names, whole or not at all.

        Args:
            folder: Where to.
            weights: By name, of a higher precision than the model's own.
        """
        inner = self.model.model
        if self.own:
            given = None if weights is None else dict(weights)
            checkpoint.save(inner, self.model.tokenizer, folder, weights=given)
            return
        fresh = folder.with_name(folder.name + ".part")
        shutil.rmtree(fresh, ignore_errors=True)
        inner.save_pretrained(fresh, safe_serialization=True)
        self.model.tokenizer.save_pretrained(fresh)
        checkpoint.replace_folder(fresh, folder)

    def memory_bytes(self, tuning: Tuning) -> float:
        """Memory the training takes beside what is loaded already, in bytes; an estimate.

        Gradients, two moments and, below float32, masters of what learns; activations of a pass.
        """
        from isoflop.plan.training_memory import layer_saved

        value = 4 if tuning.dtype == "float32" else 2
        tokens, a = tuning.micro_batch * tuning.context, self.architecture
        learns = float(self.parameters)
        if tuning.rank is not None:
            learns = 0.01 * tuning.rank * self.parameters if a is None else _factors(a, tuning.rank)
        needed = RESERVED_BYTES + (12 if value == 4 else 18) * learns
        if a is not None:
            layer = layer_saved(a, bytes_per_value=value, dropout=False)
            needed += a.layers * (layer.split + layer.replicated) * tokens
        logits: float = tokens * self.model.vocabulary * (value + 8)
        return needed + logits

    def refuse_memory(self, tuning: Tuning) -> None:
        """Refuse what this machine's memory cannot hold, before it is tried.

        Raises:
            IsoflopError: With the forecast and what to change.
        """
        free = free_bytes()
        if free is not None and self.memory_bytes(tuning) > free:
            raise IsoflopError(self.too_large(tuning))

    def too_large(self, tuning: Tuning) -> str:
        """What to say where memory does not do."""
        free = free_bytes()
        has = f", and {free / 1e9:.1f} GB are free" if free is not None else ""
        factors = "" if tuning.rank else "--lora 8, "
        return (
            f"Fine-tuning {self.name} on {tuning.micro_batch} x {tuning.context} tokens at a time "
            f"takes about {self.memory_bytes(tuning) / 1e9:.1f} GB{has}. Take {factors}a shorter "
            "--context, --dtype bfloat16, or a smaller model."
        )


def _factors(architecture: Architecture, rank: int) -> float:
    from isoflop.plan.finetuning import adapter_parameters

    return float(adapter_parameters(architecture, min(rank, architecture.width - 1)))
