"""isoflop catalog: tables that are searched, rows that are shown whole."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from isoflop import catalog as known
from isoflop.cli.catalog import SHOWN, catalog
from isoflop.errors import UsageError


def run(*arguments: str) -> Result:
    # as under `isoflop`: click keeps the first spelling of --help that a command is asked with
    names = ["-h", "--help"]
    return CliRunner().invoke(
        catalog, list(arguments), catch_exceptions=False, help_option_names=names
    )


def test_the_tables_are_counted() -> None:
    assert json.loads(run("--json").stdout)["tables"]["accelerators"] == len(
        known.table("accelerators")
    )
    assert "architectures" in run().stdout


@pytest.mark.parametrize("name", SHOWN)
def test_every_row_is_printed_with_its_source_and_date(name: str) -> None:
    lines = run(name).stdout.splitlines()[2:]
    rows = known.table(name)
    assert len(lines) == len(rows)
    for line, (key, row) in zip(lines, rows.items(), strict=True):
        assert line.startswith(key)
        assert row["date"] in line
        assert line.endswith(row["source"])


def test_words_keep_the_rows_that_hold_them_all() -> None:
    printed = json.loads(run("accelerators", "nvidia", "2022", "--json").stdout)
    names = {row["name"] for row in printed["rows"]}
    assert {"h100-sxm", "rtx-4090"} <= names
    assert all(row["vendor"] == "NVIDIA" and row["year"] == 2022 for row in printed["rows"])


def test_a_row_is_shown_whole_by_name_alias_or_words() -> None:
    row = json.loads(run("architectures", "deepseek-r1", "--json").stdout)["row"]
    assert row["name"] == "deepseek-v3"
    assert row["counted"]["parameters"] == row["parameters"] == 671_026_419_200
    assert row["counted"]["kv_cache_bytes_at_2048"] == 2048 * 61 * 576 * 2
    assert "671,026,419,200" in run("architectures", "deepseek-v3").stdout
    assert run("grids", "united", "states").stdout.startswith("US\n")


def test_every_row_can_be_shown_whole() -> None:
    for name in SHOWN:
        for key in known.table(name):
            assert run(name, key).stdout.startswith(key + "\n"), key


def test_what_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean accelerators"):
        run("accelerator")
    with pytest.raises(UsageError, match="Did you mean mixtral-8x7b"):
        run("architectures", "mixtrall-8x7b")


def test_a_row_of_the_users_with_little_in_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isoflop-catalog").mkdir()
    for name in SHOWN:
        (tmp_path / "isoflop-catalog" / f"{name}.toml").write_text('[mine]\nnote = "little"\n')
        assert "mine" in run(name).stdout
        if name != "architectures":
            assert "little" in run(name, "mine").stdout
    with pytest.raises(UsageError, match="mine lacks layers, width"):
        run("architectures", "mine")


def test_runs_are_drawn_by_year(tmp_path: Path) -> None:
    pytest.importorskip("altair")
    run("runs", "--plot", str(tmp_path / "runs.svg"))
    assert "GPT-3" in (tmp_path / "runs.svg").read_text()
    with pytest.raises(UsageError, match="catalog runs --plot"):
        run("grids", "--plot", str(tmp_path / "grids.svg"))
