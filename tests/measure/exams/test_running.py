"""Runs against a real server on localhost, killed and continued; and against a real network."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from isoflop.bill import Bill
from isoflop.errors import BudgetReached, IsoflopError, UsageError
from isoflop.lm.endpoint import Endpoint
from isoflop.measure.exams import formats, run_folder, running
from isoflop.measure.exams.exam import Exam
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import score
from isoflop.plan.price import endpoint_bill

PRICE = {"prompt": 1e-6, "output": 2e-6}


class Teacher(BaseHTTPRequestHandler):
    """Says yes to every question with an even number, with the probabilities of both words."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        server = self.server
        assert isinstance(server, Classroom)
        time.sleep(server.seconds)
        with server.counting:
            server.asked.append(prompt)
            fails = len(server.asked) in server.fails
        number = int("".join(c for c in prompt if c.isdigit()))
        text = "Yes." if number % 2 == 0 else "No."
        likely = {"Yes": -0.1, "No": -2.4} if number % 2 == 0 else {"No": -0.2, "Yes": -1.7}
        first = next(iter(likely))
        logged = {
            "token": first,
            "logprob": likely[first],
            "top_logprobs": [{"token": t, "logprob": v} for t, v in likely.items()],
        }
        reply: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                    **({"logprobs": {"content": [logged]}} if body.get("logprobs") else {}),
                }
            ],
            "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
        }
        data = json.dumps({"error": {"message": "broken"}} if fails else reply).encode()
        self.send_response(400 if fails else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Classroom(ThreadingHTTPServer):
    """Counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Teacher)
        self.asked: list[str] = []
        self.counting = threading.Lock()
        self.seconds = 0.0
        self.fails: set[int] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@pytest.fixture
def classroom() -> Iterator[Classroom]:
    server = Classroom()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def exam(tmp_path: Path) -> Exam:
    path = tmp_path / "even.jsonl"
    rows = (
        {"id": f"q{n}", "prompt": f"Is {n} even?", "answers": ["no" if n % 2 else "yes"]}
        for n in range(10)
    )
    path.write_text("\n".join(map(json.dumps, rows)))
    return formats.read(path)


@pytest.fixture
def teacher(classroom: Classroom) -> Iterator[Endpoint]:
    with Endpoint("teacher", base_url=classroom.url, key="", retries=0) as endpoint:
        yield endpoint


def asked(exam: Exam, model: Endpoint, rule: str = "yes-no", at_once: int = 1) -> running.Asked:
    return running.Asked(
        exam, "even", model, rule, lambda b: endpoint_bill(b, PRICE), None, at_once
    )


def test_a_run_is_scored_and_billed(
    exam: Exam, classroom: Classroom, teacher: Endpoint, tmp_path: Path
) -> None:
    bill = running.run(asked(exam, teacher, at_once=3), tmp_path / "run")
    assert bill.prompt_tokens == 10 * 20
    assert bill.output_tokens == 10 * 2
    assert bill.dollars == pytest.approx(10 * (20e-6 + 4e-6))
    got = score(exam, recordings(tmp_path / "run")[0])
    assert got.model == "openai:teacher"
    assert got.accuracy.interval.value == 1.0
    assert got.joined.by == "prompt"
    assert min(classroom.asked) == "Is 0 even?\n\nAnswer with one word, yes or no."


def test_the_forecast_bounds_the_bill(exam: Exam, teacher: Endpoint, tmp_path: Path) -> None:
    ask = asked(exam, teacher)
    expected = running.forecast(ask)
    assert expected.basis_of("prompt_tokens") == "forecast"
    assert expected.output_tokens == 10 * 32
    assert expected.seconds is None
    bill = running.run(ask, tmp_path / "run")
    assert bill.dollars is not None
    assert expected.dollars is not None
    assert bill.dollars < expected.dollars
    nothing = running.forecast(ask, run_folder.answered_in(tmp_path / "run"))
    assert nothing == Bill()


def test_a_second_run_pays_nothing(
    exam: Exam, classroom: Classroom, teacher: Endpoint, tmp_path: Path
) -> None:
    running.run(asked(exam, teacher), tmp_path / "run")
    again = running.run(asked(exam, teacher), tmp_path / "run")
    assert again == Bill()
    assert len(classroom.asked) == 10


def test_half_a_last_line_is_cut_off_and_asked_again(
    exam: Exam, classroom: Classroom, teacher: Endpoint, tmp_path: Path
) -> None:
    running.run(asked(exam, teacher), tmp_path / "run")
    path = tmp_path / "run" / "outputs.jsonl"
    whole = path.read_bytes()
    for cut in (1, 25, 200):
        path.write_bytes(whole[:-cut])
        running.run(asked(exam, teacher), tmp_path / "run")
        assert score(exam, recordings(tmp_path / "run")[0]).accuracy.interval.value == 1.0
        assert len(path.read_bytes().splitlines()) == 10
    assert len(classroom.asked) == 13


def test_a_failing_server_loses_nothing_that_was_answered(
    exam: Exam, classroom: Classroom, teacher: Endpoint, tmp_path: Path
) -> None:
    classroom.fails = {4}
    with pytest.raises(IsoflopError, match="broken"):
        running.run(asked(exam, teacher), tmp_path / "run")
    assert len(run_folder.answered_in(tmp_path / "run")) == 3
    running.run(asked(exam, teacher), tmp_path / "run")
    assert len(classroom.asked) == 11


def test_the_budget_stops_it_before_it_is_passed(
    exam: Exam, teacher: Endpoint, tmp_path: Path
) -> None:
    one = running.forecast(asked(exam, teacher), [f"q{n}" for n in range(1, 10)]).dollars
    assert one is not None
    with pytest.raises(BudgetReached, match=r"of 10 questions answered"):
        running.run(asked(exam, teacher), tmp_path / "run", budget=3 * 24e-6 + one)
    answered = run_folder.answered_in(tmp_path / "run")
    assert len(answered) in (3, 4)
    assert len(answered) * 24e-6 <= 3 * 24e-6 + one


def test_another_model_may_not_continue_a_run(
    exam: Exam, teacher: Endpoint, tmp_path: Path
) -> None:
    running.run(asked(exam, teacher), tmp_path / "run")
    other = asked(exam, teacher, rule="letter")
    with pytest.raises(UsageError, match="its rule is 'yes-no', not 'letter'"):
        running.run(other, tmp_path / "run")


def test_pair_contrast_asks_for_the_probabilities(teacher: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(
        "pair_id,prompt,groundtruth\n"
        "a,Does 2 cause more?,Yes\na,Does 3 cause more?,No\n"
        "b,Does 5 cause more?,No\nb,Does 7 cause more?,Yes\n"
    )
    exam = formats.read(path)
    running.run(asked(exam, teacher, "pair-contrast"), tmp_path / "run")
    got = score(exam, recordings(tmp_path / "run")[0], rule="pair-contrast")
    assert [one.answers for one in got.graded] == [("A",), (None,)]  # 5 and 7 are equally odd


RUN = """
import sys
from pathlib import Path
sys.argv = ["isoflop", "exam", "run", *sys.argv[1:]]
from isoflop.cli import main
main()
"""


def test_a_killed_run_goes_on_without_paying_twice(
    exam: Exam, classroom: Classroom, tmp_path: Path
) -> None:
    classroom.seconds = 0.15
    command = [sys.executable, "-c", RUN, str(tmp_path / "even.jsonl"), "--model", "openai:t"]
    options = ["--base-url", classroom.url, "--into", str(tmp_path / "run"), "--at-once", "1"]
    environment = {**os.environ, "ISOFLOP_API_KEY": ""}
    first = subprocess.Popen(command + options, env=environment, stderr=subprocess.PIPE)
    while len(classroom.asked) < 4 and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = len(run_folder.answered_in(tmp_path / "run"))
    assert 3 <= kept < 10
    before = len(classroom.asked)
    whole = subprocess.run(command + options, env=environment, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    assert "10/10" in whole.stdout
    assert "bill:" in whole.stderr
    time.sleep(0.3)  # an answer that was under way when the process died still counts as asked
    assert len(classroom.asked) - before <= 10 - kept + 1
