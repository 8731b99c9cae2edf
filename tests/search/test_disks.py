"""Disks that are full or cannot be written: what was there stays, and the reason is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isoflop.search.encode import Encoder
from tests.search.indexes import updated


def sandboxed(commands: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands with mounts of their own, or skip where the system allows none."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a full disk cannot be made")
    test = subprocess.run(["unshare", "-rm", "true"], capture_output=True)
    if test.returncode:
        pytest.skip("no mount namespaces: a full disk cannot be made")
    return subprocess.run(["unshare", "-rm", "sh", "-c", commands], capture_output=True, text=True)


def test_a_full_disk_is_named_and_costs_nothing_that_was_there(
    documents: Path, tmp_path: Path
) -> None:
    (tmp_path / "small").mkdir()
    for number in range(400):
        (documents / f"{number}.txt").write_text(f"{number} " + os.urandom(3000).hex())
    python = f"{sys.executable} -m isoflop"
    run = sandboxed(
        f"mount -t tmpfs -o size=2m tmpfs {tmp_path}/small && cp {documents}/bakery.txt"
        f" {documents}/harbour.md {tmp_path} &&"
        f" {python} index {documents}/notes --into {tmp_path}/small/index;"
        f" {python} index {documents} --into {tmp_path}/small/index; echo code $?;"
        f" {python} search bridge --in {tmp_path}/small/index --no-update --by bm25"
    )
    assert "code 2" in run.stdout, run.stderr
    assert "disk is full" in run.stderr
    assert "bridge.md" in run.stdout
    assert "Traceback" not in run.stderr


def test_a_read_only_disk_can_be_searched_but_not_written(documents: Path, minilm: Encoder) -> None:
    updated(documents, minilm)[0].close()
    (documents / "late.txt").write_text("This came too late.\n")
    python = f"{sys.executable} -m isoflop"
    run = sandboxed(
        f"mount --bind {documents} {documents} && mount -o remount,ro,bind {documents} &&"
        f" {python} search bridge --in {documents} --by bm25; echo code $?;"
        f" {python} index {documents}; echo code $?;"
        f" {python} index {documents}/notes; echo code $?"
    )
    assert "bridge.md" in run.stdout, run.stderr
    assert [line for line in run.stdout.splitlines() if line.startswith("code")] == [
        "code 0", "code 2", "code 2",
    ]  # fmt: skip
    assert "--into DIR" in run.stderr
    assert "Traceback" not in run.stderr
