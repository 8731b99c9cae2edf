"""Plain text: read as it is."""

from isoflop.search.read.content import Content
from isoflop.search.read.encoding import decode


def read(data: bytes, name: str) -> Content:
    """The decoded file."""
    return Content(decode(data))
