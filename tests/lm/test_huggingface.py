"""Other people's models: exact bytes, honest refusals."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers

from isoflop.errors import DamagedCheckpoint, IsoflopError, MissingWeights, UsageError
from isoflop.lm.huggingface import HuggingFaceModel
from isoflop.lm.huggingface_cache import Allocated
from isoflop.lm.model import Message
from isoflop.lm.open import open_model
from isoflop.lm.pieces import Pieces
from isoflop.lm.transformer import causal_bias
from isoflop.plan import flops
from tests.lm.models import CONFIGS, hugging_face_folder, hugging_face_model

TEXTS = ["the cat 日本語 héé", " the  cat\n\n", "", "🙂 é", "a<|endoftext|>b"]


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_byte_level_tokens_add_up_to_the_text(text: str) -> None:
    model = hugging_face_model("llama")
    ids = model.encode(text)
    assert model.decode(ids) == text
    assert sum(model.byte_lengths(ids)) == len(text.encode())
    assert 0 not in ids  # a special token written out is plain text
    assert model.byte_lengths([0, *ids])[0] == 0


def sentence_piece() -> Any:
    """A tokenizer as Llama 2 has it: U+2581 for a space, bytes as <0x0A>."""
    words = ["<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *"thecat", "th", "the"]
    words += ["\u2581the", "ca", "cat", "\u2581cat"]
    merges = [("t", "h"), ("th", "e"), ("\u2581", "the"), ("c", "a"), ("ca", "t")]
    inner = tokenizers.Tokenizer(
        models.BPE(
            {word: id for id, word in enumerate(dict.fromkeys(words))},
            [*merges, ("\u2581", "cat")], byte_fallback=True, fuse_unk=True,
        )
    )  # fmt: skip
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    inner.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ])  # fmt: skip
    fast: Any = transformers.PreTrainedTokenizerFast
    return fast(tokenizer_object=inner, bos_token="<s>")


def decoded(tokenizer: Any) -> Callable[..., str]:
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True))


@pytest.mark.parametrize("text", ["the cat", " the cat", "日本 the", "the\n\ncat é", "🙂"])
def test_bytes_of_sentence_pieces_add_up_to_the_text(text: str) -> None:
    tokenizer = sentence_piece()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    lengths = Pieces(tokenizer).byte_lengths(ids, decoded(tokenizer))
    assert sum(lengths) == len(text.encode())
    assert all(length >= 0 for length in lengths)


def test_a_space_that_the_tokenizer_adds_is_no_byte_of_the_text() -> None:
    tokenizer = sentence_piece()
    ids = tokenizer("the cat", add_special_tokens=False)["input_ids"]
    lengths = Pieces(tokenizer).byte_lengths([0, *ids], decoded(tokenizer))
    assert lengths == [0, 3, 4]  # <s>, "the", " cat"


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_positions_and_bias_are_heeded(kind: str) -> None:
    model = hugging_face_model(kind)
    tokens = torch.tensor([[5, 6, 7, 8]])
    plain = model.logits(tokens)
    padded = torch.tensor([[9, 9, 5, 6, 7, 8]])
    bias = causal_bias(6, 6)
    bias[..., 2:, :2] = -torch.inf
    positions = torch.tensor([[0, 0, 0, 1, 2, 3]])
    moved = model.logits(padded, positions=positions, bias=bias)[:, 2:]
    torch.testing.assert_close(moved, plain, atol=1e-5, rtol=0)
    jumped = model.logits(tokens, positions=torch.tensor([0, 1, 40, 41]))
    assert (jumped - plain)[:, 2:].abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["mpt", "bloom", "mistral"])
def test_positions_that_a_model_would_not_heed_are_refused(kind: str) -> None:
    model = hugging_face_model(kind)
    assert not model.accepts_positions
    with pytest.raises(UsageError, match=f"{kind}.*counts positions itself"):
        model.logits(torch.tensor([[5, 6]]), positions=torch.tensor([0, 5]))


@pytest.mark.parametrize("kind", CONFIGS)
def test_work_is_what_the_plan_counts_for_the_architecture(kind: str) -> None:
    model = hugging_face_model(kind)
    shape = model.architecture
    assert shape is not None
    assert flops.parameters(shape) == model.parameters
    assert model.forward_flops(5, past=4) == pytest.approx(
        flops.forward_flops(shape, [9]) - flops.forward_flops(shape, [4])
    )


def test_the_cache_is_allocated_once() -> None:
    model = hugging_face_model("llama")
    cache: Any = model.new_cache(1, 10)
    model.logits(torch.tensor([[1, 2, 3]]), cache=cache)
    layer: Any = cache.layers[0]
    assert type(cache.layers[0]) is Allocated
    first = layer.keys.data_ptr()
    for _ in range(7):
        model.logits(torch.tensor([[4]]), cache=cache)
    assert layer.keys.data_ptr() == first
    assert layer.keys.shape[2] == cache.get_seq_length() == 10


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(hugging_face_folder("llama"), tmp_path / "model"))


def kind_of(folder: Path, kind: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": kind}))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-99])


def a_weight_missing(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


REFUSED: list[tuple[Callable[[Path], object], type[IsoflopError], str]] = [
    (lambda f: kind_of(f, "lama"), UsageError, r"knows no architecture 'lama'\. Did you mean"),
    (lambda f: kind_of(f, "vit"), UsageError, "is a vit model, which transformers cannot run"),
    (lambda f: kind_of(f, "isoflop"), UsageError, "only isoflop runs: isoflop:"),
    (pickled, UsageError, r"pytorch_model\.bin is a pickle, which can run code"),
    (cut_short, DamagedCheckpoint, "cut short or damaged"),
    (a_weight_missing, DamagedCheckpoint, r"1 weights are missing, model\.layers\.1\.mlp"),
    (lambda f: (f / "config.json").write_text("{"), DamagedCheckpoint, r"config\.json cannot"),
    (lambda f: (f / "config.json").unlink(), MissingWeights, r"no config\.json"),
    (lambda f: (f / "model.safetensors").unlink(), MissingWeights, "no weights"),
    (lambda f: (f / "tokenizer.json").unlink(), MissingWeights, "its tokenizer cannot be read"),
]


@pytest.mark.parametrize(("damage", "error", "said"), REFUSED)
def test_a_folder_that_cannot_be_run_is_refused_with_the_reason(
    damage: Callable[[Path], object], error: type[IsoflopError], said: str, tmp_path: Path
) -> None:
    folder = copied(tmp_path)
    damage(folder)
    with pytest.raises(error, match=said):
        HuggingFaceModel(folder)


def test_code_beside_a_model_is_never_run(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    proof = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(proof)!r}, 'w')\nclass A: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.A", "AutoModelForCausalLM": "evil.A"}
    (folder / "config.json").write_text(json.dumps(config))
    assert HuggingFaceModel(folder).parameters > 0  # of the known architecture
    kind_of(folder, "evil")
    with pytest.raises(UsageError, match="code from model folders is not run"):
        HuggingFaceModel(folder)
    assert not proof.exists()


def test_a_folder_that_is_not_there_is_no_repository() -> None:
    with pytest.raises(MissingWeights, match=r"no model folder \./nowhere"):
        open_model("hf:./nowhere")


def test_a_special_token_in_a_message_does_not_end_it() -> None:
    model = hugging_face_model("llama")
    with pytest.raises(UsageError, match=r"holds <\|endoftext\|>"):
        model.encode_messages([Message("user", "hello<|endoftext|>")])
