import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import DamagedIndex
from isoflop.search.lexical import Words

PASSAGES = [
    (1, "Harbour", "The harbour of Wexcombe was dredged in 1932."),
    (2, "Bakery", "The bakery sells rye bread and almond buns; bread is baked at six."),
    (3, "Bridge", "A stone bridge with five arches crosses the river Tarn near the harbour."),
    (5, "", "Über die Größe des Flusses Tarn."),
]


@pytest.fixture
def words(tmp_path: Path) -> Words:
    words = Words.create(tmp_path / "words")
    words.update(PASSAGES)
    return words


def bm25(query: list[str], passages: dict[int, list[str]]) -> dict[int, float]:
    """The textbook formula, an oracle: every distinct word of the query once."""
    n, average = len(passages), sum(map(len, passages.values())) / len(passages)
    scores = dict.fromkeys(passages, 0.0)
    for word in set(query):
        holding = sum(word in text for text in passages.values())
        idf = math.log(1 + (n - holding + 0.5) / (holding + 0.5))
        for id, text in passages.items():
            often = text.count(word)
            scores[id] += idf * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(text) / average))
    return {id: score for id, score in scores.items() if score}


def test_scores_are_those_of_the_textbook(tmp_path: Path) -> None:
    passages = {id: f"zed{id} foo bar {'foo ' * id} qux{id % 3}".split() for id in range(1, 20)}
    words = Words.create(tmp_path)
    words.update((id, "", " ".join(text)) for id, text in passages.items())
    expected = bm25(["foo", "qux1", "zed7"], passages)
    found = dict(words.search("foo qux1 zed7 foo", 100))
    assert found == pytest.approx(expected, rel=1e-3)
    best = [id for id, _ in words.search("foo qux1 zed7", 3)]
    assert best == sorted(expected, key=lambda id: (-expected[id], id))[:3]


def test_inflected_and_accented_forms_match(words: Words) -> None:
    assert [id for id, _ in words.search("harbours", 9)] == [1, 3]
    assert [id for id, _ in words.search("GROSSE flusses", 9)] == [5]
    assert [id for id, _ in words.search("U\u0308ber", 9)] == [5]  # u and a combining diaeresis


def test_a_heading_is_searched_with_its_passage(words: Words) -> None:
    words.update([(9, "Timetables", "At six.")])
    assert [id for id, _ in words.search("timetable", 9)] == [9]


def test_chinese_is_found_by_pairs_of_characters(words: Words) -> None:
    words.update([(10, "", "图书馆在河边。"), (11, "", "书在河的图上。")])
    assert words.search("图书馆", 9)[0][0] == 10


def test_ties_go_to_the_smaller_id_whatever_the_order_of_adding(tmp_path: Path) -> None:
    words = Words.create(tmp_path)
    words.update((id, "", "same words") for id in range(99, 0, -1))
    assert [id for id, _ in words.search("words", 5)] == [1, 2, 3, 4, 5]


def test_only_allowed_ids_are_found_with_unchanged_scores(words: Words) -> None:
    everything = dict(words.search("bread harbour bridge", 9))
    found = words.search("bread harbour bridge", 9, allowed={2, 3, 77})
    assert dict(found) == {id: everything[id] for id in (2, 3)}
    many = range(3, 5000)
    assert dict(words.search("bread harbour bridge", 1, allowed=many)) == {3: everything[3]}
    assert words.search("bread", 9, allowed=[]) == []


def test_an_update_deletes_replaces_and_can_be_repeated(words: Words) -> None:
    for _ in range(2):
        words.update([(2, "", "An empty shop.")], delete=[1, 404])
        assert len(words) == 3
        assert words.search("bread", 9) == []
        assert [id for id, _ in words.search("harbour", 9)] == [3]


def test_a_copy_leaves_what_it_was_made_from(words: Words, tmp_path: Path) -> None:
    copy = Words.create(tmp_path / "copy", tmp_path / "words")
    copy.update([(9, "", "A harbour pilot bakes bread.")], delete=[1, 2])
    assert [id for id, _ in copy.search("harbour bread", 9)] == [9, 3]
    for old in (words, Words.open(tmp_path / "words")):
        assert [id for id, _ in old.search("bread", 9)] == [2]
        assert len(old) == 4
    assert len(Words.create(tmp_path / "copy")) == 0


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_what_is_not_there_is_not_made_by_looking(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DamagedIndex):
        Words.open(tmp_path / folder)
    assert not (tmp_path / "absent").exists()
    assert not list((tmp_path / "empty").glob("*.json"))


def test_an_index_is_the_same_when_opened_again(words: Words, tmp_path: Path) -> None:
    again = Words.open(tmp_path / "words")
    assert again.search("stone harbour", 9) == words.search("stone harbour", 9)


@pytest.mark.parametrize(
    "query", ["", "   ", "?!", "AND OR NOT", '"bread', "text:bread^9 [* TO", "a\0b"]
)
def test_no_query_is_a_syntax_error(words: Words, query: str) -> None:
    assert isinstance(words.search(query, 3), list)


def test_query_syntax_has_no_meaning(words: Words) -> None:
    assert [id for id, _ in words.search("-bread", 3)] == [2]


@settings(max_examples=50, deadline=None)
@given(query=st.text(max_size=60))
def test_any_text_is_a_query(query: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-query"
    if not folder.exists():
        Words.create(folder).update(PASSAGES)
    words = Words.open(folder)
    found = words.search(query, 3)
    assert found == sorted(found, key=lambda row: (-row[1], row[0]))
    for start, stop, idf in words.rarity(query):
        assert query[start:stop].strip()
        assert idf > 0


def test_a_megabyte_of_query_is_bounded(words: Words) -> None:
    assert words.search("bread " + "harbour " * 130_000, 1)[0][0] == 2
    distinct = " ".join(f"unheard{number}" for number in range(100_000))
    assert words.search(f"rye {distinct}", 1) == []  # unheard words are rarer than rye


def test_rarity_is_greater_for_rarer_words(words: Words) -> None:
    query = "The bread of Atlantis"
    rarity = {query[start:stop]: idf for start, stop, idf in words.rarity(query)}
    assert rarity["The"] < rarity["bread"] < rarity["Atlantis"]
    assert rarity["bread"] == pytest.approx(math.log(1 + 3.5 / 1.5))


def test_what_is_no_index_is_called_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    Words.create(folder).update(PASSAGES)
    (folder / "meta.json").write_text("{")
    with pytest.raises(DamagedIndex, match="Delete the folder"):
        Words.open(folder)


def test_a_file_cut_short_is_called_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    made = "import sys; from pathlib import Path; from isoflop.search.lexical import Words; "
    made += "Words.create(Path(sys.argv[1])).update([(1, '', 'bread')])"
    # in another process: a file that is mapped here must not be cut here
    subprocess.run([sys.executable, "-c", made, str(folder)], check=True)
    cut = next(path for path in folder.iterdir() if re.fullmatch(r".*\.idx", path.name))
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(DamagedIndex):
        Words.open(folder)


def test_a_folder_that_cannot_be_written_can_be_searched(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    Words.create(folder).update(PASSAGES)
    found = "import sys; from pathlib import Path; from isoflop.search.lexical import Words; "
    found += "print(Words.open(Path(sys.argv[1])).search('rye', 3)[0][0])"
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1"'
    arguments = ["-c", mount, "sh", str(folder), sys.executable, found]
    run = subprocess.run(["unshare", "-rm", "sh", *arguments], capture_output=True, text=True)
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("this machine lets nobody mount")
    assert run.stdout == "2\n", run.stderr


def test_wording_is_the_pairs_of_the_question_side_by_side(tmp_path: Path) -> None:
    words = Words.create(tmp_path)
    texts = ["stone bridge over the river", "a bridge of stone", "The river, bridged."]
    words.update((id, "", text) for id, text in enumerate(texts))
    (bridge, river) = (idf for _, _, idf in words.rarity("bridge river"))
    (stone,) = (idf for _, _, idf in words.rarity("stone"))
    found = words.wording("Which stone bridges? The river bridge?", texts)
    assert found == pytest.approx(
        [
            min(stone, bridge) + words.rarity("the")[0][2],
            0.0,
            words.rarity("the")[0][2] + min(river, bridge),
        ]
    )
    assert words.wording("", texts) == [0.0, 0.0, 0.0]
