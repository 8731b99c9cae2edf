"""A key stays with us: no error, log line or address shows it, whoever sends it back."""

import logging
from collections.abc import Iterator

import pytest

from isoflop.errors import EndpointError, Missing, UsageError
from isoflop.lm.endpoint import Endpoint
from tests.lm.servers import KEY, Body, Handler, Server, TwoTokens, running


@pytest.fixture
def server() -> Iterator[Server]:
    with running(TwoTokens("A text.")) as server:
        yield server


def test_a_key_is_in_no_error_log_or_address_wherever_a_server_repeats_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def redirect(to: Handler, body: Body) -> None:
        to.say(302, {}, Location=f"http://127.0.0.1:9/?key={KEY}")

    def header(to: Handler, body: Body) -> None:
        to.wfile.write(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode())
        to.close_connection = True

    def inside(to: Handler, body: Body) -> None:
        to.say(200, {"error": {"message": f"{'x' * 295}{KEY}", "code": 401, "type": KEY}})

    for answer in (
        redirect,
        header,
        inside,
        lambda to, body: to.refuse(400, f"bad {KEY}"),
        lambda to, body: to.refuse(401, f"wrong {KEY}"),
        lambda to, body: to.refuse(500, f"{'x' * 290} {KEY}"),
    ):
        with (
            server.endpoint(answer, retries=1, pause=lambda wait: None) as endpoint,
            pytest.raises((EndpointError, Missing)) as error,
        ):
            endpoint.score("A text.")
        shown: BaseException | None = error.value
        while shown is not None:
            assert "sk-sec" not in f"{shown!r} {shown}"
            shown = shown.__cause__
        assert "sk-sec" not in f"{endpoint!r} {vars(endpoint)!r}"
    ours = [record for record in caplog.records if record.name.startswith("isoflop")]
    assert ours
    assert "sk-sec" not in " ".join(record.getMessage() for record in ours)
    for url in (f"{server.url}?api_key={KEY}", f"{server.url}?version={KEY}"):
        with pytest.raises(UsageError) as refused:
            Endpoint("two-tokens", base_url=url, key=KEY)
        assert "sk-sec" not in str(refused.value)
