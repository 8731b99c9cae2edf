"""Models small enough for a test, that run as large ones do."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from isoflop.lm.own import OwnModel
from isoflop.lm.tokenizer import Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.worlds import reading_records

SMALL = Configuration(
    vocabulary=400, width=32, layers=2, heads=4, kv_heads=4, hidden=128, context=64,
    position="alibi",
)  # fmt: skip
MakeModel = Callable[..., OwnModel]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small matrices are multiplied faster by one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prose() -> str:
    """Some 20,000 characters about an invented world."""
    records = reading_records(seed=1, count=12)
    return "\n".join(str(text) for record in records for text, _ in record["segments"])


@pytest.fixture(scope="session")
def tokenizer(prose: str) -> Tokenizer:
    """Trained on that prose."""
    return train_tokenizer([prose], SMALL.vocabulary)


@pytest.fixture(scope="session")
def make_model(tokenizer: Tokenizer) -> MakeModel:
    """Makes a model of random weights that are large enough to give sharp predictions."""

    def make(seed: int = 0, **changes: object) -> OwnModel:
        network = Transformer(replace(SMALL, **changes))  # type: ignore[arg-type]
        draw = torch.Generator().manual_seed(seed)
        for weight in network.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.25, generator=draw)
        return OwnModel.of(network, tokenizer, f"isoflop:small-{seed}")

    return make


@pytest.fixture(scope="session")
def model(make_model: MakeModel) -> OwnModel:
    """One of them."""
    return make_model()
