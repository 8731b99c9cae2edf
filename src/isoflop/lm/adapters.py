"""Low-rank adapters as PEFT keeps them: read, written, merged, and many of them over one model.

An adapter adds scale x up @ down to matrices of its base. Its names are those of the base in
transformers, so ours fit exported models and PEFT's fit ours. One base in memory serves any number
of them, chosen for each call and for each row of a batch.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from isoflop.errors import DamagedCheckpoint, MissingWeights, UsageError, did_you_mean
from isoflop.lm import checkpoint
from isoflop.lm.transformer import Transformer

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # of every tensor's name in PEFT
ENDS = (".lora_A.weight", ".lora_B.weight")
# What an adapter of PEFT may have beside plain factors, and what it must be for us to read it.
PLAIN: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "use_dora": (False, None),
    "modules_to_save": (None, []),
    "lora_bias": (False, None),
    "trainable_token_indices": (None, []),
    "layer_replication": (None, []),
}


class Factors(NamedTuple):
    """What is added to one matrix, (rows, columns): scale x up @ down.

    Attributes:
        down: `lora_A`, (rank, columns).
        up: `lora_B`, (rows, rank).
        scale: A number.
    """

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True)
class Adapter:
    """Factors by the name that the matrix's module has in transformers.

    Attributes:
        factors: By name, such as "model.layers.0.self_attn.q_proj".
        base: The model it was made for, as its maker wrote it; empty if not said.
    """

    factors: Mapping[str, Factors]
    base: str = ""

    @property
    def parameters(self) -> int:
        """Entries of all factors."""
        return sum(f.down.numel() + f.up.numel() for f in self.factors.values())

    def write(self, folder: Path) -> None:
        """Write the two files of PEFT's format into a folder; float32."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, each in self.factors.items():
            for end, tensor in zip(ENDS, (each.down, each.up), strict=True):
                tensors[PREFIX + name + end] = tensor.detach().float().contiguous()
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(json.dumps(self._config(), indent=1) + "\n")

    def _config(self) -> dict[str, Any]:
        ranks = {name: each.down.shape[0] for name, each in self.factors.items()}
        alphas = {name: each.scale * ranks[name] for name, each in self.factors.items()}
        rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base,
            "r": rank,
            "lora_alpha": alpha,
            "rank_pattern": {name: r for name, r in ranks.items() if r != rank},
            "alpha_pattern": {name: a for name, a in alphas.items() if a != alpha},
            "target_modules": sorted({name.rpartition(".")[2] for name in self.factors}),
            "lora_dropout": 0.0,
            "bias": "none",
            "modules_to_save": None,
            "inference_mode": True,
        }

    @classmethod
    def read(cls, folder: Path) -> "Adapter":
        """An adapter of ours or of PEFT.

        Raises:
            MissingWeights: If there is none.
            DamagedCheckpoint: If a file is damaged, or a factor lacks its other half.
            UsageError: If it is more than factors, such as DoRA, or a pickle.
        """
        config = _config(folder)
        for key, allowed in PLAIN.items():
            if config.get(key, allowed[0]) not in allowed:
                raise UsageError(
                    f"{folder}: an adapter with {key}={config[key]!r} is more than low-rank "
                    "factors, and isoflop reads only those. Merge it with PEFT and use the model."
                )
        if not (folder / WEIGHTS).exists() and (folder / "adapter_model.bin").exists():
            raise UsageError(
                f"{folder}/adapter_model.bin is a pickle, which can run code when it is read. "
                "Convert it to safetensors first."
            )
        tensors = checkpoint.read_tensors(folder / WEIGHTS)
        found = {name: _factors(name, tensors, config, folder) for name in _names(tensors, folder)}
        if not found:
            raise DamagedCheckpoint(f"{folder / WEIGHTS}: there is no factor in it.")
        return cls(found, str(config.get("base_model_name_or_path") or ""))


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        raise MissingWeights(
            f"{folder}: no adapter here (no {CONFIG}). Name a folder that "
            "'isoflop finetune --lora' or PEFT wrote."
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        float(config["lora_alpha"]) / int(config["r"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        if isinstance(error, KeyError) and config.get("peft_type", "LORA") != "LORA":
            raise UsageError(
                f"{folder}: an adapter of kind {config['peft_type']}; isoflop reads LORA."
            ) from error
        raise DamagedCheckpoint(
            f"{file}: not the configuration of an adapter ({error})."
        ) from error
    return dict(config)


def _names(tensors: Mapping[str, Tensor], folder: Path) -> list[str]:
    names = []
    for key in tensors:
        if not key.startswith(PREFIX) or not key.endswith(ENDS):
            raise UsageError(
                f"{folder / WEIGHTS}: {key} is no low-rank factor of a matrix. Merge the adapter "
                "with PEFT and use the model."
            )
        names.append(key.removeprefix(PREFIX)[: -len(ENDS[0])])
    return list(dict.fromkeys(names))


def _factors(
    name: str, tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path
) -> Factors:
    down, up = (tensors.get(PREFIX + name + end) for end in ENDS)
    if down is None or up is None or down.dim() != 2 or up.dim() != 2 or len(down) != up.shape[1]:
        raise DamagedCheckpoint(f"{folder / WEIGHTS}: {name} lacks one of its two factors.")
    alpha = _pattern(config.get("alpha_pattern"), name, config["lora_alpha"])
    rank = _pattern(config.get("rank_pattern"), name, config["r"])
    return Factors(down, up, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _pattern(patterns: Mapping[str, float] | None, name: str, usual: float) -> float:
    """What PEFT takes for a module: of the first pattern that ends its name, else the usual."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return value
    return usual


class Place(NamedTuple):
    """Where factors act: some rows of the output of a module.

    Attributes:
        path: The module's, in the network.
        start: First row of its output.
        stop: Row after the last.
    """

    path: str
    start: int
    stop: int


def places(network: nn.Module) -> dict[str, Place]:
    """Every matrix of the layers by its module's name in transformers; the output head is none.

    Ours are fused, so several names may share a module.
    """
    found: dict[str, Place] = {}
    if not isinstance(network, Transformer):
        head: Any = network.get_output_embeddings()  # type: ignore[operator]  # of transformers
        for path, module in network.named_modules():
            if is_linear(module) and module is not head:
                found[path] = Place(path, 0, shape(module)[0])
        return found
    for path, module in network.named_modules():
        if not isinstance(module, nn.Linear) or not path.startswith("blocks."):
            continue
        start = 0
        for name, rows in checkpoint.exported(network.configuration, f"{path}.weight"):
            stop = start + (module.out_features if rows is None else rows)
            found[name.removesuffix(".weight")] = Place(path, start, stop)
            start = stop
    return found


def is_linear(module: nn.Module) -> bool:
    """Whether it is a matrix product; GPT-2's Conv1D is one, stored the other way round."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def shape(module: nn.Module) -> tuple[int, int]:
    """Rows (outputs) and columns (inputs) of a linear module."""
    first, second = module.weight.shape  # type: ignore[misc]  # a matrix
    return (first, second) if isinstance(module, nn.Linear) else (second, first)


def fitted(
    network: nn.Module, adapter: Adapter, name: str
) -> dict[str, list[tuple[Place, Factors]]]:
    """An adapter's factors by the path of the module they act on.

    Raises:
        UsageError: If a factor has no matrix here, or another shape: it is of another model.
    """
    known, found = places(network), dict[str, list[tuple[Place, Factors]]]()
    for module, factors in adapter.factors.items():
        place = known.get(module)
        if place is not None:
            columns = shape(network.get_submodule(place.path))[1]
            wanted = (place.stop - place.start, columns)
            if (factors.up.shape[0], factors.down.shape[1]) == wanted:
                found.setdefault(place.path, []).append((place, factors))
                continue
        of = f" It was made for {adapter.base}." if adapter.base else ""
        raise UsageError(
            f"The adapter {name} does not fit this model: {module} is not there, or of another "
            f"shape.{of}"
        )
    return found


def joined(module: nn.Module, parts: Sequence[tuple[Place, Factors]]) -> tuple[Tensor, Tensor]:
    """The factors of a module's parts as two: (sum of ranks, columns), (rows, sum of ranks).

    The scales are in the second.
    """
    weight = module.weight
    rows, _ = shape(module)
    down = torch.cat([factors.down for _, factors in parts]).to(weight)  # type: ignore[arg-type]
    up = torch.zeros(rows, len(down)).to(weight)  # type: ignore[arg-type]  # a tensor
    first = 0
    for place, factors in parts:
        stop = first + len(factors.down)
        up[place.start : place.stop, first:stop] = factors.up * factors.scale
        first = stop
    return down, up


@torch.no_grad()
def merge(network: nn.Module, adapter: Adapter, name: str = "") -> None:
    """Add an adapter to the weights of its base, in place: the same outputs without its cost.

    Raises:
        UsageError: If it is of another model; nothing is changed.
    """
    for path, parts in fitted(network, adapter, name).items():
        module = network.get_submodule(path)
        weight: Any = module.weight
        down, up = joined(module, parts)
        added = (up.float() @ down.float()).to(weight.dtype)
        weight.add_(added if isinstance(module, nn.Linear) else added.T)


@dataclass
class Stack:
    """Factors of all adapters for one module: adapter 0 adds nothing.

    Attributes:
        down: (adapters + 1, R, columns), padded with zeros to the largest rank.
        up: (adapters + 1, rows, R).
        ranks: Of each adapter.
    """

    down: Tensor
    up: Tensor
    ranks: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, module: nn.Module, each: Sequence[tuple[Tensor, Tensor] | None]) -> "Stack":
        """Of the factors of each adapter, None where one has none here."""
        rows, columns = shape(module)
        ranks = [0, *(len(pair[0]) if pair else 0 for pair in each)]
        weight: Any = module.weight
        down = weight.new_zeros(len(ranks), max(ranks), columns)
        up = weight.new_zeros(len(ranks), rows, max(ranks))
        for number, pair in enumerate(each, 1):
            if pair is not None:
                down[number, : ranks[number]], up[number, :, : ranks[number]] = pair
        return cls(down, up, ranks)

    def added(self, x: Tensor, chosen: Sequence[int]) -> Tensor | None:
        """What the chosen adapters add after x, (B, T, columns): one for all, or one each row.

        Raises:
            UsageError: If rows differ and the module does not see them as rows.
        """
        if len(set(chosen)) == 1:
            rank = self.ranks[chosen[0]]
            if not rank:
                return None
            down, up = self.down[chosen[0], :rank], self.up[chosen[0], :, :rank]
            return nn.functional.linear(nn.functional.linear(x, down), up)
        if x.dim() != 3 or len(x) != len(chosen):
            raise UsageError(
                "This model does not keep the rows of a batch apart, so they cannot have adapters "
                "of their own. Ask with one adapter at a time."
            )
        ids = torch.tensor(chosen, device=x.device)
        return x @ self.down[ids].mT @ self.up[ids].mT  # (B, T, R) on the way


def nearest(name: str, known: Sequence[str]) -> UsageError:
    """The refusal of an adapter's name that nobody added."""
    said = ", ".join(known) or "none"
    return UsageError(f"No adapter called {name!r}.{did_you_mean(name, known)} There are: {said}.")


def folders(path: Path) -> Iterator[tuple[str, Path]]:
    """The adapters in a folder by name: itself, a run's `adapter`, or every one below it."""
    for folder in (path, path / "adapter"):
        if (folder / CONFIG).is_file():
            yield path.name, folder
            return
    for folder in sorted(each for each in path.glob("*") if each.is_dir()):
        for inner in (folder, folder / "adapter"):
            if (inner / CONFIG).is_file():
                yield folder.name, inner
                break
