"""LlamaIndex: VectorStoreIndex in memory with HuggingFaceEmbedding."""

from __future__ import annotations

from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

PACKAGES = ("llama-index-core", "llama-index-embeddings-huggingface")


class Peer:
    """Texts to hits by LlamaIndex's defaults: ten texts to a batch, exact cosine."""

    def __init__(self, weights: str, batch: int | None) -> None:
        chosen = {} if batch is None else {"embed_batch_size": batch}
        Settings.embed_model = HuggingFaceEmbedding(model_name=weights, device="cpu", **chosen)
        Settings.llm = None

    @staticmethod
    def split(text: str) -> list[str]:
        """The splitter a VectorStoreIndex uses by itself: 1,024 tokens, 200 of them overlapping."""
        return SentenceSplitter().split_text(text)

    def index(self, texts: list[str]) -> None:
        """Embed and store the texts."""
        nodes = [TextNode(text=text, id_=str(number)) for number, text in enumerate(texts)]
        self._index = VectorStoreIndex(nodes)

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` nearest texts, best first."""
        hits = self._index.as_retriever(similarity_top_k=k).retrieve(query)
        return [int(hit.node.node_id) for hit in hits]
