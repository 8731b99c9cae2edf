import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import DamagedCheckpoint, UsageError
from isoflop.lm.tokenizer import (
    CHAT,
    CUT,
    END,
    PIECE_CHARACTERS,
    Tokenizer,
    pieces,
    train_tokenizer,
)

TEXT = (
    "The ferry leaves Wexcombe at six, and the ferry's horn is heard in Mill Lane.\n\n"
    "    It  didn't rain in 1932; the bakery sold 1,250 buns — „ganz frisch“, sagte man.\n\n\n"
) * 20
TOKENIZER = train_tokenizer([TEXT], 340)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_every_text_comes_back_byte_for_byte(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.decode_bytes(ids) == text.encode()
    assert sum(TOKENIZER.byte_lengths(ids)) == len(text.encode())


@given(st.lists(st.sampled_from([END, *CHAT, "a", " ", "\n", "<|"]), max_size=6).map("".join))
def test_no_text_becomes_a_special_token(text: str) -> None:
    for tokenizer in (TOKENIZER, train_tokenizer([TEXT], 300, special=(END, *CHAT))):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert not {tokenizer.end} & set(ids)


def test_special_tokens_stand_for_no_bytes_and_show_no_text() -> None:
    ids = [TOKENIZER.end, *TOKENIZER.encode("the bun"), TOKENIZER.end]
    assert TOKENIZER.byte_lengths(ids)[0] == 0
    assert sum(TOKENIZER.byte_lengths(ids)) == len("the bun")
    assert TOKENIZER.decode(ids) == "the bun"


def test_a_token_that_is_half_a_character_has_its_one_byte() -> None:
    tokenizer = train_tokenizer(["plain"], 257)
    ids = tokenizer.encode("é€")
    assert tokenizer.byte_lengths(ids) == [1, 1, 1, 1, 1]
    assert tokenizer.decode(ids[:1]) == "\ufffd"
    assert tokenizer.decode_bytes(ids[:1]) == b"\xc3"


@given(st.text(st.sampled_from("ab \n\t'.1é\u2003")), st.integers(1, 7))
def test_a_text_cut_where_it_may_be_has_the_tokens_of_the_whole(text: str, every: int) -> None:
    cuts = [match.start() for match in CUT.finditer(text)][::every]
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = TOKENIZER.inner.encode(text).ids
    assert [id for part in parts for id in TOKENIZER.inner.encode(part).ids] == whole


def test_a_long_text_is_cut_and_keeps_its_tokens() -> None:
    text = TEXT * 60
    assert len(text) > 2 * PIECE_CHARACTERS
    assert len(list(pieces(text))) > 2
    assert "".join(pieces(text)) == text
    assert TOKENIZER.encode(text) == TOKENIZER.inner.encode(text).ids


def test_a_text_without_a_place_to_cut_is_one_piece() -> None:
    assert list(pieces("é" * (PIECE_CHARACTERS + 1))) == ["é" * (PIECE_CHARACTERS + 1)]


def test_training_on_the_same_texts_makes_the_same_tokenizer() -> None:
    assert train_tokenizer([TEXT], 340).to_json() == TOKENIZER.to_json()


def test_pairs_that_repeat_become_tokens() -> None:
    assert len(TOKENIZER.encode(TEXT)) < len(TEXT.encode()) / 2
    assert train_tokenizer([TEXT], 300).vocabulary == 300


def test_short_texts_make_a_smaller_vocabulary_than_was_asked_for() -> None:
    tokenizer = train_tokenizer(["abab"], 1000)
    assert 257 < tokenizer.vocabulary < 270


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"vocabulary=256 .* at least 257"):
        train_tokenizer([TEXT], 256)


def test_a_saved_tokenizer_is_loaded_with_the_same_ids(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.encode(TEXT + END) == TOKENIZER.encode(TEXT + END)
    assert (loaded.vocabulary, loaded.end) == (TOKENIZER.vocabulary, TOKENIZER.end)
    assert loaded.to_json() == TOKENIZER.to_json()


def _damages() -> Iterator[bytes]:
    whole = TOKENIZER.to_json().encode()
    yield whole[: len(whole) // 2]
    yield b"\xff" + whole
    yield b"{}"
    yield b""


@pytest.mark.parametrize("data", list(_damages()))
def test_a_damaged_tokenizer_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=r"tokenizer\.json is damaged"):
        Tokenizer.load(tmp_path)


def test_an_absent_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tokenizer at .*tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_a_tokenizer_of_words_is_refused(tmp_path: Path) -> None:
    loaded = json.loads(TOKENIZER.to_json()) | {"pre_tokenizer": {"type": "Whitespace"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(loaded))
    with pytest.raises(UsageError, match="not a byte-level tokenizer"):
        Tokenizer.load(tmp_path)


def test_transformers_loads_it_with_the_same_ids(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    train_tokenizer([TEXT], 400, special=(END, *CHAT)).save(tmp_path)
    ours, theirs = Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in (TEXT, "", " a  b\r\n", "é€😀", "x .y 's"):
        ids = ours.encode(text)
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == text
    assert (theirs.bos_token_id, theirs.eos_token_id) == (ours.end, ours.end)
    assert len(theirs) == ours.vocabulary
    messages = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Oakley."}]
    assert theirs.apply_chat_template(messages, tokenize=False) == (
        f"<|user|>Who?{END}<|assistant|>Oakley.{END}"
    )
