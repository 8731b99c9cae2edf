"""Comparisons with models on real servers: slow ones, refusing ones, dying ones, lying ones."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from isoflop import catalog, compare
from isoflop.augment.answerers.served import architecture_of, counter
from isoflop.errors import BudgetReached, UsageError
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.measure.comparison.report import Report
from isoflop.plan.flops import answering_flops
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


def test_a_budget_in_flops_is_kept_where_the_architecture_is_known(
    index: Index, server: Server, tmp_path: Path
) -> None:
    report = compared(
        index, server, tmp_path / "run", methods=["closed-book"], architecture="qwen3-0.6b",
        budget="1e15 FLOP",
    )  # fmt: skip
    each = answering_flops(catalog.architecture("qwen3-0.6b"), 40, 3)
    way = report.ways[0]
    assert way["measured"]["each"]["flops"] == pytest.approx(each)
    assert way["measured"]["each"]["bases"]["flops"] == "assumed"
    assert report.values["axis"] == "flops"
    with pytest.raises(BudgetReached, match="nothing was started"):
        compared(
            index, server, tmp_path / "dear", methods=["closed-book"],
            architecture="qwen3-0.6b", budget=f"{each} FLOP",
        )  # fmt: skip


def test_a_budget_in_flops_names_the_option_where_the_architecture_is_not_known(
    index: Index, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--architecture with a name of isoflop catalog"):
        compared(index, server, tmp_path / "run", budget="1e15 FLOP")
    assert not server.asked


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("qwen3:0.6b", "qwen3-0.6b"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("someone/gemma-3-4b-it", "gemma-3-4b"),
        ("small", None),
        ("llama-3.1-8b-distilled", None),
    ],
)
def test_served_names_are_found_in_the_catalog_and_no_others(name: str, row: str | None) -> None:
    assert architecture_of(name) == (row and catalog.architecture(row))


def test_a_budget_in_seconds_is_forecast_from_a_trial_that_is_paid_once(
    index: Index, server: Server, tmp_path: Path
) -> None:
    def slow(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.2)
        return right(number, body)

    server.answer = slow
    wish: dict[str, Any] = {"methods": ["closed-book"], "at_once": 1}
    report = compared(index, server, tmp_path / "run", budget="2 minutes", **wish)
    middle = report.ways[0]["forecast"]["each"]["middle"]["seconds"]
    assert 0.2 <= middle < 5  # a machine may be busy, but the sleep is in every answer
    assert report.ways[0]["measured"]["each"]["seconds"] >= 0.2
    assert len(server.asked) == 4 + 6
    answers = report.ways[0]["measured"]["each"]["seconds"] * 6
    assert report.values["spent"]["seconds"] >= answers + 4 * 0.2
    with pytest.raises(BudgetReached, match="nothing was started"):
        compared(index, server, tmp_path / "short", budget="0.1 seconds", **wish)
    server.asked.clear()
    with pytest.raises(BudgetReached, match="nothing was started"):
        compared(index, server, tmp_path / "short", budget="0.4 seconds", **wish)
    assert not server.asked


def test_the_context_of_a_served_model_decides_how_much_is_sent(
    index: Index, server: Server, tmp_path: Path
) -> None:
    usual, known = (
        compared(index, server, tmp_path / name, methods=["long-context"], **options).ways[0]
        for name, options in (("usual", {}), ("known", {"context": 590}))
    )
    assert usual["settings"]["passages"] == 2
    assert "its context is not known: 8,192 tokens are assumed" in usual["notes"]
    assert known["settings"]["passages"] == 1
    assert not any("assumed" in note for note in known["notes"])


def test_counts_are_checked_by_the_tokenizer_that_the_user_names(
    index: Index, server: Server, tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(["What is the number of arches? " * 20], 300)
    tokenizer.save(tmp_path)
    count = counter(str(tmp_path))
    honest = len(tokenizer.encode("What is 3?"))
    assert count("What is 3?") == honest
    for lie, doubted in ((0, False), (5000, True), (-100, True)):

        def counts(number: int, body: dict[str, Any], more: int = lie) -> Reply:
            texts = [message["content"] for message in body["messages"]]
            return right(number, body, usage=(sum(map(count, texts)) + more, 3))

        server.answer = counts
        report = compared(
            index, server, tmp_path / f"run{lie}", methods=["closed-book"],
            tokenizer=str(tmp_path / "tokenizer.json"),
        )  # fmt: skip
        notes = report.ways[0]["notes"]
        assert any("by the tokenizer here" in note for note in notes) == doubted


def test_a_tokenizer_that_is_none_is_named(index: Index, server: Server, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    for path, says in ((tmp_path / "no.json", "There is no tokenizer"), (tmp_path, "no tokenizer")):
        with pytest.raises(UsageError, match=says):
            compared(index, server, tmp_path / "run", tokenizer=str(path))


def test_what_is_said_of_a_served_model_needs_one(
    index: Index, server: Server, tmp_path: Path
) -> None:
    for models in (["extractive"], ["openai:small", "openai:large"]):
        with pytest.raises(UsageError, match="name one openai:NAME"):
            compared(index, server, tmp_path / "run", models=models, context=4096)


def test_a_served_model_without_a_price_is_refused_where_the_budget_is_in_dollars(
    index: Index, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"prices\.toml"):
        compared(index, server, tmp_path / "run", models=["openai:unpriced"], budget="$5")
    assert not server.asked


def test_a_server_that_cannot_read_one_question_is_asked_the_others(
    index: Index, server: Server, tmp_path: Path
) -> None:
    def short(number: int, body: dict[str, Any]) -> Reply:
        if body["messages"][-1]["content"].endswith("What is 3?"):
            said = "This model's maximum context length is 512 tokens."
            return 400, {"error": {"message": said, "code": "context_length_exceeded"}}
        return right(number, body)

    server.answer = short
    report = compared(index, server, tmp_path / "run", methods=["closed-book"])
    way = report.ways[0]
    assert way["status"] == "measured"
    assert way["accuracy"]["value"] == pytest.approx(5 / 6)
    assert any(
        note.startswith("1 of 6 questions count as not answered: The passages")
        for note in way["notes"]
    )


def silent(reason: str) -> Callable[[int, dict[str, Any]], Reply]:
    """Nothing is written to one question of the six."""

    def answer(number: int, body: dict[str, Any]) -> Reply:
        status, reply = right(number, body)
        if body["messages"][-1]["content"].endswith("What is 3?"):
            reply["choices"][0]["message"]["content"] = ""
            reply["choices"][0]["finish_reason"] = reason
        return status, reply

    return answer


def test_a_filtered_answer_is_none_and_is_paid_and_the_way_goes_on(
    index: Index, server: Server, tmp_path: Path
) -> None:
    server.answer = silent("content_filter")
    report = compared(index, server, tmp_path / "run", methods=["closed-book"])
    way = report.ways[0]
    assert way["status"] == "measured"
    assert way["abstained"] == pytest.approx(1 / 6)
    assert way["measured"]["each"]["dollars"] == pytest.approx(40e-6 + 6e-6)
    [note] = [note for note in way["notes"] if "count as not answered" in note]
    assert "content filter" in note


def test_a_model_that_spends_its_tokens_on_thinking_is_left_out_with_the_remedy(
    index: Index, server: Server, tmp_path: Path
) -> None:
    server.answer = silent("length")
    report = compared(index, server, tmp_path / "run", methods=["closed-book"], at_once=1)
    assert report.ways[0]["status"] == "failed"
    assert "used all its tokens for thinking" in report.ways[0]["reason"]
