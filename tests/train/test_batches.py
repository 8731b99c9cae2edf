from random import Random
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import IsoflopError, UsageError
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.train.batches import IGNORED, Batches, best_fit, evaluation_windows, permutation
from isoflop.train.records import Segment, TrainingDocument
from isoflop.train.shards import Shards, pack

TOKENIZER = train_tokenizer(["every byte alone"], 257)
VISIBLE = [chr(code) for code in range(33, 127)]
Align = Literal["stream", "document"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Documents of 1 to 40 characters, every character a token."""
    random = Random(1)
    texts = ["".join(random.choices(VISIBLE, k=1 + i)) for i in range(40)]
    documents = [TrainingDocument(str(i), (Segment(text),)) for i, text in enumerate(texts)]
    return pack(documents, TOKENIZER, tmp_path_factory.mktemp("batches") / "s", shard_tokens=100)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    documents = [
        TrainingDocument(str(i), (Segment(f"question {i}? ", False), Segment(f"answer {i}")))
        for i in range(9)
    ]
    return pack(documents, TOKENIZER, tmp_path_factory.mktemp("batches") / "s")


def test_targets_are_the_inputs_one_token_on(shards: Shards) -> None:
    inputs, targets = Batches(shards, batch=4, context=16, seed=1)[3]
    assert inputs.shape == targets.shape == (4, 16)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_an_epoch_shows_each_target_once_and_the_next_another_order(shards: Shards) -> None:
    context = 16
    rows = shards.tokens // context
    batches = Batches(shards, batch=1, context=context, seed=1)
    stream = shards.read(0, shards.tokens + context).tolist()
    at = {tuple(stream[i : i + context]): i for i in range(shards.tokens)}
    assert len(at) == shards.tokens
    orders = [
        [at[tuple(batches[epoch * rows + row][0][0].tolist())] for row in range(rows)]
        for epoch in range(2)
    ]
    for order in orders:
        read = {(start + i) % shards.tokens for start in order for i in range(context)}
        assert len(read) == rows * context
    assert sorted(orders[0]) != sorted(orders[1])
    assert [batches.epoch(step) for step in (0, rows - 1, rows)] == [0, 0, 1]


@pytest.mark.parametrize("align", ["stream", "document"])
def test_a_step_depends_on_the_seed_and_the_step_alone(shards: Shards, align: Align) -> None:
    going = Batches(shards, batch=4, context=24, seed=1, align=align)
    all_steps = [going[step] for step in range(40)]
    fresh = Batches(shards, batch=4, context=24, seed=1, align=align)
    for step in (39, 0, 17):
        assert all(torch.equal(a, b) for a, b in zip(fresh[step], all_steps[step], strict=True))
    other = Batches(shards, batch=4, context=24, seed=2, align=align)
    assert not torch.equal(other[0][0], all_steps[0][0])


@pytest.mark.parametrize("align", ["stream", "document"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_together_see_the_batch_of_one(shards: Shards, align: Align, world: int) -> None:
    alone = Batches(shards, batch=4, context=24, seed=1, align=align)
    for step in (0, 31):
        parts = [
            Batches(shards, batch=4, context=24, seed=1, align=align, rank=rank, world=world)[step]
            for rank in range(world)
        ]
        for together, whole in zip(zip(*parts, strict=True), alone[step], strict=True):
            assert torch.equal(torch.cat(together), whole)


def test_a_row_of_documents_holds_whole_ones_and_padding(shards: Shards) -> None:
    context = 24
    batches = Batches(shards, batch=1, context=context, seed=1, align="document")
    seen = []
    for step in range(1000):
        if batches.epoch(step):
            break
        inputs, targets = (row[0].tolist() for row in batches[step])
        stop = targets.index(IGNORED) if IGNORED in targets else context
        assert inputs[0] == TOKENIZER.end
        assert set(targets[stop:]) <= {IGNORED}
        texts = TOKENIZER.inner.decode(inputs[:stop], skip_special_tokens=False)
        seen += texts.split("<|endoftext|>")[1:]
    whole = [TOKENIZER.decode(shards.read(int(s), 41).tolist()[1:]) for s in shards.starts[:-1]]
    assert sorted(seen) == sorted(text[: min(1 + i, context - 1)] for i, text in enumerate(whole))


@given(st.lists(st.integers(1, 12), max_size=60))
def test_packed_rows_hold_each_length_once_and_within_their_room(lengths: list[int]) -> None:
    rows = best_fit(lengths, 12)
    assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
    used = [sum(lengths[place] for place in row) for row in rows]
    assert all(0 < total <= 12 for total in used)
    assert sum(total <= 6 for total in used) <= 1  # two such rows would have been one


def test_lengths_that_fill_rows_exactly_are_packed_without_a_gap() -> None:
    assert len(best_fit([7, 5, 9, 3, 12, 6, 6, 1, 11, 8, 4] * 5, 12)) == 30


def test_the_order_is_the_one_of_every_version() -> None:
    # by numpy 2.4.6 of the bits of PCG64; a training begun with one version resumes with the next
    assert permutation(np.random.PCG64([1, 0]), 10).tolist() == [9, 2, 4, 7, 5, 0, 8, 6, 3, 1]


def test_documents_that_are_cut_are_counted(shards: Shards) -> None:
    assert Batches(shards, batch=1, context=24, seed=1, align="document").cut == 17
    assert Batches(shards, batch=1, context=24, seed=1).cut == 0


def test_only_what_counts_is_a_target(masked: Shards) -> None:
    inputs, targets = Batches(masked, batch=3, context=64, seed=1, align="document")[0]
    for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
        text = TOKENIZER.decode([id for id in wanted if id != IGNORED])
        number = TOKENIZER.decode(row).split("? answer ")[0].removeprefix("question ")
        assert text.startswith(f"answer {number}")
        assert wanted.count(TOKENIZER.end) == text.count("answer")


def test_a_text_shorter_than_one_context_is_refused(shards: Shards) -> None:
    with pytest.raises(IsoflopError, match=r"shorter than one context of 5,000"):
        Batches(shards, batch=1, context=5000, seed=1)


def test_a_batch_that_processes_cannot_share_is_refused(shards: Shards) -> None:
    with pytest.raises(UsageError, match="batch=5"):
        Batches(shards, batch=5, context=8, seed=1, world=2)


@pytest.mark.parametrize("batch", [1, 7])
def test_evaluation_scores_every_token_once_in_order(shards: Shards, batch: int) -> None:
    scored: list[int] = []
    text_bytes = rows = 0
    for window in evaluation_windows(shards, TOKENIZER, batch=batch, context=8):
        assert window.inputs.shape == window.targets.shape
        scored += window.targets[window.targets != IGNORED].tolist()
        text_bytes += int(window.bytes.sum())
        rows += len(window.inputs)
    stream = shards.read(0, shards.tokens).tolist()
    assert scored == [id for id in stream if id != TOKENIZER.end]
    assert text_bytes == shards.text_bytes
    assert rows == sum(-(-characters // 8) for characters in range(1, 41))


def test_evaluation_of_records_scores_the_answers_and_their_bytes(masked: Shards) -> None:
    windows = list(evaluation_windows(masked, TOKENIZER, batch=4, context=10))
    scored = [id for window in windows for id in window.targets[window.targets >= 0].tolist()]
    answers = "".join(f"answer {i}" for i in range(9))
    assert TOKENIZER.decode(scored) == answers
    assert sum(int(window.bytes.sum()) for window in windows) == len(answers)
