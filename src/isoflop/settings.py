"""Where settings come from: option > ISOFLOP_* > isoflop.toml > user configuration > default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from isoflop.errors import UsageError, did_you_mean

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its kind, its default and what it is for."""

    kind: type[str] | type[int] | type[float]
    default: Value
    help: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from."""

    key: str
    value: Value
    origin: str


KEYS: Mapping[str, Key] = {
    "encoder": Key(str, "minilm", "encoder of passages: minilm, hf:FOLDER or openai:NAME"),
    "model": Key(str, "extractive", "who answers: extractive or openai:NAME"),
    "base_url": Key(str, None, "address of an OpenAI-compatible server"),
    "requests_per_minute": Key(float, None, "most that a served model is asked; no limit"),
    "requests_at_once": Key(int, None, "most that a served model is asked at the same time"),
    "threads": Key(int, None, "processor threads; all cores by default"),
    "most_file_bytes": Key(int, 64 * 2**20, "larger files are named and skipped"),
    "machine": Key(str, None, "catalog entry of this machine; found out by default"),
    "cores": Key(int, None, "cores that are paid for; those this process may use by default"),
    "watts": Key(float, None, "power of this machine under load, instead of the catalog's"),
    "dollars_per_hour": Key(float, None, "price of this machine"),
    "grid": Key(str, "world", "electricity grid, for CO2e"),
    "power_usage_effectiveness": Key(float, 1.0, "energy of the building over the machine's"),
    "catalog": Key(str, None, "folder of your own catalog tables, such as accelerators.toml"),
    "cache": Key(str, None, "folder for model files; the user cache by default"),
}


def user_file() -> Path:
    """The user's own configuration file; it need not exist."""
    return Path(platformdirs.user_config_dir("isoflop")) / "config.toml"


def cache_folder() -> Path:
    """Where model files and measurements of this machine are kept."""
    chosen = setting("cache").value
    return Path(str(chosen)) if chosen else Path(platformdirs.user_cache_dir("isoflop"))


def setting(key: str, option: Value = None) -> Setting:
    """The value in force, and where it came from.

    Args:
        key: One of `KEYS`.
        option: What the command line gave; None if nothing.

    Raises:
        UsageError: If the key is unknown or a file or variable holds a value of the wrong kind.
    """
    if key not in KEYS:
        raise UsageError(f"No setting called {key!r}.{did_you_mean(key, KEYS)}")
    if option is not None:
        return Setting(key, option, "option")
    variable = f"ISOFLOP_{key.upper()}"
    if variable in os.environ:
        return Setting(key, _converted(key, os.environ[variable], variable), variable)
    for file in (Path("isoflop.toml"), user_file()):
        if key in (values := _read(file)):
            return Setting(key, _converted(key, values[key], str(file)), str(file))
    return Setting(key, KEYS[key].default, "default")


def settings() -> list[Setting]:
    """Every setting in force."""
    return [setting(key) for key in KEYS]


def _read(file: Path) -> dict[str, object]:
    if not file.exists():
        return {}
    import tomllib  # here, because most users have no file to read

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{file} cannot be read: {error}. Mend or remove it.") from error
    for key in values:
        if key not in KEYS:
            raise UsageError(f"{file}: no setting called {key!r}.{did_you_mean(key, KEYS)}")
    return values


def _converted(key: str, value: object, origin: str) -> Value:
    kind = KEYS[key].kind
    try:
        return kind(str(value))
    except ValueError:
        raise UsageError(f"{origin}: {key} must be {kind.__name__}, not {value!r}.") from None
