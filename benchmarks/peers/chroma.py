"""Chroma: a collection in memory with SentenceTransformerEmbeddingFunction."""

from __future__ import annotations

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer

PACKAGES = ("chromadb",)


class Peer:
    """Texts to hits by Chroma's defaults: 32 texts to a batch, an HNSW graph."""

    def __init__(self, weights: str, batch: int | None) -> None:
        self._embed = SentenceTransformerEmbeddingFunction(model_name=weights, device="cpu")
        self._batch = batch
        self._tokenizer = AutoTokenizer.from_pretrained(weights)
        self._client = chromadb.EphemeralClient()
        self._collection = self._client.create_collection("texts", embedding_function=self._embed)

    def split(self, text: str) -> list[str]:
        """200 tokens without overlap, cut recursively: what Chroma's study of chunking advises."""
        splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
            self._tokenizer, chunk_size=200, chunk_overlap=0
        )
        return splitter.split_text(text)

    def index(self, texts: list[str]) -> None:
        """Embed and store the texts, as many at once as the client takes."""
        most = self._client.get_max_batch_size()
        for first in range(0, len(texts), most):
            part = texts[first : first + most]
            ids = [str(first + number) for number in range(len(part))]
            self._collection.add(ids=ids, documents=part, embeddings=self._vectors(part))

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` nearest texts, best first."""
        most = min(k, self._collection.count())
        found = self._collection.query(query_texts=[query], n_results=most, include=[])
        return [int(position) for position in found["ids"][0]]

    def _vectors(self, texts: list[str]) -> list[list[float]] | None:
        """Vectors by another batch size, which the embedding function offers no option for."""
        if self._batch is None:
            return None
        return self._embed._model.encode(texts, batch_size=self._batch).tolist()
