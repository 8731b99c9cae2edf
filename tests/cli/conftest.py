"""Commands of `isoflop plan` run in this process, as a person would type them."""

import json
import sys
from typing import Any

import pytest

from isoflop.cli import main


class Told:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def values(self) -> dict[str, Any]:
        values = json.loads(self.out)
        assert isinstance(values, dict)
        return values


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `isoflop plan ...` in this process."""

    def run(*arguments: str, code: int = 0) -> Told:
        monkeypatch.setattr(sys, "argv", ["isoflop", "plan", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert stop.value.code == code, err
        return Told(code, out, err)

    return run
