"""HTML made of elements: what is not markup already is text, and is escaped."""

import html
from collections.abc import Iterable

VOID = ("input", "meta", "br")


class Markup(str):
    """Text that is HTML already; only `element`, and what is trusted, makes it."""

    __slots__ = ()


Child = str | Iterable["Child"] | None


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Markup:
    """An element with its children.

    Args:
        tag: Its name.
        children: Markup goes in as it is, other text is escaped, None is left out.
        attributes: A trailing underscore is dropped (`class_`), others become hyphens; True
            stands alone, False and None are left out.
    """
    said = "".join(
        f" {name.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if tag in VOID else f"</{tag}>"
    return Markup(f"<{tag}{said}>{joined(children)}{end}")


def joined(children: Child) -> Markup:
    """Children one after the other."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children))
    return Markup("".join(map(joined, children)))
