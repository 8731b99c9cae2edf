"""Vectors from an OpenAI-compatible embeddings endpoint: the encoder `openai:NAME`.

Only the host in `base_url` is contacted, and every text that is indexed or asked is sent to it.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np

from isoflop.architecture import Architecture
from isoflop.errors import EndpointError, UsageError
from isoflop.lm.endpoint import OPENAI, key_for
from isoflop.search.encoder import Encoded
from isoflop.settings import setting

BATCH = 64  # texts in one request
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
PATIENCE = httpx.Timeout(120, connect=10)  # seconds
# Four letters are about one token of the usual vocabularies; only where passages are cut
# depends on it, never what is counted on the bill.
PIECE = re.compile(r"[^\W\d_]{1,4}|\d{1,3}|[^\w\s]|_")


class EndpointEncoder:
    """An embedding model behind an endpoint; the vectors are scaled to unit length here."""

    max_tokens = 512  # what the smallest usual models read; the server decides what it cuts

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        retries: int = 4,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ask the endpoint for one vector, to know their width.

        Args:
            model: The server's name for the model.
            base_url: Where `/embeddings` is appended; the setting, else OpenAI, when None.
            key: Sent as a bearer token; None looks it up, "" sends none.
            retries: Further attempts after a busy or failing server.
            pause: Called with the seconds to wait before another attempt.

        Raises:
            EndpointError: If it does not answer, or not with a vector.
            Missing: If openai.com is named without a key.
        """
        address = base_url or setting("base_url").value or OPENAI
        self._url = f"{str(address).rstrip('/')}/embeddings"
        found = key_for(str(address)) if key is None else key
        self._headers = {"Authorization": f"Bearer {found}"} if found else {}
        self._model, self._retries, self._pause = model, retries, pause
        self.architecture: Architecture | None = None  # what runs there is not told
        self.name = f"openai:{model}@{httpx.URL(self._url).host}"
        self.width = self.encode(["width"]).vectors.shape[1]

    def encode(self, texts: Sequence[str]) -> Encoded:
        """One unit vector per text; tokens as the server counts them, zero if it does not."""
        vectors: list[list[float]] = []
        tokens = 0
        for start in range(0, len(texts), BATCH):
            batch = [text or " " for text in texts[start : start + BATCH]]  # "" is refused
            answer = self._asked({"model": self._model, "input": batch})
            vectors += _vectors(answer, len(batch), self._url)
            tokens += int((answer.get("usage") or {}).get("prompt_tokens", 0))
        found = np.array(vectors, np.float32).reshape(len(texts), -1)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return Encoded(found / np.maximum(lengths, 1e-12), tokens, tokens, None)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Pieces of words about as long as tokens; the server's own are not known."""
        return [match.span() for match in PIECE.finditer(text)]

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Nothing: endpoints give no vectors of tokens.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.name} gives no vectors of single tokens, so nothing can be reranked by them. "
            "Use --by fused, or the encoder minilm."
        )

    def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer; busy servers are asked again after 1, 2, 4 ... seconds."""
        for attempt in range(self._retries + 1):
            try:
                response = httpx.post(self._url, json=body, headers=self._headers, timeout=PATIENCE)
            except httpx.HTTPError as error:
                trouble = f"{error or type(error).__name__}"
            else:
                if response.is_success:
                    return _object(response, self._url)
                trouble = f"{response.status_code} {response.text[:200]}"
                if response.status_code not in TRY_AGAIN:
                    break
            if attempt < self._retries:
                self._pause(2.0**attempt)
        raise EndpointError(
            f"{self._url} gave no vectors of {self._model}: {trouble}\n"
            "Check --base-url, the key in ISOFLOP_API_KEY and the model's name."
        )


def _object(response: httpx.Response, url: str) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError as error:
        raise EndpointError(f"{url} answered with something that is not JSON.") from error
    if not isinstance(value, dict):
        raise EndpointError(f"{url} answered with a {type(value).__name__}, not an object.")
    return value


def _vectors(answer: dict[str, Any], expected: int, url: str) -> list[list[float]]:
    """The vectors in the order of the texts, whatever the order of the answer."""
    try:
        rows = sorted(answer["data"], key=lambda row: row["index"])
        found = [[float(value) for value in row["embedding"]] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise EndpointError(f"{url} answered without data[].embedding.") from error
    if len(found) != expected or len({len(vector) for vector in found}) != 1:
        raise EndpointError(f"{url} gave {len(found)} vectors for {expected} texts.")
    return found
