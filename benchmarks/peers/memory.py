"""Vectors of sentence-transformers kept between peers, for rankings only and never for timing.

Peers that load the same weights by sentence-transformers get the same vector for the same text.
Where only the ranking is wanted, a text that another peer has embedded is not embedded again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer


class Memory:
    """Vectors by text, read from a file, put before `SentenceTransformer.encode`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vectors: dict[str, np.ndarray] = {}
        if path.exists():
            with np.load(path) as kept:
                self._vectors = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
        self._encode = SentenceTransformer.encode
        memory = self

        def encode(model: SentenceTransformer, texts: Any, *places: Any, **options: Any) -> Any:
            return memory.encode(model, texts, *places, **options)

        SentenceTransformer.encode = encode

    def encode(self, model: SentenceTransformer, texts: Any, *places: Any, **options: Any) -> Any:
        """As the original, for one text or a list, always as an array."""
        if isinstance(texts, str):
            return self.encode(model, [texts], *places, **options)[0]
        prompt = options.get("prompt") or ""
        keys = [_key(prompt + text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        missing = {key: text for key, text in wanted.items() if key not in self._vectors}
        if missing:
            found = self._encode(model, list(missing.values()), *places, **options)
            self._vectors |= dict(zip(missing, np.asarray(found, np.float32), strict=True))
        return np.stack([self._vectors[key] for key in keys])

    def save(self) -> None:
        """Write all vectors back."""
        keys, vectors = list(self._vectors), list(self._vectors.values())
        np.savez(self._path, keys=np.array(keys), vectors=np.stack(vectors))


def _key(text: str) -> str:
    """The encoder's tokenizer takes any run of white space for one blank, and so does the key."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
