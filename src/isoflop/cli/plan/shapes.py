"""A model on the command line: a name of the catalog, a size, or a shape written out."""

from dataclasses import MISSING, fields
from typing import Any

import click

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.errors import UsageError, did_you_mean
from isoflop.plan.shape import shape
from isoflop.quantities import count

FORM = "layers=32,width=4096,heads=32,kv_heads=8,hidden=14336,vocabulary=128256,gated=yes,tied=no"
_SIZES = {field.name: str(field.type) for field in fields(Architecture)}
NEEDED = tuple(field.name for field in fields(Architecture) if field.default is MISSING)
_PLAIN = {name for name, kind in _SIZES.items() if "int" in kind or "bool" in kind}

written = click.option(
    "--shape",
    "written",
    metavar="SIZES",
    help="Such as layers=32,width=4096,heads=32,hidden=11008.",
)


def model(
    name: str | None, parameters: str | None, sizes: str | None, vocabulary: int | None = None
) -> Architecture:
    """The one that was given, of a name, a size and a shape.

    Raises:
        UsageError: If none or more than one is given, or it cannot be read.
    """
    if sum(given is not None for given in (name, parameters, sizes)) != 1:
        raise UsageError(f"Give one model: a name of the catalog, --params 7e9, or --shape {FORM}.")
    if name:
        return catalog.architecture(name)
    if sizes:
        return read(sizes)
    size = count(parameters or "", of="number of parameters", units=("parameters",))
    return shape(size, vocabulary=vocabulary)


def read(text: str) -> Architecture:
    """An architecture from "layers=32,width=4096,heads=32,hidden=11008,gated=yes".

    Raises:
        UsageError: If a name is unknown, a number is not whole, or one that is needed is missing.
    """
    given: dict[str, Any] = {"vocabulary": 32000}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or name not in _PLAIN:
            raise UsageError(
                f"--shape: {part!r} is no size.{did_you_mean(name, _PLAIN)} As: {FORM}"
            )
        if "bool" in _SIZES[name]:
            given[name] = value.lower() in ("yes", "true", "1")
        else:
            given[name] = int(count(value, of=f"number of {name.replace('_', ' ')}"))
    if missing := [name for name in NEEDED if name not in given]:
        raise UsageError(
            f"--shape {text!r} describes no model without {', '.join(missing)}. As: {FORM}"
        )
    try:
        return Architecture(**given)
    except ValueError as problem:
        raise UsageError(f"--shape {text!r} describes no model: {problem}. As: {FORM}") from problem
