"""LangChain: the FAISS vector store with HuggingFaceEmbeddings."""

from __future__ import annotations

from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

PACKAGES = ("langchain-community", "langchain-huggingface", "faiss-cpu")


class Peer:
    """Texts to hits by LangChain's defaults: 32 texts to a batch, exact Euclidean distance."""

    def __init__(self, weights: str, batch: int | None) -> None:
        chosen = {} if batch is None else {"batch_size": batch}
        self._embedding = HuggingFaceEmbeddings(
            model_name=weights, model_kwargs={"device": "cpu"}, encode_kwargs=chosen
        )

    @staticmethod
    def split(text: str) -> list[str]:
        """The splitter of LangChain's retrieval tutorial: 1,000 characters, 200 overlapping."""
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        return splitter.split_text(text)

    def index(self, texts: list[str]) -> None:
        """Embed and store the texts."""
        positions = [{"position": number} for number in range(len(texts))]
        self._store = FAISS.from_texts(texts, self._embedding, metadatas=positions)

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` nearest texts, best first."""
        return [hit.metadata["position"] for hit in self._store.similarity_search(query, k=k)]
