"""Limits of the system that stand for a full disk and for too little memory."""

import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


@contextmanager
def _limited(kind: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def files_no_larger_than(size: int) -> AbstractContextManager[None]:
    """Within this block a file takes so many bytes and no more."""
    return _limited(resource.RLIMIT_FSIZE, size)


def memory_for(size: int) -> AbstractContextManager[None]:
    """Within this block there are so many bytes of memory, beside what is taken already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return _limited(resource.RLIMIT_AS, pages * resource.getpagesize() + size)
