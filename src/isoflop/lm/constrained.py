"""Output that must match a JSON schema or a regular expression, whatever the model prefers."""

import json
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import tokenizers
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from isoflop.errors import IsoflopError, UsageError
from isoflop.lm.causal import CausalModel

# As json.dumps writes it: with free white space, a small model writes nothing but that.
SPACED: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class Constraint:
    """A grammar compiled for one vocabulary; `follow()` begins one text."""

    def __init__(self, grammar: str, tokenizer: LLTokenizer, said: str) -> None:
        """A constraint from llguidance's own form of a grammar.

        Args:
            grammar: From `LLMatcher.grammar_from_...`.
            tokenizer: Of the model.
            said: What the user gave, for messages.

        Raises:
            UsageError: If it is no valid grammar.
        """
        problem, messages = LLMatcher.validate_grammar_with_warnings(grammar, tokenizer)
        if problem:
            raise UsageError(f"{said} cannot be followed: {' '.join(messages).strip()}")
        self.grammar, self.tokenizer, self.said = grammar, tokenizer, said

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any] | str, tokenizer: LLTokenizer) -> Self:
        """JSON that a schema allows.

        Raises:
            UsageError: If it is no JSON, no schema, or uses a keyword that is not supported.
        """
        try:
            loaded = json.loads(schema) if isinstance(schema, str) else dict(schema)
            grammar = LLMatcher.grammar_from_json_schema(loaded, defaults=SPACED)
        except ValueError as error:
            raise UsageError(f"The JSON schema cannot be read: {error}") from error
        return cls(grammar, tokenizer, "The JSON schema")

    @classmethod
    def of_expression(cls, expression: str, tokenizer: LLTokenizer) -> Self:
        """Text that a regular expression matches as a whole.

        Raises:
            UsageError: If it is no regular expression, or has look-around or references back.
        """
        grammar = LLMatcher.grammar_from_regex(expression)
        return cls(grammar, tokenizer, f"The regular expression {expression!r}")

    def follow(self) -> "Following":
        """The state of a text that has not begun."""
        return Following(self)


class Following:
    """Where one text stands in its grammar."""

    def __init__(self, constraint: Constraint) -> None:
        self._matcher = LLMatcher(constraint.tokenizer, constraint.grammar, log_level=0)
        self._said = constraint.said

    @property
    def finished(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped())

    def restrict(self, logits: Tensor) -> None:
        """Set logits (V,) of tokens that may not follow to -inf."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        allowed = np.unpackbits(bits, bitorder="little")[: len(logits)]
        logits[: len(allowed)].masked_fill_(torch.from_numpy(allowed == 0), -torch.inf)
        logits[len(allowed) :] = -torch.inf

    def add(self, token: int) -> None:
        """The token that was chosen."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise IsoflopError(f"{self._said} cannot be followed: {self._matcher.get_error()}")


def tokenizer_of(model: CausalModel) -> LLTokenizer:
    """A model's vocabulary as llguidance reads it; it takes a second for 100,000 tokens.

    Raises:
        UsageError: If the model has no tokenizer of the `tokenizers` library, or no end token.
    """
    tokenizer = getattr(model, "tokenizer", None)
    inner = getattr(tokenizer, "inner", None) or getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(inner, tokenizers.Tokenizer) or not model.ends:
        raise UsageError(f"{model.name} cannot be held to a grammar: its tokenizer is not known.")
    return LLTokenizer(inner.to_str(), n_vocab=model.vocabulary, eos_token=sorted(model.ends))
