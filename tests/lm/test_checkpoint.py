"""Model folders: transformers reads what we write, and what is broken is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

from isoflop.errors import DamagedCheckpoint, NewerCheckpoint, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.positions import alibi_dimensions, alibi_slopes, widened
from isoflop.lm.tokenizer import CHAT, END, train_tokenizer
from isoflop.lm.transformer import (
    POSITIONS,
    Configuration,
    Transformer,
    attend,
)

CONTEXT = 64
TOKENIZER = train_tokenizer(["one two three, two three one. " * 9], 270, special=(END, *CHAT))
ROPE = Configuration(
    vocabulary=TOKENIZER.vocabulary, width=32, layers=2, heads=4, kv_heads=4, hidden=48,
    context=CONTEXT,
)  # fmt: skip
PLAIN = replace(ROPE, hidden=128, position="alibi")
EXPORTED = {
    "rope": ROPE,
    "rope, untied": replace(ROPE, tied=False),
    "rope, grouped heads": replace(ROPE, kv_heads=2),
    "rope, normed queries and keys": replace(ROPE, query_key_norm=True),
    "rope, wide heads, one of keys": replace(ROPE, kv_heads=1, head_width=16, query_key_norm=True),
    "alibi": PLAIN,
    "alibi, 12 heads": replace(PLAIN, width=48, heads=12, kv_heads=12, hidden=192),
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def random_model(configuration: Configuration, seed: int = 0) -> Transformer:
    """Of weights that all matter: none is 0 or 1, attention is not uniform."""
    model = Transformer(configuration).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.uniform_(0.5, 1.5, generator=draw)
        else:
            weight.normal_(0, 0.5 * weight.shape[1] ** -0.5, generator=draw)
    return model


def tokens(count: int, rows: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randint(TOKENIZER.vocabulary, (rows, count), generator=draw)


@pytest.mark.parametrize("kind", EXPORTED)
def test_transformers_computes_the_same_logits_at_up_to_four_times_the_training_length(
    kind: str, tmp_path: Path
) -> None:
    model = random_model(EXPORTED[kind])
    checkpoint.save(model, TOKENIZER, tmp_path / "model")
    pair: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    theirs, found = pair
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    for times in (1, 2, 4):
        text = tokens(CONTEXT * times)
        expected = theirs.eval()(text).logits.detach()
        torch.testing.assert_close(model(text), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_saved_model_is_read_back_bit_for_bit(position: str, tmp_path: Path) -> None:
    model = random_model(
        ROPE if position == "rope" else replace(PLAIN, position=position)  # type: ignore[arg-type] # of POSITIONS
    )
    checkpoint.save(model, TOKENIZER, tmp_path / "model")
    again = checkpoint.load(tmp_path / "model")
    assert again.configuration == model.configuration
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name


def test_the_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    checkpoint.save(random_model(ROPE), TOKENIZER, tmp_path / "model")
    (tmp_path / "model" / "stale").touch()
    second = random_model(ROPE, seed=1)
    checkpoint.save(second, TOKENIZER, tmp_path / "model")
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "stale").exists()
    loaded = checkpoint.load(tmp_path / "model")
    assert torch.equal(loaded.embedding.weight, second.embedding.weight)


def test_transformers_reads_the_tokenizer_with_its_chat_template(tmp_path: Path) -> None:
    checkpoint.save(random_model(ROPE), TOKENIZER, tmp_path / "model")
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path / "model")
    said = "two three, one 日本"
    assert theirs(said)["input_ids"] == TOKENIZER.encode(said)
    turn = theirs.apply_chat_template(
        [{"role": "user", "content": said}], add_generation_prompt=True
    )["input_ids"]
    expected = [TOKENIZER.special("<|user|>"), *TOKENIZER.encode(said), TOKENIZER.end]
    assert turn == [*expected, TOKENIZER.special("<|assistant|>")]


@pytest.mark.parametrize("name", checkpoint.SHIPPED)
def test_a_shipped_model_is_meant_unless_a_folder_of_its_name_holds_a_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = checkpoint.SHIPPED_FOLDER / name
    (tmp_path / name).mkdir()
    assert checkpoint.find(Path(name)) == shipped
    (tmp_path / name / "config.json").write_text("{}")  # of some other program
    assert checkpoint.find(Path(name)) == shipped
    checkpoint.save(random_model(PLAIN), None, tmp_path / name)
    assert checkpoint.find(Path(name)) == Path(name)


@pytest.mark.parametrize("heads", [8, 12])
def test_alibi_slopes_are_those_of_transformers(heads: int) -> None:
    of_mpt = build_mpt_alibi_tensor(heads, 2)  # type: ignore[no-untyped-call] # (H, 1, 2), distances -1 and 0
    torch.testing.assert_close(alibi_slopes(heads).float(), -of_mpt[:, 0, 0], rtol=0, atol=0)
    of_bloom = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
    # Bloom has the slopes in another order where heads is no power of two
    ours = alibi_slopes(heads).float().sort().values
    torch.testing.assert_close(ours, of_bloom.sort().values, rtol=1e-6, atol=0)


@pytest.mark.parametrize("start", [0, 30_000])
@pytest.mark.parametrize("heads", [8, 12])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_alibi_attention_is_within_rounding_of_a_float64_reference(
    dtype: torch.dtype, error: float, heads: int, start: int
) -> None:
    count, width = 300, 64
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, count, width, generator=draw).to(dtype) for _ in range(3))
    extra_q, extra_k = alibi_dimensions(start + torch.arange(count), heads, width, dtype)
    got = attend(widened(q, extra_q), widened(k, extra_k), v, None, causal=True, scale=width**-0.5)
    place = torch.arange(count, dtype=torch.float64)
    distance = place[None] - place[:, None]
    bias = (alibi_slopes(heads)[:, None, None] * distance).masked_fill(distance > 0, -torch.inf)
    scores = q.double() @ k.double().transpose(-1, -2) * width**-0.5 + bias
    expected = scores.softmax(-1) @ v.double()
    assert (got.double() - expected).abs().max() < error


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def only_the_header(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:50])


def weights_gone(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def of_another_size(folder: Path) -> None:
    checkpoint.save(random_model(replace(ROPE, hidden=64)), TOKENIZER, folder.parent / "other")
    shutil.copy(folder.parent / "other" / "model.safetensors", folder)


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def no_sizes(folder: Path) -> None:
    edit(folder, lambda config: config["isoflop"]["configuration"].pop("width"))


def a_format_that_is_no_number(folder: Path) -> None:
    edit(folder, lambda config: config["isoflop"].update(format="two"))


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "damage",
    [
        cut_short, only_the_header, weights_gone, of_another_size, no_json, a_list, no_sizes,
        a_format_that_is_no_number,
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused_and_its_file_named(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    checkpoint.save(random_model(ROPE), TOKENIZER, folder)
    damage(folder)
    with pytest.raises(DamagedCheckpoint, match=str(folder)):
        checkpoint.load(folder)


def test_a_folder_of_a_newer_isoflop_is_refused(tmp_path: Path) -> None:
    checkpoint.save(random_model(ROPE), TOKENIZER, tmp_path / "model")
    edit(tmp_path / "model", lambda config: config["isoflop"].update(format=99))
    with pytest.raises(NewerCheckpoint, match="format 99"):
        checkpoint.load(tmp_path / "model")


def test_a_folder_of_others_is_named_as_such(tmp_path: Path) -> None:
    checkpoint.save(random_model(ROPE), TOKENIZER, tmp_path / "model")
    edit(tmp_path / "model", lambda config: config.pop("isoflop"))
    with pytest.raises(UsageError, match=r"Name it hf:"):
        checkpoint.load(tmp_path / "model")
