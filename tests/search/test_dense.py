"""Vectors: what a search returns, what a file survives, what it refuses."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import DamagedIndex
from isoflop.search import dense
from isoflop.search.dense import Vectors

WIDTH = 64


def unit(rows: int, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def topical(rows: int, width: int = 384, seed: int = 0) -> np.ndarray:
    """Rows that crowd around topics, as embeddings of texts do."""
    random = np.random.default_rng(seed)
    topics = random.standard_normal((max(1, rows // 50), width))
    vectors = topics[random.integers(len(topics), size=rows)]
    vectors = vectors + random.standard_normal((rows, width))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def blocks(
    ids: np.ndarray, vectors: np.ndarray, size: int = 700
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for at in range(0, len(ids), size):
        yield ids[at : at + size], vectors[at : at + size]


def written(path: Path, vectors: np.ndarray, ids: np.ndarray | None = None) -> Vectors:
    ids = np.arange(len(vectors)) if ids is None else ids
    Vectors.write(path, blocks(ids, vectors), vectors.shape[1])
    return Vectors.open(path)


def brute_force(
    vectors: np.ndarray, query: np.ndarray, k: int, ids: np.ndarray | None = None
) -> list[int]:
    ids = np.arange(len(vectors)) if ids is None else ids
    best = np.lexsort((ids, -(vectors @ query)))[:k]
    return [int(id_) for id_ in ids[best]]


def ids_of(hits: Sequence[tuple[int, float]]) -> list[int]:
    return [id_ for id_, _ in hits]


@pytest.mark.parametrize("rows", [1, 2, 2047, 2048, 2049, 5000])
def test_rescored_hits_of_a_small_file_are_those_of_brute_force(tmp_path: Path, rows: int) -> None:
    vectors = unit(rows)
    opened = written(tmp_path / "v", vectors)
    for query in unit(20, seed=1):
        hits = opened.search(query, 10, exact=lambda ids: vectors[list(ids)])
        assert ids_of(hits) == brute_force(vectors, query, 10)
        assert [score for _, score in hits] == pytest.approx(
            [float(vectors[i] @ query) for i, _ in hits], abs=1e-6
        )


def test_signs_choose_a_shortlist_that_holds_the_nearest_rows(tmp_path: Path) -> None:
    vectors = topical(40_000)
    opened = written(tmp_path / "v", vectors)
    queries = topical(40_050)[40_000:]
    found = 0
    for query in queries:
        hits = opened.search(query, 10, exact=lambda ids: vectors[list(ids)])
        found += len(set(ids_of(hits)) & set(brute_force(vectors, query, 10)))
    assert found / (10 * len(queries)) >= 0.99


def test_without_rescoring_scores_are_within_the_error_of_the_codes(tmp_path: Path) -> None:
    vectors = unit(500, 384)
    opened = written(tmp_path / "v", vectors)
    query = unit(1, 384, seed=1)[0]
    for id_, score in opened.search(query, 500):
        assert score == pytest.approx(float(vectors[id_] @ query), abs=0.003)


def test_an_empty_file_has_no_hits(tmp_path: Path) -> None:
    Vectors.write(tmp_path / "v", [], WIDTH)
    opened = Vectors.open(tmp_path / "v")
    assert len(opened) == 0
    assert opened.search(unit(1)[0], 10) == []
    assert opened.search(unit(1)[0], 10, allowed=np.array([1])) == []


@given(
    rows=st.integers(0, 40),
    k=st.integers(0, 60),
    allowed=st.none() | st.lists(st.integers(0, 50), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_hits_are_allowed_distinct_sorted_and_as_many_as_there_can_be(
    tmp_path_factory: pytest.TempPathFactory, rows: int, k: int, allowed: list[int] | None
) -> None:
    opened = written(tmp_path_factory.mktemp("v") / "v", unit(rows))
    choice = None if allowed is None else np.array(allowed, np.int64)
    hits = opened.search(unit(1, seed=1)[0], k, allowed=choice)
    possible = set(range(rows)) & (set(range(rows)) if allowed is None else set(allowed))
    assert len(hits) == min(k, len(possible))
    assert set(ids_of(hits)) <= possible
    assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))


def test_a_filter_over_many_rows_finds_the_nearest_of_those_allowed(tmp_path: Path) -> None:
    vectors = topical(20_000)
    opened = written(tmp_path / "v", vectors)
    for count in (100, 15_000):
        allowed = np.random.default_rng(count).permutation(20_000)[:count]
        query = topical(20_001)[-1]
        hits = opened.search(query, 10, allowed=allowed, exact=lambda ids: vectors[list(ids)])
        expected = brute_force(vectors[allowed], query, 10, allowed)
        assert len(set(ids_of(hits)) & set(expected)) >= 9
        assert set(ids_of(hits)) <= set(allowed.tolist())


@given(
    rows=st.integers(0, 4500),
    deleted=st.sets(st.integers(0, 4600), max_size=30),
    added=st.integers(0, 2500),
)
@settings(max_examples=25, deadline=None)
def test_an_amended_file_answers_as_one_written_afresh(
    tmp_path_factory: pytest.TempPathFactory, rows: int, deleted: set[int], added: int
) -> None:
    folder = tmp_path_factory.mktemp("v")
    vectors = unit(rows + added)
    ids = np.arange(rows + added)
    written(folder / "old", vectors[:rows])
    Vectors.amend(folder / "old", folder / "new", blocks(ids[rows:], vectors[rows:]), deleted)
    amended = Vectors.open(folder / "new")
    kept = np.flatnonzero(~np.isin(ids, list(deleted)) | (ids >= rows))
    fresh = written(folder / "fresh", vectors[kept], kept)
    query = unit(1, seed=1)[0]
    assert len(amended) == len(kept)
    assert amended.search(query, 10, exact=lambda ids: vectors[list(ids)]) == fresh.search(
        query, 10, exact=lambda ids: vectors[list(ids)]
    )


def test_who_has_a_file_open_keeps_it_while_it_is_replaced(tmp_path: Path) -> None:
    vectors = unit(2000)
    before = written(tmp_path / "v", vectors)
    query = unit(1, seed=1)[0]
    hits = before.search(query, 10)
    Vectors.amend(tmp_path / "v", tmp_path / "v", [], range(1990))
    assert before.search(query, 10) == hits
    assert len(Vectors.open(tmp_path / "v")) == 10


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path / "v", unit(5))
    broken = [(np.arange(3), unit(3)), (np.arange(3), unit(2))]
    with pytest.raises(ValueError, match="3 ids"):
        Vectors.write(tmp_path / "v", broken, WIDTH)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert len(Vectors.open(tmp_path / "v")) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    import resource  # not on every system

    vectors = unit(20_000)
    written(tmp_path / "v", vectors)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            Vectors.write(tmp_path / "v", blocks(np.arange(20_000), vectors), WIDTH)
        with pytest.raises(OSError, match="large"):
            Vectors.amend(tmp_path / "v", tmp_path / "v", [], {1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert len(Vectors.open(tmp_path / "v")) == 20_000


def test_the_same_rows_make_the_same_bytes_however_they_arrive(tmp_path: Path) -> None:
    vectors, ids = unit(3000).astype(np.float16), np.arange(3000)
    for size in (1, 1000, 3000):
        first = [(ids[:1000], vectors[:1000])]
        Vectors.write(
            tmp_path / str(size), [*first, *blocks(ids[1000:], vectors[1000:], size)], WIDTH
        )
    assert len({(tmp_path / str(size)).read_bytes() for size in (1, 1000, 3000)}) == 1


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "short", "long", "magic", "version", "rows"]
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "v"
    written(path, unit(10))
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "short": whole[:-1],
        "long": whole + b"\0",
        "magic": b"X" + whole[1:],
        "version": whole[:8] + b"\7" + whole[9:],
        "rows": whole[:16] + b"\7" + whole[17:],
    }
    path.unlink() if damage == "missing" else path.write_bytes(broken[damage])
    with pytest.raises(DamagedIndex, match=str(path)):
        Vectors.open(path)


def test_a_query_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 values"):
        written(tmp_path / "v", unit(3)).search(np.ones(32), 1)


@pytest.mark.parametrize("width", [100, 768])
def test_widths_that_fill_no_word_or_that_no_byte_counts_work(tmp_path: Path, width: int) -> None:
    vectors = topical(10_000, width)
    opened = written(tmp_path / "v", vectors)
    query = vectors[123] + 0.9 * vectors[456]
    hits = opened.search(query, 10, exact=lambda ids: vectors[list(ids)])
    assert ids_of(hits) == brute_force(vectors, query, 10)


def test_a_common_direction_of_all_vectors_does_not_hide_their_differences(tmp_path: Path) -> None:
    vectors = topical(20_000) + 2 * unit(1, 384, seed=2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    opened = written(tmp_path / "v", vectors)
    found = 0
    for query in vectors[:20]:
        hits = opened.search(query, 10, exact=lambda ids: vectors[list(ids)])
        found += len(set(ids_of(hits)) & set(brute_force(vectors, query, 10)))
    assert found >= 196


def test_a_changed_vector_is_found_where_it_went_and_not_where_it_was(tmp_path: Path) -> None:
    vectors = unit(3000)
    written(tmp_path / "v", vectors)
    moved = -vectors[1500:1501]
    Vectors.amend(tmp_path / "v", tmp_path / "v", [(np.array([1500]), moved)], {1500})
    opened = Vectors.open(tmp_path / "v")
    assert len(opened) == 3000
    ((id_, score),) = opened.search(moved[0], 1)
    assert id_ == 1500
    assert score == pytest.approx(1, abs=0.003)
    assert opened.search(vectors[1500], 1)[0][0] != 1500


def test_deleting_everything_leaves_an_empty_file(tmp_path: Path) -> None:
    written(tmp_path / "v", unit(3000))
    Vectors.amend(tmp_path / "v", tmp_path / "v", [], range(3000))
    assert Vectors.open(tmp_path / "v").search(unit(1)[0], 10) == []


def test_rows_that_are_all_equal_are_still_ordered_by_id(tmp_path: Path) -> None:
    vectors = np.repeat(unit(1), 20_000, axis=0)
    opened = written(tmp_path / "v", vectors, np.arange(20_000)[::-1])
    assert ids_of(opened.search(vectors[0], 3)) == [0, 1, 2]


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = written(tmp_path / "v", topical(20_000))
    query = topical(20_001)[-1]
    alone = opened.search(query, 20)
    monkeypatch.setattr(dense, "THREAD_ROWS", 1)
    assert opened.search(query, 20) == alone
