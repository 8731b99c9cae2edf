"""Late interaction: a question compared with stretches of a text that was read as a whole."""

from collections.abc import Sequence

import numpy as np

ONE_THREAD = 250_000  # multiplications; OpenBLAS starts further threads from 262,144


def closeness(
    question: np.ndarray,
    text: np.ndarray,
    starts: Sequence[int],
    stretches: Sequence[tuple[int, int]],
    heads: Sequence[tuple[int, int]] = (),
) -> tuple[float, list[tuple[float, float]]]:
    """How close a question is to a text, and to each of its stretches in their context.

    Args:
        question: (question tokens, width) rows of unit length, the first and last of them special.
        text: (tokens, width), likewise.
        starts: First character of each token of the text, special ones left out; more tokens than
            were read may be known.
        stretches: Characters, first and one past the last.
        heads: For each stretch one that is read with it, such as the head of a table with its
            row; an empty one for nothing. None are given where no stretch has any.

    Returns:
        The cosine of question and text, each as the mean of its tokens; and for each stretch two
        figures made of the cosines of each token of the question with the token most like it
        there: their mean, and the least of them. A stretch beyond what was read has zeros.

    Source:
        Khattab and Zaharia 2020, ColBERT, arXiv:2004.12832, section 3.3; here the mean instead of
        the sum, so that long and short questions compare.
    """
    asked, read = question[1:-1], text[1:-1]
    if not len(asked) or not len(read):
        return 0.0, [(0.0, 0.0)] * len(stretches)
    similar = products(asked, read)  # (question tokens, tokens)
    nothing = [(0, 0)] * len(stretches)
    found = []
    for own, head in zip(
        _tokens(starts[: len(read)], stretches),
        _tokens(starts[: len(read)], heads or nothing),
        strict=True,
    ):
        best = np.zeros(1)
        if own.start < own.stop:
            best = np.concatenate([similar[:, own], similar[:, head]], axis=1).max(axis=1)
        found.append((float(best.mean()), float(best.min())))
    return float(_mean(asked) @ _mean(read)), found


def _tokens(starts: Sequence[int], stretches: Sequence[tuple[int, int]]) -> list[slice]:
    """The tokens that begin within each stretch of characters."""
    edges = np.searchsorted(starts, np.asarray(stretches, np.int64).reshape(-1, 2))
    return [slice(int(first), int(last)) for first, last in edges]


def products(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """All dot products of two small sets of rows: (some, others).

    Computed in blocks that OpenBLAS does on the thread that asks. On a busy machine, waking its
    other threads and waiting for them took ten times as long as the product itself.

    Args:
        some: (some, width).
        others: (others, width).
    """
    block = max(1, ONE_THREAD // max(1, others.size))
    parts = [some[start : start + block] @ others.T for start in range(0, len(some), block)]
    return np.concatenate(parts) if parts else np.empty((0, len(others)), np.float32)


def _mean(rows: np.ndarray) -> np.ndarray:
    """The mean row, stretched to unit length."""
    total: np.ndarray = rows.sum(axis=0)
    return total / max(float(np.linalg.norm(total)), 1e-12)
