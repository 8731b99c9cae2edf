"""How many bytes of text each token of a transformers tokenizer stands for."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from isoflop.lm.tokenizer import BYTES

SPACE = "\u2581"  # how SentencePiece writes a space
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Pieces:
    """The bytes behind the tokens of a vocabulary.

    Byte-level vocabularies (GPT-2, Llama 3, Qwen) write each byte as a character of its own;
    SentencePiece ones (Llama 2, Mistral, Gemma) write a space as U+2581 and other bytes as
    `<0x0A>`, and leave out a space at the beginning of a text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.all_special_ids)
        self._added = {id: str(each) for id, each in tokenizer.added_tokens_decoder.items()}
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self.byte_level = backend is not None and _is_byte_level(json.loads(backend.to_str()))
        self._known: dict[int, int] = {}

    def byte_lengths(self, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[int]:
        """Bytes of each id; 0 for special tokens.

        Of the ids of a text they add up to its bytes, as long as decoding gives the text back.
        """
        lengths = [self._length(id) for id in ids]
        if self.byte_level:
            return lengths
        whole = len(decode(ids).encode())
        first = next((at for at, length in enumerate(lengths) if length), None)
        if first is not None and sum(lengths) == whole + 1:
            lengths[first] -= 1  # the space that the tokenizer put before the text
        return lengths if sum(lengths) == whole else _differences(ids, decode)

    def _length(self, id: int) -> int:
        if id not in self._known:
            self._known[id] = 0 if id in self._special else len(self._bytes(id))
        return self._known[id]

    def _bytes(self, id: int) -> bytes:
        if id in self._added:
            return self._added[id].encode()
        token: str | None = self._tokenizer.convert_ids_to_tokens(id)
        if token is None:  # a row of the head without a token
            return b""
        if self.byte_level:
            return bytes(BYTES[character] for character in token)
        if match := BYTE.fullmatch(token):
            return bytes([int(match[1], 16)])
        return token.replace(SPACE, " ").encode()


def _is_byte_level(description: dict[str, Any]) -> bool:
    """Whether some part of a tokenizer's decoder is the byte-level one."""
    decoder = description.get("decoder") or {}
    parts = decoder.get("decoders") or [decoder]
    return any(part.get("type") == "ByteLevel" for part in parts)


def _differences(ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[int]:
    """By how much each token lengthens the decoded text; whole characters go to their last."""
    ends = [0]
    for count in range(1, len(ids) + 1):
        text = decode(ids[:count])
        whole = count == len(ids) or not text.endswith("\ufffd")
        ends.append(len(text.encode()) if whole else ends[-1])
    return [after - before for before, after in pairwise(ends)]
