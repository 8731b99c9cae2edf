import re
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from isoflop.search import weights
from isoflop.search.encoder import Encoder
from isoflop.search.lexical import Words
from isoflop.search.rerank import Pieces, crowding, interaction, rerank

PASSAGES = [
    (1, "Physicians treat the sick in a hospital near the river."),
    (2, "The bakery sells rye bread, almond buns and cakes."),
    (3, "A bridge of five stone arches crosses the river."),
]


@pytest.fixture(scope="module")
def pieces(minilm: Encoder) -> Pieces:
    return Pieces.load(minilm)


def test_the_interaction_is_the_sum_of_weighted_best_matches() -> None:
    random = np.random.default_rng(5)
    table = random.normal(size=(50, 8)).astype(np.float32)
    rows = random.normal(size=(4, 8)).astype(np.float32)
    importance = np.array([0.5, 0.0, 2.0, 1.0], np.float32)
    passages = [np.array([3, 7, 49]), np.array([], np.int64), np.array([0, 7])]
    found = interaction(rows, importance, passages, Pieces(_tokenizer(), table))
    for passage, met in zip(passages, found, strict=True):
        expected = sum(
            weight * max((float(row @ table[piece]) for piece in passage), default=0.0)
            for row, weight in zip(rows, importance, strict=True)
        )
        assert met == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_text_has_the_pieces_its_tokenizer_finds(pieces: Pieces) -> None:
    folder = weights.locate(weights.MINILM)
    tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    text = "Zürich's unbelievable café (max_len=3.14): 東京 isn't naïve; e-mail me @home!"
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    assert pieces.of(text).tolist() == sorted(set(whole))
    assert pieces.of("").tolist() == []


def test_pieces_that_mean_the_same_lie_close(pieces: Pieces) -> None:
    doctor, physician, bread = (
        pieces.table[pieces.of(word)[0]] for word in ("doctor", "physician", "bread")
    )
    assert float(doctor @ physician) > 0.5 > float(doctor @ bread)
    assert np.linalg.norm(doctor) == pytest.approx(1, abs=1e-3)


def test_the_table_is_made_once(minilm: Encoder) -> None:
    first = Pieces.load(minilm).table

    def find() -> Path:
        raise AssertionError("the checkpoint is not needed again")

    again = Pieces.load(minilm, find).table
    assert again.shape == (30_522, minilm.width)
    assert np.array_equal(first, again)


def test_a_cache_that_cannot_be_written_is_done_without(
    minilm: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ISOFLOP_CACHE", str(tmp_path / "file"))
    pieces = Pieces.load(minilm, lambda: weights.locate(weights.MINILM))
    assert pieces.table.shape == (30_522, minilm.width)
    assert "ISOFLOP_CACHE" in caplog.text


def test_a_synonym_lifts_a_passage(pieces: Pieces, minilm: Encoder, tmp_path: Path) -> None:
    words = Words.create(tmp_path)
    words.update((id, "", text) for id, text in PASSAGES)
    query = "Where is a doctor?"
    candidates = [(id, 0.0, text) for id, text in PASSAGES]
    ranked = rerank(query, candidates, words.rarity(query), minilm, pieces)
    assert ranked[0][0] == 1
    assert ranked == sorted(ranked, key=lambda row: (-row[1], row[0]))


def test_a_crowd_is_the_ten_nearest_others() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(30, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = dict(enumerate(rows))
    candidates, others = (
        {id: vectors[id] for id in range(12)},
        {id: vectors[id] for id in range(25)},
    )
    for id, found in zip(candidates, crowding(candidates, others), strict=True):
        cosines = sorted(float(rows[id] @ rows[other]) for other in range(25) if other != id)
        assert found == pytest.approx(sum(cosines[-10:]) / 10, abs=1e-6)
    assert crowding(candidates, {}) == [0.0] * 12
    assert crowding({3: rows[3]}, {3: rows[3]}) == [0.0]


def test_words_without_rarity_leave_the_fused_order(pieces: Pieces, minilm: Encoder) -> None:
    candidates = [(7, 1.0, "anything"), (3, 2.0, ""), (5, 2.0, "else")]
    assert rerank("?!", candidates, [], minilm, pieces) == [(3, 2.0), (5, 2.0), (7, 1.0)]
    assert rerank("bread", [], [(0, 5, 1.0)], minilm, pieces) == []


def test_a_question_longer_than_the_encoder_reads_is_ranked(
    pieces: Pieces, minilm: Encoder
) -> None:
    query = "bread " * 2000
    rarity = [(found.start(), found.end(), 1.0) for found in re.finditer("bread", query)]
    candidates = [(id, 0.0, text) for id, text in PASSAGES]
    assert rerank(query, candidates, rarity, minilm, pieces)[0][0] == 2


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer
