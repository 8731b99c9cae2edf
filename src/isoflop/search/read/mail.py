"""E-mail: the subject as heading, who wrote when to whom, the text, and the attachments."""

import email
import email.policy
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

from isoflop.errors import Unreadable
from isoflop.search.read.archive import safe_name
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.encoding import decode
from isoflop.search.read.html import parsed, write

SHOWN = ("From", "To", "Cc", "Date")
MOST_PARTS = 1000


def read(data: bytes, name: str) -> Content:
    """A message; its attachments are handed on to be read as files of their own.

    Raises:
        Unreadable: If it has neither headers nor text.
    """
    try:
        message = email.message_from_bytes(data, policy=email.policy.compat32)
        parts = list(_leaves(message))
    except (MessageError, RecursionError, ValueError, LookupError) as error:
        raise Unreadable(f"is a broken e-mail ({error}). Save it again.") from error
    draft = Draft()
    draft.heading(_header(message, "Subject"), 1)
    lines = [f"{field}: {_header(message, field)}" for field in SHOWN if message.get(field)]
    draft.paragraph("\n".join(lines))
    _write_body(parts, draft)
    if not draft.length:
        raise Unreadable(
            "is not an e-mail: it has neither headers nor text. Save it as .eml again."
        )
    metadata = {
        "title": _header(message, "Subject"),
        "author": _header(message, "From"),
        "date": _header(message, "Date"),
    }
    return draft.content(metadata, members=_attachments(parts))


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold content, in order; a message that was attached is one part."""
    stack: list[Message] = [message]
    count = 0
    while stack and count < MOST_PARTS:
        part = stack.pop()
        count += 1
        inside = part.get_payload()
        forwarded = part.get_content_type() == "message/rfc822" and part is not message
        if part.is_multipart() and not forwarded and isinstance(inside, list):
            stack.extend(reversed([one for one in inside if isinstance(one, Message)]))
        else:
            yield part


def _write_body(parts: list[Message], draft: Draft) -> None:
    """The plain text, or the HTML where there is none."""
    own = [part for part in parts if not _is_attachment(part)]
    plain = [part for part in own if part.get_content_type() == "text/plain"]
    if any(_text(part).strip() for part in plain):
        for part in plain:
            draft.paragraph(_text(part).replace("\r\n", "\n").rstrip())
        return
    for part in own:
        if part.get_content_type() == "text/html":
            tree = parsed(_text(part))
            if tree.body is not None:
                write(tree.body, draft)


def _is_attachment(part: Message) -> bool:
    return (
        part.get_content_disposition() == "attachment"
        or part.get_content_type() == "message/rfc822"
        or (_file_name(part) != "" and part.get_content_maintype() != "text")
    )


def _attachments(parts: list[Message]) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(parts, 1):
        content = _bytes(part)
        if not _is_attachment(part) or not content:
            continue
        name = safe_name(_file_name(part)).replace("/", "_") or f"part-{number}"
        yield name, content


def _file_name(part: Message) -> str:
    if part.get_content_type() == "message/rfc822":
        return f"{_decoded(part.get_filename() or 'forwarded').removesuffix('.eml')}.eml"
    return _decoded(part.get_filename() or "")


def _bytes(part: Message) -> bytes:
    inside = part.get_payload()
    if isinstance(inside, list):
        return b"\n".join(one.as_bytes() for one in inside if isinstance(one, Message))
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError):  # a transfer encoding that does not hold
        return b""
    return content if isinstance(content, bytes) else b""


def _text(part: Message) -> str:
    """The text of a part in its declared character set, else in what it looks like."""
    data = _bytes(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError, ValueError):
        try:
            return decode(data)
        except Unreadable:
            return ""


def _header(message: Message, field: str) -> str:
    return _decoded(str(message.get(field, "")))


def _decoded(value: str) -> str:
    """A header's words, out of their `=?utf-8?...?=` wrapping."""
    try:
        shown = str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        shown = value
    return " ".join(shown.split())
