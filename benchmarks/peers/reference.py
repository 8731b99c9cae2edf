"""The encoder alone in torch fp32: `python -m benchmarks.peers.reference WEIGHTS TEXTS VECTORS`.

Reads a JSON list of texts, writes their unit vectors (.npy) and prints wall and processor seconds,
loading not counted. It runs in the environment of a peer that has sentence-transformers.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer


def main() -> None:
    """Encode and time."""
    weights, texts, vectors = sys.argv[1:]
    model = SentenceTransformer(weights, device="cpu")
    model.encode(["a short text, so that nothing is computed for the first time"] * 4)
    given = json.loads(Path(texts).read_text(encoding="utf-8"))
    wall, processor = time.perf_counter(), time.process_time()
    found = model.encode(given, batch_size=32, normalize_embeddings=True)
    seconds = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
    np.save(vectors, found)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
