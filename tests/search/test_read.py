"""Each format from a file that the test makes itself, by hand or with the library of its kind."""

import io
import json
from email.message import EmailMessage
from pathlib import Path

import docx
import pytest
from pptx import Presentation

from benchmarks.samples import pdf, pdf_of, seeds, sheet_file, zipped
from isoflop.documents import Document
from isoflop.search.read import Refusal, media_type, read


def results(folder: Path, name: str, data: bytes) -> list[Document | Refusal]:
    path = folder / name
    path.write_bytes(data)
    return list(read(path, name))


def document(folder: Path, name: str, data: bytes | str) -> Document:
    (only,) = results(folder, name, data.encode() if isinstance(data, str) else data)
    assert isinstance(only, Document), only
    return only


def refusal(folder: Path, name: str, data: bytes) -> str:
    (only,) = results(folder, name, data)
    assert isinstance(only, Refusal), only
    return only.reason


def labels(document: Document, kind: str = "heading") -> list[tuple[int, str]]:
    return [(span.level, span.label) for span in document.spans if span.kind == kind]


def texts(document: Document, kind: str) -> list[str]:
    return [document.text[span.start : span.stop] for span in document.spans if span.kind == kind]


@pytest.mark.parametrize("name", sorted(seeds()))
def test_every_kind_is_read(tmp_path: Path, name: str) -> None:
    found = results(tmp_path, name, seeds()[name])
    assert found
    for one in found:
        assert isinstance(one, Document), one
        assert one.text.strip()
        assert all(0 <= span.start < span.stop <= len(one.text) for span in one.spans)
        assert list(one.spans) == sorted(one.spans, key=lambda span: (span.start, -span.stop))


def test_markdown_headings_are_found_and_those_in_code_are_not(tmp_path: Path) -> None:
    source = (
        "---\ntitle: 'The plan'\n# not a heading\n---\n# One #\n\ntext\n\nSetext *two*\n---\n\n"
        "```sh\n# comment\n```\n\n### [Three](x) {#id}\n#hashtag\n~~~\n# four\n"
    )
    read_one = document(tmp_path, "a.md", source)
    assert read_one.text == source
    assert labels(read_one) == [(1, "One"), (2, "Setext two"), (3, "Three")]
    assert texts(read_one, "code") == ["```sh\n# comment\n```", "~~~\n# four\n"]
    assert read_one.metadata == {"title": "The plan"}


def test_a_markdown_rule_and_a_list_make_no_headings(tmp_path: Path) -> None:
    read_one = document(
        tmp_path, "a.md", "- item\n---\n\n> quote\n---\n\n| a |\n---\n\n    x\n---\n"
    )
    assert labels(read_one) == []


def test_a_markdown_table_is_one_span(tmp_path: Path) -> None:
    table = "| a | b |\n|:--|--:|\n| 1 | 2 |\n| 3 | 4 |"
    read_one = document(tmp_path, "a.md", f"before\n{table}\n\nafter | not\n")
    assert texts(read_one, "table") == [table]


def test_restructured_titles_get_their_levels_in_the_order_of_their_styles(tmp_path: Path) -> None:
    source = (
        "=====\nTitle\n=====\n\nOne\n---\n\nTwo\n~~~\n\nThree\n-----\n\n* not\n* titles\n-----\n"
    )
    assert labels(document(tmp_path, "a.rst", source)) == [
        (1, "Title"),
        (2, "One"),
        (3, "Two"),
        (2, "Three"),
    ]


def test_restructured_code_and_tables_are_marked(tmp_path: Path) -> None:
    source = (
        "Text::\n\n    literal\n\n    more\n\n.. code-block:: py\n\n   x = 1\n\nText.\n\n"
        "+---+---+\n| a | b |\n+---+---+\n\n=== ===\na   b\n=== ===\n1   2\n=== ===\n"
    )
    read_one = document(tmp_path, "a.rst", source)
    assert texts(read_one, "code") == [
        "    literal\n\n    more",
        ".. code-block:: py\n\n   x = 1",
    ]
    assert len(texts(read_one, "table")) == 2


def test_the_fields_before_a_restructured_text_give_its_title(tmp_path: Path) -> None:
    read_one = document(
        tmp_path, "a.rst", "PEP: 8\nTitle: Style Guide\nAuthor: A B\n\nIntro\n=====\n"
    )
    assert read_one.metadata == {"title": "Style Guide", "author": "A B"}


def test_html_keeps_the_main_text_and_drops_what_surrounds_it(tmp_path: Path) -> None:
    source = (
        "<html><head><title>T &amp; U</title><style>x{}</style></head><body><nav>menu</nav>"
        "<header role=banner>site</header><main><h1>Head<a class=headerlink>#</a></h1>"
        "<p>One  <b>bold</b>\nword.<br>Next.</p><ul><li>a<li>b</ul><div hidden>no</div>"
        "<pre>  x = 1\n  y = 2</pre><table><tr><th>k<th>v<tr><td>1<td>2</table></main>"
        "<footer>legal</footer><script>evil()</script></body></html>"
    )
    read_one = document(tmp_path, "a.html", source)
    assert read_one.text == (
        "Head\n\nOne bold word.\nNext.\n\n- a\n- b\n\n  x = 1\n  y = 2\n\n"
        "k | v\n--- | ---\n1 | 2\n\n"
    )
    assert read_one.metadata["title"] == "T & U"
    assert labels(read_one) == [(1, "Head")]
    assert texts(read_one, "code") == ["  x = 1\n  y = 2"]
    assert texts(read_one, "table") == ["k | v\n--- | ---\n1 | 2"]


def test_a_table_that_lays_out_a_page_is_not_a_table(tmp_path: Path) -> None:
    source = "<table><tr><td><h2>A</h2><p>one<p>two</td><td><table><tr><td>x</table></table>"
    read_one = document(tmp_path, "a.html", source)
    assert labels(read_one) == [(2, "A")]
    assert texts(read_one, "table") == ["x"]


def test_html_is_decoded_as_it_declares(tmp_path: Path) -> None:
    page = '<meta charset="iso-8859-2"><p>Zażółć gęślą jaźń'.encode("iso-8859-2")
    assert document(tmp_path, "a.html", page).text == "Zażółć gęślą jaźń\n\n"


def test_html_nested_deeper_than_a_stack_is_read(tmp_path: Path) -> None:
    assert document(tmp_path, "a.html", "<div>" * 5000 + "deep").text == "deep\n\n"


def test_pdf_pages_keep_their_numbers_and_silent_ones_are_named(tmp_path: Path) -> None:
    found, said = results(tmp_path, "a.pdf", pdf(["first", "", "", "fourth page", ""]))
    assert isinstance(found, Document)
    assert labels(found, "page") == [(0, "1"), (0, "4")]
    assert [text.strip() for text in texts(found, "page")] == ["first", "fourth page"]
    assert isinstance(said, Refusal)
    assert said.id == "a.pdf"
    assert said.reason.startswith("pages 2-3, 5: no text layer")
    assert "OCR" in said.reason


def page_of(title: str, *paragraphs: list[str]) -> str:
    """A content stream: a bold title, then paragraphs of lines with a gap between them."""
    shown = f"BT /F2 14 Tf 40 740 Td ({title}) Tj 0 -30 Td /F1 10 Tf "
    for lines in paragraphs:
        shown += "".join(f"({line}) Tj 0 -12 Td " for line in lines) + "0 -10 Td "
    return f"{shown}ET"


def test_pdf_headings_and_paragraphs_are_told_by_how_they_are_set(tmp_path: Path) -> None:
    one = ["The first line of a paragraph", "and the second line of it."]
    two = ["Another paragraph, which is not", "part of the one before."]
    pages = [page_of("First part", one, two), page_of("Second part", two, one)]
    read_one = document(tmp_path, "a.pdf", pdf_of(pages))
    assert labels(read_one) == [(1, "First part"), (1, "Second part")]
    assert texts(read_one, "page")[0] == (
        "First part\n\n" + "\n".join(one) + "\n\n" + "\n".join(two) + "\n\n"
    )


def test_words_divided_at_the_end_of_a_pdf_line_are_joined_and_compounds_kept(
    tmp_path: Path,
) -> None:
    lines = [
        "They are con-",
        "firming that stock-",
        "based pay is based on stock, and",
        "nothing else.",
    ]
    read_one = document(tmp_path, "a.pdf", pdf_of([page_of("Title", lines)]))
    assert "confirming that stock-based pay" in read_one.text


def test_a_pdf_without_any_text_says_to_run_ocr(tmp_path: Path) -> None:
    assert "Run OCR" in refusal(tmp_path, "a.pdf", pdf(["", ""]))


def test_an_encrypted_pdf_is_refused_as_such(tmp_path: Path) -> None:
    assert "encrypted" in refusal(tmp_path, "a.pdf", pdf(["secret"], encrypted=True))


def test_a_broken_pdf_is_refused_as_such(tmp_path: Path) -> None:
    assert "broken PDF" in refusal(tmp_path, "a.pdf", b"%PDF-1.7\nnothing more")


def test_word_headings_lists_tables_and_comments_are_read(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title = "Report"
    word.add_heading("Cover", 0)
    word.add_heading("One", 1)
    word.add_heading("Deep", 3)
    paragraph = word.add_paragraph("Text.")
    word.add_paragraph("point", style="List Bullet")
    table = word.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    word.add_comment(paragraph.runs, text="Really?", author="R")
    file = io.BytesIO()
    word.save(file)
    read_one = document(tmp_path, "a.docx", file.getvalue())
    assert labels(read_one) == [(1, "Cover"), (2, "One"), (4, "Deep"), (1, "Comments")]
    assert "Text.\n\npoint" in read_one.text.replace("- ", "")
    assert texts(read_one, "table") == ["a | b"]
    assert "Really?" in read_one.text
    assert read_one.metadata["title"] == "Report"


def test_slides_are_pages_with_their_titles_and_notes(tmp_path: Path) -> None:
    show = Presentation()
    for number in (1, 2):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Title {number}"
        slide.placeholders[1].text = "body"
        slide.notes_slide.notes_text_frame.text = f"say {number}"
    file = io.BytesIO()
    show.save(file)
    read_one = document(tmp_path, "a.pptx", file.getvalue())
    assert labels(read_one, "page") == [(0, "1"), (0, "2")]
    assert labels(read_one) == [(1, "Title 1"), (1, "Title 2")]
    assert texts(read_one, "page")[1] == "Title 2\n\nbody\n\nNotes: say 2\n\n"


def test_a_sheet_repeats_its_header_as_a_heading(tmp_path: Path) -> None:
    read_one = document(tmp_path, "a.xlsx", sheet_file([["name", "joules"], ["idle", 7]]))
    assert labels(read_one) == [(1, "Costs"), (2, "name | joules")]
    assert texts(read_one, "table") == ["idle | 7"]


def test_a_sheet_of_numbers_has_no_header(tmp_path: Path) -> None:
    read_one = document(tmp_path, "a.xlsx", sheet_file([[1, 2], [3, 4]]))
    assert labels(read_one) == [(1, "Costs")]
    assert texts(read_one, "table") == ["1 | 2\n3 | 4"]


def test_csv_is_kept_as_it_is_with_its_header_as_a_heading(tmp_path: Path) -> None:
    source = 'name;"unit, written out"\nenergy;joule\n'
    read_one = document(tmp_path, "a.csv", source)
    assert read_one.text == source
    assert labels(read_one) == [(1, "name | unit, written out")]
    assert labels(document(tmp_path, "b.csv", "1,2\n3,4\n")) == []


def test_json_becomes_lines_of_keys_and_values_below_headings(tmp_path: Path) -> None:
    value = {"name": "x", "on": True, "none": None, "tags": ["a", 2], "parts": [{"id": 1.50}]}
    read_one = document(tmp_path, "a.json", json.dumps(value).replace("1.5", "1.50"))
    assert read_one.text == ("name: x\non: true\ntags: a, 2\n\nparts\n\nparts 1\n\nid: 1.50\n\n")
    assert labels(read_one) == [(1, "parts"), (2, "parts 1")]


def test_json_lines_are_records_and_a_broken_one_stays_as_it_is(tmp_path: Path) -> None:
    read_one = document(tmp_path, "a.jsonl", '{"a": {"b": [1, {"c": 2}]}}\n\n{broken\n')
    assert read_one.text == "record 1\n\na.b.1: 1\na.b.2.c: 2\n\nrecord 2\n\n{broken\n\n"


def test_json_that_is_not_json_is_read_as_text(tmp_path: Path) -> None:
    source = '{"a": 1, // a comment\n}'
    assert document(tmp_path, "a.json", source).text == source


def test_json_nested_deeper_than_a_stack_is_refused(tmp_path: Path) -> None:
    assert "nested too deeply" in refusal(tmp_path, "a.json", b"[" * 100_000)


def test_a_notebook_keeps_text_code_and_the_beginning_of_outputs(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["x" * 5000]},
        {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "<Figure>"}},
        {"output_type": "error", "ename": "KeyError", "evalue": "'k'", "traceback": []},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["\n## Load\n", "\n", "Text"]},
        {"cell_type": "code", "source": "d['k']", "outputs": outputs},
    ]
    read_one = document(tmp_path, "a.ipynb", json.dumps({"cells": cells}))
    assert labels(read_one) == [(2, "Load")]
    assert texts(read_one, "heading") == ["## Load"]
    assert texts(read_one, "code") == ["d['k']"]
    assert "KeyError: 'k'" in read_one.text
    assert read_one.text.count("x") < 2100


def test_an_e_mail_is_its_subject_its_people_and_its_text(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = "Grüße aus Köln", "Ä <a@example.org>"
    message.set_content("Plain words.")
    message.add_alternative("<p>Marked words.</p>", subtype="html")
    message.add_attachment("k,v\nx,1\n", filename="../../b.csv")
    message.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="png", filename="c.png")
    mail, table, picture = results(tmp_path, "a.eml", message.as_bytes())
    assert isinstance(mail, Document)
    assert mail.text == "Grüße aus Köln\n\nFrom: Ä <a@example.org>\n\nPlain words.\n\n"
    assert mail.metadata["title"] == "Grüße aus Köln"
    assert (table.id, picture.id) == ("a.eml/b.csv", "a.eml/c.png")
    assert isinstance(picture, Refusal)


def test_an_e_mail_of_html_alone_is_read_as_html(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "S"
    message.set_content("<script>no</script><p>Marked <b>words</b>.</p>", subtype="html")
    assert document(tmp_path, "a.eml", message.as_bytes()).text == "S\n\nMarked words.\n\n"


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    read_one = document(tmp_path, "a.epub", seeds()["a.epub"])
    assert labels(read_one) == [(1, "Chapter 1"), (1, "Chapter 2")]
    assert read_one.metadata["title"] == "A book"


def test_definitions_are_the_headings_of_code(tmp_path: Path) -> None:
    source = (
        "import x\n\n# about A\n@decorated\nclass A(B):\n    async def f(self):\n        return 1\n"
    )
    read_one = document(tmp_path, "a.py", source)
    assert read_one.text == source
    assert labels(read_one) == [(1, "class A(B)"), (5, "async def f(self)")]
    assert texts(read_one, "heading")[0] == "# about A\n@decorated\nclass A(B):"
    c = document(tmp_path, "a.c", "static int f(int a) {\n  g(a);\n}\nint h(void);\n")
    assert labels(c) == [(1, "static int f(int a)")]
    go = document(tmp_path, "a.go", "func (s *Server) Run() error {\n}\ntype T struct {\n}\n")
    assert [label for _, label in labels(go)] == ["func (s *Server) Run() error", "type T struct"]


def test_the_sections_of_tex_and_org_are_headings(tmp_path: Path) -> None:
    tex = document(tmp_path, "a.tex", "\\section{One}\nx\n\\subsection*{Two}\n")
    assert labels(tex) == [(3, "One"), (4, "Two")]
    assert labels(document(tmp_path, "a.org", "* One\n** Two\n")) == [(1, "One"), (2, "Two")]


def test_members_of_an_archive_continue_its_id(tmp_path: Path) -> None:
    inner = zipped({"deep.txt": "deep"})
    found = results(tmp_path, "a.zip", zipped({"docs/a.md": "# A\n", "b.zip": inner}))
    assert [one.id for one in found] == ["a.zip/docs/a.md", "a.zip/b.zip/deep.txt"]
    assert all(isinstance(one, Document) for one in found)


def test_the_kind_is_told_by_the_name_then_by_the_first_bytes(tmp_path: Path) -> None:
    assert media_type(Path("a.MD")) == "text/markdown"
    assert media_type(Path("LICENSE")) is None
    assert document(tmp_path, "LICENSE", "words").media_type == "text/plain"
    assert document(tmp_path, "report", pdf(["words"])).media_type == "application/pdf"
    assert document(tmp_path, "page", b"<!DOCTYPE html><p>x").media_type == "text/html"
    assert document(tmp_path, "book", seeds()["a.epub"]).media_type == "application/epub+zip"


def test_a_document_names_its_file_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    found = document(tmp_path, "a.txt", "isoflop\n")
    assert found.source == str(tmp_path / "a.txt")
    # printf 'isoflop\n' | sha256sum
    assert found.sha256 == "1ce1f0d6571e3932bf682100b6ccc27949cdbb3d1a34e2256a166c801df92baf"
