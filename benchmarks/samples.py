"""A small sound file of every readable kind, made by hand or by the library of its kind."""

import io
import json
import struct
import tarfile
import zipfile
from email.message import EmailMessage
from typing import Any

import docx
from pptx import Presentation

PROSE = (
    "Compute is what a model is made of. At equal compute, more tokens beat more parameters "
    "until they do not; the balance is a measured one. "
)
MARKDOWN = f"""---
title: Notes
---
# One

{PROSE}

```py
x = 1
```

| a | b |
|---|---|
| 1 | 2 |
"""
RESTRUCTURED = f"""Title
=====

{PROSE}

::

  code

==== ====
a    b
==== ====
1    2
==== ====
"""


def pdf(pages: list[str], *, encrypted: bool = False) -> bytes:
    """A PDF of these pages, line by line; an empty string makes a page without any text."""
    streams = []
    for text in pages:
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n") if line)
        streams.append(f"BT /F1 12 Tf 40 740 Td {lines}ET")
    return pdf_of(streams, encrypted=encrypted)


def pdf_of(streams: list[str], *, encrypted: bool = False) -> bytes:
    """A PDF of content streams, a page each, with Helvetica as F1 and its bold face as F2."""
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(streams)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica{} >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>",
        font.format(""),
        font.format("-Bold"),
    ]
    for number, stream in enumerate(streams):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R "
            f"/F2 4 0 R >> >> /Contents {6 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    lock = ""
    if encrypted:
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{'41' * 32}> /U <{'42' * 32}> /P -4 >>")
        lock = f" /Encrypt {len(objects)} 0 R /ID [<{'43' * 16}> <{'43' * 16}>]"
    body, places = b"%PDF-1.4\n", []
    for number, inside in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{inside}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    tail += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R{lock} >>\n"
    tail += f"startxref\n{len(body)}\n%%EOF\n"
    return body + tail.encode("latin-1")


def word_file() -> bytes:
    """A DOCX with headings, a list, a table and a comment."""
    document = docx.Document()
    document.add_heading("A report", 0)
    document.add_heading("Findings", 1)
    paragraph = document.add_paragraph(PROSE)
    document.add_paragraph("first point", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"cell {number}"
    document.add_comment(paragraph.runs, text="Is this so?", author="A reader")
    return _saved(document)


def slide_file() -> bytes:
    """A PPTX with a title, a text, a table and notes."""
    presentation = Presentation()
    for title in ("First slide", "Second slide"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = PROSE
        slide.notes_slide.notes_text_frame.text = "Say this slowly."
    table = slide.shapes.add_table(2, 2, 0, 0, 1_000_000, 500_000).table
    table.cell(0, 0).text, table.cell(1, 1).text = "corner", "other corner"
    return _saved(presentation)


def sheet_file(rows: list[list[str | int]]) -> bytes:
    """An XLSX with one sheet, written by hand."""
    spreadsheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{value}</v></c>"
            if isinstance(value, int)
            else f'<c t="inlineStr"><is><t>{value}</t></is></c>'
            for value in row
        )
        + "</row>"
        for row in rows
    )
    relation = (
        f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}'
    )
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension='
            '"rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override '
            f'PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
            "_rels/.rels": f'{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/_rels/workbook.xml.rels": f'{relation}/worksheet" Target="worksheets/sheet1.xml"/>'
            "</Relationships>",
            "xl/workbook.xml": f'<workbook xmlns="{spreadsheet}" xmlns:r="{office}"><sheets><sheet '
            'name="Costs" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{spreadsheet}"><sheetData>{cells}'
            "</sheetData></worksheet>",
        }
    )


def old_sheet_file() -> bytes:
    """An XLS: a compound file with one stream, in which one sheet holds a label and a number."""
    end, free, fat = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    name = b"Costs"
    start = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0))
    bounds = 4 + 8 + len(name)
    place = len(start) + bounds + 4
    sheets = record(0x85, struct.pack("<IHBB", place, 0, len(name), 0) + name) + record(0x0A, b"")
    label = record(0x204, struct.pack("<HHHHB", 0, 0, 0, 5, 0) + b"joule")
    number = record(0x203, struct.pack("<HHHd", 1, 0, 0, 42.0))
    sheet = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    stream = (start + sheets + sheet + label + number + record(0x0A, b"")).ljust(4096, b"\0")

    def entry(title: str, kind: int, child: int, first: int, size: int) -> bytes:
        wide = title.encode("utf-16-le")
        head = wide.ljust(64, b"\0") + struct.pack("<HBB", len(wide) + 2 if wide else 0, kind, 1)
        links = struct.pack("<III", free, free, child)
        return head + links + bytes(36) + struct.pack("<IQ", first, size)

    folder = entry("Root Entry", 5, 1, end, 0) + entry("Workbook", 2, free, 2, 4096)
    folder += entry("", 0, free, 0, 0) * 2
    chain = [fat, end, *range(3, 10), end]
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, end, 0, end, 0
    )
    return header + struct.pack("<109I", 0, *[free] * 108) + table + folder + stream


def book_file() -> bytes:
    """An EPUB of two chapters."""
    chapter = "<html><body><h1>Chapter {0}</h1><p>{1}</p><pre>x = {0}</pre></body></html>"
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http:'
            '//purl.org/dc/elements/1.1/"><metadata><dc:title>A book</dc:title></metadata>'
            '<manifest><item id="a" href="a.xhtml"/><item id="b" href="b.xhtml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "OEBPS/a.xhtml": chapter.format(1, PROSE),
            "OEBPS/b.xhtml": chapter.format(2, PROSE),
        }
    )


def mail_file() -> bytes:
    """An e-mail with two bodies and two attachments."""
    message = EmailMessage()
    message["Subject"], message["From"] = "Zwischenstand für März", "a@example.org"
    message["To"], message["Date"] = "b@example.org", "Mon, 02 Mar 2026 10:00:00 +0100"
    message.set_content(PROSE)
    message.add_alternative(f"<p>{PROSE}</p>", subtype="html")
    message.add_attachment(pdf([PROSE]), maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment("k,v\nx,1\n", filename="b.csv")
    return message.as_bytes()


def notebook_file() -> bytes:
    """A Jupyter notebook with a text cell, a code cell and what it printed."""
    output = {"output_type": "stream", "name": "stdout", "text": ["4\n"]}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Sums\n", PROSE]},
        {"cell_type": "code", "metadata": {}, "source": "print(2 + 2)", "outputs": [output]},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode()


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip archive of these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(members: dict[str, bytes], mode: Any = "w:gz") -> bytes:
    """A tar archive of these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def seeds() -> dict[str, bytes]:
    """One sound file of every readable kind, by name."""
    html = (
        f"<html><head><title>T</title></head><body><nav>menu</nav><h1>H</h1><p>{PROSE}</p><ul><li>"
        "a</ul><table><tr><th>k<td>v</table><pre>code</pre><script>no()</script></body></html>"
    )
    lines = "".join(
        json.dumps({"name": f"n{number}", "tags": ["a", 1]}) + "\n" for number in range(9)
    )
    nested = json.dumps({"data": [{"title": "t", "items": [{"k": 1.5, "v": None}] * 3}]})
    made: dict[str, bytes] = {
        "a.md": MARKDOWN.encode(),
        "a.rst": RESTRUCTURED.encode(),
        "a.txt": (PROSE * 9).encode(),
        "wide.txt": PROSE.encode("utf-16"),
        "kana.txt": "これは文字コードのテストです。日本語の文章。".encode("shift_jis"),
        "a.html": html.encode(),
        "a.csv": b"name,unit,value\n" + b"energy,joule,3\n" * 20,
        "a.tsv": b"name\tunit\n" + b"power\twatt\n" * 20,
        "a.json": nested.encode(),
        "a.jsonl": lines.encode(),
        "a.py": b"import os\n\n\nclass A:\n    def f(self):\n        pass\n\n\ndef g():\n    0\n",
        "a.c": b"/* sum */\nint sum(int a, int b) {\n  return a + b;\n}\n",
        "a.tex": b"\\section{One}\nText.\n\\subsection{Two}\nMore.\n",
        "a.ipynb": notebook_file(),
        "a.pdf": pdf([PROSE.replace(". ", ".\n")] * 3),
        "a.docx": word_file(),
        "a.pptx": slide_file(),
        "a.xlsx": sheet_file([["name", "joules"], ["idle", 7], ["busy", 42]]),
        "a.xls": old_sheet_file(),
        "a.epub": book_file(),
        "a.eml": mail_file(),
    }
    inside = {name: made[name] for name in ("a.md", "a.pdf", "a.csv")}
    made["a.zip"] = zipped({**inside, "inner.zip": zipped({"b.txt": PROSE})})
    made["a.tar.gz"] = tarred(inside)
    made["a.tgz"] = tarred(inside)
    made["a.tar"] = tarred(inside, "w")
    return made
