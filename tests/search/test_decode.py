# ruff: noqa: RUF001 - marks and letters of many scripts are meant
"""Text is told from its bytes, whatever it is written in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import Unreadable
from isoflop.search.read.encoding import decode


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naïve – “quoted”"),
        ("utf-8-sig", "naïve – “quoted”"),
        ("utf-16", "naïve, in words enough"),
        ("utf-16-le", "naïve, in words enough"),
        ("utf-16-be", "naïve, in words enough"),
        ("utf-32", "naïve, in words enough"),
        ("cp1252", "naïve – “quoted” words: déjà vu, garçon, où ça"),
        ("cp932", "これは文字コードのテストです。"),
        ("euc-jp", "これは文字コードのテストです。"),
        ("gb18030", "这是一个测试文件，用于检查编码"),
        ("big5", "這是一個測試文件，用於檢查編碼"),
        ("cp949", "안녕하세요 이것은 시험입니다"),
        ("cp1251", "Привет мир, это проверка кодировки текста"),
        ("koi8-r", "Привет мир, это проверка кодировки текста"),
        ("cp1253", "Καλημέρα κόσμε, αυτό είναι ένα τεστ"),
    ],
)
def test_text_is_decoded_whatever_it_is_written_in(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_one_broken_byte_does_not_change_the_language_of_a_file() -> None:
    assert decode("Grüße, schöne Grüße, ähnliche Öfen".encode() + b"\xff") == (
        "Grüße, schöne Grüße, ähnliche Öfen\ufffd"
    )


def test_line_ends_become_newlines() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


@given(st.binary(max_size=300))
def test_decoded_text_can_always_be_stored(data: bytes) -> None:
    try:
        text = decode(data)
    except Unreadable:
        return
    assert text.encode("utf-8").decode("utf-8") == text
    assert "\x00" not in text
    assert "\r" not in text
