"""The client against a real HTTP server on this machine that answers as it is told to."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from isoflop.errors import EndpointError, Missing, UsageError
from isoflop.lm.endpoint import Endpoint, key_for
from isoflop.lm.model import Generated, Message, Model

KEY = "sk-secret-7f3a"
ASKED = [Message("system", "Be brief."), Message("user", "Why?")]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 16},
}


class Script(BaseHTTPRequestHandler):
    """Plays one answer of the server's script per request; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.keys.append(self.headers.get("Authorization"))
        self.server.paths.append(self.path)
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        plain(200, {"data": [{"id": "small-chat"}, {"id": "large-chat"}]})(self)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


Play = Callable[[Script], None]


class Server(ThreadingHTTPServer):
    """A server and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Script)
        self.answers: list[Play] = []
        self.bodies: list[dict[str, object]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.gone = threading.Event()  # the client left in the middle

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def endpoint(self, *answers: Play, **options: object) -> Endpoint:
        self.answers = list(answers)
        self.waits: list[float] = []
        waits = {"pause": self.waits.append, "clock": lambda: sum(self.waits)}
        settings = {"base_url": self.url, "key": KEY, **waits, **options}
        return Endpoint("small", **settings)  # type: ignore[arg-type]  # options are free here


def plain(status: int, value: object, **headers: str) -> Play:
    def play(to: Script) -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        to.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), text)
        to.end_headers()
        to.wfile.write(body)

    return play


def failing(status: int, message: str, code: str = "", **headers: str) -> Play:
    return plain(status, {"error": {"message": message, "code": code}}, **headers)


def sse(*parts: object) -> bytes:
    return b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts)


def said(text: str) -> dict[str, object]:
    return {"model": "small-2", "choices": [{"index": 0, "delta": {"content": text}}]}


STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
WHOLE = sse(said("Because "), said("of caf\u00e9s."), STOP, {"choices": [], "usage": USAGE})
DONE = b": keep-alive\r\n\r\ndata: [DONE]\n\n"


def stream(
    body: bytes = WHOLE + DONE, *, size: int = 7, end: bool = True, pause: float = 0
) -> Play:
    """A chunked stream in pieces of `size` bytes; without `end`, the connection just closes."""

    def play(to: Script) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        try:
            for at in range(0, len(body), size):
                piece = body[at : at + size]
                to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                to.wfile.flush()
                time.sleep(pause)
            to.wfile.write(b"0\r\n\r\n" if end else b"")
        except OSError:
            to.server.gone.set()
        to.close_connection = True

    return play


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(endpoint: Endpoint, on_text: Callable[[str], None] | None = None) -> Generated:
    with endpoint:
        return endpoint.generate(ASKED, most_tokens=50, on_text=on_text)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_in_pieces_of_any_size_gives_the_text_and_the_counts(
    server: Server, size: int
) -> None:
    pieces: list[str] = []
    endpoint = server.endpoint(stream(size=size))
    model: Model = endpoint
    generated = model.generate(ASKED, most_tokens=50, on_text=pieces.append)
    assert pieces == ["Because ", "of caf\u00e9s."]
    assert generated.text == "Because of caf\u00e9s."
    assert (generated.prompt_tokens, generated.cached_tokens, generated.output_tokens) == (
        20,
        16,
        3,
    )
    assert (generated.finish_reason, generated.model) == ("stop", "small-2")
    assert 0 < generated.seconds < 30
    assert server.bodies[0]["stream_options"] == {"include_usage": True}
    assert (server.keys, server.paths) == ([f"Bearer {KEY}"], ["/v1/chat/completions"])
    assert model.name == "openai:small"
    endpoint.close()


def test_a_server_that_does_not_count_leaves_the_counts_unknown(server: Server) -> None:
    generated = ask(server.endpoint(stream(sse(said("Yes."), STOP) + DONE)))
    assert generated.text == "Yes."
    counts = (generated.prompt_tokens, generated.cached_tokens, generated.output_tokens)
    assert counts == (None, None, None)


def test_a_server_that_does_not_stream_is_read_as_plain_json(server: Server) -> None:
    pieces: list[str] = []
    choice = {"message": {"content": "Yes."}, "finish_reason": "stop"}
    endpoint = server.endpoint(plain(200, {"choices": [choice], "usage": USAGE}))
    generated = ask(endpoint, pieces.append)
    assert (generated.text, generated.output_tokens, pieces) == ("Yes.", 3, ["Yes."])


def test_a_refused_field_is_left_out_from_then_on(server: Server) -> None:
    endpoint = server.endpoint(
        failing(422, "Extra inputs are not permitted: stream_options"),
        failing(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        failing(400, "'temperature' does not support 0 with this model."),
        failing(400, "System role not supported"),
        stream(),
    )
    first = endpoint.generate(ASKED, most_tokens=50)
    second = ask(endpoint)
    assert first.text == second.text
    assert len(server.bodies) == 6
    assert server.bodies[4] == server.bodies[5]
    messages = [{"role": "user", "content": "Be brief.\n\nWhy?"}]
    wanted = {"model": "small", "messages": messages, "max_completion_tokens": 50, "stream": True}
    assert server.bodies[5] == wanted
    assert server.waits == []


def test_a_vague_refusal_costs_the_usage_and_a_second_one_is_final(server: Server) -> None:
    endpoint = server.endpoint(failing(400, "Unrecognized request argument supplied"))
    with pytest.raises(EndpointError, match="Unrecognized request argument"):
        ask(endpoint)
    assert ["stream_options" in body for body in server.bodies] == [True, False]


def test_a_busy_server_is_asked_again_after_the_time_it_wants(server: Server) -> None:
    busy = failing(429, "slow down", Retry_After="2")
    date = failing(503, "restarting", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    broken = stream(b"", end=False)
    generated = ask(server.endpoint(busy, date, failing(500, "oops"), broken, stream()))
    assert generated.text == "Because of caf\u00e9s."
    assert len(server.waits) == 4
    for wait, low, high in zip(server.waits, (2, 0, 1, 2), (2.25, 0.25, 2, 4), strict=True):
        assert low <= wait <= high


def test_a_server_that_stays_broken_is_given_up_after_the_agreed_attempts(server: Server) -> None:
    endpoint = server.endpoint(failing(500, "out of memory"), retries=2)
    with pytest.raises(EndpointError, match=r"failed \(500: out of memory\); tried 3 times"):
        ask(endpoint)
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (failing(429, "later", Retry_After="3600"), "asks to wait 3,600 s"),
        (failing(429, "You exceeded your quota", "insufficient_quota"), "no credit left"),
        (failing(400, "maximum context length is 4096 tokens", "x"), "fewer passages"),
        (failing(413, "too large"), "fewer passages"),
        (plain(302, "", Location="http://127.0.0.1:9/v1"), "redirect.* http://127.0.0.1:9/v1"),
        (plain(200, "<html>Welcome</html>"), "web page.*\n.*/v1"),
        (failing(418, "teapot"), "teapot"),
    ],
)
def test_what_waiting_cannot_mend_is_said_at_once(server: Server, answer: Play, why: str) -> None:
    with pytest.raises(EndpointError, match=why):
        ask(server.endpoint(answer))
    assert (len(server.bodies), server.waits) == (1, [])


def test_text_that_has_begun_is_never_asked_for_twice(server: Server) -> None:
    pieces: list[str] = []
    endpoint = server.endpoint(stream(sse(said("Because ")), end=False), stream())
    with pytest.raises(EndpointError, match="incomplete"):
        ask(endpoint, pieces.append)
    assert (pieces, len(server.bodies)) == (["Because "], 1)


def test_an_error_object_after_text_is_named_and_not_retried(server: Server) -> None:
    body = sse(said("Because "), {"error": {"message": "GPU is lost", "code": 500}})
    with pytest.raises(EndpointError, match="incomplete: the server reports 'GPU is lost'"):
        ask(server.endpoint(stream(body)))
    assert len(server.bodies) == 1


def test_an_error_object_before_text_is_asked_again(server: Server) -> None:
    lost = stream(sse({"error": {"message": "GPU is lost", "code": 500}}))
    assert ask(server.endpoint(lost, stream())).output_tokens == 3


def test_a_stream_that_breaks_after_its_last_word_is_whole(server: Server) -> None:
    generated = ask(server.endpoint(stream(sse(said("Yes."), STOP), end=False)))
    assert (generated.text, generated.output_tokens) == ("Yes.", None)


@pytest.mark.parametrize(
    ("body", "why"), [(sse(said("Because ")), "fell silent"), (b": wait\n\n", "said nothing")]
)
def test_silence_ends_it_and_nothing_is_paid_twice(server: Server, body: bytes, why: str) -> None:
    silent = stream(body + WHOLE, size=len(body), pause=2.0)
    with pytest.raises(EndpointError, match=why):
        ask(server.endpoint(silent, stream(), silence_seconds=0.2))
    assert len(server.bodies) == 1


def test_a_missing_key_names_the_variable_to_set(server: Server) -> None:
    denied = failing(401, "no key")
    with pytest.raises(Missing, match=r"none was sent(.|\n)*ISOFLOP_API_KEY or OPENAI_API_KEY"):
        ask(server.endpoint(denied, key=""))
    assert server.keys == [None]


def test_a_key_is_never_shown_even_where_the_server_repeats_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = server.endpoint(failing(500, f"oops {KEY}"), failing(401, f"Incorrect key {KEY}"))
    with pytest.raises(Missing, match=r"does not accept the key.*Incorrect key \[key\]") as error:
        ask(endpoint)
    assert KEY not in f"{error.value!r} {endpoint!r} {vars(endpoint)!r} {caplog.text}"
    assert "attempt 1 failed" in caplog.text


def test_an_unknown_model_is_answered_with_the_nearest_the_server_lists(server: Server) -> None:
    unknown = failing(404, "The model `small` does not exist")
    with pytest.raises(Missing, match="Did you mean small-chat"):
        ask(server.endpoint(unknown))
    assert server.paths == ["/v1/chat/completions", "/v1/models"]


def test_nothing_listening_is_said_at_once_with_what_to_do() -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(EndpointError, match=r"connection refused(.|\n)*--base-url"):
        ask(Endpoint("small", base_url=url, key="", pause=lambda wait: pytest.fail(f"{wait=}")))


def test_a_proxy_of_the_environment_does_not_see_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert ask(server.endpoint(stream())).output_tokens == 3


def test_other_hosts_do_not_get_the_key_that_was_set_for_openai() -> None:
    both = {"OPENAI_API_KEY": "a", "ISOFLOP_API_KEY": " b\n"}
    only = {"OPENAI_API_KEY": "a"}
    assert key_for("https://api.openai.com/v1", both) == "b"
    assert key_for("https://api.openai.com/v1", only) == "a"
    assert key_for("http://localhost:11434/v1", only) == "a"
    assert key_for("https://api.openai.com.example.org/v1", only) == ""
    assert key_for("https://example.org/v1", both) == "b"


def test_openai_is_not_contacted_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISOFLOP_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Missing, match="neither ISOFLOP_API_KEY nor OPENAI_API_KEY is set"):
        Endpoint("small")
    assert key_for("http://localhost:11434/v1") == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:11434", "http://localhost:11434/v1"),
        ("ftp://example.org", "no http or https"),
        ("http://user:pass@example.org/v1", "ISOFLOP_API_KEY"),
        ("http://example.org:port/v1", "no address"),
    ],
)
def test_an_address_that_cannot_work_is_refused_before_anything_is_sent(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)) as error:
        Endpoint("small", base_url=url)
    assert "pass@" not in str(error.value)


def test_a_key_with_a_line_break_is_refused_without_being_shown() -> None:
    with pytest.raises(Missing) as error:
        Endpoint("small", key="sk-half\nsk-other")
    assert "sk-" not in str(error.value)


def test_an_address_copied_with_its_last_part_or_a_query_works(server: Server) -> None:
    url = f"{server.url}/chat/completions?version=3"
    assert ask(server.endpoint(stream(), base_url=url)).text
    assert server.paths == ["/v1/chat/completions?version=3"]


def test_ctrl_c_leaves_a_running_stream_at_once(server: Server) -> None:
    server.answers = [stream(WHOLE * 200, size=40, pause=0.02)]
    code = (
        "from isoflop.lm.endpoint import *; from isoflop.lm.model import Message\n"
        f"Endpoint('small', base_url={server.url!r}, key='').generate([Message('user', 'Why?')],"
        " most_tokens=9, on_text=lambda text: print(text, flush=True))"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "Because \n"
    os.kill(client.pid, signal.SIGINT)
    _, errors = client.communicate(timeout=10)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert server.gone.wait(10)
