"""JSON and JSON lines: records as lines of `key: value`."""

import json
from collections.abc import Iterator
from typing import Any

from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.encoding import decode

# Containers nested this deep become headings; deeper ones become dotted keys.
HEADED_DEPTH = 3
DEEP = "is nested too deeply to read. Flatten it, or leave it out."


def parse(text: str) -> Any:
    """The value of a JSON text, its numbers left as they are written.

    Raises:
        ValueError: If it is not JSON.
        Unreadable: If it is nested deeper than can be read.
    """
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise Unreadable(DEEP) from error


def read(data: bytes, name: str) -> Content:
    """A JSON file as records; the text itself if it is not valid JSON."""
    text = decode(data)
    try:
        value = parse(text)
    except ValueError:
        return _of_lines(text) if _is_json(text.partition("\n")[0]) else Content(text)
    draft = Draft()
    _write(value, draft, "", 1)
    return draft.content()


def read_lines(data: bytes, name: str) -> Content:
    """JSON lines: one block for each record, a line that is not JSON as it stands."""
    return _of_lines(decode(data))


def _of_lines(text: str) -> Content:
    draft = Draft()
    for number, line in enumerate(filter(str.strip, text.split("\n")), 1):
        draft.heading(f"record {number}", 1)
        try:
            draft.paragraph("\n".join(_lines(parse(line))))
        except ValueError:
            draft.paragraph(line)
    return draft.content()


def _is_json(line: str) -> bool:
    try:
        return isinstance(parse(line), dict | list)
    except ValueError:
        return False


def _write(value: Any, draft: Draft, label: str, level: int) -> None:
    """Scalars as lines, then each container below a heading."""
    if level > HEADED_DEPTH or not isinstance(value, dict | list):
        draft.paragraph("\n".join(_lines(value)))
    elif isinstance(value, dict):
        flat = {key: item for key, item in value.items() if not _is_deep(item)}
        draft.paragraph("\n".join(_lines(flat)))
        for key, item in value.items():
            if _is_deep(item):
                draft.heading(str(key), level)
                _write(item, draft, str(key), level + 1)
    elif not _is_deep(value):
        draft.paragraph("\n".join(_lines(value)))
    else:
        for number, item in enumerate(value, 1):
            draft.heading(f"{label or 'record'} {number}", level)
            _write(item, draft, label, level + 1)


def _is_deep(value: Any) -> bool:
    """Whether a value is more than a line: it holds containers that hold something."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _lines(value: Any) -> Iterator[str]:
    """A value as `dotted.key: value` lines, without recursion: lines of JSON nest at will."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        key, item = stack.pop()
        if isinstance(item, dict):
            inner = [(f"{key}.{name}" if key else str(name), item[name]) for name in item]
            stack.extend(reversed(inner))
        elif isinstance(item, list) and _is_deep(item):
            inner = [
                (f"{key}.{number}" if key else str(number), one)
                for number, one in enumerate(item, 1)
            ]
            stack.extend(reversed(inner))
        else:
            shown = ", ".join(map(_scalar, item)) if isinstance(item, list) else _scalar(item)
            if shown:
                yield f"{key}: {shown}" if key else shown


def _scalar(value: Any) -> str:
    if value is None or value == []:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
