"""Models by name, with a plug-in that is really installed in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.lm.endpoint import Endpoint
from isoflop.lm.open import open_model

PLUGIN = """
class Parrot:
    def __init__(self, name, *, twice=False):
        self.name = f"parrot:{name}{name if twice else ''}"
    def generate(self, messages, **options): ...
"""


def installed(folder: Path, scheme: str, value: str = "parrot_model:Parrot") -> None:
    """Puts a package with one entry point where Python looks for packages."""
    (folder / "parrot_model.py").write_text(PLUGIN)
    about = folder / f"{scheme}_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {scheme}-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[isoflop.model]\n{scheme} = {value}\n")


def test_a_served_model_is_opened_at_the_address_of_the_setting_or_the_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ISOFLOP_BASE_URL", "http://localhost:11434/v1")
    with open_model("openai:qwen3:4b", needs=["generate"]) as model:
        assert isinstance(model, Endpoint)
        assert (model.name, model.base_url) == ("openai:qwen3:4b", "http://localhost:11434/v1")
    with open_model("openai:x", base_url="http://localhost:8000/v1", key="") as model:
        assert model.base_url == "http://localhost:8000/v1"


def test_the_limits_of_a_server_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOFLOP_BASE_URL", "http://localhost:11434/v1")
    monkeypatch.setenv("ISOFLOP_REQUESTS_PER_MINUTE", "0")
    with pytest.raises(UsageError, match=r"0\.0 requests a minute would ask nothing"):
        open_model("openai:x")
    monkeypatch.setenv("ISOFLOP_REQUESTS_PER_MINUTE", "30")
    monkeypatch.setenv("ISOFLOP_REQUESTS_AT_ONCE", "-1")
    with pytest.raises(UsageError, match="-1 at once would ask nothing"):
        open_model("openai:x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opnai:gpt-5", "No model called 'opnai:gpt-5'. Did you mean openai:gpt-5? Models are "),
        ("openai:", "No model is named after 'openai:'. Write openai:NAME."),
        ("isoflop: ", "Write isoflop:PATH."),
        ("isoflop", "Did you mean isoflop:NAME?"),
        ("", "Models are openai:NAME, isoflop:PATH, hf:PATH-or-repo, ngram:TEXT."),
        ("extractive", "No model called 'extractive'. Models are"),
    ],
)
def test_what_is_no_name_of_a_model_is_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        open_model(name)
    assert said in str(error.value)


def test_a_bare_folder_is_answered_with_the_two_ways_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"isoflop:{tmp_path} or hf:{tmp_path}"):
        open_model(str(tmp_path))


def test_a_served_model_is_refused_where_its_logits_are_needed() -> None:
    with pytest.raises(UsageError, match=r"no logits(.|\n)*isoflop:PATH or hf:PATH-or-repo"):
        open_model("openai:x", needs=["logits"])


def test_an_installed_package_adds_a_scheme_and_gets_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "parrot")
    monkeypatch.syspath_prepend(tmp_path)
    assert open_model("parrot:polly", twice=True).name == "parrot:pollypolly"
    with pytest.raises(UsageError, match="on no server"):
        open_model("parrot:polly", base_url="http://localhost/v1")
    with pytest.raises(UsageError, match="has no score, which this needs"):
        open_model("parrot:polly", needs=["generate", "score"])
    with pytest.raises(UsageError, match="Did you mean parrot:polly"):
        open_model("parot:polly")


def test_two_packages_with_one_scheme_and_a_broken_one_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        monkeypatch.syspath_prepend(folder)
        name = "parrot" if folder.name == "a" else "parrot2"
        installed(folder, name)
    (tmp_path / "b" / "parrot2_plugin-1.0.dist-info" / "entry_points.txt").write_text(
        "[isoflop.model]\nparrot = parrot_model:Parrot\nlost = parrot_model:Lost\n"
    )
    with pytest.raises(UsageError, match="is in parrot-plugin and parrot2-plugin"):
        open_model("parrot:polly")
    with pytest.raises(UsageError, match="registered as parrot_model:Lost"):
        open_model("lost:polly")


def test_our_own_scheme_wins_over_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "openai")
    monkeypatch.syspath_prepend(tmp_path)
    with open_model("openai:x", base_url="http://localhost:1/v1", key="") as model:
        assert isinstance(model, Endpoint)


def test_naming_models_imports_nothing_heavy() -> None:
    probe = "import isoflop.lm.open, isoflop.lm.model, sys; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not {"httpx", "torch", "numpy", "transformers"} & set(run.stdout.split())
