"""An index holds what the folder holds: nothing lost, nothing twice, nothing half."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isoflop import lock
from isoflop.errors import IndexBusy, NewerIndex, UsageError
from isoflop.questions import WAYS
from isoflop.search import ingest
from isoflop.search.encode import Encoder
from isoflop.search.index import Index
from isoflop.search.walk import Found
from tests.search.indexes import opened, updated


def test_passages_tile_every_document(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    texts: dict[str, str] = {}
    for passage in index.passages():
        assert passage.start == len(texts.get(passage.document, ""))
        texts[passage.document] = texts.get(passage.document, "") + passage.text
    assert texts == {
        path.relative_to(documents).as_posix(): path.read_text()
        for path in documents.rglob("*.*")
        if path.is_file() and ".isoflop" not in path.parts
    }


@pytest.mark.parametrize("way", WAYS)
def test_every_way_finds_the_passage_that_says_it(
    documents: Path, minilm: Encoder, way: str
) -> None:
    index, _ = updated(documents, minilm)
    hits = index.search("When was the harbour of Wexcombe dredged?", by=way)  # type: ignore[arg-type] # one of WAYS
    assert hits[0].passage.document == "harbour.md"
    assert hits[0].by == way
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_only_what_changed_is_read_and_embedded(documents: Path, minilm: Encoder) -> None:
    index, first = updated(documents, minilm)
    assert (first.added, first.embedded) == (3, first.passages)
    (documents / "bakery.txt").write_text("The bakery has closed. A bookshop took its place.\n")
    (documents / "new.txt").write_text("The lighthouse keeper plays the accordion.\n")
    (documents / "notes" / "bridge.md").unlink()
    second = index.update()
    assert (second.added, second.changed, second.removed, second.unchanged) == (1, 1, 1, 1)
    assert second.embedded == 2
    assert index.search("bookshop", by="bm25")[0].passage.document == "bakery.txt"
    assert not index.search("almond buns", by="bm25")
    assert "notes/bridge.md" not in {hit.passage.document for hit in index.search("bridge")}


def test_nothing_changed_means_nothing_is_written(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    before = {path.name: path.stat().st_mtime_ns for path in index.folder.iterdir()}
    again = index.update()
    assert (again.unchanged, again.embedded, again.reused) == (3, 0, 0)
    files = {path.name: path.stat().st_mtime_ns for path in index.folder.iterdir()}
    derived = ("words", "documents", "vectors")
    assert {n: t for n, t in files.items() if n.startswith(derived)} == {
        n: t for n, t in before.items() if n.startswith(derived)
    }


def test_a_file_that_was_only_touched_or_moved_is_not_embedded_again(
    documents: Path, minilm: Encoder
) -> None:
    index, _ = updated(documents, minilm)
    os.utime(documents / "bakery.txt", ns=(1, 1))
    (documents / "harbour.md").rename(documents / "port.md")
    update = index.update()
    assert update.embedded == 0
    assert update.reused > 0
    assert index.search("harbour dredged")[0].passage.document == "port.md"


def test_a_change_within_the_clock_s_grain_is_seen(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    path = documents / "bakery.txt"
    before = path.stat()
    path.write_text(path.read_text().replace("rye", "oat"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert index.update().changed == 1
    assert index.search("oat", by="bm25")


def test_an_index_can_be_moved_with_its_documents(documents: Path, minilm: Encoder) -> None:
    updated(documents, minilm)[0].close()
    moved = documents.parent / "elsewhere"
    documents.rename(moved)
    index = opened(moved, minilm)
    assert index.update().unchanged == 3
    assert index.search("bridge")[0].passage.document == "notes/bridge.md"


def test_folders_and_files_of_any_name_are_indexed(tmp_path: Path, minilm: Encoder) -> None:
    folder = tmp_path / os.fsdecode(b"two\nlines \xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system stores only UTF-8 names")
    (folder / os.fsdecode(b"\xfe.md")).write_text("The stone bridge.\n")
    with pytest.raises(UsageError, match=r"not UTF-8.*--into DIR"):
        opened(folder, minilm).update()
    index = opened(folder, minilm, into=str(tmp_path / "index"))
    index.update()
    index.close()
    again = Index.open(index.folder)
    assert again.roots == (folder,)
    assert again.search("bridge", by="bm25")[0].passage.document == r"\xfe.md"


def test_a_file_that_changes_while_it_is_read_is_read_again(
    documents: Path, minilm: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, path = ingest._digest, documents / "bakery.txt"

    def changed_meanwhile(found: Found) -> str | None:
        sha256 = digest(found)
        if found.path == path:
            path.write_text("The bakery is a bookshop now.\n")
        return sha256

    monkeypatch.setattr(ingest, "_digest", changed_meanwhile)
    index, _ = updated(documents, minilm)
    monkeypatch.undo()
    path.write_text("The bakery is a theatre now.\n")
    assert index.update().changed == 1
    assert index.search("theatre", by="bm25")
    assert not index.search("bookshop", by="bm25")


def test_one_file_is_indexed_beside_itself(documents: Path, minilm: Encoder) -> None:
    index, update = updated(documents / "bakery.txt", minilm)
    assert index.folder == documents / ".bakery.txt.isoflop"
    assert update.added == 1
    assert index.search("bread")[0].passage.document == "bakery.txt"


def test_several_folders_make_one_index_with_their_names_in_front(
    documents: Path, minilm: Encoder, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "bakery.txt").write_text("A second bakery sells only pretzels.\n")
    index = Index.open(documents, other, into=tmp_path / "both")
    index._encoder = minilm
    index.update()
    assert index.search("pretzels")[0].passage.document == "other/bakery.txt"
    assert index.search("almond buns")[0].passage.document == "documents/bakery.txt"
    assert {root.name for root in Index.open(tmp_path / "both").roots} == {"documents", "other"}


def test_filters_hold_together(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)

    def found(*where: str) -> set[str]:
        return {hit.passage.document for hit in index.search("the town", where=where)}

    assert found("source:*.md") == {"harbour.md", "notes/bridge.md"}
    assert found("source:notes/*", "source:*.md") == {"notes/bridge.md"}
    assert found("heading:Ships") <= {"harbour.md"}
    assert found("type:text/plain") == {"bakery.txt"}
    assert found("source:*.pdf") == set()
    with pytest.raises(UsageError, match="Did you mean source"):
        index.search("town", where=["sourc:*.md"])
    with pytest.raises(UsageError, match=r"source:\*\.md"):
        index.search("town", where=["*.md"])


def test_bad_queries_are_refused_and_long_ones_are_not(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    for empty in ("", "  \n\t"):
        with pytest.raises(UsageError, match="query is empty"):
            index.search(empty)
    with pytest.raises(UsageError, match="k=0"):
        index.search("bridge", 0)
    with pytest.raises(UsageError, match="Did you mean dense"):
        index.search("bridge", by="dens")  # type: ignore[arg-type] # the mistake under test
    start = time.process_time()
    hits = index.search("the harbour of Wexcombe was dredged " * 30_000)  # 1 MB
    assert time.process_time() - start < 2
    assert hits[0].passage.document == "harbour.md"
    for odd in ('"unbalanced AND (', "text:[a TO", "\x00", "* ? ~ ^", "🙂" * 50, "a" * 5000):
        index.search(odd)


def test_an_index_that_does_not_exist_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        Index.open(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="isoflop index PATH"):
        Index.open(tmp_path).search("anything")


def test_a_newer_index_is_left_alone(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    index.close()
    with sqlite3.connect(index.folder / "truth.sqlite") as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    database.close()
    with pytest.raises(NewerIndex, match="Update isoflop"):
        Index.open(documents)


def test_an_index_of_an_earlier_format_is_searched_and_updated(
    documents: Path, minilm: Encoder
) -> None:
    index, _ = updated(documents, minilm)
    before = [hit.passage.id for hit in index.search("harbour")]
    index.close()
    with sqlite3.connect(index.folder / "truth.sqlite") as database:
        database.execute("UPDATE meta SET value = '1' WHERE key = 'format'")
        database.execute("DELETE FROM meta WHERE key LIKE 'documents%'")
    database.close()
    assert [hit.passage.id for hit in Index.open(documents).search("harbour")] == before
    updated(documents, minilm)
    with sqlite3.connect(index.folder / "truth.sqlite") as database:
        assert database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == ("3",)
    database.close()


PROCEEDINGS = (
    "Legal proceedings are described here: a supplier claims damages for late orders. " * 12
)


def test_a_passage_is_known_by_the_document_it_is_in(tmp_path: Path, minilm: Encoder) -> None:
    for name in ("Alder", "Birch"):
        about = f"{name} Works makes doors, frames and windows of seasoned oak. " * 16
        (tmp_path / f"{name[0]}.txt").write_text(f"{about}\n\n{PROCEEDINGS}\n")
    index, _ = updated(tmp_path, minilm)
    assert index.counts()["passages"] > 2
    for by in ("fused", "reranked"):
        for name in ("Alder", "Birch"):
            hits = index.search(f"What legal proceedings is {name} Works in?", by=by)
            legal = [hit.passage for hit in hits if hit.passage.text.startswith("Legal")]
            assert legal[0].document == f"{name[0]}.txt", "only the rest of it says whose they are"
    (tmp_path / "A.txt").unlink()
    index.update()
    assert {hit.passage.document for hit in index.search("Alder legal proceedings")} == {"B.txt"}


def test_a_file_that_is_no_index_is_named(documents: Path) -> None:
    (documents / ".isoflop").mkdir()
    (documents / ".isoflop" / "truth.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Exception, match=r"not a readable index.*\n?.*isoflop index again"):
        Index.open(documents)


@pytest.mark.parametrize("damage", ["remove", "truncate", "scribble"])
@pytest.mark.parametrize("kind", ["vectors", "words", "documents"])
def test_derived_files_are_made_again_when_they_are_damaged(
    documents: Path, minilm: Encoder, kind: str, damage: str
) -> None:
    index, _ = updated(documents, minilm)
    expected = [hit.passage.id for hit in index.search("bridge over the river")]
    index.close()
    for path in index.folder.glob(f"{kind}-*"):
        for file in [path] if path.is_file() else list(path.iterdir()):
            if damage == "remove":
                file.unlink()
            elif damage == "truncate":
                os.truncate(file, file.stat().st_size // 2)
            else:
                file.write_bytes(b"\x00" * file.stat().st_size)
    mended = opened(documents, minilm)
    update = mended.update()
    assert update.embedded == 0, "vectors are in the truth and are not computed again"
    assert [hit.passage.id for hit in mended.search("bridge over the river")] == expected


def test_the_second_writer_is_told_who_the_first_is(documents: Path, minilm: Encoder) -> None:
    index, _ = updated(documents, minilm)
    with (
        lock.writing(index.folder),
        pytest.raises(IndexBusy, match=rf"process {os.getpid()} .*--wait"),
    ):
        opened(documents, minilm).update()
    assert opened(documents, minilm).update().unchanged == 3


def test_a_waiting_writer_goes_on_when_the_first_is_killed(
    documents: Path, minilm: Encoder
) -> None:
    index, _ = updated(documents, minilm)
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom isoflop import lock\n"
        "with lock.writing(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(index.folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    told: list[str] = []

    def kill(text: str) -> None:
        told.append(text)
        holder.kill()

    index.update(wait_seconds=30, on_wait=kill)
    holder.wait()
    holder.stdout.close()
    assert f"process {holder.pid}" in told[0]


def test_a_reader_sees_the_old_state_until_the_new_one_is_published(
    documents: Path, minilm: Encoder
) -> None:
    writer, _ = updated(documents, minilm)
    reader = opened(documents, minilm)
    before = [hit.passage.text for hit in reader.search("bakery")]
    (documents / "bakery.txt").write_text("The bakery burned down.\n")
    seen: list[tuple[str, list[str]]] = []

    def look(stage: str, done: int, total: int) -> None:
        fresh = opened(documents, minilm)
        seen.append((stage, [hit.passage.text for hit in fresh.search("bakery")]))
        fresh.close()

    writer.update(progress=look)
    assert {stage for stage, _ in seen} == {"reading", "embedding", "ranking"}
    assert all(texts == before for _, texts in seen)
    assert "The bakery burned down.\n" in [hit.passage.text for hit in reader.search("bakery")]


def test_refused_files_are_named_and_the_others_stay(documents: Path, minilm: Encoder) -> None:
    updated(documents, minilm)
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing here")
    (documents / "data.bin").write_bytes(os.urandom(2000))
    index, update = updated(documents, minilm)
    assert {name for name, _ in update.refused} == {"broken.pdf", "data.bin"}
    assert all(len(reason) > 10 for _, reason in update.refused)
    assert index.counts() == {"files": 5, "documents": 3, "passages": 3, "refused": 2}
    again = index.update()
    assert again.unchanged == 5, "a refused file is not tried again until it changes"
    assert len(again.refused) == 2


def test_the_limit_of_a_file_s_size_is_a_setting(
    documents: Path, minilm: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (documents / "long.txt").write_text("A line of a long report.\n" * 100)
    (documents / "page.html").write_text("<p>A line of a long page.</p>" * 100)
    monkeypatch.setenv("ISOFLOP_MOST_FILE_BYTES", "1000")
    _, update = updated(documents, minilm)
    assert {name for name, _ in update.refused} == {"long.txt", "page.html"}
    assert all("over the limit" in reason for _, reason in update.refused)
