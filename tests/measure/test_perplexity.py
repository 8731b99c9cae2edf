import json
import math
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from isoflop.cli import group
from isoflop.errors import UsageError
from isoflop.lm import checkpoint
from isoflop.lm.own import OwnModel
from isoflop.measure.likelihood import score, score_pieces
from isoflop.measure.perplexity import perplexity
from isoflop.measure.windows import Reading


@pytest.fixture
def stored(model: OwnModel, tmp_path: Path) -> Path:
    """The small model as a folder."""
    checkpoint.save(model.model, model.tokenizer, tmp_path / "small")
    return tmp_path / "small"


def test_every_figure_is_the_same_sum_over_another_count(model: OwnModel, prose: str) -> None:
    text = prose[:3000] + " na\u00efve \u4e2d\u6587 \U0001f600\r\n"
    found = perplexity(model, text)
    nats = score(model, text).nats
    size, words = len(text.encode()), len(text.split())
    assert (found.bytes, found.scored_bytes, found.words) == (size, size, words)
    assert found.scored_tokens == len(model.encode(text))
    assert found.nats == pytest.approx(nats, rel=1e-12)
    assert found.perplexity == pytest.approx(math.exp(nats / found.scored_tokens))
    assert found.perplexity_per_word == pytest.approx(math.exp(nats / words))
    assert found.perplexity_per_byte == pytest.approx(2**found.bits_per_byte)
    assert found.bits_per_byte * size * math.log(2) == pytest.approx(nats)


def test_a_file_is_read_as_its_text_whatever_the_block(
    model: OwnModel, prose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\ufeff" + prose[:2000].replace("\n", "\r\n") + "\u4e2d" * 50
    file = tmp_path / "text.txt"
    file.write_bytes(text.encode())
    whole = perplexity(model, text)
    monkeypatch.setattr("isoflop.measure.predicted.READ_BYTES", 7)  # cuts characters
    found = perplexity(model, file)
    assert found.bytes == file.stat().st_size
    assert found.nats == pytest.approx(whole.nats, rel=1e-7)
    assert found.words == whole.words


def test_a_sliding_window_that_moves_by_itself_does_not_overlap(
    model: OwnModel, prose: str
) -> None:
    apart = perplexity(model, prose[:2000])
    sliding = perplexity(model, prose[:2000], reading=Reading(64, 64))
    assert sliding.nats == apart.nats
    assert perplexity(model, prose[:2000], reading=Reading(64, 16)).nats != apart.nats


def test_the_interval_is_that_of_a_ratio_over_blocks(model: OwnModel, prose: str) -> None:
    found = perplexity(model, prose[:4000])
    nats, tokens, sizes = np.array(found.blocks).T
    assert tokens[:-1].min() >= 64
    assert sizes.sum() == 4000
    ratio = nats.sum() / sizes.sum() / math.log(2)
    strays = nats / math.log(2) - ratio * sizes
    error = math.sqrt(len(nats) / (len(nats) - 1) * (strays @ strays)) / sizes.sum()
    assert found.interval is not None
    assert found.interval.value == pytest.approx(found.bits_per_byte)
    assert found.interval.standard_error == pytest.approx(error)
    assert perplexity(model, prose[:300]).interval is None


def test_what_is_no_text_is_refused(model: OwnModel, tmp_path: Path) -> None:
    binary = tmp_path / "picture.png"
    binary.write_bytes(b"\x89PNG\r\n" + bytes(range(256)))
    with pytest.raises(UsageError, match=r"picture.png is not UTF-8 text \(near byte 0: "):
        perplexity(model, binary)
    (tmp_path / "cut.txt").write_bytes("gr\u00f6\u00dfe".encode()[:-2])
    with pytest.raises(UsageError, match="not UTF-8 text"):
        perplexity(model, tmp_path / "cut.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UsageError, match="The text is empty"):
        perplexity(model, tmp_path / "empty.txt")


def test_one_token_has_a_perplexity_where_a_token_begins_texts(model: OwnModel) -> None:
    found = perplexity(model, "a")
    assert (found.tokens, found.scored_tokens, found.bytes) == (1, 1, 1)
    assert found.as_dict()["prefix"] == "beginning token"


def test_the_command_prints_both_windows_for_several_files(
    stored: Path, prose: str, tmp_path: Path
) -> None:
    for name, text in (("one.txt", prose[:1500]), ("two.txt", prose[2000:2400])):
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in ("one.txt", "two.txt")]
    asked = ["perplexity", *names, "--model", f"isoflop:{stored}", "--stride", "16"]
    run = CliRunner().invoke(group, [*asked, "--json"], catch_exceptions=False)
    printed = json.loads(run.stdout)
    assert [row["text"] for row in printed["texts"]] == names
    windows = printed["texts"][0]["windows"]
    assert [(each["window"], each["stride"]) for each in windows] == [(64, 64), (64, 16)]
    assert {each["scored_bytes"] for each in windows} == {1500}
    assert windows[0]["bits_per_byte"] != windows[1]["bits_per_byte"]
    shown = CliRunner().invoke(group, asked, catch_exceptions=False)
    assert f"{windows[1]['bits_per_byte']:.4f}" in shown.stdout
    assert "64 sliding by 16" in shown.stdout
    assert "predicted from the token that begins texts" in shown.stderr


def test_a_server_that_gives_no_logits_cannot_compress(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.")
    asked = ["compress", str(tmp_path / "a.txt"), "--out", str(tmp_path / "b"), "--model"]
    run = CliRunner().invoke(group, [*asked, "openai:x"])
    assert isinstance(run.exception, UsageError)
    assert "runs on a server, which gives no logits" in str(run.exception)


def test_the_beginning_of_an_endless_text_is_read_without_its_end(model: OwnModel) -> None:
    endless = repeat("The tide comes in and the tide goes out again.")
    streams = score_pieces(model, endless, reading=Reading(64, batch=2))
    assert sum(len(next(streams)) for _ in range(20)) == 20 * 64
