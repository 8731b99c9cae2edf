"""HTML: the main text of a page, with its headings, tables and code."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft
from isoflop.search.read.encoding import decode


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


SILENT = _names(
    "script style noscript template svg canvas iframe object embed audio video head link meta "
    "button select option input textarea datalist map area dialog "
    "-comment -doctype _comment !doctype"
)
AROUND = _names("nav footer aside menu")
AROUND_ROLES = _names("navigation banner contentinfo search complementary")
AROUND_CLASSES = _names(
    "nav navbar navbox navigation menu vector-menu sidebar breadcrumb breadcrumbs pagination "
    "cookie-banner cookie-consent skip-link noprint mw-editsection mw-jump-link headerlink "
    "hash-link share-buttons social-links screen-reader-text sr-only visually-hidden"
)
BLOCKS = _names(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure "
    "footer form header hgroup html legend li main nav ol p section summary ul tr td th caption "
    "thead tbody tfoot table hr"
)
NOT_WORDS = ", ".join(
    ["script", "style", "noscript", "template", "svg", *(f".{name}" for name in AROUND_CLASSES)]
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset=["']?\s*([\w-]{2,40})""", re.IGNORECASE)
# Less than this share of the body's text in <main> or <article> is not the main text.
MAIN_SHARE = 0.25


def read(data: bytes, name: str) -> Content:
    """The words of a page that are its own: no scripts, menus or footers.

    Raises:
        Unreadable: If no words are left.
    """
    tree = parsed(_declared(data))
    draft = Draft()
    body = tree.body
    if body is not None:
        write(_main(body), draft)
    if not draft.length:
        raise Unreadable("has no text of its own. If scripts draw the page, save it as printed.")
    return draft.content(_metadata(tree))


def parsed(text: str) -> LexborHTMLParser:
    """The tree of a page.

    Raises:
        Unreadable: If the parser gives up, which it does for want of memory.
    """
    try:
        return LexborHTMLParser(text)
    except SelectolaxError as error:
        raise Unreadable("is too large for the HTML parser. Split it, or leave it out.") from error


def _declared(data: bytes) -> str:
    """The page as text: in the encoding it declares, where it does and that fits."""
    declared = CHARSET.search(data[:4096])
    if declared and b"\x00" not in data[:4096]:
        try:
            return data.decode(declared[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass  # a wrong declaration is common; the bytes themselves decide
    return decode(data)


def _main(body: LexborNode) -> LexborNode:
    """The part of the page that holds what it is about."""
    whole = len(body.text())
    for selector in ("main", "[role=main]", "article"):
        parts = body.css(selector)
        if len(parts) == 1 and len(parts[0].text()) >= MAIN_SHARE * whole:
            return parts[0]
    return body


def write(root: LexborNode, draft: Draft) -> None:
    """Add the text of an element to a draft, block by block."""
    inline: list[str] = []

    def flush(item: bool = False) -> None:
        """End the block: white space as a browser shows it, and only <br> breaks a line."""
        text = re.sub(r"[ \t\n\r\f]+", " ", "".join(inline)).strip()
        inline.clear()
        text = re.sub(r" ?\v ?", "\n", text)
        if item:
            draft.item(text)
        else:
            draft.paragraph(text)

    for node, entering in _walk(root):
        tag = node.tag or ""
        if tag == "-text":
            inline.append(node.text_content or "")
        elif tag == "br":
            inline.append("\v")
        elif tag in HEADINGS and entering:
            flush()
            draft.heading(_words(node), HEADINGS[tag])
        elif tag == "pre" and entering:
            flush()
            draft.code(node.text())
        elif tag == "table" and entering and _is_data(node):
            flush()
            rows = list(_rows(node))
            draft.table(rows, headed=len(rows) > 1 and _is_headed(node))
        elif tag in BLOCKS:
            flush(item=_in_item(node, entering))
    flush()


def _in_item(node: LexborNode, entering: bool) -> bool:
    """Whether the text before this edge of a block stands directly in a list's item."""
    holder = node.parent if entering else node
    return holder is not None and holder.tag in ("li", "dd")


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Every node on entering and every element on leaving it, without recursion: a hostile page
    nests deeper than any stack. What stands around the text is passed over, and so is the inside
    of blocks that are taken whole."""
    stack: list[tuple[LexborNode, bool]] = [(root, True)]
    while stack:
        node, entering = stack.pop()
        tag = node.tag or ""
        if not entering:
            yield node, False
            continue
        if node is not root and (tag in SILENT or (tag not in ("-text", "br") and _around(node))):
            continue
        yield node, True
        if tag in HEADINGS or tag == "pre" or tag in ("-text", "br"):
            continue
        if tag == "table" and _is_data(node):
            continue
        stack.append((node, False))
        child = node.last_child
        while child is not None:
            stack.append((child, True))
            child = child.prev


def _around(node: LexborNode) -> bool:
    """Whether an element is the page's furniture, or not shown."""
    if node.tag in AROUND:
        return True
    attributes = node.attributes
    if node.tag in ("ul", "ol") and _in_header(node):
        return True
    if not attributes:
        return False
    if not AROUND_CLASSES.isdisjoint((attributes.get("class") or "").lower().split()):
        return True
    if node.tag == "header" and node.css_first("h1") is None:
        return True
    style = (attributes.get("style") or "").replace(" ", "")
    return (
        attributes.get("role") in AROUND_ROLES
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or "display:none" in style
    )


def _in_header(node: LexborNode) -> bool:
    """Whether a list stands in a header: it leads to other pages or other languages."""
    holder = node.parent
    for _ in range(12):
        if holder is None or holder.tag in ("main", "article", "body"):
            return False
        if holder.tag == "header":
            return True
        holder = holder.parent
    return False


def _is_data(table: LexborNode) -> bool:
    """A table of facts; one that only lays out the page holds blocks and is read as such."""
    # a selector finds the node itself too, so a table always holds one table
    return len(table.css("table")) == 1 and table.css_first("h1, h2, h3, pre, p + p") is None


def _rows(table: LexborNode) -> Iterator[list[str]]:
    for row in table.css("tr"):
        yield [_words(cell) for cell in row.css("td, th")]


def _is_headed(table: LexborNode) -> bool:
    """Whether the first row names the columns: all its cells say so, and there are two or more."""
    first = table.css_first("tr")
    return first is not None and first.css_first("td") is None and len(first.css("th")) > 1


def _words(node: LexborNode) -> str:
    for silent in node.css(NOT_WORDS):
        silent.decompose()
    apart = " " if node.css_first("br, div, li, p") is not None else ""
    return " ".join(node.text(separator=apart).split())


def _metadata(tree: LexborHTMLParser) -> dict[str, str]:
    title = tree.css_first("title")
    found = {"title": title.text()} if title is not None else {}
    for name in ("author", "date"):
        meta = tree.css_first(f'meta[name="{name}"]')
        if meta is not None and meta.attributes.get("content"):
            found[name] = meta.attributes["content"] or ""
    return found
