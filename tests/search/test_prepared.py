"""Encoders from folders, on a small BERT of random weights that is made here."""

import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from isoflop.errors import MissingWeights, UsageError
from isoflop.search import checkpoint, prepared
from isoflop.search.bert import BertEncoder
from isoflop.search.encode import load, sentence_transformer

WORDS = [
    *("the", "of", "river", "bridge", "stone", "water", "runs", "under", "old", "mill", "town"),
    *("and", "a", "in", "is", "was"),
    *"123.,",
]
TEXTS = (
    "the river runs under the old bridge .",
    "stone",
    "a mill in a town , 1 2 3",
    "water " * 90,
)
LAYERS, WIDTH, HEADS, HIDDEN, POSITIONS = 2, 32, 4, 64, 64
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "num_hidden_layers": LAYERS,
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
    "vocab_size": len(WORDS) + 4,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


def small_bert(folder: Path, *, kind: str = "F32", **changes: Any) -> Path:
    """A folder with all that an encoder needs; `changes` go into its configuration."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_safetensors(folder / "model.safetensors", random_tensors(len(vocabulary)), kind)
    return folder


def random_tensors(vocabulary: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    sizes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        square = [f"attention.self.{part}" for part in ("query", "key", "value")]
        for part, size in (
            *((part, (WIDTH, WIDTH)) for part in [*square, "attention.output.dense"]),
            ("intermediate.dense", (HIDDEN, WIDTH)),
            ("output.dense", (WIDTH, HIDDEN)),
        ):
            sizes[f"{name}.{part}.weight"], sizes[f"{name}.{part}.bias"] = size, size[:1]
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            sizes[f"{name}.{part}.weight"] = sizes[f"{name}.{part}.bias"] = (WIDTH,)
    return {
        name: (random.normal(1 if "LayerNorm.weight" in name else 0, 0.3, size)).astype(np.float32)
        for name, size in sizes.items()
    }


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], kind: str) -> None:
    header, pieces, position = {}, [], 0
    for name, values in tensors.items():
        data = {
            "F32": values.tobytes,
            "F16": values.astype(np.float16).tobytes,
            "BF16": (values.view(np.uint32) >> 16).astype(np.uint16).tobytes,
        }[kind]()
        place = [position, position + len(data)]
        header[f"bert.{name}"] = {"dtype": kind, "shape": values.shape, "data_offsets": place}
        pieces.append(data)
        position += len(data)
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(pieces))


def naive_rows(tensors: Mapping[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """BERT as its paper writes it, one head and one layer after another, in float64."""
    weight = {name: values.astype(np.float64) for name, values in tensors.items()}
    erf = np.vectorize(math.erf)

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(x @ weight[f"{name}.weight"].T + weight[f"{name}.bias"])

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))
        return np.asarray(unit * weight[f"{name}.weight"] + weight[f"{name}.bias"])

    x = weight["embeddings.word_embeddings.weight"][ids]
    x = x + weight["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weight["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        parts = (dense(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = zip(*(np.split(part, HEADS, axis=1) for part in parts), strict=True)
        mixed = []
        for query, key, value in heads:
            scores = np.exp(query @ key.T / math.sqrt(WIDTH / HEADS))
            mixed.append(scores / scores.sum(axis=1, keepdims=True) @ value)
        attended = dense(np.concatenate(mixed, axis=1), f"{name}.attention.output.dense")
        x = norm(x + attended, f"{name}.attention.output.LayerNorm")
        inner = dense(x, f"{name}.intermediate.dense")
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOFLOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / prepared.FOLDER


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    return small_bert(tmp_path / "small")


def token_ids(folder: Path, text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    return ids if len(ids) <= POSITIONS else [*ids[: POSITIONS - 1], ids[-1]]


@pytest.mark.parametrize(("kind", "tolerance"), [("F32", 2e-5), ("F16", 5e-3), ("BF16", 5e-2)])
def test_fp32_computes_what_the_paper_writes(
    tmp_path: Path, cache: Path, kind: str, tolerance: float
) -> None:
    folder = small_bert(tmp_path / "small", kind=kind)
    encoder = sentence_transformer(str(folder), exact=True)
    tensors = random_tensors(len(WORDS) + 4)
    for text, rows in zip(TEXTS, encoder.token_vectors(TEXTS), strict=True):
        naive = naive_rows(tensors, token_ids(folder, text))
        naive /= np.linalg.norm(naive, axis=1, keepdims=True)
        np.testing.assert_allclose(rows, naive, atol=tolerance)


def test_int8_of_a_small_model_is_close_to_fp32_and_batches_change_nothing(folder: Path) -> None:
    encoder = load(f"hf:{folder}")
    fine = sentence_transformer(str(folder), exact=True).encode(TEXTS).vectors
    coarse = encoder.encode(TEXTS).vectors
    assert (fine * coarse).sum(axis=1).min() > 0.98
    alone = np.concatenate([encoder.encode([text]).vectors for text in TEXTS])
    np.testing.assert_array_equal(alone, coarse)


def test_pooling_by_the_first_token_is_read_from_the_folder(folder: Path) -> None:
    mean = sentence_transformer(str(folder), exact=True).encode(TEXTS).vectors
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    encoder = sentence_transformer(str(folder), exact=True)
    first = encoder.encode(TEXTS).vectors
    assert np.abs(first - mean).max() > 0.05
    for vector, rows in zip(first, encoder.token_vectors(TEXTS), strict=True):
        np.testing.assert_allclose(vector, rows[0], atol=1e-6)


def test_the_longest_input_is_the_folders(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    encoder = load(f"hf:{folder}")
    assert encoder.max_tokens == 24
    encoded = encoder.encode(["river " * 40, "river " * 20])
    assert (encoded.tokens, encoded.padded_tokens) == (24 + 22, 48)


def test_two_folders_with_other_weights_have_other_names(tmp_path: Path, folder: Path) -> None:
    copy = small_bert(tmp_path / "copy")
    assert load(f"hf:{copy}").name == load(f"hf:{folder}").name
    other = small_bert(tmp_path / "other", kind="F16")
    assert load(f"hf:{other}").name != load(f"hf:{folder}").name


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "mpnet"}, "mpnet"),
        ({"hidden_act": "relu"}, "relu"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
    ],
)
def test_a_model_of_another_kind_is_refused_by_name(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        load(f"hf:{small_bert(tmp_path / 'other', **changes)}")


def test_a_folder_with_a_further_module_is_refused_by_its_name(folder: Path) -> None:
    modules = [{"type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match="Dense"):
        load(f"hf:{folder}")


def test_a_missing_file_of_a_folder_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingWeights, match=r"tokenizer\.json"):
        load(f"hf:{folder}")


def test_a_file_that_is_no_safetensors_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(MissingWeights, match="not a safetensors file"):
        load(f"hf:{folder}")


def test_neither_folder_nor_repository_is_said_so() -> None:
    with pytest.raises(UsageError, match="neither a folder nor"):
        load("hf:nowhere")


def test_a_prepared_encoder_needs_its_folder_no_more(folder: Path) -> None:
    vectors = load(f"hf:{folder}").encode(TEXTS).vectors
    identity = checkpoint.digest(folder)
    (folder / "model.safetensors").unlink()
    again = BertEncoder(prepared.prepare(identity, lambda: folder), "hf", 2)
    np.testing.assert_array_equal(again.encode(TEXTS).vectors, vectors)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_in_the_cache_is_built_again(folder: Path, cache: Path, damage: str) -> None:
    vectors = load(f"hf:{folder}").encode(TEXTS).vectors
    (file,) = cache.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    broken = {"flip": bytes(data), "cut": bytes(data[:5000]), "empty": b""}[damage]
    file.with_suffix(".new").write_bytes(broken)
    file.with_suffix(".new").replace(file)
    np.testing.assert_array_equal(load(f"hf:{folder}").encode(TEXTS).vectors, vectors)
    assert file.stat().st_size == len(data)


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = load(f"hf:{folder}").encode(TEXTS).vectors
    monkeypatch.setenv("ISOFLOP_CACHE", str(folder / "config.json"))  # a file, not a folder
    np.testing.assert_array_equal(load(f"hf:{folder}").encode(TEXTS).vectors, vectors)


def test_two_processes_may_prepare_an_encoder_at_once(folder: Path, cache: Path) -> None:
    code = (
        "import sys; from isoflop.search.encode import load;"
        "print(load(sys.argv[1]).encode(['the river']).vectors.tolist())"
    )
    command = [sys.executable, "-c", code, f"hf:{folder}"]
    environment = {**os.environ, "ISOFLOP_CACHE": str(cache.parent)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in "ab"]
    first, second = (process.communicate()[0] for process in running)
    assert first == second != b""
    assert len(list(cache.iterdir())) == 1
