"""Other people's models, in this process: `hf:PATH-or-repo`, run by transformers.

Nothing of a model folder is executed: weights are safetensors, never pickles, and code beside
them is not imported.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from isoflop.architecture import Architecture
from isoflop.catalog import configuration
from isoflop.errors import IsoflopError, Unaskable, UsageError
from isoflop.lm.huggingface_cache import Allocated
from isoflop.lm.huggingface_load import load
from isoflop.lm.local import LocalModel, plain
from isoflop.lm.model import Message
from isoflop.lm.pieces import Pieces
from isoflop.lm.transformer import causal_bias
from isoflop.plan import flops


class HuggingFaceModel(LocalModel):
    """A causal language model of transformers; a `CausalModel`.

    Attributes:
        name: `hf:PATH-or-repo`.
        model: Of transformers, in evaluation mode, without gradients.
        tokenizer: Of transformers.
    """

    def __init__(self, path: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Load a folder, or a repository of the Hugging Face hub.

        Args:
            path: A folder with config.json, *.safetensors and a tokenizer; else the name of a
                repository, downloaded once by huggingface_hub.
            dtype: Of the weights; None as they are stored.

        Raises:
            IsoflopError: See `huggingface_load.load`.
        """
        self.name = f"hf:{path}"
        self.model, self.tokenizer = load(str(path), self.name, dtype)
        self._prepare()

    @classmethod
    def of(cls, model: Any, tokenizer: Any, name: str = "hf:") -> "HuggingFaceModel":
        """One that is in memory already."""
        made = cls.__new__(cls)
        made.name, made.model, made.tokenizer = name, model, tokenizer
        made._prepare()
        return made

    def _prepare(self) -> None:
        self.model.eval().requires_grad_(False)
        self.config = self.model.config.get_text_config(decoder=True)
        self._takes = inspect.signature(self.model.forward).parameters
        # renamed in transformers 5
        self._cache = next((n for n in ("cache", "past_key_values") if n in self._takes), None)
        self.pieces = Pieces(self.tokenizer)

    @property
    def context_tokens(self) -> int | None:
        """Tokens it can read at once, as its configuration says."""
        names = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
        found = [getattr(self.config, name, None) for name in names]
        return next((int(each) for each in found if each), None)

    @property
    def vocabulary(self) -> int:
        """Width of its logits."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    @cached_property
    def parameters(self) -> int:
        """All parameters, embeddings included; shared ones once."""
        return sum(each.numel() for each in self.model.parameters())

    @property
    def beginning(self) -> int | None:
        """Its BOS token, if it has one."""
        id = self.tokenizer.bos_token_id
        return None if id is None else int(id)

    @property
    def end(self) -> int | None:
        """Its EOS token, if it has one."""
        id = self.tokenizer.eos_token_id
        return None if id is None else int(id)

    @cached_property
    def ends(self) -> frozenset[int]:
        """All tokens that end a text or a turn: chat models have several."""
        generation = getattr(self.model, "generation_config", None)
        said = getattr(generation, "eos_token_id", None)
        ids = [said] if isinstance(said, int) else (said or [])
        return frozenset(ids) | ({self.end} if self.end is not None else set())

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @cached_property
    def accepts_positions(self) -> bool:
        """Whether `logits` takes positions and a bias.

        Not where positions are counted in the attention layers (ALiBi), and not where layers
        see windows or keep states, which one mask for all does not fit.
        """
        counted = getattr(self.config, "alibi", False)
        plain = all(
            type(layer) is DynamicLayer for layer in DynamicCache(config=self.config).layers
        )
        return "position_ids" in self._takes and not counted and plain

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added; special tokens written out in it are plain text."""
        return self._encode(text, plain=True)

    def _encode(self, text: str, *, plain: bool) -> list[int]:
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=plain, verbose=False
        )["input_ids"]
        return ids

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """A conversation as its template has it; without one, texts between blank lines.

        Raises:
            UsageError: If the template refuses the conversation.
            Unaskable: If it has a special token in it.
        """
        if not self.tokenizer.chat_template:
            begun = [] if self.beginning is None else [self.beginning]
            return begun + self.encode(plain(messages))
        for special in self.tokenizer.all_special_tokens:
            if any(special in message.content for message in messages):
                raise Unaskable(
                    f"A message holds {special}, which {self.name} would take for the end of it. "
                    "Take it out of the text."
                )
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # whatever the template raises
            raise UsageError(f"The chat template of {self.name} refuses it: {error}") from error
        return self._encode(text, plain=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special ones left out."""
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text each id stands for; of the ids of a text they add up to its bytes."""
        return self.pieces.byte_lengths(ids, self.decode)

    @cached_property
    def architecture(self) -> Architecture | None:
        """Its sizes as the plan counts them; None for an unknown kind."""
        try:
            return configuration.from_config(self.config.to_dict())
        except (IsoflopError, KeyError, TypeError, ValueError):
            return None

    def forward_flops(self, tokens: int, past: int = 0) -> float | None:
        """FLOPs to read so many tokens after so many cached ones; None for an unknown kind."""
        if self.architecture is None:
            return None
        whole = flops.forward_flops(self.architecture, [past + tokens])
        return whole - flops.forward_flops(self.architecture, [past] if past else [])

    def new_cache(self, batch: int, most: int) -> DynamicCache | None:
        """An empty cache for so many tokens; None where the model takes none."""
        if self._cache is None:
            return None
        cache = DynamicCache(config=self.config)
        cache.layers = [
            Allocated(most) if type(layer) is DynamicLayer else layer for layer in cache.layers
        ]
        return cache

    def keep_rows(self, cache: DynamicCache, rows: list[int]) -> DynamicCache:
        """The cache with these rows of a batch, in this order."""
        cache.batch_select_indices(torch.tensor(rows))
        return cache

    @torch.inference_mode()
    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
        cache: DynamicCache | None = None,
        last: bool = False,
    ) -> Tensor:
        """Logits after each token; see `CausalModel.logits`.

        Raises:
            UsageError: If positions or a bias are given that the model would not heed.
        """
        given: dict[str, Any] = {"input_ids": tokens}
        if self._cache is not None:
            given |= {self._cache: cache, "use_cache": cache is not None}
        if positions is not None or bias is not None:
            given |= self._placed(tokens, positions, bias, cache)
        if last and "logits_to_keep" in self._takes:
            given["logits_to_keep"] = 1
        logits: Tensor = self.model(**given).logits
        return (logits[:, -1:] if last else logits).float()

    def _placed(
        self,
        tokens: Tensor,
        positions: Tensor | None,
        bias: Tensor | None,
        cache: DynamicCache | None,
    ) -> Mapping[str, Tensor]:
        """Positions and mask as transformers takes them."""
        if not self.accepts_positions:
            raise UsageError(
                f"{self.name} ({self.config.model_type}) counts positions itself, so its tokens "
                "cannot be given others. Choose a model with rotary or learned positions."
            )
        count = tokens.shape[1]
        past = int(cache.get_seq_length()) if cache is not None else 0
        if positions is None:
            positions = torch.arange(past, past + count)
        if positions.dim() == 1:
            positions = positions[None].expand(len(tokens), -1)
        if bias is None:  # else transformers takes a jump in the positions for a new text
            bias = causal_bias(count, past + count)
        mask = bias.expand(len(tokens), -1, -1, -1)
        return {"position_ids": positions, "attention_mask": mask.to(self.dtype)}
