"""Several processes: real ones, started by torchrun, over gloo."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from isoflop.lm.tokenizer import train_tokenizer
from isoflop.train.corpus import from_documents
from isoflop.train.records import Segment, TrainingDocument
from isoflop.train.shards import pack
from isoflop.worlds import World

SCRIPT = Path(__file__).with_name("processes.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    documents = [
        TrainingDocument(each.id, (Segment(each.text, True),))
        for each in World(1, people=60).documents()
    ]
    corpus = from_documents(documents, near=None)
    tokenizer = train_tokenizer((each.text for each in corpus.training()), 400)
    (folder / "tokenizer").mkdir()
    tokenizer.save(folder / "tokenizer")
    pack(corpus.training(), tokenizer, folder / "train")
    pack(corpus.held_out(), tokenizer, folder / "held-out")
    return folder


def _run(
    folder: Path, run: str, processes: int, until: int, *dies: int, fails: bool = False
) -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "ignore"]
    if processes > 1:
        command += ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    command += [str(SCRIPT), str(folder), run, str(until), *map(str, dies)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.returncode != 0) == fails, done.stderr
    if fails:
        return []
    return [json.loads((folder / f"{run}-{n}.json").read_text()) for n in range(processes)]


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    found = _run(folder, "shared", 2, 5)
    for copy in ("one", "mourned"):
        shutil.copytree(folder / "shared", folder / copy)
    return found


@pytest.mark.slow
def test_two_processes_do_what_one_does_and_their_checkpoint_opens_at_one_and_at_four(
    folder: Path, two: list[dict[str, Any]]
) -> None:
    (alone,) = _run(folder, "alone", 1, 7)
    assert two[0]["losses"] == pytest.approx(alone["losses"][:5], abs=1e-5)
    assert two[0]["losses"] == two[1]["losses"]
    shown = [row for process in two for row in process["rows"]]
    assert sorted(shown) == sorted(alone["rows"][: 5 * 8])

    four = _run(folder, "shared", 4, 7)  # goes on from what two saved
    (one,) = _run(folder, "one", 1, 7)
    assert four[0]["losses"] == pytest.approx(alone["losses"][5:], abs=1e-5)
    assert one["losses"] == pytest.approx(alone["losses"][5:], abs=1e-5)
    assert four[0]["bits_per_byte"] == pytest.approx(alone["bits_per_byte"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("two")
def test_a_process_that_dies_is_named_and_the_training_resumes(folder: Path) -> None:
    _run(folder, "mourned", 2, 8, 6, fails=True)
    error = (folder / "mourned-0.error").read_text()
    assert "another process of this training died" in error
    assert "same command" in error
    assert not list((folder / "mourned").rglob("*.part"))
    resumed = _run(folder, "mourned", 2, 7)
    assert len(resumed[0]["losses"]) == 2
