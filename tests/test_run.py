"""A run's folder: lines that are appended, read again after any cut, and never mixed up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoflop.bill import Bill
from isoflop.errors import DamagedRun, UsageError
from isoflop.run import ABOUT, Run, bill_of, opened, read_about, read_rows, write_whole

ABOUT_IT = {"kind": "comparison", "seed": 1}
PATH = "paid.jsonl"


def test_what_was_added_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    with opened(tmp_path, ABOUT_IT) as run:
        run.add({"key": "a", "text": "Zürich\n"})
        run.add({"key": "b", "text": ""}, wait=False)
    with opened(tmp_path, ABOUT_IT) as run:
        assert list(run.rows) == ["a", "b"]
        assert run.rows["a"] == {"key": "a", "text": "Zürich\n"}
    assert read_rows(tmp_path) == list(run.rows.values())


@given(cut=st.integers(0, 200), wait=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_at_any_byte_keeps_its_whole_lines_and_can_be_added_to(
    tmp_path: Path, cut: int, wait: bool
) -> None:
    (tmp_path / PATH).unlink(missing_ok=True)
    with opened(tmp_path, ABOUT_IT) as run:
        for key in "abcdef":
            run.add({"key": key, "text": "ä" * 5}, wait=wait)
    whole = (tmp_path / PATH).read_bytes()
    cut = min(cut, len(whole))
    os.truncate(tmp_path / PATH, cut)
    kept = whole[:cut].count(b"\n")
    assert len(read_rows(tmp_path)) == kept
    with opened(tmp_path, ABOUT_IT) as run:
        assert list(run.rows) == list("abcdef"[:kept])
        run.add({"key": "g"})
    assert [row["key"] for row in read_rows(tmp_path)] == [*"abcdef"[:kept], "g"]


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    with opened(tmp_path, ABOUT_IT) as run:

        def add(name: str) -> None:
            for number in range(50):
                run.add({"key": f"{name}{number}", "text": name * 3000}, wait=False)

        threads = [Thread(target=add, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with opened(tmp_path, ABOUT_IT) as run:
        assert len(run.rows) == 200
        assert all(row["text"] == row["key"][0] * 3000 for row in run.rows.values())


def test_a_line_that_was_added_survives_a_kill_at_once(tmp_path: Path) -> None:
    code = (
        "import json, os, signal, sys\n"
        "from pathlib import Path\n"
        "from isoflop.run import opened\n"
        "with opened(Path(sys.argv[1]), json.loads(sys.argv[2])) as run:\n"
        "    run.add({'key': 'a'}, wait=False)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path), json.dumps(ABOUT_IT)])
    assert told.returncode == -signal.SIGKILL
    with opened(tmp_path, ABOUT_IT) as run:
        assert list(run.rows) == ["a"]


def test_a_damaged_line_before_the_last_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, ABOUT_IT) as run:
        run.add({"key": "a"})
    with (tmp_path / PATH).open("a") as file:
        file.write('{"key": \n{"key": "c"}\n')
    with (
        pytest.raises(DamagedRun, match=r"paid\.jsonl, line 2, is damaged"),
        opened(tmp_path, ABOUT_IT),
    ):
        pass


def test_another_run_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    with opened(tmp_path, ABOUT_IT):
        pass
    with (
        pytest.raises(UsageError, match="its seed is 1, not 2"),
        opened(tmp_path, {**ABOUT_IT, "seed": 2}),
    ):
        pass


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    with (
        opened(tmp_path, ABOUT_IT),
        pytest.raises(UsageError, match="Another process"),
        opened(tmp_path, ABOUT_IT),
    ):
        pass


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedRun, match=ABOUT):
        read_about(tmp_path)
    (tmp_path / ABOUT).write_text("[1]")
    with pytest.raises(DamagedRun, match=ABOUT):
        read_about(tmp_path)
    assert read_rows(tmp_path) == []


def test_a_full_disk_says_so_and_the_line_does_not_count(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    run = Run(tmp_path, ABOUT_IT, lines=PATH, key="key")
    (tmp_path / PATH).symlink_to(full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        run.add({"key": "a"})
    assert not run.rows


@given(
    st.dictionaries(
        st.sampled_from(["flops", "seconds", "joules", "dollars", "grams_co2e", "prompt_tokens"]),
        st.none() | st.floats(0, 1e18),
    ),
    st.sampled_from(["measured", "forecast", "assumed"]),
)
def test_a_bill_is_read_from_a_line_as_it_was(figures: dict[str, float | None], basis: str) -> None:
    bill = Bill.of(basis, **figures)  # type: ignore[arg-type]  # one of three words
    assert bill_of(json.loads(json.dumps({"bill": bill.as_dict()}))) == bill
    assert bill_of({}) == Bill()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")
    assert path.read_text() == "old"
