"""Perplexity of a text by a model behind a server, which alone has its tokens."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.lm.line_ends import without_returns
from isoflop.lm.model import Scored, Scorer
from isoflop.measure.predicted import Perplexity, lines_end_in_returns, parts_of

WINDOW = 2048  # characters: some 512 tokens of English, which every served model can read

Stretch = tuple[str, str]  # what a request reads, and what it scores after it


def perplexity(
    scorer: Scorer,
    text: str | Path,
    *,
    window: int = WINDOW,
    stride: int | None = None,
    at_once: int = 4,
    progress: Callable[[int], None] | None = None,
) -> Perplexity:
    """Read a text, or a file of any length, in windows of characters, one request each.

    Windows are cut before a space or line end where there is one, so that tokens are those of the
    whole text. The first word of a later window is predicted from the word before it, or, where
    windows overlap, from as much as fills the window.

    Args:
        scorer: Whose probabilities are taken.
        text: A string, or the path of a UTF-8 file.
        window: Characters of one request at most.
        stride: Characters scored by each but the first; None for the window itself, so that
            windows do not overlap.
        at_once: Requests under way at the same time.
        progress: Told of the bytes done.

    Returns:
        The counts, with the tokens and seconds of the requests as their bill.

    Raises:
        UsageError: If there is nothing to score, the file is not text, or a number makes no sense.
        CannotScore: If the server gives no log-probabilities of a text, or no real ones.
        EndpointError: If it cannot be reached or fails, or a window is too long for it.
    """
    stride = window if stride is None else stride
    if not 1 <= stride <= window:
        raise UsageError(
            f"window={window}, stride={stride}: a window holds at least one character and moves "
            "by at least one and at most its length."
        )
    found = Perplexity(window, stride, beginning=False, unit="characters")
    parts = parts_of(text)
    if lines_end_in_returns(text):
        found.carriage_returns, parts = True, without_returns(parts)
    last = " "
    for (_, new), scored in _answers(scorer, stretches(parts, window, stride), at_once):
        found.words += len(new.split()) - (not last.isspace() and not new[0].isspace())
        last = new[-1]
        _add(found, new, scored)
        if progress is not None:
            progress(found.bytes)
    if not found.scored_bytes:
        raise UsageError("The text is empty or a single token, so there is nothing to score.")
    return found


def stretches(parts: Iterable[str], window: int, stride: int) -> Iterator[Stretch]:
    """What to read and what to score of a text in parts; the second ones tile the text."""
    held, before, most = "", "", window
    for part in parts:
        held += part
        while len(held) > most:
            place = _last_blank(held, most) or most
            new, held = held[:place], held[place:]
            yield before, new
            before, most = _tail(before + new, window, stride), stride
    if held:
        yield before, held


def _tail(text: str, window: int, stride: int) -> str:
    """The end of a text that is read again: what fills the window, or the last word."""
    if stride == window:
        place = text.rstrip().rfind(" ", -window)
        return text[place:] if place > 0 else text[-1:]
    text = text[-(window - stride) :]
    place = next((at for at in range(1, len(text) - 1) if _is_cut(text, at)), 0)
    return text[place:]


def _last_blank(text: str, most: int) -> int | None:
    """The last place up to `most`, and behind half of it, where a text may be cut."""
    places = range(min(most, len(text) - 2), most // 2, -1)
    return next((place for place in places if _is_cut(text, place)), None)


def _is_cut(text: str, place: int) -> bool:
    """Whether a visible character, a blank and another one meet: tokens begin with the blank."""
    around = text[place - 1], text[place + 1]
    return text[place] in " \n" and all("!" <= character <= "~" for character in around)


def _answers(
    scorer: Scorer, laid: Iterator[Stretch], at_once: int
) -> Iterator[tuple[Stretch, Scored]]:
    """Each stretch with its tokens, in order; no more are under way than `at_once`."""

    def ask(stretch: Stretch) -> Scored:
        return scorer.score_continuation(*stretch)

    with ThreadPoolExecutor(at_once) as pool:
        while several := list(islice(laid, at_once)):
            yield from zip(several, pool.map(ask, several), strict=True)


def _add(found: Perplexity, new: str, scored: Scored) -> None:
    """Count the tokens of a stretch; a carriage return goes with its newline."""
    known = [value for value in scored.log_probabilities if value is not None]
    unscored = len(scored.tokens) - len(known)
    returns = new.count("\n") if found.carriage_returns else 0
    size = len(new.encode()) + returns
    if not found.tokens:
        found.beginning = not unscored
    elif unscored:
        raise UsageError(
            f"The server gave no log-probability of {unscored} tokens in the middle of the text."
        )
    found.tokens += len(scored.tokens)
    found.bytes += size
    found.bill = found.bill + scored.bill
    left_out = sum(scored.byte_lengths[:unscored])
    if found.carriage_returns:
        left_out += sum(token.count("\n") for token in scored.tokens[:unscored])
    if known:
        found.add(-sum(known), tokens=len(known), bytes=size - left_out)
