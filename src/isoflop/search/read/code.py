"""Source code: its own text, with the lines that define something as headings."""

import re
from collections.abc import Iterator

from isoflop.documents import Span
from isoflop.search.read.content import Content, one_line
from isoflop.search.read.encoding import decode

# Words before a definition that do not change what it is.
MODIFIERS = (
    "abstract|async|const|data|default|export|extern|final|inline|internal|local|open|override|"
    "private|protected|pub(?:\\([\\w: ]{1,40}\\))?|public|sealed|static|unsafe|virtual"
)
KEYWORDS = (
    "class|def|defmodule|defp|enum|fn|fun|func|function|impl|interface|message|mod|module|"
    "namespace|object|proc|protocol|record|service|struct|sub|subroutine|trait|type|union"
)
DEFINITION = re.compile(
    rf"([ \t]{{0,40}})(?:(?:{MODIFIERS})[ \t]+){{0,6}}(?:{KEYWORDS})\b[ \t]*[\w(<*&:\"'~$@]"
    r"|([ \t]{0,40})CREATE[ \t]",
    re.IGNORECASE,
)
# C and its kin define without a keyword: a name, brackets, and the body's brace at the end.
C_DEFINITION = re.compile(
    r"[A-Za-z_][\w:<>,*&\[\] \t]{1,200}\([^;=]{0,400}\)[\w \t]{0,40}\{[ \t]*$"
)
TEX = re.compile(r"\\(part|chapter|section|subsection|subsubsection|paragraph)\*?\{(.{1,200}?)\}")
TEX_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
MARKED = {"org": re.compile(r"(\*{1,8})[ \t]+\S"), "adoc": re.compile(r"(={1,6})[ \t]+\S")}
LEADING = ("@", "#", "//", "/*", "*", "--", ";;", "%")
MOST_LEADING_LINES = 30
MOST_LINE = 1000


def read(data: bytes, name: str) -> Content:
    """The decoded file, its definitions (or the sections of TeX, Org and AsciiDoc) as headings."""
    text = decode(data)
    suffix = name.rpartition(".")[2].lower()
    suffix = "adoc" if suffix == "asciidoc" else suffix
    if suffix == "tex" or suffix in MARKED:
        return Content(text, tuple(_marked_headings(text, suffix)))
    spans = list(_definitions(text))
    if text.strip():
        spans.insert(0, Span(0, len(text), "code"))
    return Content(text, tuple(sorted(spans, key=lambda span: (span.start, -span.stop))))


def _marked_headings(text: str, suffix: str) -> Iterator[Span]:
    for start, line in _lines(text):
        short = line[:MOST_LINE]
        if suffix == "tex" and (match := TEX.match(short)):
            level = TEX_LEVELS.index(match[1]) + 1
            yield Span(start, start + len(line), "heading", one_line(match[2]), level)
        elif suffix in MARKED and (mark := MARKED[suffix].match(short)):
            label = one_line(short[mark.end(1) :])
            yield Span(start, start + len(line), "heading", label, len(mark[1]))


def _definitions(text: str) -> Iterator[Span]:
    """Definitions by their indentation; the comments and decorators right above belong to them."""
    leading: list[int] = []
    for start, line in _lines(text):
        short = line[:MOST_LINE]
        words = short.strip()
        defines = DEFINITION.match(short) or (words.endswith("{") and C_DEFINITION.match(short))
        if defines and not words.endswith((",", ";")):
            indent = len(short) - len(short.lstrip())
            label = one_line(words.rstrip("{:( "))
            begin = leading[0] if leading else start
            yield Span(begin, start + len(line), "heading", label, 1 + indent)
            leading = []
        elif words.startswith(LEADING) and len(leading) < MOST_LEADING_LINES:
            leading.append(start)
        else:
            leading = []


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1
