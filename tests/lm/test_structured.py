"""Groups of text read side by side: what must hold exactly, on our and on foreign models."""

import logging
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.generate import Request, generate
from isoflop.lm.groups import Store, fingerprint, pack, read
from isoflop.lm.model import Message
from isoflop.lm.positions import ALIBI_WIDTH
from isoflop.lm.scoring import score_continuation
from isoflop.lm.structured import Groups, Scheme, read_groups
from isoflop.lm.transformer import POSITIONS
from tests.lm.networks import foreign_model, own_model

HARBOUR, FERRIES, COAL = "the harbour was dredged in 1932", "three ferries use it", "a coal barge"
NEW = " and a coal barge"
NAMES = (*POSITIONS, "llama", "qwen3", "gpt2")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> CausalModel:
    return own_model(request.param) if request.param in POSITIONS else foreign_model(request.param)


def ids(model: CausalModel, text: str = NEW) -> Tensor:
    return torch.tensor([model.encode(text)])


def differ(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def by_repetition(groups: Groups, tokens: Tensor) -> Tensor:
    """The oracle: no weight and no logarithm, but every new token there M times.

    Each copy sees the groups, every copy of earlier tokens and of its own token, so attention
    really sums over M columns for each new token.
    """
    times, count = groups.weight, tokens.shape[1]
    weight, groups.weight = groups.weight, 1
    place = torch.arange(count).repeat_interleave(times)
    bias = torch.zeros(len(place), len(place)).masked_fill(place[None] > place[:, None], -math.inf)
    repeated = tokens.repeat_interleave(times, dim=1)
    logits = groups.logits(repeated, positions=place, bias=bias[None, None])
    groups.weight = weight
    return logits[:, ::times]


def test_identical_groups_are_one_group(model: CausalModel) -> None:
    one, five = (read_groups(model, [HARBOUR] * m).logits(ids(model)) for m in (1, 5))
    assert differ(one, five) < 1e-5
    assert differ(one, read_groups(model, [FERRIES]).logits(ids(model))) > 0.1


def test_identical_groups_differ_from_one_where_the_new_text_has_weight_one(
    model: CausalModel,
) -> None:
    one, five = (
        read_groups(model, [HARBOUR] * m, scheme="parallel").logits(ids(model)) for m in (1, 5)
    )
    assert differ(one, five) > 0.1


@pytest.mark.parametrize("scheme", ["structured", "parallel"])
def test_the_order_of_groups_changes_nothing(model: CausalModel, scheme: Scheme) -> None:
    texts = [HARBOUR, FERRIES, COAL]
    one = read_groups(model, texts, scheme=scheme).logits(ids(model))
    other = read_groups(model, texts[::-1], scheme=scheme).logits(ids(model))
    assert differ(one, other) < 1e-5


@pytest.mark.parametrize("scheme", ["structured", "parallel", "plain"])
def test_one_group_is_an_ordinary_prompt(model: CausalModel, scheme: Scheme) -> None:
    prompt = [model.beginning or 0, *model.encode(HARBOUR)]
    whole = model.logits(torch.cat([torch.tensor([prompt]), ids(model)], dim=1))
    grouped = read_groups(model, [HARBOUR], scheme=scheme).logits(ids(model))
    assert differ(whole[:, len(prompt) :], grouped) < 1e-5


def test_plain_reading_joins_the_groups(model: CausalModel) -> None:
    joined = read_groups(model, [model.encode(HARBOUR) + model.encode(COAL)]).logits(ids(model))
    plain = read_groups(model, [HARBOUR, COAL], scheme="plain").logits(ids(model))
    assert differ(joined, plain) < 1e-5


def test_the_weight_equals_repeated_columns(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES, COAL])
    assert differ(groups.logits(ids(model)), by_repetition(groups, ids(model))) < 1e-5
    groups.weight = 1
    assert (
        differ(
            groups.logits(ids(model)),
            read_groups(model, [HARBOUR, FERRIES, COAL]).logits(ids(model)),
        )
        > 0.1
    )


def test_groups_of_unequal_lengths_are_read_as_without_padding(model: CausalModel) -> None:
    texts = [model.encode(text) for text in (HARBOUR, FERRIES, COAL)]
    reach = max(map(len, texts))
    firsts = [reach - len(text) for text in texts]
    together = read(model, texts, firsts, reach)
    for group, text, first in zip(together, texts, firsts, strict=True):
        (alone,) = read(model, [text], [first], reach)
        assert group.tokens == alone.tokens == tuple(text)
        for pair, other in zip(group.layers, alone.layers, strict=True):
            assert all(differ(one, two) < 1e-5 for one, two in zip(pair, other, strict=True))
            assert pair[0].shape[1] == len(text)


def test_the_last_token_of_every_group_is_one_step_before_the_new_text() -> None:
    # a copy of a group's last token, placed where new text begins, is one position away from it:
    # with ALiBi the bias of that pair is the slope times one, whatever the group's length
    model = own_model("alibi")
    groups = read_groups(model, [HARBOUR, FERRIES, COAL])
    ends = [group.first + len(group.tokens) for group in groups.groups]
    assert ends == [groups.reach] * 3
    keys = [group.layers[0][0][0, -1, :ALIBI_WIDTH] for group in groups.groups]
    assert torch.equal(keys[0], keys[1])
    assert torch.equal(keys[0], keys[2])
    assert float(keys[0][0] + keys[0][4]) == groups.reach - 1  # 128 a + b


def test_reading_the_new_text_in_chunks_equals_reading_it_at_once(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES])
    tokens = ids(model)
    cache = groups.new_cache(1, tokens.shape[1])
    parts = [
        groups.logits(part, cache=cache) for part in (tokens[:, :2], tokens[:, 2:3], tokens[:, 3:])
    ]
    assert differ(groups.logits(tokens), torch.cat(parts, dim=1)) < 1e-5


def test_a_batch_of_new_texts_equals_each_alone(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES])
    rows = torch.cat([ids(model), ids(model).flip(1)])
    both = groups.logits(rows)
    assert differ(both[:1], groups.logits(rows[:1])) < 1e-5
    assert differ(both[1:], groups.logits(rows[1:])) < 1e-5


def test_new_texts_read_in_one_row_do_not_see_each_other(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES])
    texts = [model.encode(text) for text in (NEW, " use", COAL)]
    for logits, text in zip(groups.logits_of(texts), texts, strict=True):
        assert differ(logits, groups.logits(torch.tensor([text]))[0]) < 1e-5


def test_scores_are_sums_of_log_probabilities(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES])
    answered = groups.score_continuations(" and a", [" coal", " ferry boat"])
    for said, score in zip((" coal", " ferry boat"), answered.log_probabilities, strict=True):
        asked, told = groups.encode(" and a"), groups.encode(said)
        logged = groups.logits(torch.tensor([asked + told])).log_softmax(-1)[0]
        expected = sum(float(logged[len(asked) - 1 + n, id]) for n, id in enumerate(told))
        assert score == pytest.approx(expected, abs=1e-4)


def test_groups_from_disk_equal_fresh_ones(model: CausalModel, tmp_path: Path) -> None:
    fresh = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path)
    again = read_groups(model, [FERRIES, HARBOUR], folder=tmp_path)
    assert [group.stored for group in fresh.groups + again.groups] == [False, False, True, True]
    assert torch.equal(
        read_groups(model, [HARBOUR, FERRIES], folder=tmp_path).logits(ids(model)),
        fresh.logits(ids(model)),
    )
    assert again.bill.cached_tokens == again.bill.prompt_tokens == fresh.tokens
    assert fresh.bill.cached_tokens == 0


def test_a_stored_group_is_used_by_another_set_that_begins_at_the_same_place(
    tmp_path: Path,
) -> None:
    model = own_model("rope")
    read_groups(model, [HARBOUR], folder=tmp_path, reach=40)
    later = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path, reach=40)
    assert [group.stored for group in later.groups] == [True, False]
    other = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path, reach=41)
    assert [group.stored for group in other.groups] == [False, False]


def test_other_weights_do_not_find_the_groups(tmp_path: Path) -> None:
    read_groups(own_model("rope"), [HARBOUR], folder=tmp_path)
    changed = own_model("rope", seed=1)
    changed.model.load_state_dict(own_model("rope").model.state_dict())
    assert fingerprint(changed) == fingerprint(own_model("rope"))
    with torch.no_grad():
        changed.model.embedding.weight[-1, -1] += 1e-6  # one number of one token's row
    assert fingerprint(changed) != fingerprint(own_model("rope"))
    assert not read_groups(changed, [HARBOUR], folder=tmp_path).groups[0].stored
    assert read_groups(own_model("rope"), [HARBOUR], folder=tmp_path).groups[0].stored


@pytest.mark.parametrize("harm", ["cut", "bit", "foreign", "empty", "text"])
def test_a_damaged_or_foreign_file_is_refused_and_the_group_read_again(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = own_model("rope")
    fresh = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path)
    store, (group, other) = Store(tmp_path, model), fresh.groups
    path = store.path(group.tokens, group.first)
    whole = path.read_bytes()
    if harm == "foreign":
        path.write_bytes(store.path(other.tokens, other.first).read_bytes())
    elif harm == "text":
        save_file(load_file(path), path, metadata={"key": path.stem, "sha256": "0"})
    else:
        bit = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
        path.write_bytes({"cut": whole[:-7], "bit": bit, "empty": b""}[harm])
    with caplog.at_level(logging.WARNING):
        again = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path)
    assert [group.stored for group in again.groups] == [False, True]
    assert path.name in caplog.text
    assert torch.equal(again.logits(ids(model)), fresh.logits(ids(model)))
    mended = read_groups(model, [HARBOUR, FERRIES], folder=tmp_path)
    assert all(group.stored for group in mended.groups)
    assert not list(tmp_path.glob("*.part"))


def test_the_bill_counts_the_groups_once_and_as_cached_afterwards() -> None:
    model = own_model("rope")
    groups = read_groups(model, [HARBOUR, FERRIES])
    lengths = [len(group.tokens) for group in groups.groups]
    assert groups.bill.prompt_tokens == sum(lengths)
    assert groups.bill.flops == sum(model.forward_flops(length) for length in lengths)
    bill = groups.score_continuations(" and", [" a"]).bill
    new = len(model.encode(" and") + model.encode(" a")) - 1
    assert (bill.prompt_tokens, bill.cached_tokens) == (sum(lengths) + new, sum(lengths))
    assert bill.flops == model.forward_flops(new, past=sum(lengths))
    assert bill.basis_of("seconds") == "measured"


def test_texts_are_packed_in_order_into_even_groups() -> None:
    model = own_model("rope")
    texts = [f"ferry {number} and a coal barge" for number in range(20)]
    longest = max(len(model.encode(text + "\n\n")) for text in texts)
    packed = pack(model, texts, 3 * longest)
    assert model.decode([id for group in packed for id in group]) == "".join(
        text + "\n\n" for text in texts
    )
    sizes = [len(group) for group in packed]
    assert max(sizes) <= 3 * longest
    assert max(sizes) - min(sizes[:-1]) <= longest


def test_parallel_windows_share_one_beginning() -> None:
    model = own_model("rope")
    lengths = [len(model.encode(text)) for text in (COAL, HARBOUR)]
    assert read_groups(model, [COAL, HARBOUR], scheme="parallel").tokens == sum(lengths) + 1
    assert read_groups(model, [COAL, HARBOUR]).tokens == sum(lengths) + 2


def test_groups_reach_beyond_one_context_and_leave_room_for_the_new_text() -> None:
    model = own_model("learned", context=32)
    groups = read_groups(model, [HARBOUR, FERRIES, COAL] * 10)
    assert groups.tokens > 5 * 32
    assert groups.context_tokens == 32 - groups.reach
    groups.logits(torch.ones(1, 32 - groups.reach, dtype=torch.int64))
    with pytest.raises(UsageError, match="32 rows"):
        groups.logits(torch.ones(1, 33 - groups.reach, dtype=torch.int64))


def test_what_cannot_be_read_is_refused() -> None:
    model = own_model("learned", context=16)
    with pytest.raises(UsageError, match="no groups"):
        read_groups(model, [])
    with pytest.raises(UsageError, match="Group 1 is empty"):
        read_groups(model, [COAL, ""])
    with pytest.raises(UsageError, match="Did you mean parallel"):
        read_groups(model, [COAL], scheme="paralel")  # type: ignore[arg-type]  # a user's typo
    with pytest.raises(UsageError, match="holds 16"):
        read_groups(model, [HARBOUR * 3])
    with pytest.raises(UsageError, match="do not fit before reach=2"):
        read_groups(model, [COAL], reach=2)
    with pytest.raises(UsageError, match="Text 0 is"):
        pack(model, [HARBOUR], 3)
    with pytest.raises(UsageError, match="at least one token"):
        read_groups(model, [COAL]).score_continuations("", [" a"])


def test_a_model_that_counts_positions_by_column_is_refused_but_reads_plainly() -> None:
    model = foreign_model("mpt")
    with pytest.raises(UsageError, match="counts positions itself"):
        read_groups(model, [HARBOUR, COAL])
    plain = read_groups(model, [HARBOUR, COAL], scheme="plain").logits(ids(model))
    prompt = [model.beginning, *model.encode(HARBOUR), *model.encode(COAL)]
    whole = model.logits(torch.cat([torch.tensor([prompt]), ids(model)], dim=1))
    assert differ(whole[:, len(prompt) :], plain) < 1e-5


def test_generating_after_groups_equals_generating_after_the_prompt(model: CausalModel) -> None:
    prompt = [model.beginning or 0, *model.encode(HARBOUR), *model.encode(NEW)]
    (whole,) = generate(model, [prompt], Request(8))
    groups = read_groups(model, [HARBOUR] * 3)
    made = groups.generate([Message("user", NEW)], most_tokens=8)
    assert made.text == whole.text
    assert made.cached_tokens == groups.tokens
    assert made.prompt_tokens == groups.tokens + len(model.encode(NEW))


def test_a_batch_of_unequal_prompts_writes_after_groups_what_each_would(
    model: CausalModel,
) -> None:
    groups = read_groups(model, [HARBOUR, FERRIES])
    prompts = [model.encode(text) for text in (NEW, " use", COAL)]
    together = generate(groups, prompts, Request(6))
    alone = [generate(groups, [prompt], Request(6, cached=False))[0] for prompt in prompts]
    assert [each.text for each in together] == [each.text for each in alone]


def test_a_text_is_scored_after_groups_as_after_the_prompt(model: CausalModel) -> None:
    groups = read_groups(model, [HARBOUR] * 2)
    whole = score_continuation(model, HARBOUR + NEW, " use it")
    assert groups.score_continuation(NEW, " use it").log_probability == pytest.approx(
        whole.log_probability, abs=1e-4
    )
