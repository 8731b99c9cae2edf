"""The loop of training: what resuming, splitting a batch and stopping must not change."""

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from isoflop.errors import TrainingFailed, UsageError
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Position, Transformer
from isoflop.plan.flops import training_flops_per_token
from isoflop.train.corpus import from_documents
from isoflop.train.loss import summed_loss
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.records import Segment, TrainingDocument
from isoflop.train.shards import Shards, pack
from isoflop.worlds import World
from tests.train.limits import files_no_larger_than


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shards, Shards, Tokenizer]:
    folder = tmp_path_factory.mktemp("data")
    documents = [
        TrainingDocument(each.id, (Segment(each.text, True),))
        for each in World(1, people=60).documents()
    ]
    corpus = from_documents(documents, near=None)
    tokenizer = train_tokenizer((each.text for each in corpus.training()), 400)
    return (
        pack(corpus.training(), tokenizer, folder / "train"),
        pack(corpus.held_out(), tokenizer, folder / "held-out"),
        tokenizer,
    )


def _configuration(position: Position = "rope", dropout: float = 0.1) -> Configuration:
    gated = position == "rope"
    return Configuration(
        vocabulary=400, width=32, layers=2, heads=2, kv_heads=1 if gated else 2,
        hidden=96 if gated else 128, context=32, position=position, query_key_norm=gated,
        dropout=dropout,
    )  # fmt: skip


def _recipe(position: Position = "rope", **changes: object) -> Recipe:
    recipe = Recipe(_configuration(position), steps=8, batch=8, micro_batch=4, report_steps=1)
    return replace(recipe, **changes)  # type: ignore[arg-type]  # replace checks the names


def _training(recipe: Recipe, data: tuple[Shards, Shards, Tokenizer], folder: Path) -> Training:
    folder.mkdir(parents=True, exist_ok=True)
    return Training(recipe, *data, folder)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_training_that_was_stopped_and_resumed_is_bit_equal_to_one_that_was_not(
    position: Position, dtype: str, data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    recipe = _recipe(position, dtype=dtype)
    whole = _training(recipe, data, tmp_path / "whole")
    losses = [whole.update()[0] for _ in range(8)]

    first = _training(recipe, data, tmp_path / "parts")
    before = [first.update()[0] for _ in range(4)]
    first.save()
    torch.manual_seed(999)  # another process starts with another state
    second = _training(recipe, data, tmp_path / "parts")
    assert second.step == 4
    after = [second.update()[0] for _ in range(4)]

    assert before + after == losses
    for name, master in whole.optimizer.masters.items():
        assert torch.equal(master, second.optimizer.masters[name]), name
    assert second.flops == whole.flops


def test_an_update_takes_subnormal_numbers_for_zero_and_leaves_the_process_as_it_was(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe("alibi"), data, tmp_path)
    tiny, halves = torch.tensor([torch.finfo(torch.float32).tiny]), []
    weight = training.model.embedding.weight
    weight.register_hook(lambda gradient: halves.append(float(tiny / 2)))  # in the backward pass
    training.update()
    assert halves == [0.0, 0.0]  # of two passes
    assert float(tiny / 2) > 0


def test_a_step_is_the_same_whatever_the_size_of_a_pass(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    steps = {}
    for size in (2, 8):
        recipe = replace(_recipe(micro_batch=size), configuration=_configuration(dropout=0.0))
        training = _training(recipe, data, tmp_path / str(size))
        steps[size] = [training.update() for _ in range(3)]
    for (loss, norm), (other, other_norm) in zip(steps[2], steps[8], strict=True):
        assert loss == pytest.approx(other, abs=1e-5)
        assert norm == pytest.approx(other_norm, rel=1e-3)


def test_a_few_steps_teach_it_something(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(steps=60), data, tmp_path)
    before = training.evaluate()
    assert before.nats_per_token == pytest.approx(math.log(400), abs=0.2)
    training.run()
    after = training.evaluate()
    assert after.bits_per_byte < 0.8 * before.bits_per_byte
    assert after.bytes == before.bytes == data[1].text_bytes
    model = OwnModel(tmp_path)  # the newest checkpoint of the run
    text = "The town of"
    assert model.logits(torch.tensor([model.encode(text)])).shape[-1] == 400


def test_held_out_loss_does_not_depend_on_how_many_windows_are_read_at_once(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    found = []
    for size in (1, 2, 8):
        training = _training(_recipe(micro_batch=size), data, tmp_path / str(size))
        found.append(training.evaluate().nats_per_token)
    assert found == pytest.approx([found[0]] * 3, abs=1e-5)


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_planned_flops_are_those_of_the_kernels(position: Position) -> None:
    c = replace(_configuration(position, dropout=0.0), width=64, heads=2, hidden=256, context=64)
    model = Transformer(c)
    model.initialise(0)
    tokens = torch.randint(400, (2, 64))
    counter = FlopCounterMode(display=False)
    with counter:
        summed_loss(model, tokens, tokens).backward()  # type: ignore[no-untyped-call]
    counts = {str(kernel): n for kernel, n in counter.get_flop_counts()["Global"].items()}
    attention = sum(n for kernel, n in counts.items() if "attention" in kernel)
    matrices = sum(counts.values()) - attention
    planned = training_flops_per_token(c.architecture, c.context) * tokens.numel()
    in_attention = 6 * c.layers * c.width * c.context * tokens.numel()
    assert matrices == pytest.approx(planned - in_attention, rel=0.01)


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_checkpoint(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)
    training.update()
    kept = training.save()
    good = {name: master.clone() for name, master in training.optimizer.masters.items()}
    with torch.no_grad():
        dict(training.model.named_parameters())["blocks.0.attention.qkv.weight"][0, 0] = math.nan
    with pytest.raises(TrainingFailed, match=r"step 2 .* batch 1, epoch 0.*last good checkpoint"):
        training.run()
    again = _training(_recipe(), data, tmp_path)
    assert again.step == 1
    assert kept.is_dir()
    assert all(torch.equal(good[n], m) for n, m in again.optimizer.masters.items())


def test_a_signal_finishes_the_step_saves_and_says_so(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)

    def interrupt(_: str, step: int, __: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        training.run(interrupt)
    assert _training(_recipe(), data, tmp_path).step == 3
    kinds = [line["kind"] for line in training.ledger.read()]
    assert kinds[-3:] == ["checkpoint", "stop", "resume"]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)
    training.update()
    training.save()
    training.update()
    newest = training.save()
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    again = _training(_recipe(), data, tmp_path)
    assert again.step == 1
    damage = [line for line in again.ledger.read() if line["kind"] == "damaged"]
    assert damage[0]["checkpoint"] == newest.name


def test_a_full_disk_is_named_the_last_checkpoint_stays_and_training_goes_on_from_it(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)
    training.update()
    training.save()
    training.update()
    with files_no_larger_than(20_000), pytest.raises(TrainingFailed) as raised:
        training.save()
    said = str(raised.value)
    assert f"{tmp_path}/checkpoints/00000002 could not be written" in said
    assert f"The last good checkpoint is {tmp_path}/checkpoints/00000001. Free some space" in said
    assert [f.name for f in (tmp_path / "checkpoints").iterdir()] == ["00000001"]
    again = _training(_recipe(), data, tmp_path)
    assert again.step == 1
    again.run()
    assert again.step == 8


def test_a_ledger_that_a_full_disk_does_not_take_is_named(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)
    with files_no_larger_than(100), pytest.raises(TrainingFailed, match=r"ledger.jsonl could not"):
        training.run()


def test_only_the_last_checkpoints_are_kept_and_none_is_half_written(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(save_seconds=0.0), data, tmp_path)
    training.run()
    assert sorted(f.name for f in (tmp_path / "checkpoints").iterdir()) == ["00000007", "00000008"]
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.pt"))


def test_another_recipe_is_refused_in_the_same_folder(
    data: tuple[Shards, Shards, Tokenizer], tmp_path: Path
) -> None:
    training = _training(_recipe(), data, tmp_path)
    training.update()
    training.save()
    with pytest.raises(UsageError, match="another recipe"):
        _training(_recipe(rates=Rates(matrices=0.01)), data, tmp_path)


def test_the_rates_rise_stay_and_fall() -> None:
    rates = Rates(warmup=0.1, decay=0.5)
    factors = [rates.factor(step, 20) for step in range(20)]
    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors[9:12] == [1.0, 1.0, 0.9]
    assert factors[-1] == pytest.approx(0.1)


def test_the_ledger_leaves_out_a_line_cut_short_and_steps_done_again(tmp_path: Path) -> None:
    from isoflop.train.ledger import Ledger

    ledger = Ledger(tmp_path)
    ledger.add("step", step=1, loss=3.0)
    ledger.add("step", step=2, loss=2.0)
    with ledger.path.open("ab") as file:
        file.write(b'{"kind": "step", "ste')
    ledger.add("resume", step=1)
    ledger.add("step", step=2, loss=2.5)
    assert [(e["kind"], e.get("loss")) for e in ledger.read()] == [
        ("step", 3.0),
        ("resume", None),
        ("step", 2.5),
    ]
    assert all(json.loads(line) for line in ledger.path.read_text().splitlines() if "{" not in line)
