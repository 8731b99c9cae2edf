"""What several tests share: development data, if it is there, and an encoder loaded once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from isoflop.search.encode import Encoder, load

Write = Callable[[str, str], Path]

settings.register_profile("any machine", deadline=None)  # a busy one fails no property
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    """The encoder of the default index, loaded once for all tests."""
    return load("minilm")


@pytest.fixture(scope="session")
def evaldata() -> Path:
    """The development data, which is not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "evaldata"
    folder = Path(os.environ.get("ISOFLOP_EVALDATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}; set ISOFLOP_EVALDATA")
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of three notes."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "harbour.md").write_text(
        "# The harbour\n\nThe harbour of Wexcombe was dredged in 1932 by the firm of Oakley."
        "\n\n## Ships\n\nThree ferries and a coal barge use it.\n"
    )
    (folder / "bakery.txt").write_text(
        "The bakery in Mill Lane opens at six. It sells rye bread and almond buns.\n"
    )
    (folder / "notes").mkdir()
    (folder / "notes" / "bridge.md").write_text(
        "# The bridge\n\nA stone bridge with five arches crosses the river Tarn.\n"
    )
    return folder
