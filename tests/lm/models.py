"""Tiny models of random weights and a tokenizer trained here, ours and of transformers."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from isoflop.lm.huggingface import HuggingFaceModel
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import CHAT, END, train_tokenizer
from isoflop.lm.transformer import Configuration, Position, Transformer

torch.set_num_threads(1)
TEXT = "the cat sat on the mat and the dog ate the log. "
TOKENIZER = train_tokenizer([TEXT * 20, "héé ünïcode 日本語"], 300, special=(END, *CHAT))
SIZES: dict[str, Any] = {
    "vocab_size": TOKENIZER.vocabulary, "bos_token_id": 0, "eos_token_id": 0, "hidden_size": 32,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {"num_key_value_heads": 2}),
    "qwen3": ("Qwen3Config", {"num_key_value_heads": 2, "head_dim": 8}),
    "gpt2": ("GPT2Config", {}),
    "mpt": ("MptConfig", {"max_seq_len": 64}),
    "bloom": ("BloomConfig", {}),
    "mistral": ("MistralConfig", {"num_key_value_heads": 2, "sliding_window": 6}),
}


@cache
def own_model(position: Position = "rope", **sizes: Any) -> OwnModel:
    """One of ours; the rope family with grouped heads and normed queries and keys."""
    grouped = {"kv_heads": 2, "query_key_norm": True} if position == "rope" else {"kv_heads": 4}
    configuration = Configuration(
        **{"vocabulary": TOKENIZER.vocabulary, "width": 32, "layers": 2, "heads": 4,
           "hidden": 128, "context": 64, "position": position, **grouped, **sizes},
    )  # fmt: skip
    return OwnModel.of(randomised(Transformer(configuration)), TOKENIZER)


@cache
def hugging_face_folder(kind: str) -> Path:
    """A model of transformers, saved with our tokenizer."""
    name, more = CONFIGS[kind]
    config: Any = getattr(transformers, name)(**SIZES, **more)
    auto: Any = transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    folder = Path(tempfile.mkdtemp(prefix="isoflop-test-"))
    randomised(model).save_pretrained(folder)
    TOKENIZER.save(folder)
    return folder


@cache
def hugging_face_model(kind: str) -> HuggingFaceModel:
    """The same, opened as a user would."""
    return HuggingFaceModel(hugging_face_folder(kind))


def randomised(model: Any) -> Any:
    """With weights that make attention and output far from uniform."""
    draw = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.25, generator=draw)
    return model.eval()
