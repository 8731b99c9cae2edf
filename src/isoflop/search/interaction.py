"""Late interaction: a question compared with stretches of a text that was read as a whole."""

from collections.abc import Sequence

import numpy as np


def closeness(
    question: np.ndarray,
    text: np.ndarray,
    starts: Sequence[int],
    stretches: Sequence[tuple[int, int]],
) -> tuple[float, list[tuple[float, float]]]:
    """How close a question is to a text, and to each of its stretches in their context.

    Args:
        question: (question tokens, width) rows of unit length, the first and last of them special.
        text: (tokens, width), likewise.
        starts: First character of each token of the text, special ones left out; more tokens than
            were read may be known.
        stretches: Characters, first and one past the last.

    Returns:
        The cosine of question and text, both as the mean of their rows. For each stretch that
        cosine with the mean of its rows alone, and the mean over the question's tokens of the
        best match in the stretch. A stretch beyond what was read has zeros.

    Source:
        Khattab and Zaharia 2020, ColBERT, arXiv:2004.12832, section 3.3, for the second; a mean
        instead of a sum, so that long and short questions compare.
    """
    asked = _unit(question.mean(axis=0))
    whole = float(asked @ _unit(text.mean(axis=0)))
    read = text[1:-1]
    similar = question[1:-1] @ read.T  # (question tokens, tokens)
    edges = np.searchsorted(
        np.asarray(starts[: len(read)]), np.asarray(stretches, np.int64).reshape(-1, 2)
    )
    found = []
    for first, last in edges:
        if first < last and len(similar):
            cosine = float(asked @ _unit(read[first:last].mean(axis=0)))
            found.append((cosine, float(similar[:, first:last].max(axis=1).mean())))
        else:
            found.append((0.0, 0.0))
    return whole, found


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
