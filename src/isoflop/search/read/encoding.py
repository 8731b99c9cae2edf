"""Bytes to text: which encoding, or that it is not text at all."""

import codecs
import re

from charset_normalizer import from_bytes

from isoflop.errors import Unreadable

# Longer marks first: the one of UTF-32 begins with the one of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What legacy files are written in, commonest first: an even guess goes to the earlier. Left to
# all the encodings there are, short Latin texts come out as those of old Macintoshes.
LEGACY = (
    "cp1252", "cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp1250",
    "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256",
)  # fmt: skip
SAMPLE_BYTES = 1 << 16
# Control characters that text does not hold; tab, newline, form feed and escape it may.
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b\x08"))
BINARY = "is not text (binary data). Convert it to a readable kind, or leave it out"


def decode(data: bytes) -> str:
    """The text of a plain file, its line ends made newlines.

    A byte order mark decides; then UTF-8, in which one broken character in three that are not
    ASCII is replaced, for a damaged file is still its language; then what the bytes look like.

    Raises:
        Unreadable: If it is not text.
    """
    text = _decoded(data)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


def _decoded(data: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    wide = _utf16_without_mark(data[:SAMPLE_BYTES])
    if wide:
        return data.decode(wide, "replace")
    if is_binary(data[:SAMPLE_BYTES]):
        raise Unreadable(BINARY)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _damaged_utf8(data) or _guessed(data)


def is_binary(sample: bytes) -> bool:
    """Whether the first bytes of a file hold what text does not.

    One control character in two hundred is forgiven: logs hold stray ones.
    """
    if sample.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS)):
        return False
    strange = len(sample) - len(sample.translate(None, CONTROLS))
    return strange * 200 > len(sample) and not _utf16_without_mark(sample)


def _utf16_without_mark(sample: bytes) -> str | None:
    """UTF-16 of mostly Latin text: every other byte is zero, and the rest is text."""
    sample = sample[: len(sample) // 2 * 2]
    if len(sample) < 8 or b"\x00" not in sample:
        return None
    for high, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = sample[high::2].count(0)
        low = sample[1 - high :: 2]
        if zeros * 2 >= len(low) * 1.6 and not low.count(0) and not is_binary(low):
            return encoding
    return None


def _damaged_utf8(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return text if broken * 3 <= foreign else None


def _guessed(data: bytes) -> str:
    """The likeliest legacy encoding, judged by a sample around the first byte that matters."""
    first = next(iter(re.finditer(rb"[\x80-\xff]", data))).start()
    begin = max(0, first - SAMPLE_BYTES // 4)
    sample = data[begin : begin + SAMPLE_BYTES]
    matches = from_bytes(sample, cp_isolation=list(LEGACY))
    if not matches:
        raise Unreadable(f"{BINARY}: no encoding fits")
    best = min(
        matches, key=lambda match: (match.chaos, -match.coherence, LEGACY.index(match.encoding))
    )
    return data.decode(best.encoding, "replace")
