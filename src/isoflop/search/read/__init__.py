"""From a file to documents: one reader for each family of formats.

A reader is a function `read(data, name) -> Content`. `READERS` says which one reads which media
type, as a string, so that a library is imported when its first file comes and not before.
"""

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from isoflop.documents import Document
from isoflop.errors import Unreadable
from isoflop.search.read.archive import Allowance
from isoflop.search.read.content import Content
from isoflop.search.read.kinds import CONTAINERS, READERS, REFUSED, kind_of_name, kind_of_start
from isoflop.search.walk import printable

MOST_BYTES = 64 << 20
# Bytes of an unknown kind that are looked at to tell text from the rest.
START_BYTES = 1 << 13
MOST_DEPTH = 5  # of e-mails attached to e-mails; an archive may lie in one other archive
TOO_DEEP = "lies too deep: an archive is read in one other archive at most. Unpack it first."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file, or a part of one, that was not read.

    Attributes:
        id: The id its document has or would have had.
        reason: Why, and what to do about it.
    """

    id: str
    reason: str


def media_type(path: Path) -> str | None:
    """The media type a file's name promises; None where the name promises nothing."""
    return kind_of_name(path.name)


def read(path: Path, id: str, *, most_bytes: int = MOST_BYTES) -> Iterator[Document | Refusal]:
    """The documents in one file: one, or several for an archive or an e-mail.

    Args:
        path: Where the file lies.
        id: The id of its document; members of an archive continue it.
        most_bytes: A larger file is refused before it is opened.

    Yields:
        Documents, and refusals for what cannot be read. A document whose pages were read only
        in part is followed by a refusal with the same id.
    """
    try:
        data = _bytes(path, most_bytes)
    except OSError as error:
        yield Refusal(id, f"cannot be opened: {error.strerror}. Check its permissions.")
    except Unreadable as error:
        yield Refusal(id, str(error))
    else:
        yield from _File(printable(str(path))).documents(data, id)


@dataclass(slots=True)
class _File:
    """One file being read, with the files inside it."""

    source: str
    allowance: Allowance = field(default_factory=Allowance)
    taken: set[str] = field(default_factory=set)

    def documents(self, data: bytes, id: str, depth: int = 0) -> Iterator[Document | Refusal]:
        """The documents in some bytes; `depth` counts the archives and e-mails around them."""
        try:
            name = id.rpartition("/")[2]
            kind = _kind(name, data[:START_BYTES])
            if (kind in CONTAINERS and depth > 1) or depth > MOST_DEPTH:
                raise Unreadable(TOO_DEEP)
            if kind in CONTAINERS:
                yield from self._members(_named(CONTAINERS[kind])(data, name), id, depth)
                return
            content: Content = _named(READERS[kind])(data, name)
            digest = hashlib.sha256(data).hexdigest()
            yield Document(
                id, content.text, self.source, kind, digest, content.metadata, content.spans
            )
            yield from (Refusal(id, remark) for remark in content.remarks)
            yield from self._members(content.members, id, depth)
        except Unreadable as error:
            yield Refusal(id, str(error))

    def _members(
        self, members: Iterable[tuple[str, bytes | Unreadable]], id: str, depth: int
    ) -> Iterator[Document | Refusal]:
        """The documents in the files inside a file; the second of one name is numbered."""
        for member, inside in members:
            inner, count = f"{id}/{member}", 1
            while inner in self.taken:
                count += 1
                inner = f"{id}/{count}-{member}"
            self.taken.add(inner)
            if isinstance(inside, Unreadable):
                yield Refusal(inner, str(inside))
            else:
                self.allowance.spend(len(inside))
                yield from self.documents(inside, inner, depth + 1)


def _bytes(path: Path, most_bytes: int) -> bytes:
    """The whole file, once its size and its first bytes promise that it can be read."""
    with path.open("rb") as file:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("is not a regular file. Leave it out.")
        if status.st_size > most_bytes:
            raise Unreadable(
                f"is {status.st_size / 1e6:,.0f} MB, over the limit of {most_bytes / 1e6:,.0f} MB "
                "for one file. Split it, or leave it out."
            )
        start = file.read(START_BYTES)
        _kind(path.name, start)
        return start + file.read(max(0, most_bytes - len(start)))


def _kind(name: str, start: bytes) -> str:
    """The media type by name, else by the first bytes.

    Raises:
        Unreadable: If it is one that nothing here reads.
    """
    kind = kind_of_name(name) or kind_of_start(start)
    if kind in REFUSED:
        raise Unreadable(REFUSED[kind])
    return kind


def _named(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
