"""Adapters against PEFT itself, and many of them over one model."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from torch import Tensor

from isoflop.errors import DamagedCheckpoint, MissingWeights, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.adapted import Adapters, with_adapter
from isoflop.lm.adapters import Adapter, Factors, merge, places, shape
from isoflop.lm.generate import Request
from isoflop.lm.huggingface import HuggingFaceModel
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer

TOKENS = torch.arange(2 * 12).view(2, 12) * 7 % 250

# what PEFT 0.21 asks of transformers 5.24, which has another name for it
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def base(folder: Path, position: Any = "rope") -> Path:
    """A small random model as a folder."""
    gated = position == "rope"
    tokenizer = train_tokenizer(["the cat sat on the mat, the dog on the log"], 300)
    model = Transformer(
        Configuration(
            vocabulary=tokenizer.vocabulary, width=32, layers=2, heads=4,
            kv_heads=2 if gated else 4, hidden=48 if gated else 128, context=32,
            position=position, query_key_norm=gated,
        )
    )  # fmt: skip
    draw = torch.Generator().manual_seed(5)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.2, generator=draw)
    checkpoint.save(model, tokenizer, folder)
    return folder


def random_adapter(network: torch.nn.Module, seed: int, rank: int = 3) -> Adapter:
    draw = torch.Generator().manual_seed(seed)
    factors = {}
    for name, place in places(network).items():
        columns = shape(network.get_submodule(place.path))[1]
        down = torch.randn(rank, columns, generator=draw) * 0.1
        up = torch.randn(place.stop - place.start, rank, generator=draw) * 0.1
        factors[name] = Factors(down, up, 2.0)
    return Adapter(factors, "somewhere")


def by_peft(folder: Path, adapter: Path) -> Tensor:
    """What PEFT and transformers make of a base and an adapter."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    loaded = peft.PeftModel.from_pretrained(model, str(adapter)).eval()
    with torch.inference_mode():
        logits: Tensor = loaded(input_ids=TOKENS).logits
    return logits


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_peft_loads_our_adapter_on_the_exported_base_with_our_logits(
    tmp_path: Path, position: str
) -> None:
    model = OwnModel(base(tmp_path / "base", position))
    random_adapter(model.model, 1).write(tmp_path / "one")
    ours = with_adapter(model, str(tmp_path / "one")).logits(TOKENS)
    plain = model.logits(TOKENS)
    assert (ours - plain).abs().max() > 0.1
    assert torch.allclose(ours, by_peft(tmp_path / "base", tmp_path / "one"), atol=1e-5)


@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_that_peft_made_gives_the_same_logits_here(tmp_path: Path, rslora: bool) -> None:
    folder = base(tmp_path / "base")
    theirs = peft.get_peft_model(
        transformers.AutoModelForCausalLM.from_pretrained(folder),
        peft.LoraConfig(
            r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"],
            rank_pattern={"layers.1.self_attn.v_proj": 2}, alpha_pattern={"down_proj": 3},
            use_rslora=rslora, init_lora_weights=False, task_type="CAUSAL_LM",
        ),
    )  # fmt: skip
    theirs.save_pretrained(str(tmp_path / "theirs"))
    with torch.inference_mode():
        theirs.eval()
        expected = theirs(input_ids=TOKENS).logits
    ours = with_adapter(OwnModel(folder), str(tmp_path / "theirs")).logits(TOKENS)
    assert torch.allclose(ours, expected, atol=1e-5)
    foreign = with_adapter(HuggingFaceModel(folder), str(tmp_path / "theirs")).logits(TOKENS)
    assert torch.allclose(foreign, expected, atol=1e-5)


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_merged_into_the_weights_it_gives_the_same_logits(tmp_path: Path, position: str) -> None:
    folder = base(tmp_path / "base", position)
    adapter = random_adapter(OwnModel(folder).model, 2)
    over = Adapters(OwnModel(folder))
    over.add("it", adapter)
    merged = OwnModel(folder)
    merge(merged.model, adapter)
    assert torch.allclose(merged.logits(TOKENS), over["it"].logits(TOKENS), atol=1e-5)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")  # it finds out by itself
def test_merging_into_gpt2s_turned_matrices_is_what_peft_does(tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(config)
    model.eval()  # type: ignore[no-untyped-call]  # theirs is untyped
    model.save_pretrained(tmp_path / "base")
    adapter = random_adapter(model, 3)
    adapter.write(tmp_path / "it")
    merge(model, adapter)
    with torch.inference_mode():
        ours = model(input_ids=TOKENS).logits
    assert torch.allclose(ours, by_peft(tmp_path / "base", tmp_path / "it"), atol=1e-5)


@pytest.mark.parametrize("kind", [OwnModel, HuggingFaceModel])
def test_rows_of_a_batch_with_different_adapters_are_what_each_is_alone(
    tmp_path: Path, kind: Any
) -> None:
    model = kind(base(tmp_path / "base"))
    over = Adapters(model)
    before = model.logits(TOKENS)
    for number in range(3):
        over.add(f"user{number}", random_adapter(model.model, number, rank=number + 1))
    names = ["user2", None, "user0", "user1"]
    prompts = [[5, 6, 7, 8, 9], [10, 11], [5, 6, 7, 8, 9], [12, 13, 14]]
    request = Request(8, ignore_end=True)
    together = over.generate(prompts, names, request)
    for prompt, name, said in zip(prompts, names, together, strict=True):
        assert over.generate([prompt], [name], request)[0].text == said.text
    assert together[0].text != together[2].text
    rows = torch.stack([TOKENS[0]] * 4)
    mixed = over.rows(names).logits(rows)
    for row, name in enumerate(names):
        alone = over.rows([name]).logits(rows[:1])[0]
        assert torch.allclose(mixed[row], alone, atol=1e-5)
    assert torch.equal(model.logits(TOKENS), before)


def test_an_adapted_model_is_told_from_its_base_by_its_weights(tmp_path: Path) -> None:
    from isoflop.lm.groups import fingerprint

    model = OwnModel(base(tmp_path / "base"))
    over = Adapters(model)
    over.add("one", random_adapter(model.model, 1))
    over.add("two", random_adapter(model.model, 2))
    prints = {fingerprint(model), fingerprint(over["one"]), fingerprint(over["two"])}
    assert len(prints) == 3
    assert over["one"].parameters == model.parameters + over.adapters["one"].parameters


def test_what_does_not_fit_or_is_no_plain_adapter_is_refused(tmp_path: Path) -> None:
    model = OwnModel(base(tmp_path / "base"))
    other = OwnModel(base(tmp_path / "other", "alibi"))
    over = Adapters(model)
    with pytest.raises(UsageError, match="does not fit this model"):
        over.add("wrong", random_adapter(other.model, 1))
    over.add("alice", random_adapter(model.model, 1))
    with pytest.raises(UsageError, match="Did you mean alice"):
        over["alise"]
    with pytest.raises(MissingWeights, match="no adapter here"):
        over.add_folder(tmp_path / "nowhere")
    random_adapter(model.model, 1).write(tmp_path / "it")
    config = tmp_path / "it" / "adapter_config.json"
    said = json.loads(config.read_text())
    config.write_text(json.dumps({**said, "use_dora": True}))
    with pytest.raises(UsageError, match="use_dora=True"):
        Adapter.read(tmp_path / "it")
    config.write_text(json.dumps(said))
    weights = tmp_path / "it" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(DamagedCheckpoint, match="cut short"):
        Adapter.read(tmp_path / "it")
