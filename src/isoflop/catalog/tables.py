"""Tables of the catalog: TOML files of ours, extended by the user's."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from isoflop.errors import UsageError, did_you_mean
from isoflop.settings import setting, user_file

Row = Mapping[str, Any]

TABLES = ("accelerators", "architectures", "models", "grids", "prices", "laws", "runs")
HERE = Path("isoflop-catalog")
EXTENDED = ("accelerators", "architectures")  # tables whose rows users most often add

# A row begins with a header of one key. Rows are cut out by it and parsed one at a time: a
# command that needs one chip does not wait for all of them (79 chips take 9 ms, one 0.2 ms).
_HEADER = re.compile(r'^\[(?:"([^"\n]+)"|([\w-]+))\]', re.MULTILINE)
_ALIASES = re.compile(r"^aliases = \[(.*)\]", re.MULTILINE)
_QUOTED = re.compile(r'"([^"]*)"')


class Table(Mapping[str, Row]):
    """Rows by name, in the order of the file, ours first; a row is parsed when it is asked for."""

    def __init__(self, text: str, added: Mapping[str, Row]) -> None:
        heads = list(_HEADER.finditer(text))
        ends = [head.start() for head in heads[1:]] + [len(text)]
        self._texts = {
            head[1] or head[2]: text[head.start() : end]
            for head, end in zip(heads, ends, strict=True)
        }
        self._added = added
        self._rows: dict[str, Row] = {}

    def __getitem__(self, name: str) -> Row:
        if name not in self._rows:
            if name not in self._texts and name not in self._added:
                raise KeyError(name)
            own = _parsed(self._texts[name])[name] if name in self._texts else {}
            self._rows[name] = _extended(own, self._added.get(name, {}))
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._texts
        yield from (name for name in self._added if name not in self._texts)

    def __len__(self) -> int:
        return len(self._texts.keys() | self._added.keys())

    def find(self, name: str) -> str | None:
        """The row's own name for a name or alias, whatever its case; None if there is none."""
        if name in self._texts or name in self._added:
            return name
        return self._names().get(name.strip().lower())

    def names(self) -> list[str]:
        """Every accepted name, aliases included."""
        return [*self, *(name for name in self._names() if name not in self)]

    def having(self, key: str) -> list[str]:
        """Names of rows with this key, found without parsing the others."""
        line = re.compile(rf"^{key} = ", re.MULTILINE)
        ours = [name for name, text in self._texts.items() if line.search(text)]
        return [*ours, *(name for name, row in self._added.items() if key in row)]

    def _names(self) -> Mapping[str, str]:
        """Row names by lower-case name and alias; an alias of ours gives way to a row's name."""
        found: dict[str, str] = {}
        for name, text in self._texts.items():
            if match := _ALIASES.search(text):
                found |= {alias.lower(): name for alias in _QUOTED.findall(match[1])}
        for name, row in self._added.items():
            found |= {alias.lower(): name for alias in row.get("aliases", [])}
        return found | {name.lower(): name for name in self}


def table(name: str) -> Table:
    """One table: ours, then the user's folder, then the working folder's; later ones win.

    Args:
        name: One of `TABLES`.

    Raises:
        UsageError: If a file of the user's cannot be read; the message names it.
    """
    files = tuple(
        (file, file.stat().st_mtime_ns)
        for file in (user_folder() / f"{name}.toml", HERE.absolute() / f"{name}.toml")
        if file.is_file()
    )
    return _table(name, files)


def user_folder() -> Path:
    """Where the user's own tables are, unless they are in the working folder."""
    chosen = setting("catalog").value
    return Path(str(chosen)) if chosen else user_file().with_name("catalog")


@cache
def _table(name: str, files: tuple[tuple[Path, int], ...]) -> Table:
    added: dict[str, Row] = {}
    for file, _ in files:
        for key, row in _read(file).items():
            added[key] = _merged(added.get(key, {}), row)
    text = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    ours = Table(text, {})
    rows: dict[str, Row] = {}
    for key, row in added.items():  # the user's row may go by an alias of ours
        own = ours.find(key) or key
        rows[own] = _merged(rows.get(own, {}), row)
    return Table(text, rows)


def _read(file: Path) -> dict[str, Row]:
    try:
        rows = _parsed(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:  # TOML and encoding errors are ValueErrors
        raise UsageError(f"{file} cannot be read: {error}. Mend or remove it.") from error
    for key, row in rows.items():
        if not isinstance(row, dict):
            raise UsageError(
                f"{file}: {key} = {row!r} stands outside a row. "
                f"Write [NAME] above it, such as [{key}-of-mine]."
            )
        row["file"] = str(file)
    return rows


def _extended(own: Row, users: Row) -> Row:
    """Our row with the user's figures on top; its source says which are whose."""
    if not users:
        return own
    file = Path(users["file"])
    figures = ", ".join(key for key in users if key not in ("file", "source", "date", "aliases"))
    theirs = users.get("source") or f"{file}"
    return {
        **_merged(own, users),
        "source": f"{own['source']}; {figures}: {theirs}" if own else theirs,
        "date": users.get("date") or date.fromtimestamp(file.stat().st_mtime).isoformat(),
    }


def _parsed(text: str) -> dict[str, Any]:
    import tomllib  # here, because most commands that start quickly read no table

    return tomllib.loads(text)


def _merged(row: Row, over: Row) -> dict[str, Any]:
    """A row with another's values on top, tables within it likewise."""
    both = dict(row)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(both.get(key), dict):
            value = _merged(both[key], value)
        both[key] = value
    return both


def find(name: str, key: str) -> tuple[str, Row]:
    """A row and its own name, by name or alias.

    Raises:
        UsageError: If there is no such row; the message names the nearest.
    """
    rows = table(name)
    own = rows.find(key)
    if own is None:
        hint = did_you_mean(key.lower(), rows.names())
        if name in EXTENDED:
            hint += f" Or give its figures in {HERE}/{name}.toml."
        raise UsageError(f"Nothing called {key!r} in {name}.{hint}")
    return own, rows[own]
