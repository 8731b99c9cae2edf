"""Reading a model folder of transformers, or refusing it with a reason."""

import json
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils import logging

from isoflop.errors import DamagedCheckpoint, MissingWeights, UsageError, did_you_mean

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def load(path: str, name: str, dtype: Any) -> tuple[Any, Any]:
    """The model and the tokenizer of a folder, or of a repository that is downloaded once.

    Args:
        path: A folder with config.json, *.safetensors and a tokenizer, or a repository's name.
        name: As the user writes it, for messages.
        dtype: Of the weights; None as they are stored.

    Raises:
        MissingWeights: If there is no such folder or repository, or it cannot be reached.
        UsageError: If transformers does not know the architecture, it is no causal language
            model, or its weights are pickles.
        DamagedCheckpoint: If a file is cut short or weights are missing in it.
    """
    where, local = _where(path)
    config = _configuration(where, name, local)
    return _model(where, name, config, dtype or "auto", local), _tokenizer(where, name, local)


def _where(path: str) -> tuple[str, bool]:
    """What to load, and whether it is a folder here."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder), True
    if folder.exists() or path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise MissingWeights(f"There is no model folder {path}. Check the path.")
    return path, False


def _configuration(where: str, name: str, local: bool) -> Any:
    """The configuration, of a kind that transformers can run as a causal language model."""
    if local:
        _check_folder(Path(where), name)
    try:
        config = transformers.AutoConfig.from_pretrained(
            where, trust_remote_code=False, local_files_only=local
        )
    except OSError as error:
        raise _unreachable(name, error) from error
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"{name} has an architecture that transformers {transformers.__version__} does not "
            f"know, and code from model folders is not run ({_first_line(error)})."
        ) from error
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UsageError(
            f"{name} is a {config.model_type} model, which transformers cannot run as a causal "
            "language model. Choose one that continues text."
        )
    return config


def _check_folder(folder: Path, name: str) -> None:
    """Refuse what is visibly no model that can be run here."""
    file = folder / "config.json"
    if not file.is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise MissingWeights(
            f"{name}: this folder holds an adapter; name the model it adapts."
            if adapter
            else f"{name}: no config.json in this folder, so it is no model."
        )
    try:
        kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise DamagedCheckpoint(f"{file} cannot be read: {error}. Copy it again.") from error
    if kind == "isoflop":
        raise UsageError(f"{name} is a model for study that only isoflop runs: isoflop:{folder}.")
    if kind not in transformers.CONFIG_MAPPING:
        near = did_you_mean(str(kind), list(transformers.CONFIG_MAPPING))
        raise UsageError(
            f"{file}: transformers {transformers.__version__} knows no architecture "
            f"{kind!r}.{near} Update transformers; code from model folders is not run."
        )
    files = [each.name for each in folder.iterdir()]
    if not any(each.endswith(".safetensors") for each in files):
        if pickled := sorted(each for each in files if each.endswith(PICKLES)):
            raise UsageError(
                f"{name}: {pickled[0]} is a pickle, which can run code when it is read. "
                "Convert it to safetensors first, or choose a copy that is."
            )
        raise MissingWeights(f"{name}: there are no weights (*.safetensors) in this folder.")


def _model(where: str, name: str, config: Any, dtype: Any, local: bool) -> Any:
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # theirs is untyped
    try:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            where, config=config, dtype=dtype, use_safetensors=True, trust_remote_code=False,
            local_files_only=local, output_loading_info=True,
        )  # fmt: skip
    except SafetensorError as error:
        raise DamagedCheckpoint(
            f"{name}: its weights are cut short or damaged ({error}). Copy them again."
        ) from error
    except OSError as error:
        raise _unreachable(name, error) from error
    except RuntimeError as error:
        raise DamagedCheckpoint(
            f"{name}: its weights do not fit its config.json ({_first_line(error)})."
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call] # theirs is untyped
    model, found = loaded
    lacks = sorted(found["missing_keys"])
    if lacks:
        raise DamagedCheckpoint(
            f"{name}: {len(lacks):,} weights are missing, {lacks[0]} first. Copy them again."
        )
    return model


def _tokenizer(where: str, name: str, local: bool) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(
            where, trust_remote_code=False, local_files_only=local
        )
    except Exception as error:  # it raises whatever its parts raise
        raise MissingWeights(
            f"{name}: its tokenizer cannot be read ({_first_line(error)}). A model folder needs "
            "tokenizer.json beside its weights."
        ) from error


def _unreachable(name: str, error: OSError) -> MissingWeights:
    return MissingWeights(
        f"{name} cannot be loaded: {_first_line(error)}\n"
        "  Name a folder with config.json, *.safetensors and tokenizer.json, or a repository that "
        "has safetensors and can be reached."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
