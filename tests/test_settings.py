"""A setting comes from the nearest place that names it, and says which."""

from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.settings import KEYS, setting, settings, user_file


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for key in KEYS:
        monkeypatch.delenv(f"ISOFLOP_{key.upper()}", raising=False)
    return tmp_path


def test_option_beats_variable_beats_project_beats_user_beats_default(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (setting("grid").value, setting("grid").origin) == ("world", "default")
    user_file().parent.mkdir(parents=True)
    user_file().write_text('grid = "FR"\nwatts = 65\n')
    assert setting("grid").value == "FR"
    (somewhere / "isoflop.toml").write_text('grid = "DE"\n')
    assert (setting("grid").value, setting("grid").origin) == ("DE", "isoflop.toml")
    monkeypatch.setenv("ISOFLOP_GRID", "SE")
    assert (setting("grid").value, setting("grid").origin) == ("SE", "ISOFLOP_GRID")
    assert setting("grid", "NO").origin == "option"
    assert setting("watts").value == 65.0


def test_every_key_has_a_value_and_an_origin() -> None:
    assert [(s.key, s.origin) for s in settings()] == [(key, "default") for key in KEYS]


def test_an_unknown_key_is_named_with_the_nearest(somewhere: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean grid"):
        setting("gird")
    (somewhere / "isoflop.toml").write_text("thread = 2\n")
    with pytest.raises(UsageError, match=r"isoflop\.toml.*thread.*Did you mean threads"):
        setting("grid")


def test_a_value_of_the_wrong_kind_names_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOFLOP_THREADS", "many")
    with pytest.raises(UsageError, match="ISOFLOP_THREADS: threads must be int, not 'many'"):
        setting("threads")


def test_a_broken_file_is_named(somewhere: Path) -> None:
    (somewhere / "isoflop.toml").write_text("grid = ")
    with pytest.raises(UsageError, match=r"isoflop\.toml cannot be read"):
        setting("grid")
