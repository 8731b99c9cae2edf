"""From tokens to text while they come: whole characters only, nothing of a stop string."""

from collections.abc import Callable, Sequence

from isoflop.lm.model import OnText

PARTIAL = "\ufffd"  # how the beginning of a character decodes while the rest is not there


class Writing:
    """The text of one row as it grows.

    Attributes:
        ids: Tokens so far.
        text: Whole characters so far; a stop string and what follows are cut off.
        pieces: The text that each token brought; "" for a token that left a character unfinished.
        stopped: Whether a stop string was met.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
    ) -> None:
        self.ids: list[int] = []
        self.text = ""
        self.pieces: list[str] = []
        self.stopped = False
        self._decode, self._stop, self._on_text = decode, [each for each in stop if each], on_text
        self._longest = max(map(len, self._stop), default=0)
        self._shown = 0
        self._start = self._read = 0  # ids before _start are written, before _read decoded

    def add(self, token: int) -> None:
        """One more token; its text may come later, with the rest of the character."""
        self.ids.append(token)
        self._write(self._piece(last=False))

    def close(self) -> None:
        """No more tokens: what was held back is written."""
        if self.ids and not self.stopped:
            rest = self._piece(last=True)
            self._write(rest)
            piece = self.pieces.pop()
            self.pieces[-1] += piece
        self._show(len(self.text))

    def _piece(self, *, last: bool) -> str:
        """Text that is new; tokens are decoded with those before, as some decoders need."""
        before = self._decode(self.ids[self._start : self._read])
        now = self._decode(self.ids[self._start :])
        if len(now) <= len(before) or (now.endswith(PARTIAL) and not last):
            return ""
        self._start, self._read = self._read, len(self.ids)
        return now[len(before) :]

    def _write(self, piece: str) -> None:
        searched = max(0, len(self.text) - self._longest + 1)
        self.text += piece
        found = [at for each in self._stop if (at := self.text.find(each, searched)) >= 0]
        if found:
            cut = len(self.text) - min(found)
            self.text = self.text[: min(found)]
            piece = piece[:-cut] if cut else piece
            self.stopped = True
        self.pieces.append(piece)
        self._show(len(self.text) - (0 if self.stopped else self._held()))

    def _held(self) -> int:
        """Characters at the end of the text that may be the beginning of a stop string."""
        for size in range(min(self._longest - 1, len(self.text)), 0, -1):
            end = self.text[-size:]
            if any(each.startswith(end) for each in self._stop):
                return size
        return 0

    def _show(self, to: int) -> None:
        if self._on_text and to > self._shown:
            self._on_text(self.text[self._shown : to])
        self._shown = max(self._shown, to)
