"""Perplexity through a real server on this machine, held to the model's own chain."""

import json
import math
import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from isoflop.cli import group
from isoflop.errors import BudgetReached, CannotScore, EndpointError, UsageError
from isoflop.measure.served import perplexity, stretches
from tests.lm.servers import (
    Body,
    Handler,
    Server,
    TwoTokens,
    ollama,
    sglang,
    truth,
    vllm,
)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"


@pytest.fixture(scope="module")
def model() -> TwoTokens:
    return TwoTokens("\n".join(page.read_text() for page in sorted(DOCS.glob("*.md"))))


@pytest.fixture
def server(model: TwoTokens) -> Iterator[Server]:
    with Server(model) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def text() -> str:
    return (DOCS / "perplexity.md").read_text()[:3000] + " na\u00efve \u4e2d\u6587 \U0001f600"


@pytest.mark.parametrize(("window", "stride"), [(400, 400), (400, 100), (10_000, 10_000)])
def test_any_windows_give_the_chain_of_a_model_of_pairs(
    server: Server, model: TwoTokens, text: str, window: int, stride: int
) -> None:
    with server.endpoint(vllm) as endpoint:
        found = perplexity(endpoint, text, window=window, stride=stride)
    ids, size = model.encode(text), len(text.encode())
    assert (found.tokens, found.scored_tokens) == (len(ids), len(ids))
    assert (found.bytes, found.scored_bytes, found.words) == (size, size, len(text.split()))
    # it sees one token, so that no window changes what it predicts
    assert found.nats == pytest.approx(math.log(600) - sum(truth(model, text)), rel=1e-9)
    assert found.as_dict()["unit"] == "characters"
    assert found.bill.output_tokens == len(list(stretches([text], window, stride)))


def test_without_a_beginning_the_first_token_alone_is_not_scored(
    server: Server, model: TwoTokens, text: str
) -> None:
    with server.endpoint(sglang) as endpoint:
        found = perplexity(endpoint, text, window=500)
    first = len(model.tokenizer.encode(text).tokens[0])
    assert found.as_dict()["prefix"] == "none"
    assert found.tokens - found.scored_tokens == 1
    assert found.bytes - found.scored_bytes == first
    assert found.nats == pytest.approx(-sum(truth(model, text)), rel=1e-9)


def test_carriage_returns_are_counted_and_cost_nothing(
    server: Server, text: str, tmp_path: Path
) -> None:
    file = tmp_path / "crlf.txt"
    file.write_bytes(text.replace("\n", "\r\n").encode())
    with server.endpoint() as endpoint:
        found, plain = perplexity(endpoint, file, window=500), perplexity(endpoint, text)
    assert found.carriage_returns
    assert found.scored_bytes == file.stat().st_size
    assert found.nats == pytest.approx(plain.nats, rel=1e-9)


@given(
    st.text(alphabet="ab \n\u4e2d.", max_size=80),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 9),
)
def test_what_is_scored_tiles_the_text_and_no_request_is_too_long(
    text: str, window: int, stride: int, block: int
) -> None:
    stride = min(stride, window)
    parts = [text[place : place + block] for place in range(0, len(text), block)]
    found = list(stretches(parts, window, stride))
    assert "".join(new for _, new in found) == text
    place = 0
    for number, (before, new) in enumerate(found):
        assert text[:place].endswith(before)
        assert bool(before) == bool(number)
        assert len(new) <= (stride if number else window)
        if stride < window:
            assert len(before) + len(new) <= window
        place += len(new)


def test_an_endless_text_is_read_a_window_at_a_time() -> None:
    found = stretches(repeat("The tide comes in and goes out. "), 100, 50)
    assert sum(len(next(found)[1]) for _ in range(1000)) > 30_000


def test_requests_are_under_way_together_and_no_more_than_asked(server: Server, text: str) -> None:
    with server.endpoint() as endpoint:
        perplexity(endpoint, text, window=100, at_once=2)
    assert server.most_inside <= 2


def test_what_cannot_be_scored_is_refused(server: Server, model: TwoTokens) -> None:
    with server.endpoint(sglang) as endpoint:
        with pytest.raises(UsageError, match="The text is empty"):
            perplexity(endpoint, "")
        with pytest.raises(CannotScore, match="none of its 1 tokens has a log-probability"):
            perplexity(endpoint, "a")
        with pytest.raises(UsageError, match="window=5, stride=6"):
            perplexity(endpoint, "some text", window=5, stride=6)
    with server.endpoint(ollama) as endpoint, pytest.raises(CannotScore, match="cannot score"):
        perplexity(endpoint, "some text")


def short(to: Handler, body: Body) -> None:
    """A server whose model reads 400 tokens, as vLLM says it."""
    if len(to.server.model.encode(body["prompt"])) > 400:
        to.refuse(400, "This model's maximum context length is 400 tokens.")
    else:
        vllm(to, body)


def test_a_window_that_is_too_long_for_the_server_is_said_and_a_shorter_one_works(
    server: Server, text: str
) -> None:
    with server.endpoint(short) as endpoint:
        with pytest.raises(EndpointError, match="Score it in shorter windows"):
            perplexity(endpoint, text)
        assert perplexity(endpoint, text, window=300).bytes == len(text.encode())


def test_the_command_reads_a_served_model(
    server: Server, model: TwoTokens, text: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text(text)
    asked = ["perplexity", str(file), "--model", "openai:two-tokens", "--base-url", server.url]
    run = CliRunner().invoke(group, [*asked, "--window", "600", "--json"], catch_exceptions=False)
    printed = json.loads(run.stdout)
    apart, sliding = printed["texts"][0]["windows"]
    assert (apart["window"], sliding["stride"], apart["unit"]) == (600, 300, "characters")
    assert apart["nats"] == pytest.approx(math.log(600) - sum(truth(model, text)), rel=1e-9)
    assert printed["parameters"] is None
    assert "forecast, at most" in run.stderr
    shown = CliRunner().invoke(group, [*asked, "--window", "600"], catch_exceptions=False)
    assert "600 characters sliding by 300" in shown.stdout


def test_nothing_is_asked_beyond_the_budget_or_unasked(
    server: Server, text: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text(text)
    asked = ["perplexity", str(file), "--model", "openai:two-tokens", "--base-url", server.url]
    run = CliRunner().invoke(group, [*asked, "--budget", "1"])
    assert isinstance(run.exception, BudgetReached)  # its price is not known
    assert "nothing was asked" in str(run.exception)
    assert not server.bodies
    own = CliRunner().invoke(group, ["perplexity", str(file), "--budget", "1"])
    assert "leave out --budget" in str(own.exception)
