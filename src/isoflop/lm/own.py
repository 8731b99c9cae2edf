"""Models made by isoflop, in this process: `isoflop:PATH`."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from isoflop.lm import checkpoint
from isoflop.lm.cache import KeyValueCache
from isoflop.lm.local import LocalModel, plain
from isoflop.lm.model import Message
from isoflop.lm.subnormals import subnormals_as_zero
from isoflop.lm.tokenizer import Tokenizer
from isoflop.lm.transformer import Transformer
from isoflop.plan import flops

# Schemes that were never shown later positions read no further than they were trained.
BOUNDED = ("learned",)


class OwnModel(LocalModel):
    """A checkpoint of `isoflop train` or `isoflop finetune`; a `CausalModel`."""

    def __init__(self, path: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
        self.folder = checkpoint.find(Path(path))
        self.name = f"isoflop:{path}"
        self.model = checkpoint.load(self.folder, dtype=dtype).eval().requires_grad_(False)
        self.tokenizer = Tokenizer.load(self.folder)

    @classmethod
    def of(cls, model: Transformer, tokenizer: Tokenizer, name: str = "isoflop:") -> "OwnModel":
        """One that is in memory already."""
        made = cls.__new__(cls)
        made.folder, made.name = Path(), name
        made.model, made.tokenizer = model.eval().requires_grad_(False), tokenizer
        return made

    @property
    def context_tokens(self) -> int | None:
        """Tokens it can read at once; None where the position scheme sets no bound."""
        c = self.model.configuration
        return c.context if c.position in BOUNDED else None

    @property
    def trained_tokens(self) -> int:
        """Tokens of the sequences it was trained on."""
        return self.model.configuration.context

    @property
    def vocabulary(self) -> int:
        """Width of its logits."""
        return self.model.configuration.vocabulary

    @cached_property
    def parameters(self) -> int:
        """All parameters, embeddings included."""
        return flops.parameters(self.model.configuration.architecture)

    @property
    def beginning(self) -> int:
        """The token between documents."""
        return self.tokenizer.end

    @property
    def end(self) -> int:
        """The token between documents."""
        return self.tokenizer.end

    @property
    def ends(self) -> frozenset[int]:
        """The token between documents."""
        return frozenset((self.end,))

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self.model.embedding.weight.dtype

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added; special tokens written out in it are plain text."""
        return self.tokenizer.encode(text)

    @property
    def accepts_positions(self) -> bool:
        """Whether `logits` takes positions and a bias."""
        return True

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """A conversation as its template has it; without chat tokens, texts between blank lines.

        What is said is plain text: a special token written out in it stays characters.
        """
        t = self.tokenizer
        if not t.chat:
            return [t.end, *t.encode(plain(messages))]
        turns = [[t.special(f"<|{m.role}|>"), *t.encode(m.content), t.end] for m in messages]
        return [*(id for turn in turns for id in turn), t.special("<|assistant|>")]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self.tokenizer.decode(ids)

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each id stands for."""
        return self.tokenizer.byte_lengths(ids)

    def forward_flops(self, tokens: int, past: int = 0) -> float:
        """FLOPs to read so many tokens after so many cached ones."""
        architecture = self.model.configuration.architecture
        whole = flops.forward_flops(architecture, [past + tokens])
        return whole - flops.forward_flops(architecture, [past] if past else [])

    def new_cache(self, batch: int, most: int) -> KeyValueCache:
        """An empty cache for so many sequences of so many tokens."""
        return KeyValueCache.of(self.model.configuration, batch, most, self.dtype)

    def keep_rows(self, cache: KeyValueCache, rows: list[int]) -> KeyValueCache:
        """A cache of these rows of a batch, in this order."""
        return cache.keep(rows)

    @torch.inference_mode()
    @subnormals_as_zero()
    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: KeyValueCache | None = None,
        last: bool = False,
    ) -> Tensor:
        """Logits after each token; see `CausalModel.logits`."""
        states = self.model.states(tokens, cache=cache, positions=positions, bias=bias)
        return self.model.logits(states[:, -1:] if last else states)
