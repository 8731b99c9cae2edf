"""Entries of a config.json, of which each kind of model has names of its own."""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]
Sizes = dict[str, Any]


def first(config: Config, *names: str, default: Any = None) -> Any:
    """The first of these entries that is there and not null."""
    return next((config[name] for name in names if config.get(name) is not None), default)


def needed(config: Config, *names: str) -> Any:
    """The first of these entries.

    Raises:
        KeyError: If none is there; the message names them.
    """
    found = first(config, *names)
    if found is None:
        raise KeyError(f"it has no {' or '.join(names)}")
    return found
