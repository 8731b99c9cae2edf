"""Log-probabilities as servers write them down, in three forms.

- completions: parallel lists `tokens`, `token_logprobs`, `top_logprobs` (OpenAI's first form;
  vLLM, SGLang, llama-cpp-python, also in chat at Together)
- chat: `content`, a list of objects with `token`, `logprob`, `bytes`, `top_logprobs` (OpenAI's
  second form; llama-server and Ollama give it in completions too)
- `prompt_logprobs`, a list of objects keyed by token id (vLLM's own)
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from isoflop.lm.model import Scored
from isoflop.lm.spelling import spelled


@dataclass(slots=True)
class Tokens:
    """Tokens and their log-probabilities, before they are laid onto a text.

    Attributes:
        written: Each as the server writes it; None for a first one that it does not tell.
        log_probabilities: Natural logarithms; None where the server gives none; NaN for what is
            no number.
        byte_lengths: Bytes of each, where the server tells; else None.
        alternatives: The most likely tokens at each place, as far as the server tells.
    """

    written: list[str | None] = field(default_factory=list)
    log_probabilities: list[float | None] = field(default_factory=list)
    byte_lengths: list[int | None] = field(default_factory=list)
    alternatives: list[Mapping[str, float]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.written)

    def add(
        self,
        written: str | None,
        log_probability: float | None,
        bytes_: int | None = None,
        alternatives: Mapping[str, float] | None = None,
    ) -> None:
        """One more token."""
        self.written.append(written)
        self.log_probabilities.append(log_probability)
        self.byte_lengths.append(bytes_)
        self.alternatives.append(alternatives or {})

    def take(self, given: object) -> None:
        """What one `logprobs` object holds, whichever of the first two forms it has."""
        if not isinstance(given, dict):
            return
        content = given.get("content")
        if isinstance(content, list):
            for entry in content:
                self._take_entry(entry)
            return
        columns = [_list(given.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs")]
        for i, token in enumerate(columns[0]):
            logs, tops = columns[1], columns[2]
            self.add(
                str(token),
                _number(logs[i]) if i < len(logs) else math.nan,
                alternatives=_top(tops[i]) if i < len(tops) else None,
            )

    def _take_entry(self, entry: object) -> None:
        if not isinstance(entry, dict):
            return
        raw, top = entry.get("bytes"), _list(entry.get("top_logprobs"))
        others = {
            str(each.get("token")): value
            for each in top
            if isinstance(each, dict) and (value := _number(each.get("logprob"))) is not None
        }
        self.add(
            str(entry.get("token", "")),
            _number(entry.get("logprob")),
            len(raw) if isinstance(raw, list) else None,
            others,
        )

    def take_prompt(self, given: object) -> None:
        """What vLLM's `prompt_logprobs` holds: of each place an object whose first key is the
        token that stands there; null for the first place.
        """
        for place in _list(given):
            entries = list(place.values()) if isinstance(place, dict) else []
            known = [entry for entry in entries if isinstance(entry, dict)]
            if not known:
                self.add("" if self.written else None, None)
                continue
            self.add(
                str(known[0].get("decoded_token") or ""),
                _number(known[0].get("logprob")),
                alternatives=_top({e.get("decoded_token"): e.get("logprob") for e in known}),
            )

    def of(self, text: str, start: int = 0) -> Scored | None:
        """The tokens of the text from byte `start` on; None if they do not spell the text.

        Tokens that end at or before `start` are left out; one that straddles it stays.
        """
        found = spelled(self.written, text)
        if found is None:
            return None
        before, lengths = found
        end, first = 0, len(lengths)
        for i, length in enumerate(lengths):
            end += length
            if length and end > start:
                first = i
                break
        # Pieces of a character that leave their bytes to a later token belong to that token.
        while first and not lengths[first - 1]:
            first -= 1
        kept = slice(before + first, before + len(lengths))
        mine = lengths[first:]
        straddling = sum(mine) - (len(text.encode()) - start)
        untold = text.encode()[: lengths[0]].decode("utf-8", "replace")
        return Scored(
            tuple(untold if token is None else token for token in self.written[kept]),
            tuple(_without(mine, straddling)),
            tuple(self.log_probabilities[kept]),
            straddling,
            tuple(self.alternatives[kept]) if any(self.alternatives) else None,
        )

    def all(self) -> Scored | None:
        """Every token, of a text that the model itself wrote; None if there are none."""
        if not self.written:
            return None
        written = [token or "" for token in self.written]
        lengths = [
            len(token.encode("utf-8", "surrogatepass")) if length is None else length
            for token, length in zip(written, self.byte_lengths, strict=True)
        ]
        return Scored(
            tuple(written),
            tuple(lengths),
            tuple(self.log_probabilities),
            alternatives=tuple(self.alternatives) if any(self.alternatives) else None,
        )


def _without(lengths: list[int], bytes_: int) -> Iterator[int]:
    """The lengths, with this many bytes taken off the front."""
    for length in lengths:
        taken = min(length, bytes_)
        bytes_ -= taken
        yield length - taken


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float | None:
    """A log-probability: None where there is none, NaN where there is something else."""
    if value is None:
        return None
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if right and isinstance(value, int | float) else math.nan


def _top(given: object) -> dict[str, float]:
    entries = given.items() if isinstance(given, dict) else ()
    numbers = ((str(token), _number(value)) for token, value in entries)
    return {token: value for token, value in numbers if value is not None}
