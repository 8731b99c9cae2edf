"""Which files of a folder are read: all but the ignored, the hidden and the linked."""

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from isoflop.errors import UsageError
from isoflop.search.database import NAME

log = logging.getLogger(__name__)

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A file with more rules than this is not a list of rules that somebody wrote.
MOST_RULE_BYTES = 1 << 20


class Found(NamedTuple):
    """A file to read: a tuple, because thousands are made to see that nothing changed.

    Attributes:
        id: Its path below the folder that was walked, with `/` between the parts.
        place: Where it lies, as the system writes it.
        bytes: Its size.
        modified_ns: When it was last changed, in nanoseconds since 1970.
    """

    id: str
    place: str
    bytes: int
    modified_ns: int

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.place)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one `.gitignore`, which speak of what lies below `folder`."""

    folder: str
    spec: GitIgnoreSpec

    def ignores(self, path: str) -> bool | None:
        """Whether `path` is ignored; None where no rule speaks of it."""
        return self.spec.check_file(path[len(self.folder) :]).include


def walk(root: Path) -> Iterator[Found]:
    """Every file below a folder that may be read, sorted by id.

    Hidden files and folders (among them `.git` and `.isoflop`), folders of an index, whatever a
    `.gitignore` at any level names, and all symbolic links are passed over. A link that stays
    inside the folder leads to a file that is found anyway, and one that leaves it must not be
    followed. The rules of the repository around `root` hold too, unless they ignore `root` itself:
    then it was named on purpose.

    Args:
        root: A folder, or one file, which is then found whatever the rules say.

    Raises:
        UsageError: If there is nothing at `root`, or it can't be listed.
    """
    if root.is_file():
        status = root.stat()
        yield Found(printable(root.name), os.fspath(root), status.st_size, status.st_mtime_ns)
    elif root.is_dir():
        if not os.access(root, os.R_OK | os.X_OK):
            raise UsageError(f"The folder {root} may not be listed. Check its permissions.")
        yield from _files_below(os.fspath(root), _rules_around(root))
    else:
        raise UsageError(f"There is no file or folder at {root}. Check the path.")


# An entry of a folder, its path below the root (a folder's ends in `/`), the rules that hold there
Listed = tuple["os.DirEntry[str]", str, tuple[Rules, ...]]


def _files_below(folder: str, rules: tuple[Rules, ...]) -> Iterator[Found]:
    """Depth first, in the order of the ids, without recursion: folders nest deeper than a stack."""
    stack = _listed(folder, "", rules)
    while stack:
        entry, path, rules = stack.pop()
        if _ignored(path, rules):
            continue
        if path.endswith("/"):
            stack.extend(_listed(entry.path, path, rules))
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted since it was listed
            continue
        yield Found(printable(path), entry.path, status.st_size, status.st_mtime_ns)


def _listed(folder: str, prefix: str, rules: tuple[Rules, ...]) -> list[Listed]:
    """What may be read of a folder, the last first. Folders sort as `name/`, like their files."""
    try:
        with os.scandir(folder) as entries:
            listing = [entry for entry in entries if not entry.is_symlink()]
    except OSError as error:
        log.warning("%s is passed over: %s", folder, error.strerror)
        return []
    names = {entry.name for entry in listing}
    if NAME in names:  # an index, put among the documents with --into
        return []
    if ".gitignore" in names:
        rules = (*rules, Rules(prefix, _spec(os.path.join(folder, ".gitignore"))))
    listed = [
        (entry, prefix + entry.name + "/" * entry.is_dir(), rules)
        for entry in listing
        if not entry.name.startswith(".") and (entry.is_dir() or entry.is_file())
    ]
    return sorted(listed, key=lambda item: item[1], reverse=True)


def _ignored(path: str, rules: tuple[Rules, ...]) -> bool:
    """The innermost `.gitignore` that speaks of a path decides, as in git."""
    for rule in reversed(rules):
        verdict = rule.ignores(path)
        if verdict is not None:
            return verdict
    return False


def _spec(path: str) -> GitIgnoreSpec:
    """The rules in a file; none if it cannot be read. A line that is no pattern is left out."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MOST_RULE_BYTES).splitlines()
    except OSError as error:
        log.warning("The rules in %s are not followed: %s", path, error.strerror)
        return GitIgnoreSpec([])
    patterns: list[GitIgnoreSpecPattern] = []
    for line in lines:
        try:
            patterns.extend(GitIgnoreSpec.from_lines([line]).patterns)
        except ValueError as error:
            log.warning("A rule in %s is not followed: %s", path, error)
    return GitIgnoreSpec(patterns)


def _rules_around(root: Path) -> tuple[Rules, ...]:
    """The rules above `root`, up to the repository it lies in, seen from `root`."""
    inside = root.resolve()
    above = [inside, *inside.parents]
    repository = next((folder for folder in above if (folder / ".git").exists()), None)
    if repository is None or repository == inside:
        return ()
    parents = above[1 : above.index(repository) + 1]
    specs = [
        (f"{inside.relative_to(parent).as_posix()}/", _spec(os.fspath(parent / ".gitignore")))
        for parent in reversed(parents)
        if (parent / ".gitignore").is_file()
    ]
    if any(spec.match_file(path) for path, spec in specs):
        return ()
    return tuple(_Above("", spec, path) for path, spec in specs)


@dataclass(frozen=True, slots=True)
class _Above(Rules):
    """Rules of a folder above the root: they see the root's own path before the file's."""

    path: str

    def ignores(self, path: str) -> bool | None:
        return self.spec.check_file(self.path + path).include


def printable(name: str) -> str:
    r"""What of a name is not UTF-8, or moves the cursor of a terminal, shown as `\xff`.

    So every id can be stored, stands on one line, and cannot colour or clear a screen.
    """
    if name.isascii() and name.isprintable():
        return name
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", shown)
