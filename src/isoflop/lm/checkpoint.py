"""A model as a Hugging Face folder: config.json, model.safetensors and the tokenizer.

Weights are stored under the names of the family's class in transformers (Llama, Qwen3, MPT), so
transformers and vLLM load the folder as it is; the schemes for study keep our names. Never pickle.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from isoflop.errors import DamagedCheckpoint, NewerCheckpoint, UsageError
from isoflop.lm.tokenizer import Tokenizer
from isoflop.lm.transformer import Configuration, Transformer

FORMAT = 1
SHIPPED = ("prose", "reading")
SHIPPED_FOLDER = Path(__file__).parent / "shipped"
WEIGHTS = "model.safetensors"
# ALiBi reads any length; a loader that checks max_seq_len shall not refuse it. Positions are exact
# in bfloat16 so far.
ALIBI_CONTEXT = 32_768
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save(
    model: Transformer,
    tokenizer: Tokenizer | None,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write a model folder; nothing is left half written under its name.

    Args:
        model: Whose configuration and weights are written.
        tokenizer: Written beside it; None for a model without one.
        folder: Made, or replaced as a whole.
        dtype: Of the stored weights.
        weights: By our names, in place of the model's own (masters of a higher precision).
    """
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    write(model, tokenizer, fresh, dtype=dtype, weights=weights)
    replace_folder(fresh, folder)


def write(
    model: Transformer,
    tokenizer: Tokenizer | None,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write a model's files into a folder that exists; see `save`."""
    stored = weights if weights is not None else dict(model.state_dict())
    names = dict(_named(model.configuration, stored))
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in names.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = hugging_face_config(model.configuration)
    config["dtype"] = str(dtype).removeprefix("torch.")
    if tokenizer is not None:
        tokenizer.save(folder)
        config["bos_token_id"] = config["eos_token_id"] = tokenizer.end
        generation = {"bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end}
        (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def replace_folder(fresh: Path, folder: Path) -> None:
    """Give a finished folder its name; what was there before is gone only once it has it."""
    _flush(fresh)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def find(path: Path) -> Path:
    """The model folder meant by a path: itself, its `model`, or its newest checkpoint.

    A name of `SHIPPED` means the model of that name that comes with isoflop, unless a folder of
    that name is here and holds one, its weights included.

    Raises:
        UsageError: If there is none.
    """
    shipped = str(path) in SHIPPED
    wanted = ("config.json", WEIGHTS) if shipped else ("config.json",)
    steps = sorted((path / "checkpoints").glob("[0-9]*[0-9]"))
    for folder in (path, path / "model", *reversed(steps)):
        if all((folder / name).is_file() for name in wanted):
            return folder
    if shipped:
        return SHIPPED_FOLDER / path
    raise UsageError(
        f"{path}: no model here (no config.json). Name a folder that 'isoflop train' or "
        "'isoflop finetune' wrote."
    )


def load(folder: Path, *, dtype: torch.dtype = torch.float32) -> Transformer:
    """Read a model folder written by `save`.

    Raises:
        DamagedCheckpoint: If a file is missing, cut short or does not hold the right tensors.
        NewerCheckpoint: If a newer isoflop wrote it.
        UsageError: If it is a model of another architecture.
    """
    configuration = read_configuration(folder)
    with torch.device("meta"):
        model = Transformer(configuration)
    stored = read_tensors(folder / WEIGHTS)
    weights = dict(_unnamed(configuration, stored, folder))
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name not in weights or weights[name].shape != tensor.shape:
            shape = tuple(weights[name].shape) if name in weights else None
            raise DamagedCheckpoint(
                f"{folder / WEIGHTS}: {name} should have shape {tuple(tensor.shape)}, found "
                f"{shape}. Copy the folder again, or train again."
            )
    weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
    model.load_state_dict(weights, assign=True)
    return model


def read_configuration(folder: Path) -> Configuration:
    """The configuration in a folder's config.json.

    Raises:
        DamagedCheckpoint: If it is missing or no JSON object.
        NewerCheckpoint: If a newer isoflop wrote it.
        UsageError: If it is a model of another architecture.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
        ours = config.get("isoflop")
    except (OSError, ValueError, AttributeError) as error:
        raise DamagedCheckpoint(
            f"{file}: cannot be read ({error}). Copy the folder again, or train again."
        ) from error
    if ours is None:
        raise UsageError(
            f"{folder} holds a {config.get('model_type', 'foreign')} model that isoflop did not "
            f"train. Name it hf:{folder}."
        )
    if not isinstance(ours, dict) or not isinstance(ours.get("format"), int):
        raise DamagedCheckpoint(f"{file}: not a configuration (no format). Copy the folder again.")
    if ours["format"] > FORMAT:
        raise NewerCheckpoint(
            f"{folder} was written by a newer isoflop (format {ours['format']}, this one reads "
            f"{FORMAT}). Update isoflop."
        )
    try:
        return Configuration(**ours["configuration"])
    except (KeyError, TypeError) as error:
        raise DamagedCheckpoint(
            f"{file}: not a configuration ({error}). Copy the folder again."
        ) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        DamagedCheckpoint: If it is missing or cut short.
    """
    try:
        with safe_open(file, framework="pt"):
            return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(
            f"{file}: cannot be read ({error}). It was cut short or damaged; use an earlier "
            "checkpoint or copy the folder again."
        ) from error


def hugging_face_config(configuration: Configuration) -> dict[str, Any]:
    """What config.json says, for transformers and for us."""
    c = configuration
    config: dict[str, Any] = {"vocab_size": c.vocabulary, "tie_word_embeddings": c.tied}
    if c.gated:
        config |= {
            "architectures": ["Qwen3ForCausalLM" if c.query_key_norm else "LlamaForCausalLM"],
            "model_type": "qwen3" if c.query_key_norm else "llama",
            "hidden_size": c.width,
            "num_hidden_layers": c.layers,
            "num_attention_heads": c.heads,
            "num_key_value_heads": c.kv_heads,
            "head_dim": c.key_width,
            "intermediate_size": c.hidden,
            "hidden_act": "silu",
            "max_position_embeddings": c.context,
            "rms_norm_eps": c.norm_epsilon,
            "rope_theta": c.rope_theta,
            "attention_bias": False,
        }
    elif c.position == "alibi":
        config |= {
            "architectures": ["MptForCausalLM"],
            "model_type": "mpt",
            "d_model": c.width,
            "n_layers": c.layers,
            "n_heads": c.heads,
            "expansion_ratio": 4,
            "max_seq_len": max(ALIBI_CONTEXT, c.context),
            "attn_config": {"alibi": True, "alibi_bias_max": 8},
            "no_bias": True,
            "layer_norm_epsilon": c.norm_epsilon,
        }
    else:
        config |= {"model_type": "isoflop", "max_position_embeddings": c.context}
    config["isoflop"] = {"format": FORMAT, "configuration": asdict(c)}
    return config


def _named(c: Configuration, weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Our weights under the names of the family's class in transformers."""
    for ours, tensor in weights.items():
        names = _names(c, ours)
        rows = _rows(c, ours, len(names)) if len(names) > 1 else (len(tensor),)
        parts = torch.split(tensor, list(rows))
        yield from zip(names, parts, strict=True)


def _unnamed(
    c: Configuration, stored: dict[str, Tensor], folder: Path
) -> Iterator[tuple[str, Tensor]]:
    """Weights of a folder under our names."""
    with torch.device("meta"):
        ours = Transformer(replace(c, dropout=0.0)).state_dict()
    for name in ours:
        try:
            yield name, torch.cat([stored[part] for part in _names(c, name)])
        except (KeyError, RuntimeError) as error:
            raise DamagedCheckpoint(
                f"{folder / WEIGHTS}: no usable tensor for {name} ({error}). Copy the folder again."
            ) from error


def exported(configuration: Configuration, name: str) -> list[tuple[str, int | None]]:
    """The names in transformers of one of our tensors, each with its rows; None for all."""
    names = _names(configuration, name)
    if len(names) == 1:
        return [(names[0], None)]
    return list(zip(names, _rows(configuration, name, len(names)), strict=True))


def _rows(c: Configuration, name: str, parts: int) -> tuple[int, ...]:
    if parts == 3:
        return (c.heads * c.key_width, c.kv_heads * c.key_width, c.kv_heads * c.key_width)
    return (c.hidden, c.hidden)


def _names(c: Configuration, name: str) -> list[str]:
    """The names in transformers of one of our tensors; several where ours is a fused one."""
    if not c.gated and c.position != "alibi":
        return [name]
    table = _ROPE if c.gated else _MPT
    if not name.startswith("blocks."):
        return table[name]
    _, layer, rest = name.split(".", 2)
    prefix = f"model.layers.{layer}." if c.gated else f"transformer.blocks.{layer}."
    return [prefix + part for part in table[rest]]


_ROPE = {
    "embedding.weight": ["model.embed_tokens.weight"],
    "norm.weight": ["model.norm.weight"],
    "head.weight": ["lm_head.weight"],
    "attention_norm.weight": ["input_layernorm.weight"],
    "attention.qkv.weight": [f"self_attn.{part}_proj.weight" for part in "qkv"],
    "attention.out.weight": ["self_attn.o_proj.weight"],
    "attention.query_norm.weight": ["self_attn.q_norm.weight"],
    "attention.key_norm.weight": ["self_attn.k_norm.weight"],
    "feed_forward_norm.weight": ["post_attention_layernorm.weight"],
    "feed_forward.up.weight": ["mlp.gate_proj.weight", "mlp.up_proj.weight"],
    "feed_forward.down.weight": ["mlp.down_proj.weight"],
}
_MPT = {
    "embedding.weight": ["transformer.wte.weight"],
    "norm.weight": ["transformer.norm_f.weight"],
    "attention_norm.weight": ["norm_1.weight"],
    "attention.qkv.weight": ["attn.Wqkv.weight"],
    "attention.out.weight": ["attn.out_proj.weight"],
    "feed_forward_norm.weight": ["norm_2.weight"],
    "feed_forward.up.weight": ["ffn.up_proj.weight"],
    "feed_forward.down.weight": ["ffn.down_proj.weight"],
}


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
