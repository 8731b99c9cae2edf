"""The wheel holds everything, and works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    return next(folder.glob("isoflop-*.whl"))


def test_the_wheel_holds_data_and_licence_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "isoflop/py.typed",
        "isoflop/catalog/accelerators.toml",
        "isoflop/handbook/scaling-laws.md",
        "isoflop/measure/comparison/page.css",
        "isoflop/measure/handbook_questions.jsonl",
    ):
        assert name in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]


def test_the_wheel_answers_a_question_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(installed), str(wheel)], check=True)
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / "note.txt").write_text("The clock tower was built in 1871.\n")
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path, env=environment, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    assert str(installed) in python("-c", "import isoflop; print(isoflop.__file__)")
    said = python("-m", "isoflop", "ask", "When was the clock tower built?", "town")
    assert "1871" in said
    assert "note.txt, line 1" in said
    assert "isoflop" in python("-m", "isoflop", "--version")
