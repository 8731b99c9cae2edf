"""What can be quoted from a passage."""

from hypothesis import given
from hypothesis import strategies as st

from isoflop.augment.quotable import MOST_CHARACTERS, quotable, table_heads, titles
from isoflop.documents import Passage
from isoflop.search.chunk import embedded_text


def passage(text: str, *headings: str) -> Passage:
    return Passage("notes.md", 0, len(text), text, headings)


def quotes(text: str, *headings: str) -> list[str]:
    return [text[start:stop] for start, stop in quotable(passage(text, *headings))]


def test_headings_titles_and_rules_are_not_quoted() -> None:
    text = (
        "# Ships\n\nThe old harbour\n\nIt was dredged in 1932.\n\n-----\n\n## Bells\n\nThey ring."
    )
    assert quotes(text) == ["It was dredged in 1932.", "They ring."]
    assert titles(passage(text, "Wexcombe")).split("\n") == [
        "Wexcombe",
        "# Ships",
        "The old harbour",
        "## Bells",
    ]


def test_an_underlined_heading_is_known_from_the_passage() -> None:
    assert quotes("Ships\n=====\nThere are four.", "Ships") == ["There are four."]


def test_entries_items_and_rows_are_quoted_though_they_are_short() -> None:
    text = "- rye bread\n\n- almond buns\n\nTelephone: 12\n\nbread | 3.20\n\nend"
    assert quotes(text) == ["- rye bread", "- almond buns", "Telephone: 12", "bread | 3.20", "end"]


def test_the_head_of_a_table_is_not_quoted_and_its_rows_are() -> None:
    text = "| grid | g per kWh |\n|------|----------:|\n| Poland | 662 |\n| France | 56 |\n"
    assert quotes(text) == ["| Poland | 662 |", "| France | 56 |"]
    assert titles(passage(text)) == "| grid | g per kWh |"


def test_a_row_is_read_with_the_head_of_its_own_table() -> None:
    text = (
        "Crops\n\n| crop | kg |\n| --- | --- |\n| beans | 12 |\n| peas | 9 |\n\nOr a | b.\n\n"
        "| tool | price |\n|:--|--:|\n| spade | 31 |\n"
    )
    spans = quotable(passage(text))
    heads = dict(zip(quotes(text), table_heads(passage(text), spans), strict=True))
    assert {quote: text[slice(*head)] for quote, head in heads.items()} == {
        "| beans | 12 |": "| crop | kg |",
        "| peas | 9 |": "| crop | kg |",
        "Or a | b.": "",
        "| spade | 31 |": "| tool | price |",
    }


@given(st.text(st.sampled_from("a|-: \n"), max_size=400))
def test_heads_stand_above_their_rows(text: str) -> None:
    spans = quotable(passage(text))
    for (start, _), (first, last) in zip(spans, table_heads(passage(text), spans), strict=True):
        assert first <= last <= start


def test_rows_of_a_sheet_are_read_with_the_heading_that_names_their_columns() -> None:
    text = (
        "Built\n\nYear | Buoys\n\n2019 | 112\n2020 | 97\n\nParts\n\nPart | City\n\nHulls | Gdynia\n"
    )
    second, third, fourth = (text.index(words) for words in ("Year", "Parts", "Part |"))
    sheet = Passage(
        "production.xlsx", 40, 40 + len(text), text, ("Built",),
        inside=(
            (40 + second, ("Built", "Year | Buoys")),
            (40 + third, ("Parts",)),
            (40 + fourth, ("Parts", "Part | City")),
        ),
    )  # fmt: skip
    spans = quotable(sheet)
    heads = table_heads(sheet, spans)
    assert [
        (text[slice(*row)], text[slice(*head)]) for row, head in zip(spans, heads, strict=True)
    ] == [
        ("2019 | 112", "Year | Buoys"),
        ("2020 | 97", "Year | Buoys"),
        ("Hulls | Gdynia", "Part | City"),
    ]


def test_rows_that_begin_a_passage_are_read_with_the_columns_above_it() -> None:
    text = "| 1999 | 7 |\n| 2000 | 9 |\n\nThey | sail.\n"
    later = Passage("a.md", 90, 90 + len(text), text, ("Fleet", "Year | Boats"))
    embedded, spans = embedded_text(later), quotable(later)
    ahead = len(embedded) - len(text)
    heads = [embedded[start + ahead : stop + ahead] for start, stop in table_heads(later, spans)]
    assert heads == ["Year | Boats", "Year | Boats", ""]


def test_a_table_that_begins_a_passage_keeps_its_own_head() -> None:
    text = "| crop | kg |\n|---|---|\n| peas | 9 |\n"
    begun = passage(text, "Fleet", "Year | Boats")
    ((head, stop),) = table_heads(begun, quotable(begun))
    assert text[head:stop] == "| crop | kg |"


def test_every_line_of_csv_is_quoted_alone_and_read_with_the_names_above() -> None:
    text = "barometer,6,Amadou Keita,0.3 hPa\nhygrometer,9,Amadou Keita,2 %\n"
    later = Passage("a/b.csv", 90, 90 + len(text), text, ("Sensor | Months | Who | Within",))
    spans = quotable(later)
    assert [text[slice(*span)] for span in spans] == text.splitlines()
    for head in table_heads(later, spans):
        embedded = embedded_text(later)
        ahead = len(embedded) - len(text)
        assert embedded[head[0] + ahead : head[1] + ahead] == "Sensor | Months | Who | Within"


def test_the_first_line_of_csv_is_not_quoted() -> None:
    text = "Sensor,Months\nbarometer,6\n"
    first = Passage("b.csv", 0, len(text), text, ("Sensor | Months",))
    assert [text[slice(*span)] for span in quotable(first)] == ["barometer,6"]


def test_a_question_is_no_answer() -> None:
    assert quotes("When does it open? It opens at six.") == ["It opens at six."]


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    clause = "and the ferry went to the island and came back, "
    found = quotes("It rained " + clause * 40 + "at last.")
    assert len(found) > 2
    assert all(quote.endswith(",") for quote in found[:-1])


@given(st.text(st.sampled_from("ab ,;\n.A|"), max_size=3000))
def test_quotes_are_short_and_trimmed(text: str) -> None:
    for quote in quotes(text):
        assert 0 < len(quote) <= MOST_CHARACTERS
        assert quote == quote.strip()


def test_one_word_of_fifty_thousand_letters_is_quoted_in_pieces() -> None:
    assert "".join(quotes("x" * 50_000)) == "x" * 50_000
