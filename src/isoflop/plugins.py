"""Parts by name: our own in tables of strings, everyone else's by entry point."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from isoflop.errors import UsageError


def find(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """The part of that kind and name, imported now; None if there is none.

    Our own part wins over another's of the same name, so installing a package changes nothing
    that worked before.

    Args:
        kind: "model", "method", "tool", ...: entry points are registered under `isoflop.KIND`.
        name: As the user writes it.
        table: Our own parts, each as "module:attribute".

    Raises:
        UsageError: If two packages register this name, or one's part cannot be found in it.
    """
    if name in table:
        return load(table[name])
    found = entry_points(group=f"isoflop.{kind}", name=name)
    if len(found) > 1:
        packages = " and ".join(sorted(point.dist.name for point in found if point.dist))
        raise UsageError(f"The {kind} {name!r} is in {packages}. Uninstall one of them.")
    for point in found:
        try:
            return point.load()
        except AttributeError as error:
            raise UsageError(
                f"The {kind} {name!r} is registered as {point.value}: {error}."
            ) from error
    return None


def names(kind: str, table: Mapping[str, str]) -> list[str]:
    """Every name of a kind, our own first; nothing is imported."""
    others = {point.name for point in entry_points(group=f"isoflop.{kind}")}
    return [*table, *sorted(others - table.keys())]


def load(reference: str) -> Any:
    """What "module:attribute" names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
