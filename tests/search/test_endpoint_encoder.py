"""The encoder behind an endpoint, against a real server on this machine."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from isoflop.errors import EndpointError, UsageError
from isoflop.search import endpoint_encoder
from isoflop.search.encode import load
from isoflop.search.endpoint_encoder import EndpointEncoder


@dataclass
class Server:
    """What it was asked, and how it shall answer."""

    address: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    body: bytes | None = None

    def answer(self, texts: list[str]) -> bytes:
        rows = [
            {"index": n, "embedding": [3.0 * len(text), 4.0 * len(text), 0.0]}
            for n, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": sum(len(text.split()) for text in texts)}
        return self.body or json.dumps({"data": rows[::-1], "usage": usage}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.requests.append(request | {"path": self.path})
            state.keys.append(self.headers["authorization"])
            status = state.failures.pop(0) if state.failures else 200
            body = state.answer(request["input"]) if status == 200 else b"no"
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.address = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def test_the_scheme_reads_address_and_key_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOFLOP_BASE_URL", server.address)
    monkeypatch.setenv("ISOFLOP_API_KEY", "secret")
    encoder = load("openai:small")
    assert (encoder.width, encoder.architecture) == (3, None)
    assert "small" in encoder.name
    assert server.requests == [{"model": "small", "input": ["width"], "path": "/v1/embeddings"}]
    assert server.keys == ["Bearer secret"]


def test_vectors_are_scaled_to_unit_length_and_put_in_the_order_of_the_texts(
    server: Server,
) -> None:
    server.body = None
    encoder = EndpointEncoder("m", base_url=server.address)
    encoded = encoder.encode(["one two", "", "three"])
    np.testing.assert_allclose(encoded.vectors, [[0.6, 0.8, 0]] * 3, atol=1e-6)
    assert (encoded.tokens, encoded.flops) == (3, None)
    rows = [{"index": n, "embedding": [float(n == 0), float(n == 1)]} for n in (1, 0)]
    server.body = json.dumps({"data": rows}).encode()
    np.testing.assert_array_equal(encoder.encode(["a", "b"]).vectors, np.eye(2))


def test_many_texts_go_in_several_requests(server: Server) -> None:
    encoder = EndpointEncoder("m", base_url=server.address)
    count = 2 * endpoint_encoder.BATCH + 1
    assert encoder.encode(["text"] * count).vectors.shape == (count, 3)
    assert [len(request["input"]) for request in server.requests[1:]] == [64, 64, 1]


def test_a_busy_server_is_asked_again_with_growing_pauses(server: Server) -> None:
    server.failures = [429, 503]
    pauses: list[float] = []
    encoder = EndpointEncoder("m", base_url=server.address, pause=pauses.append)
    assert encoder.width == 3
    assert pauses == [1.0, 2.0]


def test_a_refusal_is_not_repeated_and_says_what_to_check(server: Server) -> None:
    server.failures = [401]
    with pytest.raises(EndpointError, match=r"401 no\nCheck"):
        EndpointEncoder("m", base_url=server.address)
    assert len(server.requests) == 1


def test_a_server_that_stays_busy_is_given_up(server: Server) -> None:
    server.failures = [503] * 9
    with pytest.raises(EndpointError, match="503"):
        EndpointEncoder("m", base_url=server.address, retries=2, pause=lambda seconds: None)
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/embeddings"):
        EndpointEncoder("m", base_url="http://127.0.0.1:9", retries=0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": [{"index": 0}]}', b'{"data": []}'])
def test_an_answer_without_vectors_is_refused(server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(EndpointError, match="embeddings"):
        EndpointEncoder("m", base_url=server.address)


def test_pieces_cover_all_that_is_not_space(server: Server) -> None:
    encoder = EndpointEncoder("m", base_url=server.address)
    text = "Bridges, 1887: built_of stone."
    pieces = [text[start:stop] for start, stop in encoder.token_offsets(text)]
    assert "".join(pieces) == text.replace(" ", "")
    assert max(len(piece) for piece in pieces) <= 4


def test_vectors_of_tokens_are_refused_with_another_way(server: Server) -> None:
    encoder = EndpointEncoder("m", base_url=server.address)
    with pytest.raises(UsageError, match="--by fused"):
        encoder.token_vectors(["a"])
