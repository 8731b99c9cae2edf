"""Tables of pages, Word files and slides: a rule parts the names of the columns from the rows."""

import io
from pathlib import Path

import docx
import pytest
from docx.oxml import OxmlElement
from pptx import Presentation

import isoflop
from isoflop.augment.quotable import columns
from isoflop.documents import Document
from isoflop.search.read import read
from isoflop.search.read.content import names_columns

ROOMS = [
    ["Room", "Seats", "Floor"],
    ["Skagerrak", "14", "3"],
    ["Biscay", "6", "2"],
    ["Tasman", "22", "1"],
]
WRITTEN = (
    "Room | Seats | Floor\n--- | --- | ---\nSkagerrak | 14 | 3\nBiscay | 6 | 2\nTasman | 22 | 1"
)


def page(rows: list[list[str]], *, named: bool) -> bytes:
    """A web page of one table, whose first row may be of `<th>`."""
    cells = [
        "".join(f"<th>{cell}" if named and not number else f"<td>{cell}" for cell in row)
        for number, row in enumerate(rows)
    ]
    return f"<h1>Office</h1><table>{''.join(f'<tr>{row}' for row in cells)}</table>".encode()


def word(rows: list[list[str]], *, repeated: bool = False) -> bytes:
    """A Word file of one table, whose first row may come back on every page."""
    document = docx.Document()
    table = document.add_table(rows=len(rows), cols=len(rows[0]))
    for row, cells in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    if repeated:
        table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def slides(rows: list[list[str]], *, first_row: bool = True) -> bytes:
    """A slide of one table, whose first row may be set apart."""
    show = Presentation()
    shapes = show.slides.add_slide(show.slide_layouts[6]).shapes
    table = shapes.add_table(len(rows), len(rows[0]), 0, 0, 9_000_000, 900_000).table
    table.first_row = first_row
    for number, cells in enumerate(rows):
        for column, text in enumerate(cells):
            table.cell(number, column).text = text
    file = io.BytesIO()
    show.save(file)
    return file.getvalue()


def table_of(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    (document,) = read(folder / name, name)
    assert isinstance(document, Document), document
    (span,) = [span for span in document.spans if span.kind == "table"]
    return document.text[span.start : span.stop]


def test_a_rule_stands_below_the_names_of_the_columns(tmp_path: Path) -> None:
    assert table_of(tmp_path, "a.html", page(ROOMS, named=True)) == WRITTEN
    assert table_of(tmp_path, "a.docx", word(ROOMS)) == WRITTEN
    assert table_of(tmp_path, "a.pptx", slides(ROOMS)) == WRITTEN


def test_no_rule_stands_where_the_file_names_no_columns(tmp_path: Path) -> None:
    assert "---" not in table_of(tmp_path, "a.html", page(ROOMS, named=False))
    assert "---" not in table_of(tmp_path, "a.pptx", slides(ROOMS, first_row=False))
    sides = b"<table><tr><th>Room<td>Biscay<tr><th>Seats<td>6</table>"
    assert table_of(tmp_path, "b.html", sides) == "Room | Biscay\nSeats | 6"


def test_a_row_that_comes_back_on_every_page_names_the_columns(tmp_path: Path) -> None:
    pairs = [["term", "meaning"], ["ebb", "falling tide"], ["flood", "rising tide"]]
    assert "---" not in table_of(tmp_path, "a.docx", word(pairs))
    assert table_of(tmp_path, "b.docx", word(pairs, repeated=True)).startswith(
        "term | meaning\n--- | ---\nebb | "
    )


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (ROOMS, True),
        ([["", "Seats"], ["Biscay", "6"], ["Tasman", "22"]], True),
        ([["Part", "Supplier", "City"], ["hull", "Nine", "Gdynia"], ["cell", "V", "Lyon"]], True),
        ([["Name", "Ada"], ["City", "Lyon"], ["Team", "Hulls"]], False),  # a form
        ([["Name", "Ada"], ["Age", "41"], ["City", "Lyon"]], False),
        ([["Room", "Seats"], ["Biscay", "6"]], False),  # one row below: as good a form
        ([["2019", "112"], ["2020", "97"], ["2021", "143"]], False),
        ([["a", "a", "b"], ["1", "2", "3"], ["4", "5", "6"]], False),
        ([["only"], ["one"], ["column"]], False),
        ([], False),
    ],
)
def test_names_are_told_from_rows(rows: list[list[str]], named: bool) -> None:
    assert names_columns(rows) is named


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many seats does the Biscay room have?", "Biscay | 6 | 2"),
        ("On which floor is the Tasman meeting room?", "Tasman | 22 | 1"),
    ],
)
def test_a_row_answers_what_only_its_head_asks(tmp_path: Path, question: str, answer: str) -> None:
    (tmp_path / "office.html").write_bytes(page(ROOMS, named=True))
    said = isoflop.ask(question, tmp_path)
    assert said.citations[0].quote == answer
    assert not said.abstained
    assert columns(said.citations[0]) == "Room | Seats | Floor"


def test_columns_are_told_of_rows_only_and_not_twice(tmp_path: Path) -> None:
    (tmp_path / "office.csv").write_text("Room,Seats\nBiscay,6\nTasman,22\n")
    (tmp_path / "pier.md").write_text("# The pier\n\nThe pier was built in 1871.\n")
    row = isoflop.ask("How many seats does the Biscay room have?", tmp_path).citations[0]
    assert (row.quote, columns(row)) == ("Biscay,6", "")
    assert row.passage.heading_of(row.start) == "Room | Seats"
    sentence = isoflop.ask("When was the pier built?", tmp_path).citations[0]
    assert ("1871" in sentence.quote, columns(sentence)) == (True, "")
