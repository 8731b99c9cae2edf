"""Which kinds of files there are: by their names, by their first bytes, and who reads them."""

from isoflop.search.read.encoding import BINARY, is_binary

_HERE = "isoflop.search.read"

# media type -> reader(data, name) -> Content
READERS = {
    "text/plain": f"{_HERE}.plain:read",
    "text/markdown": f"{_HERE}.markup:read_markdown",
    "text/x-rst": f"{_HERE}.markup:read_restructured",
    "text/html": f"{_HERE}.html:read",
    "application/pdf": f"{_HERE}.pdf:read",
}
CONTAINERS: dict[str, str] = {}
RISKY = frozenset({"text/html", "application/pdf"})
REFUSED = {"application/octet-stream": BINARY + "."}

SUFFIXES = {
    **dict.fromkeys(("md", "markdown", "mdown", "mkd", "mdx", "qmd", "rmd"), "text/markdown"),
    **dict.fromkeys(("rst", "rest"), "text/x-rst"),
    **dict.fromkeys(("txt", "text", "log"), "text/plain"),
    **dict.fromkeys(("html", "htm", "xhtml"), "text/html"),
    "pdf": "application/pdf",
}


def kind_of_name(name: str) -> str | None:
    """The media type that a file's name promises."""
    return SUFFIXES.get(name.lower().rpartition(".")[2])


def kind_of_start(start: bytes) -> str:
    """The media type that the first bytes of a file show."""
    if start.startswith(b"%PDF-"):
        return "application/pdf"
    return "application/octet-stream" if is_binary(start) else "text/plain"
