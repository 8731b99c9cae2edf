import itertools
import re
import time
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.documents import Document, Passage, Span
from isoflop.search.chunk import embedded_text, passages
from isoflop.search.read.markup import read_markdown
from isoflop.search.read.table import read as read_table


def words(text: str) -> list[tuple[int, int]]:
    """Words in pieces of up to four letters and single marks, as an encoder's tokenizer cuts."""
    return [match.span() for match in re.finditer(r"\w{1,4}|[^\w\s]", text)]


def made(text: str, spans: Sequence[Span] = (), **named: str) -> Document:
    kind = named.pop("media_type", "text/plain")
    return Document("a", text, "a", kind, "0", named, tuple(spans))


def markdown(source: str) -> Document:
    content = read_markdown(source.encode(), "a.md")
    return Document("a.md", content.text, "a.md", "text/markdown", "0", spans=content.spans)


def tokens(passage: Passage) -> int:
    return len(words(embedded_text(passage))) + 2


SENTENCE = "Every token costs twice as many operations as the model has parameters. "
PARAGRAPH = SENTENCE * 4 + "\n\n"

texts = st.text(alphabet=st.sampled_from("ab c. \n\n|#`!。日\u3000-x\t"), max_size=400)
blocks = st.lists(
    st.one_of(
        texts,
        st.sampled_from(
            ["\n\n# One\n\n", "\n\n## Two\n\n", "\n\n", SENTENCE, "word", "x" * 300, " " * 50]
        ),
        st.sampled_from(
            ["\n\n```\ncode\n  more\n```\n\n", "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"]
        ),
    ),
    max_size=30,
).map("".join)


@given(source=blocks, most=st.integers(16, 80))
def test_passages_tile_their_document(source: str, most: int) -> None:
    document = markdown(source)
    cut = passages(document, words, most_tokens=most)
    if not document.text.strip():
        assert cut == []
        return
    assert "".join(passage.text for passage in cut) == document.text
    assert cut[0].start == 0
    assert cut[-1].stop == len(document.text)
    for passage, following in itertools.pairwise(cut):
        assert passage.stop == following.start
        assert not following.text[0].isspace()  # white space belongs to the passage before
    for passage in cut:
        assert passage.text == document.text[passage.start : passage.stop]
        assert passage.text.strip()
        assert passage.line == document.text.count("\n", 0, passage.start) + 1


@given(source=blocks, most=st.integers(16, 80))
def test_no_passage_is_longer_than_the_encoder_reads(source: str, most: int) -> None:
    for passage in passages(markdown(source), words, most_tokens=most):
        assert tokens(passage) <= most, passage


@given(source=blocks, pages=st.lists(st.integers(1, 200), max_size=5))
def test_a_passage_lies_on_one_page(source: str, pages: list[int]) -> None:
    text, spans = "", []
    for number, length in enumerate(pages, 1):
        page = (source * length)[:length]
        if page.strip():
            spans.append(Span(len(text), len(text) + len(page), "page", str(number)))
            text += page
    for passage in passages(made(text, spans), words, most_tokens=32):
        within = [span for span in spans if span.start <= passage.start < span.stop]
        assert [int(span.label) for span in within] == [passage.page]
        assert passage.start + len(passage.text.rstrip()) <= within[0].stop


def test_a_document_of_white_space_has_no_passages() -> None:
    assert passages(made(""), words) == []
    assert passages(made(" \n\t \n"), words) == []


def test_too_few_tokens_are_refused_and_named() -> None:
    with pytest.raises(ValueError, match="most_tokens=8"):
        passages(made("text"), words, most_tokens=8)


def test_a_section_that_fits_stays_whole_with_the_sections_below_it() -> None:
    small_section = f"## Small\n\n{SENTENCE}\n\n### Below\n\n{SENTENCE}\n\n"
    source = f"# Top\n\n{PARAGRAPH * 4}{small_section}## Next\n\nx y\n"
    cut = passages(markdown(source), words, most_tokens=120)
    small = [passage for passage in cut if passage.text.startswith("## Small")]
    assert [passage.headings for passage in small] == [("Top", "Small")]
    assert "### Below" in small[0].text
    assert "## Next" not in small[0].text


def test_a_heading_is_never_a_passage_of_its_own() -> None:
    source = "# Top\n\n## Inner\n\n" + PARAGRAPH * 3 + "## Other\n\n" + PARAGRAPH * 3
    cut = passages(markdown(source), words, most_tokens=64)
    assert cut[0].text.startswith("# Top\n\n## Inner\n\nEvery")
    assert all(len(passage.text) > 40 for passage in cut)
    assert cut[1].headings == ("Top", "Inner")


def test_a_long_section_is_cut_between_paragraphs_if_one_ends_late_enough() -> None:
    cut = passages(made(PARAGRAPH * 6), words, most_tokens=256)
    assert all(passage.text.endswith(".  \n\n".replace("  ", " ")) for passage in cut)


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    cut = passages(made(SENTENCE * 40), words, most_tokens=100)
    assert all(passage.text.endswith(". ") for passage in cut)


def test_sentences_that_begin_in_lower_case_are_not_cut_either() -> None:
    for passage in passages(made(SENTENCE.lower() * 40), words, most_tokens=100):
        assert passage.text.endswith(". ")


def test_no_passage_is_a_leftover_of_a_few_words() -> None:
    for sentences in range(5, 40):
        cut = passages(made(SENTENCE * sentences), words, most_tokens=100)
        assert min(map(tokens, cut)) >= 40


def test_a_title_is_not_the_end_of_a_sentence() -> None:
    text = (
        "Here the work of Dr. Watson and Mr. Holmes is told at length by A. Doyle in London. " * 20
    )
    for passage in passages(made(text), words, most_tokens=64):
        assert passage.text.startswith("Here")


def test_a_table_and_code_that_fit_are_not_cut() -> None:
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 6
    code = "```\n" + "x = x + 1\n" * 6 + "```\n"
    for lead in range(1, 12):
        source = f"{SENTENCE * lead}\n\n{table}\n{SENTENCE * 3}\n\n{code}\n{SENTENCE * lead}"
        cut = passages(markdown(source), words, most_tokens=90)
        assert sum(table.strip() in passage.text for passage in cut) == 1
        assert sum(code.strip() in passage.text for passage in cut) == 1


def test_a_table_too_long_is_cut_between_its_rows() -> None:
    table = "| name | value |\n|---|---|\n" + "| energy | joule |\n" * 60
    for passage in passages(markdown(table), words, most_tokens=64):
        assert passage.text.startswith("| ")
        assert passage.text.endswith("|\n")


def test_every_further_passage_of_a_table_carries_the_names_of_its_columns() -> None:
    rows = "".join(f"| {year} | {year * 7} |\n" for year in range(1900, 2000))
    document = markdown(f"# Fleet\n\n| Year | Boats |\n|---|--:|\n{rows}\nThey sail.\n")
    first, *further = passages(document, words, most_tokens=128)
    assert first.headings == ("Fleet",)
    assert len(further) == 5
    assert {passage.headings for passage in further} == {("Fleet", "Year | Boats")}
    assert all(tokens(passage) <= 128 for passage in (first, *further))
    last = further[-1]
    assert last.heading_of(document.text.index("| 1999")) == "Fleet > Year | Boats"
    assert last.heading_of(document.text.index("They sail.")) == "Fleet"


def test_rows_without_names_carry_no_columns() -> None:
    rows = "".join(f"{year} | {year * 7}\n" for year in range(1900, 2000))
    table = made(rows, [Span(0, len(rows), "table")])
    assert {passage.headings for passage in passages(table, words, most_tokens=64)} == {()}


def test_every_passage_of_a_csv_carries_its_header() -> None:
    content = read_table(b"name,joules\n" + b"idle,7\n" * 90, "a.csv")
    document = Document("a.csv", content.text, "a.csv", "text/csv", "0", spans=content.spans)
    cut = passages(document, words, most_tokens=64)
    assert len(cut) > 4
    assert all(embedded_text(passage).startswith("name") for passage in cut)
    assert all(passage.text.endswith("\n") for passage in cut)


def test_the_heading_path_is_embedded_once() -> None:
    cut = passages(
        markdown(f"# Top\n\nintro words\n\n## Sub\n\n{PARAGRAPH * 6}"), words, most_tokens=80
    )
    assert embedded_text(cut[0]) == cut[0].text
    assert cut[1].heading == "Top > Sub"
    assert embedded_text(cut[1]) == f"Top > Sub\n{cut[1].text}"


def test_headings_take_at_most_a_fifth_of_the_tokens() -> None:
    source = "".join(f"{'#' * level} {'heading words ' * 20}\n\n" for level in (1, 2, 3))
    for passage in passages(markdown(source + PARAGRAPH * 9), words, most_tokens=100):
        assert len(words(passage.heading)) <= 20
        assert tokens(passage) <= 100


def test_the_title_of_a_page_without_a_main_heading_stands_above_its_sections() -> None:
    spans = (Span(0, 3, "heading", "Sub", 2),)
    page = made("Sub\n\ntext words", spans, media_type="text/html", title="Title")
    assert passages(page, words)[0].headings == ("Title", "Sub")


def test_the_title_that_a_converter_gave_a_pdf_is_not_embedded() -> None:
    page = made("text words", media_type="application/pdf", title="doc1-final.docx")
    assert passages(page, words)[0].headings == ()


def test_offsets_are_asked_once_about_a_document_of_words() -> None:
    asked: list[int] = []

    def counted(text: str) -> list[tuple[int, int]]:
        asked.append(len(text))
        return words(text)

    text = PARAGRAPH * 2000
    passages(made(text), counted)
    assert asked == [len(text)]


def test_long_documents_are_tokenised_in_slices_with_the_same_result() -> None:
    text = (PARAGRAPH * 9 + "x" * 1000 + "\n\n") * 900
    asked: list[int] = []

    def counted(text: str) -> list[tuple[int, int]]:
        asked.append(len(text))
        return words(text)

    cut = passages(made(text), counted)
    assert max(asked) < 1_100_000 < len(text)
    assert "".join(passage.text for passage in cut) == text
    assert max(map(tokens, cut)) <= 256


@pytest.mark.parametrize("unit", ["x", "日", "ab-", "-", " \u200b"])
def test_a_line_without_an_end_is_cut_in_linear_time(unit: str) -> None:
    def timed(length: int) -> float:
        document = made((unit * length)[:length])
        began = time.process_time()
        cut = passages(document, words)
        assert "".join(passage.text for passage in cut) == document.text
        return time.process_time() - began

    timed(100_000)
    assert timed(1_600_000) < 40 * timed(100_000) + 0.5


def test_a_word_that_is_one_token_to_the_encoder_is_still_cut() -> None:
    def whole(text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]

    cut = passages(made("x" * 100_000), whole)
    assert max(len(passage.text) for passage in cut) < 5000
    assert "".join(passage.text for passage in cut) == "x" * 100_000


def test_a_block_of_one_long_word_is_cut_at_all() -> None:
    text = "日" * 30 + " x " * 3
    document = made(text, [Span(0, len(text), "code"), Span(3, 20, "table")])
    for most in range(16, 30):
        for per in (1, 9, 40):  # tokens of a character: one that is too long is no dead end
            cut = passages(document, partial(each, tokens=per), most_tokens=most)
            assert "".join(passage.text for passage in cut) == text


def each(text: str, tokens: int) -> list[tuple[int, int]]:
    """So many tokens for each character, as bytes are to some tokenizers."""
    return [(place, place + 1) for place in range(len(text)) for _ in range(tokens)]


@settings(max_examples=20)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_can_be_cut(text: str) -> None:
    cut = passages(made(text), words, most_tokens=16)
    assert "".join(passage.text for passage in cut) == text * bool(cut)


def test_a_passage_knows_the_headings_that_begin_inside_it() -> None:
    (only,) = passages(
        markdown("# Log\n\nAbout.\n\n## Spring\n\nSown.\n\n## Autumn\n\n### Store\n\nDug.\n"), words
    )
    assert only.headings == ("Log",)
    places = {word: only.heading_of(only.text.index(word)) for word in ("About", "Sown", "Dug")}
    assert places == {"About": "Log", "Sown": "Log > Spring", "Dug": "Log > Autumn > Store"}


@given(source=blocks, most=st.integers(16, 80))
def test_headings_inside_a_passage_begin_inside_it(source: str, most: int) -> None:
    for passage in passages(markdown(source), words, most_tokens=most):
        starts = [start for start, _ in passage.inside]
        assert starts == sorted(starts)
        assert all(passage.start < start < passage.stop for start in starts)
        assert passage.heading_of(passage.start) == passage.heading
