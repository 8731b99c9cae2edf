"""Server-sent events, cut anywhere."""

from hypothesis import example, given
from hypothesis import strategies as st

from isoflop.lm.events import Event, events

STREAM = (
    ": a comment\r\n\r\n"
    'data: {"text": "na\u00efve \u2028 \U0001f600"}\n\n'
    "event: error\rdata: first\rdata:  second\r\r"
    "id: 7\nretry: 10\ndata\n\n"
    "event: nothing\n\n"
    "data: [DONE]\r\n\r\n"
).encode()
EVENTS = [
    Event('{"text": "na\u00efve \u2028 \U0001f600"}'),
    Event("first\n second", "error"),
    Event(""),
    Event("[DONE]"),
]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(min(place, len(stream)) for place in places)
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
@example(list(range(len(STREAM))))
def test_events_do_not_depend_on_where_the_bytes_are_cut(places: list[int]) -> None:
    assert list(events(cut(STREAM, places))) == EVENTS


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_at_all_give_the_same_events_in_one_piece_or_many(
    stream: bytes, places: list[int]
) -> None:
    assert list(events(cut(stream, places))) == list(events([stream]))


WORDS = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]))


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3)), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_written_as_events_is_read_as_events(wanted: list[list[str]], end: str) -> None:
    written = "".join(
        "".join(f"data: {line}{end}" for line in lines) + f": ping{end}{end}" for lines in wanted
    )
    assert [e.data for e in events([written.encode()])] == ["\n".join(each) for each in wanted]


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert list(events([b"\xef", b"\xbb\xbfdata: a\n\n"])) == [Event("a")]


def test_a_last_event_without_its_blank_line_still_counts() -> None:
    assert list(events([b"data: a\n\ndata: [DONE]"])) == [Event("a"), Event("[DONE]")]
