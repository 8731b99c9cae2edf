"""Line ends of the other kind: nothing lost, every byte counted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.lm.line_ends import (
    CarriageReturns,
    all_carriage_returns,
    file_has_carriage_returns,
)
from isoflop.lm.tokenizer import train_tokenizer

MODEL = CarriageReturns(train_tokenizer(["one\n\ntwo\n three\n\n\n"] * 20, 280))


@given(st.text(alphabet="abc \n\u00e9", max_size=60))
def test_a_text_comes_back_and_each_of_its_bytes_is_counted(text: str) -> None:
    returned = text.replace("\n", "\r\n")
    ids = MODEL.encode(returned)
    assert MODEL.decode(ids) == returned
    assert sum(MODEL.byte_lengths(ids)) == len(returned.encode())


@pytest.mark.parametrize(
    ("text", "all_of_them"),
    [
        (b"a\r\nb\r\n", True),
        (b"a\r\nb\n", False),
        (b"a\rb\r\n", False),
        (b"none", False),
        (b"", False),
    ],
)
def test_texts_with_other_line_ends_are_left_as_they_are(
    text: bytes, all_of_them: bool, tmp_path: Path
) -> None:
    assert all_carriage_returns(text) == all_of_them
    file = tmp_path / "text"
    file.write_bytes(text)
    assert file_has_carriage_returns(file) == all_of_them


def test_a_return_at_the_border_of_two_blocks_is_seen_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoflop.lm.line_ends.BLOCK", 3)
    for text, expected in ((b"ab\r\ncd\r\n", True), (b"ab\r", False), (b"ab\rc", False)):
        (tmp_path / "text").write_bytes(text)
        assert file_has_carriage_returns(tmp_path / "text") == expected


def test_perplexity_counts_the_bytes_of_both_kinds_and_the_same_nats(tmp_path: Path) -> None:
    from isoflop.lm.own import OwnModel
    from isoflop.measure.perplexity import perplexity
    from isoflop.measure.windows import Reading

    model, text = OwnModel("prose"), "It was a dark night.\nNobody\u2019s lamp was lit.\n\n" * 8
    (tmp_path / "plain").write_bytes(text.encode())
    (tmp_path / "returns").write_bytes(text.replace("\n", "\r\n").encode())
    one, two = (
        perplexity(model, tmp_path / name, reading=Reading(window=64))
        for name in ("plain", "returns")
    )
    assert two.nats == pytest.approx(one.nats)
    assert one.scored_bytes == (tmp_path / "plain").stat().st_size
    assert two.scored_bytes == two.bytes == (tmp_path / "returns").stat().st_size
    assert two.carriage_returns
    assert not one.carriage_returns
