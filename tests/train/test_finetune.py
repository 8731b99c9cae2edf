"""Fine-tuning: what is learned, what stays, and what resuming must not change."""

import json
import math
import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

from isoflop.cli.finetune import finetune as command
from isoflop.errors import IsoflopError, TrainingFailed, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.adapted import with_adapter
from isoflop.lm.huggingface import HuggingFaceModel
from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.transformer import Configuration, Position, Transformer
from isoflop.train.batches import IGNORED
from isoflop.train.finetune import TuneWish, finetune
from isoflop.train.learners import Beside
from isoflop.train.ledger import Ledger
from isoflop.train.lora import LowRank
from isoflop.train.loss import summed_loss
from isoflop.worlds import World
from tests.train.limits import files_no_larger_than, memory_for

QUICK = TuneWish(rank=4, epochs=12.0, context=48, batch=2, threads=1, held_out=0.2, times=8.0)

# what PEFT 0.21 asks of transformers 5.24, which has another name for it
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for _, text in World(3, people=6).asked()]
    tokenizer = train_tokenizer(texts, 300)
    model = Transformer(
        Configuration(
            vocabulary=tokenizer.vocabulary, width=32, layers=2, heads=2, kv_heads=1, hidden=64,
            context=64, query_key_norm=True, dropout=0.1,
        )
    )  # fmt: skip
    model.initialise(1)
    draw = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():  # as after a training: all of it says something
        if name.endswith(("embedding.weight", "out.weight", "down.weight")):
            torch.nn.init.normal_(weight, std=0.3, generator=draw)
    folder = tmp_path_factory.mktemp("base") / "model"
    checkpoint.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    rows = list(World(3, people=2, towns=2, firms=2, gaps=0.0).asked())[:30]
    path.write_text(
        "".join(json.dumps({"question": q, "answers": [f.value]}) + "\n" for f, q in rows)
    )
    return path


def test_an_adapter_learns_answers_the_base_stays_and_peft_reads_it(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    weights = (base / "model.safetensors").read_bytes()
    report = finetune(f"isoflop:{base}", [pairs], tmp_path, replace(QUICK, merge=True))
    assert (base / "model.safetensors").read_bytes() == weights
    assert report["corpus"]["answers_only"]
    assert report["perplexity"] < 0.9 * report["before"]["perplexity"]
    forecast, counted = report["forecast"]["flops"], report["flops"]
    assert math.isclose(forecast, counted, rel_tol=0.01)
    names = {line["kind"] for line in Ledger(tmp_path).read()}
    assert {"plan", "step", "checkpoint", "report"} <= names
    tokens = torch.arange(40)[None] * 5 % 290
    ours = with_adapter(OwnModel(base), str(tmp_path)).logits(tokens)
    inner = transformers.AutoModelForCausalLM.from_pretrained(base)
    theirs = peft.PeftModel.from_pretrained(inner, str(tmp_path / "adapter")).eval()
    with torch.inference_mode():
        assert torch.allclose(ours, theirs(input_ids=tokens).logits, atol=1e-5)
    merged = OwnModel(tmp_path / "model").logits(tokens)
    assert torch.allclose(merged, ours, atol=1e-5)


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_planned_flops_of_an_adapter_are_those_of_the_kernels(position: Position) -> None:
    gated = position == "rope"
    c = Configuration(400, 64, 3, 4, 2 if gated else 4, 160 if gated else 256, 64, position)
    model = Transformer(c)
    model.initialise(0)
    learner = Beside(
        model, OwnModel.of(model, train_tokenizer(["a"], 257)), LowRank(model, 4, 8.0, 0),
        c.architecture, base="", context=64, some_meet_head=True,
    )  # fmt: skip
    tokens = torch.randint(400, (2, 64))
    targets = tokens.where(torch.arange(64) < 16, IGNORED)
    counter = FlopCounterMode(display=False)
    with counter:
        summed_loss(model, tokens, targets).backward()  # type: ignore[no-untyped-call]
    counts = {str(kernel): n for kernel, n in counter.get_flop_counts()["Global"].items()}
    matrices = sum(n for kernel, n in counts.items() if "attention" not in kernel)
    in_attention = 6 * c.layers * c.width * c.context * tokens.numel()
    planned = learner.flops(tokens.numel(), 32)
    assert planned is not None
    assert matrices == pytest.approx(planned - in_attention, rel=0.01)


@pytest.mark.parametrize("rank", [2, None])
def test_stopped_and_gone_on_it_is_the_same_to_the_last_bit(
    base: Path, pairs: Path, tmp_path: Path, rank: int | None
) -> None:
    wish = replace(QUICK, rank=rank, epochs=2.0)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    finetune(f"isoflop:{base}", [pairs], tmp_path / "whole", wish)
    with pytest.raises(KeyboardInterrupt):
        finetune(f"isoflop:{base}", [pairs], tmp_path / "parts", wish, progress=stop)
    assert not (tmp_path / "parts" / "report.json").exists()
    finetune(f"isoflop:{base}", [pairs], tmp_path / "parts", wish)
    name = "adapter/adapter_model.safetensors" if rank else "model/model.safetensors"
    whole = checkpoint.read_tensors(tmp_path / "whole" / name)
    parts = checkpoint.read_tensors(tmp_path / "parts" / name)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert "resume" in [line["kind"] for line in Ledger(tmp_path / "parts").read()]


@pytest.mark.parametrize("rank", [4, None])
def test_a_model_of_transformers_learns_documents(
    base: Path, tmp_path: Path, rank: int | None
) -> None:
    text = "Zor is the capital of Nim. The river of Zor is called Wel. " * 20
    (tmp_path / "text.txt").write_text(text)
    wish = replace(QUICK, rank=rank, times=8.0 if rank else 40.0, held_out=0.1)
    report = finetune(f"hf:{base}", [tmp_path / "text.txt"], tmp_path / "run", wish)
    assert report["perplexity"] < 0.8 * report["before"]["perplexity"]
    assert report["flops"] == pytest.approx(report["forecast"]["flops"])
    if rank is None:
        made: Any = HuggingFaceModel(tmp_path / "run" / "model")
    else:
        made = with_adapter(HuggingFaceModel(base), str(tmp_path / "run"))
    learned = made.score("The river of Zor").log_probability
    before = HuggingFaceModel(base).score("The river of Zor").log_probability
    assert before is not None
    assert learned > before + 1


def test_only_answers_are_learned_from_pairs(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    rows = [{"question": f"{n} of Qux?", "answers": ["Zi"]} for n in ("Pol", "Kif")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wish = replace(QUICK, held_out=0.0, batch=1, epochs=60.0)
    report = finetune(f"isoflop:{base}", [path], tmp_path / "run", wish)
    assert report["measured_on"] == "training"
    plain = OwnModel(base)
    made: Any = with_adapter(plain, str(tmp_path / "run"))
    asked = "Question: Pol of Qux?\nAnswer:"
    before = plain.score_continuation(asked, " Zi").log_probability
    after = made.score_continuation(asked, " Zi").log_probability
    assert before is not None
    assert after > before + 3
    counted = [line["loss"] for line in Ledger(tmp_path / "run").read() if line["kind"] == "step"]
    # of the answer and its end alone: what the question takes would stay
    assert counted[-1] < 0.7 * counted[0]


def test_the_command_prints_one_object_and_says_where_the_adapter_is(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    arguments = [
        f"isoflop:{base}", str(pairs), "--out", str(tmp_path / "run"), "--lora", "2",
        "--tokens", "400", "--batch", "2", "--threads", "1",
    ]  # fmt: skip
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert f"adapter: {tmp_path}/run/adapter, for isoflop:{base}" in shown.stdout
    again = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    report = json.loads(again.stdout)
    assert report["method"] == "lora"
    assert report["trained_parameters"] == 2 * 2 * (  # rank, layers, rows and columns
        (32 + 32) + 2 * (32 + 16) + (32 + 32) + 2 * (32 + 64) + (64 + 32)
    )


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("openai:gpt", {}, "its weights are elsewhere"),
        ("isoflop:/nowhere", {}, "no model here"),
        ("BASE", {"rank": 999}, "rank is from 1 to 16"),
        ("BASE", {"epochs": 1.0, "tokens": 5.0}, "one budget"),
        ("BASE", {"rank": None, "merge": True}, "--merge is for adapters"),
        ("BASE", {"times": math.inf}, "positive, finite"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    base: Path, pairs: Path, tmp_path: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    where = f"isoflop:{base}" if name == "BASE" else name
    with pytest.raises(IsoflopError, match=said):
        finetune(where, [pairs], tmp_path / "run", replace(QUICK, **changes))


def test_a_loss_that_is_no_number_stops_a_fine_tuning_and_names_the_batch(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        TrainingFailed, match=r"step 2 is nan.* batch 1, .* Lower the learning rate"
    ):
        finetune(f"isoflop:{base}", [pairs], tmp_path, replace(QUICK, times=1e36))
    assert not (tmp_path / "adapter").exists()


def test_a_full_disk_stops_a_fine_tuning_and_says_how_to_go_on(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    def fill(_: str, step: int, steps: int) -> None:
        if step == steps:
            resources.enter_context(files_no_larger_than(8_000))

    with ExitStack() as resources, pytest.raises(TrainingFailed, match="Free some space"):
        finetune(f"isoflop:{base}", [pairs], tmp_path, QUICK, progress=fill)
    assert not (tmp_path / "report.json").exists()
    report = finetune(f"isoflop:{base}", [pairs], tmp_path, QUICK)
    assert report["perplexity"] < report["before"]["perplexity"]


def test_too_little_memory_for_a_fine_tuning_is_told_with_the_forecast(
    pairs: Path, tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(["a b"], 257)
    model = Transformer(
        Configuration(tokenizer.vocabulary, width=32, layers=1, heads=1, kv_heads=1,
                      hidden=16_384, context=64)
    )  # fmt: skip
    model.initialise(1)
    checkpoint.save(model, tokenizer, tmp_path / "base")
    del model
    wish = replace(QUICK, rank=None, context=64, batch=64)
    with memory_for(400_000_000), pytest.raises(IsoflopError, match=r"takes about .* GB.* --lora"):
        finetune(f"isoflop:{tmp_path / 'base'}", [pairs], tmp_path / "run", wish)


def test_another_run_in_the_same_folder_is_refused(base: Path, pairs: Path, tmp_path: Path) -> None:
    wish = replace(QUICK, epochs=None, tokens=100.0)
    finetune(f"isoflop:{base}", [pairs], tmp_path, wish)
    with pytest.raises(UsageError, match="rank changed"):
        finetune(f"isoflop:{base}", [pairs], tmp_path, replace(wish, rank=8))
