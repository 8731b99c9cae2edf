"""The encoder on the real weights."""

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import MissingWeights, UsageError
from isoflop.search import prepared, weights
from isoflop.search.bert import STEP
from isoflop.search.calibration_texts import TEXTS
from isoflop.search.checkpoint import WEIGHTS
from isoflop.search.encode import Encoder, load, minilm

IDENTITY = weights.MINILM.files[WEIGHTS]
SAMPLES = (
    "Tides follow the moon.",
    "The lighthouse keeper wrote down the wind every hour for thirty-one years, and nobody read "
    "it until a student of the weather found the books in a cellar in Aberdeen.",
    "Die Brücke über den Fluß wurde 1887 gebaut und im Krieg zerstört.",
    "while (queue.length > 0) { const [node, depth] = queue.shift(); seen.add(node.id); }",
    "| year | rain mm |\n| 2019 | 712.4 |\n| 2020 | 655.0 |\n| 2021 | 801.9 |",
)
# Lengths from one token to more than are read, so that every padded length occurs.
MIXED = tuple(
    " ".join(f"{word} {number}" for number in range(count))
    for word, count in itertools.product(("river", "Gebirge", "0x1f"), range(0, 225, 15))
)


@pytest.fixture(scope="module")
def exact() -> Encoder:
    return minilm(exact=True)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a * b).sum(axis=1))


def test_vectors_have_unit_length_and_the_order_of_their_texts(minilm: Encoder) -> None:
    encoded = minilm.encode(SAMPLES)
    assert encoded.vectors.shape == (len(SAMPLES), 384)
    assert encoded.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)
    backwards = minilm.encode(SAMPLES[::-1])
    np.testing.assert_array_equal(backwards.vectors[::-1], encoded.vectors)


def test_a_vector_is_the_same_to_the_last_bit_in_whatever_company(minilm: Encoder) -> None:
    together = minilm.encode(MIXED).vectors
    alone = np.concatenate([minilm.encode([text]).vectors for text in MIXED])
    np.testing.assert_array_equal(together, alone)
    shuffled = np.random.default_rng(0).permutation(len(MIXED))
    crowded = minilm.encode([*SAMPLES, *(MIXED[place] for place in shuffled), *MIXED]).vectors
    np.testing.assert_array_equal(crowded[len(SAMPLES) :][: len(MIXED)], together[shuffled])
    np.testing.assert_array_equal(crowded[-len(MIXED) :], together)


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=12))
def test_any_text_gets_the_same_vector_alone_and_in_a_batch(texts: list[str]) -> None:
    together = SHARED.encode(texts).vectors
    alone = np.concatenate([SHARED.encode([text]).vectors for text in texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


SHARED = load("minilm")


def test_the_number_of_threads_changes_no_bit(minilm: Encoder) -> None:
    np.testing.assert_array_equal(
        load("minilm", threads=1).encode(MIXED).vectors, minilm.encode(MIXED).vectors
    )


def test_threads_that_share_an_encoder_get_their_own_vectors(minilm: Encoder) -> None:
    expected = minilm.encode(MIXED).vectors
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = minilm.encode(MIXED).vectors

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found.values():
        np.testing.assert_array_equal(vectors, expected)


def test_int8_keeps_the_vectors_of_fp32(minilm: Encoder, exact: Encoder) -> None:
    if ":fp32:" in minilm.name:
        pytest.skip("this processor computes int8 too coarsely, so fp32 is used")
    closeness = cosines(minilm.encode(SAMPLES).vectors, exact.encode(SAMPLES).vectors)
    assert closeness.mean() > 0.995
    assert closeness.min() > 0.99


def test_int8_ranks_foreign_passages_as_fp32_does(
    minilm: Encoder, exact: Encoder, evaldata: Path
) -> None:
    articles = json.loads((evaldata / "xquad" / "xquad.en.json").read_text())["data"][:12]
    texts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    coarse, fine = minilm.encode(texts).vectors, exact.encode(texts).vectors
    assert cosines(coarse, fine).mean() > 0.99
    nearest = [(v @ v.T - 2 * np.eye(len(v))).argmax(axis=1) for v in (coarse, fine)]
    assert (nearest[0] == nearest[1]).mean() > 0.9


def test_two_arithmetics_have_two_names(minilm: Encoder, exact: Encoder) -> None:
    assert exact.name == f"minilm:{IDENTITY[:12]}:fp32:{prepared.RECIPE}"
    assert minilm.name != exact.name or ":fp32:" in minilm.name


def test_like_is_nearer_than_unlike(minilm: Encoder) -> None:
    cat, feline, revenue = minilm.encode(
        ["The cat slept on the mat.", "A feline dozed on a rug.", "Quarterly revenue rose 5 %."]
    ).vectors
    assert cat @ feline > 0.5 > 0.2 > cat @ revenue


def test_tokens_are_counted_with_and_without_padding(minilm: Encoder) -> None:
    encoded = minilm.encode(["one two three", "word " * 400])
    assert encoded.tokens == 5 + 256  # [CLS] and [SEP] count; a long text is cut
    assert encoded.padded_tokens == STEP + 256


def test_the_end_of_a_long_text_is_not_read(minilm: Encoder) -> None:
    long = "river " * 254
    vectors = minilm.encode([long, long + "and then it was read no further"]).vectors
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_no_texts_give_no_vectors(minilm: Encoder) -> None:
    encoded = minilm.encode([])
    assert (encoded.vectors.shape, encoded.tokens, encoded.padded_tokens) == ((0, 384), 0, 0)
    assert minilm.token_vectors([]) == []


@given(st.text(max_size=200))
def test_token_offsets_are_ordered_stretches_of_the_text(text: str) -> None:
    end = 0
    for start, stop in SHARED.token_offsets(text):
        assert end <= start < stop <= len(text) or start >= end - 1
        end = stop


def test_token_offsets_name_every_token_once_however_long_the_text(minilm: Encoder) -> None:
    text = "Unbelievable! " * 300
    offsets = minilm.token_offsets(text)
    assert text[slice(*offsets[0])] == "Unbelievable"
    assert len(offsets) == 600


def test_half_characters_are_read_as_unknown_rather_than_refused(minilm: Encoder) -> None:
    broken = "a \ud800 b"
    assert np.isfinite(minilm.encode([broken]).vectors).all()
    assert minilm.token_offsets(broken)[-1] == (4, 5)


def test_token_vectors_are_unit_rows_whose_text_has_that_many_tokens(minilm: Encoder) -> None:
    rows = minilm.token_vectors([*SAMPLES, "word " * 400])
    assert [len(row) for row in rows[:-1]] == [
        len(minilm.token_offsets(text)) + 2 for text in SAMPLES
    ]
    assert len(rows[-1]) == minilm.max_tokens
    for row in rows:
        np.testing.assert_allclose(np.linalg.norm(row, axis=1), 1, atol=1e-5)
    alone = minilm.token_vectors([SAMPLES[1]])[0]
    np.testing.assert_array_equal(alone, rows[1])


def test_an_unknown_encoder_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean minilm"):
        load("minilmm")


def test_weights_that_are_not_the_pinned_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = weights.locate(weights.MINILM)
    other = tmp_path / "minilm"
    other.mkdir()
    for name in weights.MINILM.files:
        (other / name).write_bytes((real / name).read_bytes())
    with (other / WEIGHTS).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    monkeypatch.setenv("ISOFLOP_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("ISOFLOP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MissingWeights, match=IDENTITY):
        load("minilm")


def test_encoding_loads_neither_torch_nor_the_converter_that_reports_to_a_host() -> None:
    code = (
        "import sys; from isoflop.search.encode import load; load().encode(['x']);"
        "print([n for n in sys.modules if 'telemetry' in n or n in ('torch', 'onnxruntime')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_calibration_texts_are_of_many_lengths(minilm: Encoder) -> None:
    lengths = [len(minilm.token_offsets(text)) for text in TEXTS]
    assert min(lengths) == 0
    assert max(lengths) > 80
    assert sum(lengths) > 2 * minilm.max_tokens
