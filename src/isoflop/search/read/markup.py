"""Markdown and reStructuredText: their own text, with headings, tables and code marked."""

import re
from collections.abc import Callable, Iterator

from isoflop.documents import Span
from isoflop.search.read.content import Content, one_line
from isoflop.search.read.encoding import decode

FENCE = re.compile(r"(?:[ ]{0,3}(?:[-*+]|\d+[.)])[ ]+|[ \t]*)(`{3,}|~{3,})(.*)")
ATX = re.compile(r"[ ]{0,3}(#{1,6})(?=[ \t]|$)")
SETEXT = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*$")
NOT_A_PARAGRAPH = re.compile(r"[ ]{0,3}(?:[>|]|[-*+][ \t]|\d+[.)][ \t])|[ ]{4}|\t")
FIELD = re.compile(r"(?:\.\. )?:?([A-Za-z][\w -]{0,40}):[ \t]+(\S.*)$")

ADORNMENT = re.compile(r"""([!-/:-@[-`{-~])\1*[ \t]*$""")
GRID_RULE = re.compile(r"[ \t]*\+(?:[-=]+\+)+[ \t]*$")
SIMPLE_RULE = re.compile(r"[ \t]*=+(?:[ ]+=+)+[ \t]*$")
DIRECTIVE = re.compile(r"([ \t]*)\.\.[ ]+(?:code|code-block|sourcecode|literalinclude|math)::")

# (first character, one past the last, without its newline) of every line
Lines = list[tuple[int, int]]


def read_markdown(data: bytes, name: str) -> Content:
    """Markdown as it is written, with its headings, tables and fenced code marked."""
    text = decode(data)
    lines = line_bounds(text)
    first, metadata = _front_matter(text, lines)
    spans = list(_markdown_spans(text, lines, first))
    return Content(text, tuple(sorted(spans, key=lambda span: span.start)), metadata)


def read_restructured(data: bytes, name: str) -> Content:
    """reStructuredText as it is written, with its headings, tables and code blocks marked."""
    text = decode(data)
    lines = line_bounds(text)
    metadata = _fields(text, lines)
    spans = list(_restructured_spans(text, lines))
    return Content(text, tuple(sorted(spans, key=lambda span: span.start)), metadata)


def line_bounds(text: str) -> Lines:
    """Where each line starts and stops."""
    bounds, start = [], 0
    for line in text.split("\n"):
        bounds.append((start, start + len(line)))
        start += len(line) + 1
    return bounds


def _front_matter(text: str, lines: Lines) -> tuple[int, dict[str, str]]:
    """The first line after a YAML or TOML preamble, and its title, author and date."""
    rule = text[slice(*lines[0])].rstrip()
    if rule not in ("---", "+++"):
        return 0, {}
    for number, (start, stop) in enumerate(lines[1:201], 1):
        if text[start:stop].rstrip() in (rule, "..."):
            return number + 1, _named(text[slice(*line)] for line in lines[1:number])
    return 0, {}


def _fields(text: str, lines: Lines) -> dict[str, str]:
    """Title, author and date of a preamble of `Key: value` lines."""
    preamble = []
    for start, stop in lines[:60]:
        if not text[start:stop].strip():
            break
        preamble.append(text[start:stop])
    return _named(preamble) if preamble and FIELD.match(preamble[0]) else {}


def _named(lines: Iterator[str] | list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        match = FIELD.match(line.replace(" = ", ": ", 1))
        if match and match[1].lower() in ("title", "author", "date"):
            found[match[1].lower()] = one_line(match[2].strip("\"' "))
    return found


def _markdown_spans(text: str, lines: Lines, first: int) -> Iterator[Span]:
    number = first
    while number < len(lines):
        start, stop = lines[number]
        line = text[start:stop]
        if (fence := FENCE.match(line)) and not (fence[1][0] == "`" and "`" in fence[2]):
            number = _past_fence(text, lines, number, fence[1])
            yield Span(start, lines[number - 1][1], "code")
        elif heading := ATX.match(line):
            number += 1
            if label := _label(_unclosed(line[heading.end() :])):
                yield Span(start, stop, "heading", label, len(heading[1]))
        elif "|" in line and _is_table_rule(text, lines, number + 1):
            number = _past(text, lines, number + 2, lambda row: "|" in row)
            yield Span(start, lines[number - 1][1], "table")
        elif line.strip() and not NOT_A_PARAGRAPH.match(line):
            number, underline = _past_paragraph(text, lines, number)
            if underline:
                level = 1 if underline == "=" else 2
                label = _label(text[start : lines[number - 2][1]])
                yield Span(start, lines[number - 1][1], "heading", label, level)
        else:
            number += 1


def _past_fence(text: str, lines: Lines, number: int, fence: str) -> int:
    """The line after the closing fence, or after the last line if it is never closed."""
    for later in range(number + 1, len(lines)):
        line = text[slice(*lines[later])].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return later + 1
    return len(lines)


def _past_paragraph(text: str, lines: Lines, number: int) -> tuple[int, str]:
    """The line after a paragraph, and "=" or "-" if an underline made it a heading."""
    for later in range(number + 1, len(lines)):
        line = text[slice(*lines[later])]
        if underline := SETEXT.match(line):
            return later + 1, underline[1][0]
        if not line.strip() or ATX.match(line) or FENCE.match(line) or NOT_A_PARAGRAPH.match(line):
            return later, ""
        if "|" in line and _is_table_rule(text, lines, later + 1):
            return later, ""
    return len(lines), ""


def _is_table_rule(text: str, lines: Lines, number: int) -> bool:
    if number >= len(lines):
        return False
    rule = text[slice(*lines[number])]
    return "-" in rule and "|" in rule and not rule.strip("|:- \t")


def _past(text: str, lines: Lines, number: int, belongs: Callable[[str], object]) -> int:
    while number < len(lines) and belongs(text[slice(*lines[number])]):
        number += 1
    return number


def _unclosed(heading: str) -> str:
    """The words of `# Words ##`, without the closing marks."""
    words = heading.strip()
    bare = words.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else words


def _label(heading: str) -> str:
    """A heading's words, without emphasis, code marks, links or anchors."""
    heading = one_line(heading)
    words = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", heading)
    words = re.sub(r"[ \t]*\{#[^}]*\}[ \t]*$", "", words)
    return one_line(re.sub(r"[*`]+|(?<!\w)__?|__?(?!\w)", "", words)) or heading


def _restructured_spans(text: str, lines: Lines) -> Iterator[Span]:
    levels: list[str] = []  # adornment styles in the order they are met: that is their level
    number = 0
    while number < len(lines):
        start, stop = lines[number]
        line = text[start:stop]
        style = _title_style(text, lines, number)
        if style:
            if style not in levels:
                levels.append(style)
            title, last = (number + 1, number + 2) if len(style) == 2 else (number, number + 1)
            label = one_line(text[slice(*lines[title])])
            yield Span(start, lines[last][1], "heading", label, levels.index(style) + 1)
            number = last + 1
        elif GRID_RULE.match(line) or SIMPLE_RULE.match(line):
            number = _past_table(text, lines, number)
            yield Span(start, lines[number - 1][1], "table")
        elif line.rstrip().endswith("::") and (last := _indented_block(text, lines, number)):
            literal = (
                lines[number][0] if DIRECTIVE.match(line) else _first_text(text, lines, number)
            )
            yield Span(literal, lines[last][1], "code")
            number = last + 1
        elif DIRECTIVE.match(line) and (last := _indented_block(text, lines, number)):
            yield Span(start, lines[last][1], "code")
            number = last + 1
        else:
            number += 1


def _title_style(text: str, lines: Lines, number: int) -> str:
    """The adornment of a title that begins on this line: twice its character if it is over and
    under the title, once if only under it, nothing if no title begins here."""
    first, second, third = (
        text[slice(*lines[later])].rstrip() if later < len(lines) else ""
        for later in (number, number + 1, number + 2)
    )
    if not first or not second:
        return ""
    over = ADORNMENT.match(first)
    if over:
        framed = third == first and second.strip() and not ADORNMENT.match(second)
        return first[0] * 2 if framed and len(first) >= len(second.rstrip()) else ""
    under = ADORNMENT.match(second)
    alone = number == 0 or not text[slice(*lines[number - 1])].strip()
    if under and alone and not first[0].isspace() and len(second) >= min(len(first), 4):
        return second[0]
    return ""


def _past_table(text: str, lines: Lines, number: int) -> int:
    """The line after a grid or simple table."""
    grid = GRID_RULE.match(text[slice(*lines[number])]) is not None
    if grid:
        return _past(text, lines, number + 1, lambda row: row.lstrip()[:1] in ("+", "|"))
    last = number
    for later in range(number + 1, min(len(lines), number + 2000)):
        line = text[slice(*lines[later])]
        if SIMPLE_RULE.match(line):
            last = later
        elif not line.strip() and last > number + 1:
            break
    return last + 1


def _first_text(text: str, lines: Lines, number: int) -> int:
    """Start of the first line after this one that is not blank."""
    return lines[_past(text, lines, number + 1, lambda line: not line.strip())][0]


def _indented_block(text: str, lines: Lines, number: int) -> int:
    """The last line of the block indented below this line, or 0."""
    own = text[slice(*lines[number])]
    indent = len(own) - len(own.lstrip())
    last = 0
    for later in range(number + 1, len(lines)):
        line = text[slice(*lines[later])]
        if line.strip():
            if len(line) - len(line.lstrip()) <= indent:
                break
            last = later
    return last
