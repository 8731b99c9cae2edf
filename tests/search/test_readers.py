"""Several readers of one open index: in threads, and one inside another."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import isoflop
from isoflop.questions import Answer
from isoflop.search.index import Index

QUESTIONS = ("When was the harbour dredged?", "When does the bakery open?", "How many arches?")


def test_threads_find_what_one_reader_finds(documents: Path) -> None:
    index = Index.open(documents)
    index.update()
    alone = [index.search(question) for question in QUESTIONS]
    with ThreadPoolExecutor(6) as readers:
        for _ in range(5):
            assert list(readers.map(index.search, QUESTIONS)) == alone


def test_threads_that_share_a_new_index_load_one_encoder(documents: Path) -> None:
    Index.open(documents).update()
    index = Index.open(documents)

    def answer(question: str) -> Answer:
        return isoflop.ask(question, index)

    with ThreadPoolExecutor(3) as readers:
        encoders = set(readers.map(lambda _: id(index.encoder), range(6)))
        answers = list(readers.map(answer, QUESTIONS))
    assert len(encoders) == 1
    assert ["1932" in answers[0].text, "six" in answers[1].text, "five" in answers[2].text] == [
        True,
        True,
        True,
    ]


def test_passages_can_be_searched_for_while_they_are_listed(documents: Path) -> None:
    index = Index.open(documents)
    index.update()
    nearest = {
        passage.id: index.search(passage.text, k=1)[0].passage.id for passage in index.passages()
    }
    assert len(nearest) == 3
    assert all(nearest[id] == id for id in nearest)


def test_an_index_that_was_closed_opens_again(documents: Path) -> None:
    index = Index.open(documents)
    index.update()
    found = index.search("harbour")
    index.close()
    assert index.search("harbour") == found
