"""Tokens laid onto the bytes of their text, with a real byte-level tokenizer as the oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from isoflop.lm.logprobs import Tokens
from isoflop.lm.spelling import spelled

TEXT = (
    "The cat sat on the mat. 日本語の猫 naïve façade 😀😀 Привет мир — “quoted” words, words. " * 3
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Byte-level BPE whose tokens often hold pieces of characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


TEXTS = st.text(max_size=40) | st.lists(st.sampled_from(TEXT), max_size=60).map("".join)


@given(text=TEXTS, after=st.integers(0, 1))
def test_tokens_spell_any_text_with_as_many_bytes_as_the_tokenizer_gave_them(
    tokenizer: Tokenizer, text: str, after: int
) -> None:
    encoded = tokenizer.encode(text)
    strings = [tokenizer.decode([each], skip_special_tokens=False) for each in encoded.ids]
    found = spelled(["<s>", *strings, *["next"] * after], text)
    assert found is not None
    before, lengths = found
    assert (before, sum(lengths)) == (1 if text else 0, len(text.encode()))
    assert len(lengths) == len(encoded.ids)  # of a character at the end, its last piece too
    # in the vocabulary every byte is one letter; where only one cut is possible, it is that one
    if all("\ufffd" not in each for each in strings):
        assert lengths == [len(each) for each in encoded.tokens]


def test_pieces_of_characters_get_their_own_bytes(tokenizer: Tokenizer) -> None:
    encoded = tokenizer.encode("語 — 😀語")
    strings = [tokenizer.decode([each]) for each in encoded.ids]
    assert "\ufffd" in strings
    assert spelled(strings, "語 — 😀語") == (0, [len(each) for each in encoded.tokens])


@pytest.mark.parametrize(
    ("tokens", "text", "found"),
    [
        (["The", " cat"], "The cat", (0, [3, 4])),
        (["<s>", "The", " cat", "."], "The cat", (1, [3, 4])),
        (["", "The", " cat"], "The cat", (0, [0, 3, 4])),  # a beginning decoded to nothing
        (["The", "cat"], "The cat", (0, [3, 4])),  # SentencePiece, decoded one by one
        ([" The", " cat"], "The cat", (0, [3, 4])),  # SentencePiece, llama-cpp-python
        (["", "", "日"], "日", (0, [0, 0, 3])),  # vLLM: the last piece has all
        (["bytes:\\xe6\\x97", "bytes:\\xa5"], "日", (0, [2, 1])),  # OpenAI's davinci-002
        ([None, "at", " sat"], "The cat sat", (0, [5, 2, 4])),
        ([None, "a", "a"], "aaaaa", (0, [3, 1, 1])),
        ([None, "The"], "The", (0, [0, 3])),
        (["The", " dog"], "The cat", None),
        (["The"], "The cat", None),
        ([], "The cat", None),
        (["a", "b", "c", "The"], "The", None),
    ],
)
def test_the_ways_in_which_servers_write_tokens(
    tokens: list[str | None], text: str, found: tuple[int, list[int]] | None
) -> None:
    assert spelled(tokens, text) == found


def test_a_token_across_the_boundary_counts_whole_with_its_bytes_told_apart() -> None:
    tokens = Tokens()
    for written, value in (("The", None), (" cat", -1.0), ("s", -2.0), (" sat", -3.0)):
        tokens.add(written, value)
    whole = tokens.of("The cats sat")
    assert whole is not None
    assert (whole.tokens, whole.byte_lengths) == (("The", " cat", "s", " sat"), (3, 4, 1, 4))
    assert whole.log_probability is None
    clean = tokens.of("The cats sat", len("The cat"))
    assert clean is not None
    assert (clean.tokens, clean.prompt_bytes, clean.log_probability) == (("s", " sat"), 0, -5.0)
    cut = tokens.of("The cats sat", len("The c"))
    assert cut is not None
    assert (cut.tokens, cut.prompt_bytes) == ((" cat", "s", " sat"), 2)
    assert (cut.byte_lengths, cut.log_probability) == ((2, 1, 4), -6.0)


def test_pieces_that_leave_their_bytes_to_the_last_one_stay_with_it() -> None:
    tokens = Tokens()
    for written, value in (("a", None), ("", -1.0), ("", -2.0), ("日", -3.0)):
        tokens.add(written, value)
    scored = tokens.of("a日", 1)
    assert scored is not None
    assert (scored.log_probability, scored.byte_lengths) == (-6.0, (0, 0, 3))
