"""PPTX: slides as pages, their titles as headings, then their notes."""

import io
from collections.abc import Iterator
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.exc import PythonPptxError

from isoflop.errors import Unreadable
from isoflop.search.read.content import Content, Draft, names_columns
from isoflop.search.read.office import BROKEN, DAMAGED, check_container

# A picture's description of fewer words is a file name or a program's guess.
DESCRIBING_WORDS = 4


def read(data: bytes, name: str) -> Content:
    """Every slide: title, text, tables, charts, descriptions of pictures, notes.

    Raises:
        Unreadable: If it is broken, encrypted or without text.
    """
    check_container(data, ".pptx")
    draft = Draft()
    try:
        presentation = Presentation(io.BytesIO(data))
        for number, slide in enumerate(presentation.slides, 1):
            with draft.page(number):
                _write(slide, draft)
        properties = presentation.core_properties
        metadata = {"title": properties.title or "", "author": properties.author or ""}
    except (*DAMAGED, PythonPptxError) as error:
        raise Unreadable(BROKEN.format("PowerPoint", error)) from error
    if not draft.length:
        raise Unreadable("has no text. If it holds pictures of text, run OCR on them first.")
    return draft.content(metadata)


def _write(slide: Any, draft: Draft) -> None:
    title = slide.shapes.title
    if title is not None:
        draft.heading(title.text_frame.text.replace("\v", " "), 1)
    for shape in _in_reading_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _write_shape(shape, draft)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        draft.paragraph(f"Notes: {notes.text.strip()}")


def _in_reading_order(shapes: Any) -> Iterator[Any]:
    """Shapes from the top, then from the left; groups opened, without recursion."""
    stack = sorted(shapes, key=_place, reverse=True)
    while stack:
        shape = stack.pop()
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            stack.extend(sorted(shape.shapes, key=_place, reverse=True))
        else:
            yield shape


def _place(shape: Any) -> tuple[int, int]:
    return shape.top or 0, shape.left or 0


def _write_shape(shape: Any, draft: Draft) -> None:
    if shape.has_text_frame:
        paragraphs = (
            paragraph.text.replace("\v", "\n") for paragraph in shape.text_frame.paragraphs
        )
        draft.paragraph("\n".join(filter(str.strip, paragraphs)))
    elif getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        draft.table(rows, headed=shape.table.first_row and names_columns(rows))
    elif getattr(shape, "has_chart", False):
        _write_chart(shape.chart, draft)
    elif shape.shape_type == MSO_SHAPE_TYPE.PICTURE:
        described = shape._element.xpath("./p:nvPicPr/p:cNvPr/@descr")
        if described and len(described[0].split()) >= DESCRIBING_WORDS:
            draft.paragraph(described[0])


def _write_chart(chart: Any, draft: Draft) -> None:
    """A chart as the table it was drawn from."""
    if chart.has_title and chart.chart_title.has_text_frame:
        draft.paragraph(chart.chart_title.text_frame.text)
    for plot in chart.plots:
        series = list(plot.series)
        rows = [["", *(str(one.name) for one in series)]]
        values = [list(one.values) for one in series]
        for number, category in enumerate(plot.categories):
            cells = [str(one[number]) if number < len(one) else "" for one in values]
            rows.append([str(category), *cells])
        draft.table(rows, headed=True)
