"""Comparisons with models on real servers: slow ones, refusing ones, dying ones, lying ones."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from isoflop import compare
from isoflop.errors import UsageError
from isoflop.measure.comparison.report import Report
from isoflop.questions import Question
from isoflop.search.index import Index

QUESTIONS = tuple(Question(f"q{n}", f"What is {n}?", (), (str(n),)) for n in range(6))
PRICE = 'prompt = 1e-6\noutput = 2e-6\nevidence = "M"\nsource = "here"\ndate = "2026-11-29"\n'


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body["messages"][-1]["content"])
        status, reply = self.server.answer(len(self.server.asked), body)
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


Reply = tuple[int, dict[str, Any]]


def right(number: int, body: dict[str, Any], usage: tuple[int, int] = (40, 3)) -> Reply:
    """The number that was asked for."""
    text = body["messages"][-1]["content"].split()[-1].rstrip("?")
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    counted = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return 200, {"model": body["model"], "choices": [choice], "usage": counted}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.answer: Callable[[int, dict[str, Any]], Reply] = right

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    tables = tmp_path / "catalog"
    tables.mkdir()
    (tables / "prices.toml").write_text(f'["127.0.0.1/small"]\n{PRICE}')
    monkeypatch.setenv("ISOFLOP_CATALOG", str(tables))
    monkeypatch.setenv("ISOFLOP_API_KEY", "")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "bridge.md").write_text("# The bridge\n\nA bridge with five arches.\n")
    (folder / "bakery.txt").write_text("The bakery opens at six. It sells 4 kinds of bread.\n")
    index = Index.open(folder, into=tmp_path_factory.mktemp("index"))
    index.update()
    return index


def compared(index: Index, server: Server, folder: Path, **options: Any) -> Report:
    wish = {
        "models": ["openai:small"], "methods": ["closed-book", "long-context"], "race": False,
        "folder": folder, "base_url": server.url, "tuning": 0, **options,
    }  # fmt: skip
    return compare(index, QUESTIONS, **wish)


def test_served_answers_are_paid_by_the_token(index: Index, server: Server, tmp_path: Path) -> None:
    report = compared(index, server, tmp_path / "run", budget="$1")
    closed = report.ways[0]
    assert closed["accuracy"]["value"] == 1
    assert closed["measured"]["each"]["dollars"] == pytest.approx(40e-6 + 6e-6)
    assert report.values["axis"] == "dollars"
    assert len(server.asked) == 12


def test_a_server_that_is_busy_is_asked_again(index: Index, server: Server, tmp_path: Path) -> None:
    server.answer = lambda n, body: (
        (429, {"error": {"message": "slow down"}}) if n % 3 == 1 else right(n, body)
    )
    report = compared(index, server, tmp_path / "run", methods=["closed-book"])
    assert report.ways[0]["status"] == "measured"
    assert report.ways[0]["questions"] == 6
    assert len(server.asked) > 6


def test_a_model_that_fails_half_way_is_reported_with_its_bill_and_the_others_go_on(
    index: Index, server: Server, tmp_path: Path
) -> None:
    def fails(number: int, body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        if body["model"] == "small" and asked.endswith("What is 3?"):
            return 400, {"error": {"message": "the model fell over"}}
        return right(number, body)

    server.answer = fails
    told: list[str] = []
    report = compared(
        index, server, tmp_path / "run", models=["openai:small", "extractive"],
        methods=["closed-book", "retrieval"], at_once=1, tell=told.append,
    )  # fmt: skip
    by_name = {way["name"]: way for way in report.ways}
    failed = by_name["closed-book openai:small"]
    assert failed["status"] == "failed"
    assert "the model fell over" in failed["reason"]
    assert 0 < failed["questions"] < 6
    assert failed["measured"]["each"]["prompt_tokens"] == 40
    assert by_name["retrieval extractive"]["questions"] == 6
    assert any("closed-book openai:small failed" in line for line in told)
    assert not report.values["complete"]


def test_a_run_goes_on_when_its_server_is_back(
    index: Index, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda n, body: (
        right(n, body) if n < 4 else (400, {"error": {"message": "gone"}})
    )
    first = compared(index, server, tmp_path / "run", methods=["closed-book"], at_once=1)
    assert first.ways[0]["questions"] == 3
    server.answer = right
    again = compared(index, server, tmp_path / "run", methods=["closed-book"], at_once=1)
    assert again.ways[0]["status"] == "measured"
    assert len(server.asked) == 3 + 1 + 3


def test_an_endpoint_that_lies_about_its_usage_is_reported(
    index: Index, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda n, body: right(n, body, usage=(40, 0))
    report = compared(index, server, tmp_path / "run", methods=["closed-book"])
    assert any("counts 0 tokens for it" in note for note in report.ways[0]["notes"])


def test_a_served_model_without_a_price_is_refused_where_the_budget_is_in_dollars(
    index: Index, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"prices\.toml"):
        compared(index, server, tmp_path / "run", models=["openai:unpriced"], budget="$5")
    assert not server.asked
