"""A user's own tables add rows and change figures; what is wrong with them is said."""

from pathlib import Path

import pytest

from isoflop import catalog
from isoflop.errors import UsageError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a folder for tables, and a configured one beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISOFLOP_CATALOG", str(tmp_path / "configured"))
    for name in ("isoflop-catalog", "configured"):
        (tmp_path / name).mkdir()
    return tmp_path / "isoflop-catalog"


def test_a_row_of_the_users_changes_figures_and_keeps_the_others(own: Path) -> None:
    file = own / "accelerators.toml"
    file.write_text(
        "[h100-sxm]\ndollars_per_hour = 1.85\n[h100-sxm.flops_per_second]\nfp8 = 2e15\n"
    )
    chip = catalog.accelerator("h100")
    assert chip.dollars_per_hour == 1.85
    assert chip.flops_per_second["fp8"] == 2e15
    assert chip.flops_per_second["bf16"] == 989e12
    assert "dollars_per_hour, flops_per_second: " in chip.source
    assert "ml-engineering" in chip.source
    assert str(file) in chip.source


def test_a_row_may_be_changed_by_its_alias(own: Path) -> None:
    (own / "accelerators.toml").write_text("[h100]\nwatts = 500\n")
    assert catalog.accelerator("h100-sxm").watts == 500
    assert len([name for name in catalog.table("accelerators") if name.startswith("h100")]) == 3


def test_a_row_of_the_users_is_added_with_its_file_as_source(own: Path) -> None:
    (own / "accelerators.toml").write_text(
        '[mine]\naliases = ["my-card"]\nflops_per_second = { bf16 = 50e12 }\n'
    )
    chip = catalog.accelerator("My-Card")
    assert chip.name == "mine"
    assert chip.watts is None
    assert str(own / "accelerators.toml") in chip.source
    assert len(chip.date) == 10


def test_the_working_folder_wins_over_the_configured_one(own: Path, tmp_path: Path) -> None:
    (own / "grids.toml").write_text("[FR]\ngrams_per_kilowatt_hour = 21\n")
    other = tmp_path / "configured" / "grids.toml"
    other.write_text("[FR]\ngrams_per_kilowatt_hour = 40\nyear = 2024\n")
    assert catalog.row("grids", "FR")["grams_per_kilowatt_hour"] == 21
    assert catalog.machine("h100", grid="france").grid == "FR 2024"


def test_a_file_that_changes_is_read_again(own: Path) -> None:
    file = own / "grids.toml"
    file.write_text("[here]\ngrams_per_kilowatt_hour = 10\n")
    assert catalog.row("grids", "here")["grams_per_kilowatt_hour"] == 10
    file.unlink()
    with pytest.raises(UsageError, match="Nothing called 'here'"):
        catalog.row("grids", "here")


def test_an_architecture_of_the_users(own: Path) -> None:
    (own / "architectures.toml").write_text(
        "[tiny.architecture]\nlayers = 2\nwidth = 64\nheads = 4\nhidden = 128\nvocabulary = 100\n"
        'recurrent = { kind = "mamba2", layers = 1, inner = 128, state = 16, heads = 8 }\n'
    )
    shape = catalog.architecture("tiny")
    assert shape.attention_layers == 1
    assert shape.recurrent is not None
    assert shape.recurrent.state_values == 128 * 16


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("accelerators", "[x\n", r"accelerators.toml cannot be read: .*Mend or remove it"),
        ("accelerators", "watts = 5\n", r"watts = 5 stands outside a row"),
        ("accelerators", "[x]\nwatts = 5\n", "x lacks flops_per_second"),
        ("accelerators", "[x]\nflops_per_second = {}\nwat = 5\n", "no 'wat'.*Did you mean watts"),
        ("accelerators", '[x]\nflops_per_second = { bf16 = "fast" }\n', "must be a number"),
        ("accelerators", "[x]\nflops_per_second = { bf16 = 1e12 }\nwatts = -5\n", "more than zero"),
        ("architectures", "[x.architecture]\nlayers = 0\n", "lacks width"),
        ("architectures", "[x.architecture]\nlayer = 1\n", "Did you mean layers"),
        (
            "architectures",
            "[x.architecture]\nlayers = 0\nwidth = 1\nheads = 1\nhidden = 1\nvocabulary = 1\n",
            "layers >= 1, got 0",
        ),
        (
            "architectures",
            "[x.architecture]\nlayers = 1\nwidth = 1\nheads = 1\nhidden = 1\nvocabulary = 1\n"
            'recurrent = { kind = "mambo" }\n',
            "Did you mean mamba",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said(own: Path, table: str, text: str, message: str) -> None:
    (own / f"{table}.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        catalog.accelerator("x") if table == "accelerators" else catalog.architecture("x")


def test_a_config_json_is_a_model_by_its_path(own: Path) -> None:
    (own / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100,'
        ' "num_attention_heads": 4, "intermediate_size": 128}'
    )
    assert catalog.architecture("isoflop-catalog/config.json").layers == 2
    assert catalog.architecture("isoflop-catalog").hidden == 128
