"""Networks whose attention is far from uniform, ours and of transformers, with one tokenizer."""

from functools import cache
from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MptConfig,
    MptForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from isoflop.lm.huggingface import HuggingFaceModel
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import END, Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Position, Transformer

TEXT = "the harbour of Wexcombe was dredged in 1932; three ferries and a coal barge use it. " * 3


@cache
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT], 300)


@cache
def own_model(position: Position, *, seed: int = 0, context: int = 64) -> OwnModel:
    configuration = Configuration(
        vocabulary=tokenizer().vocabulary,
        width=32,
        layers=3,
        heads=4,
        kv_heads=2 if position == "rope" else 4,
        hidden=48 if position == "rope" else 128,
        context=context,
        position=position,
    )
    model = Transformer(configuration)
    draw = torch.Generator().manual_seed(seed)
    for weight in model.parameters():  # large enough that attention is far from uniform
        torch.nn.init.normal_(weight, mean=float(weight.dim() < 2), std=0.25, generator=draw)
    return OwnModel.of(model, tokenizer())


@cache
def foreign_model(kind: str) -> HuggingFaceModel:
    torch.manual_seed(0)
    network = NETWORKS[kind]()
    for weight in network.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.25)
    ends = {"bos_token": END, "eos_token": END}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer().inner, **ends)  # type: ignore[no-untyped-call]
    return HuggingFaceModel.of(network, fast, f"hf:{kind}")


VOCABULARY, ONE = tokenizer().vocabulary, tokenizer().end
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "bos_token_id": ONE,
    "eos_token_id": ONE,
}
NETWORKS: dict[str, Any] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=32,
            n_layer=3,
            n_head=4,
            n_positions=64,
            bos_token_id=ONE,
            eos_token_id=ONE,
        )
    ),
    "mpt": lambda: MptForCausalLM(
        MptConfig(vocab_size=VOCABULARY, d_model=32, n_layers=3, n_heads=4, max_seq_len=256)
    ),
}
