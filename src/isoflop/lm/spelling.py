"""Which bytes of a text each of a server's tokens stands for.

Servers write tokens as strings, and a token that holds a piece of a character reads as U+FFFD, so
the strings alone do not add up to the text. Only a way of cutting the text in which every piece
decodes to its token's string is accepted.
"""

from collections.abc import Iterator, Sequence

REPLACEMENT = "\ufffd"
MOST_BEGINNING = 2  # tokens before the text, such as one that marks the beginning and a language
MOST_UNTOLD = 128  # bytes of a first token that is not told; the longest of GPT-2 has 128
MOST_PIECE = 3  # bytes of a cut character, of at most 4, that decode to one U+FFFD


def spelled(tokens: Sequence[str | None], text: str) -> tuple[int, list[int]] | None:
    """How the tokens spell the text.

    Args:
        tokens: As the server writes them; some may come before the text and some after it. None
            for a first one that it does not tell; then none come after.
        text: What was sent.

    Returns:
        How many tokens come before the text, and how many bytes each of those that spell it
        stands for, in order; None if they do not spell it.
    """
    whole = text.encode()
    for before in range(min(MOST_BEGINNING, len(tokens)) + 1):
        lengths = _lengths(tokens[before:], whole)
        if lengths is not None:
            return before, lengths
    return None


def _lengths(tokens: Sequence[str | None], text: bytes) -> list[int] | None:
    """Bytes of each token until the text is whole; None if a token does not go on with it.

    Where a character was cut into pieces there may be several ways to go on, so all places that
    a token can end at are kept, each with the place that it began at. There are never many. If
    the text ends in such a character, as many tokens spell it as can.
    """
    ways: list[dict[int, int]] = []  # for each token, where it may end: where it begins then
    ends, count = {0}, None
    to_the_last = None in tokens
    while ends:
        if len(text) in ends and (not to_the_last or len(ways) == len(tokens)):
            count = len(ways)
        certain = count == len(ways) and len(ends) == 1
        if certain or len(ways) == len(tokens):
            break
        token = tokens[len(ways)]
        ways.append({end: at for at in sorted(ends) for end in _ends(token, text, at)})
        ends = set(ways[-1])
    if count is None:
        return None
    del ways[count:]
    lengths, end = [0] * len(ways), len(text)
    for i in reversed(range(len(ways))):
        lengths[i] = end - ways[i][end]
        end = ways[i][end]
    return lengths


def _ends(token: str | None, text: bytes, at: int) -> Iterator[int]:
    """Where a token that begins at `at` may end."""
    if token is None:
        yield from range(min(MOST_UNTOLD, len(text)) + 1)
        return
    written = token.encode("utf-8", "surrogatepass")
    if token.startswith("bytes:\\x"):  # as OpenAI writes pieces of characters
        written = bytes.fromhex(token[len("bytes:") :].replace("\\x", ""))
    if text.startswith(written, at):
        yield at + len(written)
        return
    if not at and token.startswith(" ") and text.startswith(written[1:]):
        yield len(written) - 1  # SentencePiece puts a space before the first word
    if text.startswith(b" " + written, at):
        yield at + 1 + len(written)  # and loses that of a word when it is decoded alone
    if REPLACEMENT in token:
        least = at + len(token)
        most = at + sum(MOST_PIECE if c == REPLACEMENT else len(c.encode()) for c in token)
        for end in range(least, min(most, len(text)) + 1):
            if text[at:end].decode("utf-8", "replace") == token:
                yield end
