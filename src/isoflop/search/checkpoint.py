"""A sentence encoder's folder: what its files say, and which of them are refused by name."""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isoflop.architecture import Architecture
from isoflop.errors import MissingWeights, UsageError

WEIGHTS = "model.safetensors"
REQUIRED = ("config.json", "tokenizer.json", WEIGHTS)
OPTIONAL = ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
FLOATS = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
PREFIXES = ("bert.", "model.")  # put before every tensor's name by some exporters


@dataclass(frozen=True, slots=True)
class Description:
    """What must be known of an encoder besides its tensors.

    Attributes:
        architecture: Sizes.
        epsilon: Of the layer normalisations.
        max_tokens: Longest input, special tokens included.
        pooling: How token vectors become one: their mean, or the first.
    """

    architecture: Architecture
    epsilon: float
    max_tokens: int
    pooling: Literal["mean", "first"]

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Description":
        """What `to_json` made."""
        return cls(**(fields | {"architecture": Architecture(**fields["architecture"])}))


def describe(folder: Path) -> Description:
    """Read the configuration of a BERT-family sentence-transformers folder.

    Raises:
        MissingWeights: If a required file is absent.
        UsageError: If it is a model of another kind; the message names what is not supported.
    """
    for name in REQUIRED:
        if not (folder / name).is_file():
            raise MissingWeights(
                f"{folder} has no {name}. An encoder's folder has {', '.join(REQUIRED)}."
            )
    config = _json(folder / "config.json")
    _refuse_other_models(folder, config)
    limits = _json(folder / "sentence_bert_config.json")
    architecture = Architecture(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        causal=False,
        positions=config["max_position_embeddings"],
        segments=config["type_vocab_size"],
        tied=None,
        biases=True,
    )
    most = min(limits.get("max_seq_length") or architecture.positions, architecture.positions)
    return Description(architecture, config["layer_norm_eps"], most, _pooling(folder))


def _refuse_other_models(folder: Path, config: dict[str, Any]) -> None:
    """Only what the graph computes is accepted: BERT with GELU and absolute positions."""
    for key, wanted, absent in (
        ("model_type", "bert", None),
        ("hidden_act", "gelu", "gelu"),
        ("position_embedding_type", "absolute", "absolute"),
    ):
        found = config.get(key, absent)
        if found != wanted:
            raise UsageError(
                f"{folder} is a model with {key} {found!r}; only {wanted!r} is supported. "
                "Serve it behind an embeddings endpoint and use openai:NAME instead."
            )
    for module in _json(folder / "modules.json") or []:
        kind = module["type"].rpartition(".")[2]
        if kind not in {"Transformer", "Pooling", "Normalize"}:
            raise UsageError(f"{folder} ends in a {kind} module, which is not supported.")


def _pooling(folder: Path) -> Literal["mean", "first"]:
    config = _json(folder / "1_Pooling" / "config.json")
    modes = {key for key, value in config.items() if key.startswith("pooling_mode_") and value}
    modes |= (
        {config["pooling_mode"]} & {"cls", "max", "lasttoken"}
        if "pooling_mode" in config
        else set()
    )
    if modes <= {"pooling_mode_mean_tokens"}:
        return "mean"
    if modes <= {"pooling_mode_cls_token", "cls"}:
        return "first"
    raise UsageError(f"{folder} pools by {', '.join(sorted(modes))}, which is not supported.")


def _json(path: Path) -> Any:
    """The file's value; an empty object if there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def tensors(path: Path) -> dict[str, np.ndarray]:
    """Every floating-point tensor of a safetensors file as float32, by its name without prefix.

    Raises:
        MissingWeights: If the file is not in that format.

    Source:
        The safetensors format: eight bytes with the length of a JSON header, the header with
        type, shape and place of each tensor, and the tensors.
    """
    data = np.memmap(path, np.uint8, "r")
    try:
        (length,) = struct.unpack("<Q", bytes(data[:8]))
        header = json.loads(bytes(data[8 : 8 + length]))
    except (struct.error, ValueError) as error:
        raise MissingWeights(f"{path} is not a safetensors file: {error}.") from error
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in FLOATS:
            continue
        start, stop = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(bytes(data[start:stop]), FLOATS[entry["dtype"]])
        if entry["dtype"] == "BF16":  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        found[name] = values.astype(np.float32).reshape(entry["shape"])
    return found


def digest(folder: Path) -> str:
    """SHA-256 over the files that decide an encoder's vectors."""
    whole = hashlib.sha256()
    for name in (*REQUIRED, *OPTIONAL):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                whole.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
