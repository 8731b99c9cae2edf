from itertools import islice

from isoflop.augment.methods.retrieval import in_turn
from isoflop.documents import Passage


def test_passages_that_stand_for_those_found_are_of_all_lengths() -> None:
    passages = [Passage("d", n, n + 1, "x" * n) for n in range(30)]
    taken = [passage.start for some in islice(in_turn(passages, 1), 30) for passage in some]
    assert abs(sum(taken) / len(taken) - 14.5) < 2
    assert len(set(taken)) > 20
    assert all(len(some) == 3 for some in islice(in_turn(passages, 3), 10))
    assert next(in_turn(passages[:2], 5)) == passages[:2]
