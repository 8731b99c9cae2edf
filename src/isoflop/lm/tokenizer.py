"""Byte-level byte-pair encoding: every text has tokens, and the tokens give back every byte.

Texts are data. The literal characters `<|endoftext|>` in a document are encoded like any other
characters and never become the special token, which only this package puts between documents.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from isoflop.errors import DamagedCheckpoint, UsageError

END = "<|endoftext|>"
CHAT = ("<|user|>", "<|assistant|>", "<|system|>")
FILE, CONFIGURATION = "tokenizer.json", "tokenizer_config.json"
# One message after another, each behind its role's token and closed by the end token.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|endoftext|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# The pre-tokenizer never joins what stands before a lone space or line end between two visible
# ASCII characters to what comes after, so a long text may be cut there and keeps its tokens.
CUT = re.compile(r"(?<=[!-~])(?=[ \n][!-~])")
PIECE_CHARACTERS = 1 << 16


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, *, special: Sequence[str] = (END,)
) -> "Tokenizer":
    """A tokenizer whose tokens are the bytes and the pairs that `texts` repeat most.

    Args:
        texts: Read once; may be a generator.
        vocabulary: Tokens wanted, bytes and special tokens among them. Fewer come out where the
            texts are too short to repeat so many pairs.
        special: Special tokens, which get the first ids. `END` is put first if it is not among
            them; with `(END, *CHAT)` the tokenizer has a chat template.

    Raises:
        UsageError: If `vocabulary` has no room for the 256 bytes and the special tokens.
    """
    special = (END, *(token for token in special if token != END))
    least = 256 + len(special)
    if vocabulary < least:
        raise UsageError(
            f"vocabulary={vocabulary} is too small: 256 bytes and {len(special)} special "
            f"tokens need at least {least}."
        )
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator((piece for text in texts for piece in pieces(text)), trainer)
    return Tokenizer(inner)


class Tokenizer:
    """A byte-level tokenizer of the `tokenizers` library, as this package uses it.

    Attributes:
        inner: The library's own tokenizer. It has no post-processor and no normalizer.
        vocabulary: Number of tokens, special ones included.
        end: Id of `<|endoftext|>`, which begins each document and closes the last.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        end = inner.token_to_id(END)
        if end is None:
            raise UsageError(f"The tokenizer has no token {END}.")
        self.inner = inner
        self.inner.encode_special_tokens = True  # as characters
        self.vocabulary: int = inner.get_vocab_size(with_added_tokens=True)
        self.end: int = end

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; no special one is added, and none is found in it."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, on all processors."""
        cut = [list(pieces(text)) for text in texts]
        encodings = iter(
            self.inner.encode_batch_fast(
                [piece for part in cut for piece in part], add_special_tokens=False
            )
        )
        return [[id for _ in part for id in next(encodings).ids] for part in cut]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, special ones left out.

        Bytes that are no UTF-8, as where a character is cut in two, become U+FFFD.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The exact bytes of some tokens, special ones left out."""
        return b"".join(self.token_bytes[id] for id in ids)

    def byte_lengths(self, ids: Sequence[int]) -> list[int]:
        """Bytes of text that each token stands for; 0 for special tokens."""
        lengths: list[int] = self.lengths[np.asarray(ids, np.int64)].tolist()
        return lengths

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of every token, by id; none for special tokens."""
        special = self.inner.get_added_tokens_decoder()
        table = [b""] * self.vocabulary
        for token, id in self.inner.get_vocab(with_added_tokens=True).items():
            if id not in special:
                table[id] = bytes(BYTES[character] for character in token)
        return table

    @cached_property
    def lengths(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Bytes of text of every token, by id: shape (vocabulary,)."""
        return np.array([len(token) for token in self.token_bytes], np.int64)

    def special(self, token: str) -> int:
        """The id of a special token, such as `<|user|>`.

        Raises:
            UsageError: If the tokenizer has none of that name.
        """
        for id, added in self.inner.get_added_tokens_decoder().items():
            if added.content == token:
                return id
        raise UsageError(
            f"The tokenizer has no special token {token}. Train one that has, or write "
            "conversations as prompts and completions."
        )

    @property
    def chat(self) -> bool:
        """Whether it has the special tokens of a conversation."""
        added = {token.content for token in self.inner.get_added_tokens_decoder().values()}
        return added.issuperset(CHAT)

    def to_json(self) -> str:
        """The tokenizer as the library writes it: the same characters for the same tokenizer."""
        return self.inner.to_str()

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, which transformers loads."""
        configuration: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END,
            "eos_token": END,
            "pad_token": END,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
        }
        if self.chat:
            configuration["chat_template"] = CHAT_TEMPLATE
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.to_json(), encoding="utf-8")
        (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The tokenizer saved in a folder.

        Raises:
            UsageError: If there is none, or one that isoflop did not make.
            DamagedCheckpoint: If the file is damaged.
        """
        path = folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(f"There is no tokenizer at {path}. Check the folder.") from None
        except UnicodeDecodeError as error:
            raise _damaged(path, error) from error
        try:
            loaded = json.loads(text)
            inner = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise _damaged(path, error) from error
        kinds = [(loaded.get(part) or {}).get("type") for part in ("pre_tokenizer", "decoder")]
        if kinds != ["ByteLevel", "ByteLevel"] or loaded.get("normalizer"):
            raise UsageError(f"{path} is not a byte-level tokenizer made by isoflop.")
        return cls(inner)


def pieces(text: str) -> Iterator[str]:
    """A text in parts of some 64 thousand characters, cut where no token is."""
    start = 0
    while len(text) - start > PIECE_CHARACTERS:
        cut = CUT.search(text, start + PIECE_CHARACTERS)
        if cut is None:
            break
        yield text[start : cut.start()]
        start = cut.start()
    yield text[start:]


def _byte_alphabet() -> dict[str, int]:
    """The byte behind each character of a byte-level token.

    Printable Latin-1 characters stand for themselves and the other bytes, in order, for the
    characters from U+0100 on: `bytes_to_unicode` in GPT-2's encoder.py (OpenAI, 2019).
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


BYTES = _byte_alphabet()


def _damaged(path: Path, error: Exception) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{path} is damaged ({error}). Save the tokenizer again.")
