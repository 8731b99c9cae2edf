import os
import subprocess
import time
from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.search.walk import walk


def ids(root: Path) -> list[str]:
    return [found.id for found in walk(root)]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_files_come_in_the_order_of_their_ids_however_folders_are_named(tmp_path: Path) -> None:
    make(tmp_path, "a/b.md", "a-c.md", "a.md", "B.md", "a/a/z.md", "é.md")
    assert ids(tmp_path) == sorted(ids(tmp_path))
    assert ids(tmp_path) == ["B.md", "a-c.md", "a.md", "a/a/z.md", "a/b.md", "é.md"]


def test_a_found_file_carries_its_size_and_time(tmp_path: Path) -> None:
    make(tmp_path, "notes/plan.md")
    os.utime(tmp_path / "notes/plan.md", ns=(1, 1_700_000_000_000_000_001))
    (found,) = walk(tmp_path)
    assert (found.id, found.bytes, found.modified_ns) == (
        "notes/plan.md",
        13,
        1_700_000_000_000_000_001,
    )
    assert found.path == tmp_path / "notes/plan.md"


def test_the_folder_of_an_index_among_the_documents_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "kept/truth.sqlite", "kept/words-1/meta.json", "kept2/b.md")
    assert ids(tmp_path) == ["a.md", "kept2/b.md"]


def test_one_file_is_found_by_itself_even_if_it_is_hidden(tmp_path: Path) -> None:
    make(tmp_path, ".secret.md")
    assert ids(tmp_path / ".secret.md") == [".secret.md"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ".git/config", ".isoflop/truth.db", ".hidden.md", "a/.b/c.md", "seen.md")
    assert ids(tmp_path) == ["seen.md"]


def test_git_agrees_about_what_is_ignored(tmp_path: Path) -> None:
    make(
        tmp_path, "a.log", "keep.log", "build/x.md", "src/build/y.md", "src/a.tmp", "src/b.tmp",
        "doc/deep/er/n.md", "doc/deep/n.md", "only/dir/f.md", "only/file", "sp ace.md", "#c.md",
    )  # fmt: skip
    (tmp_path / ".gitignore").write_text(
        "*.log\n!keep.log\n/build\n# comment\ndoc/**/n.md\nfile/\n\\#c.md\n"
    )
    (tmp_path / "src/.gitignore").write_text("*.tmp\n!b.tmp\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    expected = {name for name in listed.stdout.split("\0") if name and not name.startswith(".")}
    assert set(ids(tmp_path)) == expected - {"src/.gitignore"}


def test_the_rules_of_the_repository_around_a_folder_hold_in_it(tmp_path: Path) -> None:
    make(tmp_path, "docs/a.md", "docs/_build/b.md", "docs/c.tmp")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("docs/_build\n*.tmp\n")
    assert ids(tmp_path / "docs") == ["a.md"]


def test_a_folder_that_was_named_is_read_though_its_repository_ignores_it(tmp_path: Path) -> None:
    make(tmp_path, "data/a.md")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("data/\n")
    assert ids(tmp_path / "data") == ["a.md"]


def test_no_link_is_followed_neither_out_of_the_folder_nor_in_a_circle(tmp_path: Path) -> None:
    make(tmp_path, "outside/secret.md", "in/a.md")
    (tmp_path / "in/file.md").symlink_to(tmp_path / "outside/secret.md")
    (tmp_path / "in/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "in/circle").symlink_to(tmp_path / "in")
    (tmp_path / "in/nowhere.md").symlink_to(tmp_path / "missing")
    assert ids(tmp_path / "in") == ["a.md"]


def test_pipes_are_not_files(tmp_path: Path) -> None:
    make(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    assert ids(tmp_path) == ["a.md"]


def test_a_name_that_is_not_utf8_gets_an_id_that_can_be_stored(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("x")
    except OSError:
        pytest.skip("this file system stores only UTF-8 names")
    (found,) = walk(tmp_path)
    assert found.id == r"caf\xe9.md"
    assert found.path.read_text() == "x"


def test_a_name_that_would_move_the_cursor_gets_an_id_of_one_plain_line(tmp_path: Path) -> None:
    make(tmp_path, "two\nlines.md", "\x1b[2Jclear.md", "Größe 図.md")
    assert ids(tmp_path) == [r"\x1b[2Jclear.md", "Größe 図.md", r"two\x0alines.md"]


def test_a_broken_rule_is_left_out_and_the_others_hold(tmp_path: Path) -> None:
    make(tmp_path, "a.log", "b.md")
    (tmp_path / ".gitignore").write_bytes(b"!\n*.log\n\xff\xfe[\n")
    assert ids(tmp_path) == ["b.md"]


def test_nothing_at_a_path_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file or folder at .*missing"):
        list(walk(tmp_path / "missing"))


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert ids(tmp_path) == []


def test_ten_thousand_files_are_listed_in_a_third_of_a_second(tmp_path: Path) -> None:
    for number in range(10_000):
        folder = tmp_path / f"{number % 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.md").touch()
    (tmp_path / ".gitignore").write_text("*.pyc\n__pycache__/\n/build\n*.log\n!keep.log\n")
    began = time.process_time()
    assert len(ids(tmp_path)) == 10_000
    assert time.process_time() - began < 0.6  # 0.2 s measured; a busy machine takes longer


def test_folders_nested_deeper_than_a_stack_are_listed(tmp_path: Path) -> None:
    here, deep = os.getcwd(), "d" + "/d" * 1200
    try:
        os.chdir(tmp_path)
        for _ in range(1201):
            os.mkdir("d")
            os.chdir("d")
        Path("a.md").write_text("x")
        os.chdir(here)
        assert ids(tmp_path) == [f"{deep}/a.md"]
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # shutil.rmtree is recursive
