"""Scoring through a real server on this machine that serves a real model, and through bad ones."""

import json
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isoflop.errors import CannotScore, EndpointError, Missing, UsageError
from isoflop.lm.endpoint import Endpoint
from isoflop.lm.model import Message, Scored, Scorer
from isoflop.lm.probe import LEAST_DIFFERENCE, LONGER, SENTENCE, TWIN
from tests.lm.servers import (
    Answer,
    Body,
    Handler,
    Server,
    TwoTokens,
    broken,
    busy,
    changed,
    cut,
    edited,
    flaky,
    leftovers,
    llama_server,
    no_echo,
    ollama,
    one_late,
    openai_chat,
    openai_instruct,
    output_only,
    running,
    sglang,
    squared,
    tgi,
    truth,
    vllm,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def model() -> TwoTokens:
    pages = sorted(DOCS.glob("explanation/*.md"))
    return TwoTokens("\n".join(page.read_text() for page in pages))


@pytest.fixture
def server(model: TwoTokens) -> Iterator[Server]:
    with running(model) as server:
        yield server


def test_a_text_is_scored_as_the_model_itself_scores_it(server: Server, model: TwoTokens) -> None:
    text = "The bill of naïve retrieval — “measured”, 日本 — is paid per question."
    with server.endpoint() as endpoint:
        scorer: Scorer = endpoint
        scored = scorer.score(text)
    assert "".join(scored.tokens[:2]) == text[: len("".join(scored.tokens[:2]))]
    assert scored.log_probabilities[0] == pytest.approx(math.log(1 / 600))
    assert scored.log_probabilities[1:] == pytest.approx(truth(model, text))
    bytes_ = [len(each) for each in model.tokenizer.encode(text).tokens]
    assert list(scored.byte_lengths) == bytes_
    assert sum(scored.byte_lengths) == len(text.encode())
    counts = (scored.prompt_tokens, scored.cached_tokens, scored.output_tokens)
    assert counts == (len(scored.tokens), None, 1)
    assert (scored.model, scored.bill.output_tokens) == ("two-tokens-v1", 1)
    assert scored.alternatives
    best = max(model.log_probabilities(model.encode(text)[0]))
    assert max(scored.alternatives[1].values()) == pytest.approx(best)


@pytest.mark.parametrize(
    ("answer", "way", "begins"),
    [(vllm, "echo", True), (sglang, "echo", False), (no_echo, "prompt_logprobs", False)],
)
def test_servers_that_score_are_found_out_and_agree(
    server: Server, model: TwoTokens, answer: Answer, way: str, begins: bool
) -> None:
    with server.endpoint(answer) as endpoint:
        probe = endpoint.probe()
        asked = len(server.bodies)
        scored = endpoint.score_continuation("The index is", " kept in one folder.")
        assert endpoint.probe() is probe
    assert (probe.way, probe.begins) == (way, begins)
    whole = (sum(truth(model, SENTENCE)) - sum(truth(model, TWIN))) / len(SENTENCE)
    assert probe.difference == pytest.approx(whole, abs=0.02)
    assert probe.difference > 2 * LEAST_DIFFERENCE  # even of so small a model
    assert probe.change == pytest.approx(0, abs=1e-9)
    read = [len(model.encode(text)) for text in (SENTENCE, TWIN, LONGER)]
    assert (probe.bill.prompt_tokens, probe.bill.output_tokens) == (sum(read), 3)
    assert len(server.bodies) == asked + 1
    after = len(model.encode(" kept in one folder."))
    expected = truth(model, "The index is kept in one folder.")[-after:]
    assert scored.log_probabilities == pytest.approx(expected)
    assert sum(scored.byte_lengths) == len(" kept in one folder.")


def test_a_token_across_the_boundary_is_scored_whole_and_said(
    server: Server, model: TwoTokens
) -> None:
    text = "The bill of the"
    last = model.string(model.encode(text)[-1])
    cut = len(text) - 1
    assert len(last) > 1
    with server.endpoint(sglang) as endpoint:
        scored = endpoint.score_continuation(text[:cut], text[cut:])
    assert (scored.tokens, scored.prompt_bytes) == ((last,), len(last) - 1)
    assert scored.byte_lengths == (1,)
    assert scored.log_probability == pytest.approx(truth(model, text)[-1])


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        (llama_server, r"echo, it refuses \(500: Only no echo.*prompt_logprobs, no log-prob"),
        (output_only, "only the log-probability of the token that it wrote came"),
        (ollama, "asked with echo, no log-probabilities came"),
        (tgi, "asked with prompt_logprobs, no log-probabilities came"),
        (openai_chat, "chat model and not supported"),
        (openai_instruct, r"it refuses \(400: Setting 'echo'"),
        (changed(lambda logs: [0.0] * len(logs)), r"all of its \d+ log-probabilities are 0"),
        (changed(lambda logs: [-3.25] * len(logs)), r"all of its \d+ log-.* are -3.25"),
        (changed(lambda logs: [None] * len(logs)), "none of its .* has a log-probability"),
        (changed(lambda logs: [*logs[:9], None, *logs[10:]]), "1 of its .* have no log-"),
        (changed(lambda logs: [*logs[:-2], math.nan, -1]), "not finite"),
        (changed(squared), "above zero"),
        (one_late, "likelier than the same words in reverse"),
        (changed(lambda logs: [-1.0, *logs[:-1]]), "tokens are likelier than the likeliest"),
        (changed(lambda logs: logs[1:]), "tokens are likelier than the likeliest"),
        (leftovers(), "changed by .* nats a token between two requests"),
    ],
)
def test_a_server_that_cannot_score_is_refused_with_what_it_answered(
    server: Server, answer: Answer, saw: str
) -> None:
    with server.endpoint(answer, pause=lambda wait: pytest.fail(f"{wait=}")) as endpoint:
        for _ in range(2):
            with pytest.raises(CannotScore, match=saw) as error:
                endpoint.score("A text.")
        assert "cannot score text with two-tokens" in str(error.value)
        assert "hf:PATH-or-repo" in str(error.value)
        asked = len(server.bodies)
    assert asked <= 6  # and nothing the second time
    assert all(body["max_tokens"] == 1 for body in server.bodies)


def test_alternatives_that_add_up_to_more_than_one_are_no_logarithms_to_base_e(
    server: Server,
) -> None:
    def edit(table: Body) -> None:
        for name in ("token_logprobs", "top_logprobs"):
            table[name] = json.loads(
                json.dumps(table[name]), parse_float=lambda text: float(text) / math.log(10)
            )

    with (
        server.endpoint(edited(edit), alternatives=20) as endpoint,
        pytest.raises(CannotScore, match=r"have a probability of .* together"),
    ):
        endpoint.score("A text.")


def test_a_server_that_breaks_later_is_refused_then(server: Server) -> None:
    with server.endpoint() as endpoint:
        assert endpoint.score("The index.").log_probability
        server.answer = output_only
        with pytest.raises(CannotScore, match=r"only the log-.*, though others had"):
            endpoint.score("The index again.")


def test_what_cannot_be_scored_is_said_before_anything_is_sent(server: Server) -> None:
    with server.endpoint() as endpoint, pytest.raises(UsageError, match="no text to score"):
        endpoint.score_continuation("A prompt", "")
    with pytest.raises(UsageError, match="at least 1"):
        server.endpoint(alternatives=0)
    assert server.bodies == []


def test_a_text_that_is_too_long_and_an_unknown_model_are_no_missing_scores(
    server: Server,
) -> None:
    def long(to: Handler, body: Body) -> None:
        if len(body["prompt"]) < 500:
            vllm(to, body)
        else:
            to.refuse(400, "This model's maximum context length is 128 tokens.")

    with server.endpoint(long) as endpoint:
        endpoint.score("Short.")
        with pytest.raises(EndpointError, match="shorter windows"):
            endpoint.score("word " * 200)
    server.answer = lambda to, body: to.refuse(404, "The model does not exist.")
    with (
        Endpoint("two-token", base_url=server.url, key="") as endpoint,
        pytest.raises(Missing, match="Did you mean two-tokens"),
    ):
        endpoint.score("Short.")


def test_a_busy_or_broken_server_is_asked_again_until_it_scores(
    server: Server, model: TwoTokens
) -> None:
    waits: list[float] = []
    now = [0.0]

    def pause(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    answer = flaky(broken, broken, busy, cut)
    with server.endpoint(answer, pause=pause, clock=lambda: now[0]) as endpoint:
        scored = endpoint.score("The index is kept.")
    assert scored.log_probabilities[1:] == pytest.approx(truth(model, "The index is kept."))
    assert len(waits) == 4
    lows, highs = (0.25, 0.5, 3, 2), (0.5, 1, 3.25, 4)
    for low, wait, high in zip(lows, waits, highs, strict=True):
        assert low <= wait <= high


def test_a_slow_body_is_left_after_the_time_allowed(server: Server) -> None:
    def drip(to: Handler, body: Body) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "1000")
        to.end_headers()
        try:
            for _ in range(200):
                to.wfile.write(b" ")
                to.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass  # the client left, as it should
        to.close_connection = True

    started = time.perf_counter()
    with (
        server.endpoint(drip, answer_seconds=0.3) as endpoint,
        pytest.raises(EndpointError, match="in the time allowed"),
    ):
        endpoint.score("The index.")
    assert time.perf_counter() - started < 5  # of ten
    assert len(server.bodies) == 1


def test_counts_that_are_absent_stay_unknown_and_false_ones_are_reported_once(
    server: Server, model: TwoTokens, caplog: pytest.LogCaptureFixture
) -> None:
    server.usage = None
    text = "The index is kept."
    with server.endpoint(count_tokens=lambda each: len(model.encode(each))) as endpoint:
        scored = endpoint.score(text)
        assert (scored.prompt_tokens, scored.bill.prompt_tokens) == (None, None)
        assert endpoint.doubts == ()
        server.usage = {
            "prompt_tokens": 3,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 64},
        }
        for _ in range(2):
            assert endpoint.score(text).bill.cached_tokens == 64
        doubts: tuple[str, ...] = endpoint.doubts
    mine = len(model.encode(text))
    assert [doubt.removeprefix(server.url) for doubt in doubts] == [
        f" counts 3 tokens in the prompt, which has {mine} scored tokens",
        " counts 64 cached tokens of only 3 in the prompt",
        f" counts 3 tokens in the prompt, which has {mine} by the tokenizer here",
    ]
    assert caplog.text.count("the bill follows the server") == 3


def test_many_threads_keep_to_the_limits_and_probe_once(server: Server, model: TwoTokens) -> None:
    texts = [f"The index is kept in folder {n}." for n in range(8)]
    started = time.perf_counter()
    with (
        server.endpoint(sglang, at_once=2, requests_per_minute=1200) as endpoint,
        ThreadPoolExecutor(8) as pool,
    ):
        scores: list[Scored] = list(pool.map(endpoint.score, texts))
    assert time.perf_counter() - started >= 10 * 60 / 1200
    for text, scored in zip(texts, scores, strict=True):
        assert scored.log_probabilities[1:] == pytest.approx(truth(model, text))
    assert len(server.bodies) == 3 + len(texts)
    assert server.most_inside <= 2


def test_all_threads_wait_when_one_was_told_that_it_is_too_much(server: Server) -> None:
    told, arrived = threading.Event(), []

    def answer(to: Handler, body: Body) -> None:
        arrived.append(time.perf_counter())
        if len(arrived) == 1:
            to.refuse(429, "slow down", Retry_After="0.5")
            told.set()
        else:
            sglang(to, body)

    with server.endpoint(sglang) as endpoint, ThreadPoolExecutor(2) as pool:
        endpoint.probe()
        server.answer = answer
        first = pool.submit(endpoint.score, "The index is kept.")
        assert told.wait(9)
        time.sleep(0.1)
        second = pool.submit(endpoint.score, "The bill is paid.")
        assert first.result().tokens != second.result().tokens
    assert [wait > 0.45 for wait in (arrived[1] - arrived[0], arrived[2] - arrived[0])] == [
        True
    ] * 2


def test_what_it_writes_comes_with_log_probabilities_from_chats_and_completions(
    server: Server, model: TwoTokens
) -> None:
    def stream(to: Handler, body: Body) -> None:
        ids = model.encode("The" if "messages" in body else body["prompt"])
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        to.end_headers()
        for _ in range(body["max_tokens"]):
            logs = model.log_probabilities(ids[-1])
            best = sorted(range(len(logs)), key=lambda i: -logs[i])[:2]
            ids.append(best[0])
            text, top = model.string(best[0]), {model.string(i): logs[i] for i in best}
            if "messages" in body:
                assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
                others = [{"token": t, "logprob": p, "bytes": None} for t, p in top.items()]
                entry = {"token": text, "logprob": logs[best[0]], "bytes": list(text.encode())}
                logprobs: object = {"content": [entry | {"top_logprobs": others}]}
                choice = {"delta": {"content": text}, "logprobs": logprobs}
            else:
                assert body["logprobs"] == 2
                lists = {"tokens": [text], "token_logprobs": [logs[best[0]]], "top_logprobs": [top]}
                choice = {"text": text, "logprobs": lists}
            to.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        usage = {"prompt_tokens": 1, "completion_tokens": body["max_tokens"]}
        to.wfile.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode())
        to.wfile.write(b"\n\ndata: [DONE]\n\n")
        to.close_connection = True

    with server.endpoint(stream) as endpoint:
        chat = endpoint.generate([Message("user", "Go on.")], most_tokens=5, alternatives=2)
        plain = endpoint.complete("The", most_tokens=5, alternatives=2)
        assert endpoint.doubts == ()
    assert chat.text == plain.text
    for generated in (chat, plain):
        assert generated.scored is not None
        assert "".join(generated.scored.tokens) == generated.text
        assert sum(generated.scored.byte_lengths) == len(generated.text.encode())
        expected = truth(model, "The" + generated.text)[-5:]
        assert generated.scored.log_probabilities == pytest.approx(expected)
        assert generated.scored.alternatives is not None
        assert [len(place) for place in generated.scored.alternatives] == [2] * 5
        assert (generated.output_tokens, generated.bill.output_tokens) == (5, 5)
    assert "messages" in server.bodies[0]
    assert "prompt" in server.bodies[1]
