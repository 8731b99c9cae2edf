"""Groups of text that a model has read, each alone: keys and values, in memory and on disk.

What a group leaves behind depends on the weights, its tokens and the position of its first token,
and on nothing else: not on the other groups, nor on how they are weighed. So it is computed once
and kept as a safetensors file named by the hash of these.
"""

import hashlib
import json
import logging
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from isoflop.errors import UsageError
from isoflop.lm.cache import KeyValueCache
from isoflop.lm.causal import CausalModel

FORMAT = "isoflop group 2"
TOKENS_AT_ONCE = 4096  # read in one pass, padding included: bounds what activations take
Layers = list[tuple[Tensor, Tensor]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What a text leaves behind when a model has read it alone.

    Attributes:
        tokens: Of the text, the beginning token included.
        first: Position of the first of them.
        layers: Keys and values of each layer, (Hkv, T, D) each.
        stored: Whether they came from disk, so that nothing was computed.
    """

    tokens: tuple[int, ...]
    first: int
    layers: Layers
    stored: bool = False

    @property
    def bytes(self) -> int:
        """Memory of its keys and values."""
        return sum(part.nbytes for pair in self.layers for part in pair)


def pack(
    model: CausalModel, texts: Sequence[str], most_tokens: int, *, separator: str = "\n\n"
) -> list[list[int]]:
    """Texts in order, joined into as few groups of about equal length as hold them.

    Args:
        model: Whose tokens are counted.
        texts: None is cut.
        most_tokens: Of a group, the beginning token not counted.
        separator: Put after each text.

    Raises:
        UsageError: If a text alone is longer than a group.
    """
    encoded = [model.encode(text + separator) for text in texts]
    for number, each in enumerate(encoded):
        if len(each) > most_tokens:
            raise UsageError(
                f"Text {number} is {len(each):,} tokens, a group holds {most_tokens:,}. Cut it "
                "into passages first."
            )
    whole = sum(map(len, encoded))
    wanted = whole / max(1, math.ceil(whole / most_tokens))
    packed: list[list[int]] = []
    for each in encoded:
        if not packed or len(packed[-1]) >= wanted or len(packed[-1]) + len(each) > most_tokens:
            packed.append([])
        packed[-1] += each
    return packed


def read(
    model: CausalModel, texts: Sequence[Sequence[int]], firsts: Sequence[int], reach: int
) -> list[Group]:
    """Read texts, each alone.

    Several are read in one pass, the shorter ones padded at their end: causal attention never
    looks there, so no mask is needed and the result is that of reading each without padding.

    Args:
        model: Reads them.
        texts: Token ids; none is empty.
        firsts: Position of each text's first token.
        reach: All positions are below it.
    """
    groups: list[Group | None] = [None] * len(texts)
    for rows in _passes([len(text) for text in texts]):
        longest = max(len(texts[row]) for row in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(texts[row])] = torch.tensor(texts[row])
        starts = torch.tensor([firsts[row] for row in rows])
        positions = None  # counted from 0 by the model itself
        if starts.any():
            positions = (starts[:, None] + torch.arange(longest)).clamp(max=reach - 1)
        cache = model.new_cache(len(rows), longest)
        model.logits(tokens, positions=positions, cache=cache, last=True)
        layers = held(cache, longest)
        for place, row in enumerate(rows):
            count = len(texts[row])
            own = [(k[place, :, :count].clone(), v[place, :, :count].clone()) for k, v in layers]
            groups[row] = Group(tuple(texts[row]), firsts[row], own)
    return [group for group in groups if group is not None]


def _passes(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows that are read together: of similar length, so that little is padding."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if rows and lengths[rows[0]] * (len(rows) + 1) > TOKENS_AT_ONCE:
            yield rows
            rows = []
        rows.append(row)
    yield rows


def held(cache: Any, tokens: int) -> Layers:
    """Keys and values (B, Hkv, T, D) of each layer of a cache that was read into.

    Raises:
        UsageError: If some layer keeps fewer tokens than it was given, or none.
    """
    if isinstance(cache, KeyValueCache):
        pairs = zip(cache.keys, cache.values, strict=True)
        return [(keys[:, :, :tokens], values[:, :, :tokens]) for keys, values in pairs]
    layers: list[tuple[Any, Any]] = [
        (getattr(layer, "keys", None), getattr(layer, "values", None))
        for layer in (cache.layers if cache is not None else [None])
    ]
    if any(keys is None or keys.shape[2] != tokens for keys, _ in layers):
        raise UsageError(
            "This model cannot read groups: some of its layers keep no keys and values, or only "
            "those of a sliding window. Choose a model with full attention in every layer."
        )
    return layers


def extend(cache: Any, groups: Iterable[Group], skip: Sequence[int], batch: int) -> None:
    """Put groups side by side into an empty cache, the same for every sequence.

    Args:
        cache: From the model's `new_cache`.
        groups: In order.
        skip: Tokens at the start of each group that are left out.
        batch: Sequences of the cache.
    """
    each = [group.layers for group in groups]
    for layer, pairs in enumerate(zip(*each, strict=True)):
        parts = list(zip(pairs, skip, strict=True))
        keys = torch.cat([k[:, drop:] for (k, _), drop in parts], dim=1)[None]
        values = torch.cat([v[:, drop:] for (_, v), drop in parts], dim=1)[None]
        if isinstance(cache, KeyValueCache):
            cache.extended(layer, keys, values)
        else:
            cache.update(keys.repeat(batch, 1, 1, 1), values.repeat(batch, 1, 1, 1), layer)
    if isinstance(cache, KeyValueCache):
        cache.length = keys.shape[2]


class Store:
    """Groups on disk, one file each; a file that is damaged or foreign is read as absent.

    Args:
        folder: Made if it is not there.
        model: Whose groups they are.
    """

    def __init__(self, folder: Path, model: CausalModel) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.weights = folder, fingerprint(model)

    def path(self, tokens: Sequence[int], first: int) -> Path:
        """The file of a group, named by the hash of all that it depends on."""
        said = json.dumps([FORMAT, self.weights, list(tokens), first])
        return self.folder / f"{hashlib.sha256(said.encode()).hexdigest()}.safetensors"

    def load(self, tokens: Sequence[int], first: int) -> Group | None:
        """A group as it was saved; None if it was not, or its file cannot be trusted."""
        path = self.path(tokens, first)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                count = len(file.keys()) // 2
                layers = [
                    (file.get_tensor(f"keys.{layer}"), file.get_tensor(f"values.{layer}"))
                    for layer in range(count)
                ]
        except (OSError, SafetensorError) as error:
            logger.warning("%s cannot be read (%s): the group is read again", path, error)
            return None
        if (about.get("key"), about.get("sha256")) != (path.stem, _digest(layers)):
            logger.warning("%s is damaged or of another group: it is read again", path)
            return None
        return Group(tuple(tokens), first, layers, stored=True)

    def save(self, group: Group) -> None:
        """Write a group; nothing is left half written under its name."""
        path = self.path(group.tokens, group.first)
        tensors = {f"keys.{layer}": k.contiguous() for layer, (k, _) in enumerate(group.layers)}
        tensors |= {f"values.{layer}": v.contiguous() for layer, (_, v) in enumerate(group.layers)}
        about = {"format": FORMAT, "key": path.stem, "sha256": _digest(group.layers)}
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        os.close(handle)
        try:
            save_file(tensors, name, metadata=about)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


def fingerprint(model: CausalModel) -> str:
    """A hash of a model's weights: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(_bytes(weight))
    return digest.hexdigest()


def _digest(layers: Layers) -> str:
    digest = hashlib.sha256()
    for pair in layers:
        for part in pair:
            digest.update(_bytes(part))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return plain.data
