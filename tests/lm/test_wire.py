"""The chat completions format, with replies as servers really cut and shape them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.lm.model import Message
from isoflop.lm.request import Request
from isoflop.lm.wire import MOST_BYTES, Garbled, Refused, Reply, model_names, refusal

ASK = Request(
    "small", (Message("system", "Be brief."), Message("user", "Why?")), 50, 0.0, ("\n\n",)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "choices", "delta", "message", "content", "usage", "model"]),
            inner,
            max_size=4,
        )
    ),
)


def streamed(*deltas: str, finish: str = "stop", ascii_only: bool = True) -> bytes:
    parts: list[object] = [{"choices": [{"delta": {"content": text}}]} for text in deltas]
    parts.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    lines = [json.dumps(part, ensure_ascii=ascii_only) for part in parts]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def read(*chunks: bytes) -> tuple[Reply, list[str]]:
    pieces: list[str] = []
    reply = Reply(pieces.append)
    reply.read(chunks)
    return reply, pieces


def test_a_request_asks_for_a_stream_and_for_its_usage() -> None:
    assert ASK.body() == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why?"},
        ],
        "max_tokens": 50,
        "temperature": 0.0,
        "stop": ["\n\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_a_server_refuses_is_left_out_renamed_or_said_by_the_user() -> None:
    body = ASK.body({"stream", "max_tokens", "temperature", "stop", "system"})
    assert body == {
        "model": "small",
        "messages": [{"role": "user", "content": "Be brief.\n\nWhy?"}],
        "max_completion_tokens": 50,
    }


@given(st.integers(1, 40))
def test_a_character_cut_anywhere_arrives_whole(size: int) -> None:
    stream = streamed("na\u00efve ", "\U0001f600", ascii_only=False)
    reply, pieces = read(*(stream[i : i + size] for i in range(0, len(stream), size)))
    assert reply.generated(1.0, "x").text == "na\u00efve \U0001f600" == "".join(pieces)


def test_an_emoji_cut_into_surrogates_by_the_server_arrives_whole() -> None:
    reply, pieces = read(streamed("a\ud83d", "\ude00b"))
    assert pieces == ["a", "\U0001f600b"]
    assert reply.generated(1.0, "x").text == "a\U0001f600b"


def test_half_an_emoji_becomes_a_replacement_character_that_can_be_printed() -> None:
    assert read(streamed("a\ud83d"))[1] == ["a", "\ufffd"]


def test_the_last_usage_counts_and_unknown_counts_are_none() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": True, "prompt_cache_hit_tokens": 4}
    last = json.dumps({"model": "small-2", "choices": [], "usage": usage})
    reply, _ = read(streamed("Yes.").replace(b"data: [DONE]", f"data: {last}".encode()))
    generated = reply.generated(2.5, "small")
    assert (generated.prompt_tokens, generated.cached_tokens) == (9, 4)
    assert generated.output_tokens is None  # a boolean is no count
    assert (generated.model, generated.seconds) == ("small-2", 2.5)
    assert generated.finish_reason == "stop"


def test_plain_json_is_read_whatever_its_white_space_and_form_of_content() -> None:
    message = {"content": [{"type": "text", "text": "Ye"}, {"type": "text", "text": "s."}]}
    details = {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}}
    whole = {"choices": [{"message": message, "finish_reason": "length"}], "usage": details}
    reply, pieces = read(b"\xef\xbb\xbf \n", json.dumps(whole).encode())
    generated = reply.generated(1.0, "small")
    assert (generated.text, generated.cached_tokens) == ("Yes.", 8)
    assert (generated.finish_reason, generated.model, pieces) == ("length", "small", ["Yes."])


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (b"", "empty"),
        (b"<html>Sign in</html>", "web page"),
        (b'{"answer": 42}', "no chat completion"),
        (b"{", "no chat completion"),
        (b"data: [1]\n\n", "no chat completion"),
        (streamed("half a sen")[:60], "broke off after 10 characters"),
        (b" " * (MOST_BYTES + 1), "longer than"),
    ],
)
def test_what_is_no_whole_answer_is_said_to_be_none(chunk: bytes, why: str) -> None:
    with pytest.raises(Garbled, match=why):
        read(chunk)


def test_an_error_in_the_middle_of_a_stream_is_an_error() -> None:
    error = b'data: {"error": {"message": "out of\\nmemory\\u001b[2J", "code": 503}}\n\n'
    with pytest.raises(Refused) as refused:
        read(streamed("half").split(b"data: ", 2)[1].join([b"data: ", b""]), error)
    assert (refused.value.status, refused.value.said) == (503, "out of memory [2J")


@given(JSON, st.booleans())
def test_no_json_of_whatever_shape_raises_anything_but_our_own(value: object, sse: bool) -> None:
    text = json.dumps(value)
    reply = Reply()
    try:
        reply.read([f"data: {text}\n\ndata: [DONE]\n\n".encode() if sse else text.encode()])
    except (Garbled, Refused):
        return
    assert isinstance(reply.generated(1.0, "x").text, str)


@pytest.mark.parametrize(
    ("body", "said", "code"),
    [
        ('{"error": {"message": "No.", "code": null, "type": "denied"}}', "No.", "denied"),
        ('{"error": {"message": "No.", "param": "stop", "code": "x"}}', "No. (stop)", "x"),
        ('{"error": "No."}', "No.", ""),
        ('{"message": "No."}', "No.", ""),
        ('{"detail": [{"loc": ["body"]}]}', '{"detail": [{"loc": ["body"]}]}', ""),
        ("plain words", "plain words", ""),
        ("<html>gateway</html>", "", ""),
        ("[]", "", ""),
    ],
)
def test_the_common_forms_of_errors_are_understood(body: str, said: str, code: str) -> None:
    found = refusal(400, body)
    assert (found.status, found.said, found.code) == (400, said, code)


def test_a_list_of_models_is_read_and_anything_else_is_no_list() -> None:
    assert model_names('{"data": [{"id": "a"}, {"id": 3}, "b"]}') == ["a"]
    assert model_names("<html>") == model_names("[]") == model_names('{"data": 1}') == []
