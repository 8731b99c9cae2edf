import bz2
import gzip
import json
import lzma
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from isoflop.cli import group
from isoflop.errors import UsageError
from isoflop.lm import checkpoint
from isoflop.lm.own import OwnModel
from isoflop.measure.compression import coder, files
from isoflop.measure.compression.adaptive import Document
from isoflop.measure.compression.coder import decode, encode
from isoflop.measure.compression.container import DamagedFile
from isoflop.measure.compression.files import compress, decompress
from isoflop.measure.compression.lockstep import Lockstep, spans
from isoflop.measure.compression.rivals import pays_from, sizes
from isoflop.measure.perplexity import perplexity
from isoflop.measure.windows import Reading
from tests.measure.conftest import MakeModel


@pytest.fixture
def text(prose: str) -> str:
    """Long enough that the cache is filled several times."""
    return prose[:1200] + " na\u00efve \u4e2d\u6587 \U0001f600\r\n"


def test_what_was_compressed_comes_back(model: OwnModel, text: str, tmp_path: Path) -> None:
    source, small, back = (tmp_path / name for name in ("text", "small", "back"))
    source.write_bytes(text.encode())
    found = compress(source, small, model)
    assert (found.size, found.coded, found.reasons) == (len(text.encode()),) * 2 + ((),)
    assert found.compressed == small.stat().st_size
    assert decompress(small, back, model) == found.size
    assert back.read_bytes() == source.read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted([source, small, back])  # nothing half written


@pytest.mark.parametrize("streams", [1, 3, 7])
def test_any_number_of_stretches_gives_the_tokens_back(
    model: OwnModel, text: str, streams: int
) -> None:
    tokens = np.array(model.encode(text[:500]), np.int64)
    coded, ideal = encode(model, tokens, streams)
    assert ideal <= 8 * len(coded) <= 1.003 * ideal + 64
    np.testing.assert_array_equal(decode(model, coded, len(tokens), streams), tokens)


def test_without_counts_the_ideal_length_is_the_models_own(model: OwnModel, text: str) -> None:
    tokens = np.array(model.encode(text[:120]), np.int64)
    assert len(tokens) < 64  # one window
    lockstep = Lockstep(model, 1, adaptive=False)
    for token in tokens:
        mixed = lockstep.predictions()
        assert mixed.sum() == pytest.approx(1, abs=1e-5)
        lockstep.came(np.array([token]), mixed)
    alone = perplexity(model, model.decode(tokens.tolist()), reading=Reading(64))
    assert lockstep.nats == pytest.approx(alone.nats, rel=2e-3)  # an even share


def test_counts_of_the_document_make_a_repeated_text_cheap(model: OwnModel, text: str) -> None:
    tokens = np.array(model.encode(text[:300]), np.int64)
    _, once = encode(model, tokens, 1)
    _, twice = encode(model, np.concatenate([tokens, tokens]), 1)
    assert twice - once < 0.4 * once


def test_mixed_predictions_are_the_formula_and_sum_to_one() -> None:
    document = Document(1)
    own = np.full((1, 4), 0.25)
    document.learn(np.array([2]), np.array([0.25]))
    document.learn(np.array([3]), np.array([0.25]))  # 3 after 2
    document.learn(np.array([2]), np.array([0.25]))
    mixed = document.mixed(own.copy())
    a = 0.4 / 2.0  # the first weight
    np.testing.assert_allclose(mixed, [[0.2, 0.2, 0.2, 0.2 + a]])
    document.learn(np.array([3]), own[0, 3:])
    first = a / (0.8 * 0.25 + a)
    a = (0.4 + first) / 3.0
    document.learn(np.array([2]), np.array([0.25]))  # 2 after 3, which was seen once
    second = a / ((1 - a) * 0.25 + a)
    assert document._weights[(1, 1, 1)] == pytest.approx([4.0, 0.4 + first + second])
    assert document.mixed(own.copy()).sum() == pytest.approx(1)


def test_spans_tile_the_text_longer_ones_first() -> None:
    for tokens, streams in [(10, 3), (3, 3), (7, 7), (1, 1), (100, 64)]:
        found = spans(tokens, streams)
        assert [i for span in found for i in range(span.start, span.stop)] == list(range(tokens))
        lengths = [span.stop - span.start for span in found]
        assert lengths == sorted(lengths, reverse=True)
        assert max(lengths) - min(lengths) <= 1


def test_any_flipped_bit_is_an_error_and_nothing_is_written(
    model: OwnModel, text: str, tmp_path: Path
) -> None:
    source, small, back = (tmp_path / name for name in ("text", "small", "back"))
    source.write_text(text[:200])
    compress(source, small, model)
    whole = small.read_bytes()
    draw = random.Random(0)
    places = {0, 5, 9, len(whole) - 1, len(whole) - 9, *draw.sample(range(len(whole)), 60)}
    for place in places:
        small.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :]
        )
        with pytest.raises(DamagedFile):
            decompress(small, back, model)
        assert not back.exists()
    for length in (0, 3, 8, 30, len(whole) - 1):
        small.write_bytes(whole[:length])
        with pytest.raises(DamagedFile):
            decompress(small, back, model)


def test_another_model_is_refused_by_name(
    model: OwnModel, make_model: MakeModel, text: str, tmp_path: Path
) -> None:
    source, small = tmp_path / "text", tmp_path / "small"
    source.write_text(text[:100])
    compress(source, small, model)
    with pytest.raises(UsageError, match=r"compressed with isoflop:small-0 .* is another model"):
        decompress(small, tmp_path / "back", make_model(seed=9))


def test_a_machine_with_other_bits_is_refused(
    model: OwnModel, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, small = tmp_path / "text", tmp_path / "small"
    source.write_text(text[:100])
    compress(source, small, model)
    monkeypatch.setattr(files, "fingerprint", lambda model: bytes(8))
    with pytest.raises(UsageError, match="predictions have other bits than where"):
        decompress(small, tmp_path / "back", model)


def test_a_chunk_that_does_not_come_back_goes_to_xz(
    model: OwnModel, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, small, back = (tmp_path / name for name in ("text", "small", "back"))
    source.write_bytes(text.encode())
    monkeypatch.setattr(files, "CHUNK_BYTES", 700)
    real, calls = coder.decode, []

    def wrong_once(*arguments):  # type: ignore[no-untyped-def]
        calls.append(arguments)
        return real(*arguments) ^ (len(calls) == 1)

    monkeypatch.setattr(files, "decode", wrong_once)
    found = compress(source, small, model)
    assert found.reasons == ("it did not come back when it was decoded",)
    assert 0 < found.coded < found.size
    decompress(small, back, model)
    assert back.read_bytes() == text.encode()


def test_what_is_no_text_goes_to_xz_and_says_so(model: OwnModel, tmp_path: Path) -> None:
    source, small, back = (tmp_path / name for name in ("picture", "small", "back"))
    source.write_bytes(random.Random(0).randbytes(3000))
    found = compress(source, small, model)
    assert found.coded == 0
    assert "not UTF-8 text" in found.reasons[0]
    decompress(small, back, model)
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("text", ["", "a", "\ufeff\r\n\x00"])
def test_the_shortest_files_come_back(model: OwnModel, tmp_path: Path, text: str) -> None:
    source, small, back = (tmp_path / name for name in ("text", "small", "back"))
    source.write_bytes(text.encode())
    compress(source, small, model)
    decompress(small, back, model)
    assert back.read_bytes() == text.encode()


def test_a_second_process_with_other_threads_decodes_the_same(
    model: OwnModel, text: str, tmp_path: Path
) -> None:
    checkpoint.save(model.model, model.tokenizer, tmp_path / "model")
    source, small, back = (tmp_path / name for name in ("text", "small", "back"))
    source.write_bytes(text.encode())
    asked = ["--model", f"isoflop:{tmp_path / 'model'}"]
    run = CliRunner().invoke(
        group, ["compress", str(source), "--out", str(small), *asked, "--json"]
    )
    printed = json.loads(run.stdout)
    assert printed["compressed_bytes"] == small.stat().st_size
    assert printed["coder_bits"] <= 1.003 * printed["ideal_bits"] + 64
    assert printed["rivals"]["xz -9"]["bytes"] == len(lzma.compress(source.read_bytes(), preset=9))
    assert printed["model_bytes"] > (tmp_path / "model" / "model.safetensors").stat().st_size
    code = (
        "import sys, torch; torch.set_num_threads(2); from isoflop.cli import main;"
        "sys.argv = ['isoflop', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, "decompress", str(small), "--out", str(back), *asked]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    second = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert back.read_bytes() == source.read_bytes()


def test_files_that_cannot_be_read_or_written_are_named(model: OwnModel, tmp_path: Path) -> None:
    source = tmp_path / "text"
    with pytest.raises(UsageError, match="text: no such file"):
        compress(source, tmp_path / "small", model)
    source.write_text("The tide.")
    with pytest.raises(UsageError, match="is the file itself"):
        compress(source, source, model)
    with pytest.raises(UsageError, match=r"nowhere/small cannot be written: No such file"):
        compress(source, tmp_path / "nowhere" / "small", model)
    with pytest.raises(DamagedFile, match="was not written by 'isoflop compress'"):
        decompress(source, tmp_path / "back", model)
    assert source.read_text() == "The tide."


def test_threads_are_as_before_afterwards(model: OwnModel, text: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(text[:50])
    torch.set_num_threads(2)
    compress(tmp_path / "text", tmp_path / "small", model)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_rivals_that_read_a_file_in_parts_make_what_they_make_of_the_whole(text: str) -> None:
    data = text.encode() * 40
    whole = {
        "gzip -9": len(gzip.compress(data, 9)),
        "bzip2 -9": len(bz2.compress(data, 9)),
        "xz -9": len(lzma.compress(data, preset=9)),
        "brotli -q 11": len(pytest.importorskip("brotli").compress(data, quality=11)),
    }
    found = sizes(data[at : at + 1000] for at in range(0, len(data), 1000))
    assert {name: found[name] for name in whole} == whole
    zstd = pytest.importorskip("backports.zstd")
    # with the size in its header unknown, it may differ by a few bytes
    assert found["zstd -19"] == pytest.approx(len(zstd.compress(data, level=19)), abs=16)


def test_a_model_pays_for_itself_where_the_savings_are_its_size() -> None:
    assert pays_from(1.0, 3.0, 1000) == 4000  # 4,000 bytes: 500 + 1,000 against 1,500
    assert pays_from(3.0, 2.0, 1000) is None
