"""Server-sent events: how a streamed answer travels over HTTP.

Source:
    WHATWG HTML standard, section 9.2, Server-sent events.
"""

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: Its data lines, joined by line feeds.
        kind: What the server calls it; "message" when it does not say.
    """

    data: str
    kind: str = "message"


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events in a stream of bytes, however the bytes are cut.

    An event that the end of the stream cuts short is yielded too, where the standard drops it:
    some servers leave out the last blank line.
    """
    data: list[str] = []
    kind = ""
    for line in _lines(chunks):
        if not line:
            if data:
                yield Event("\n".join(data), kind or "message")
            data, kind = [], ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
    if data:
        yield Event("\n".join(data), kind or "message")


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines ended by CR LF, LF or CR; nothing else ends one, least of all U+2028."""
    utf8 = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from whole
    *whole, rest = (rest + decoder.decode(b"", final=True)).split("\n")
    yield from whole
    if rest:
        yield rest
