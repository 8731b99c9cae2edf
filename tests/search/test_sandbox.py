"""Files made to do harm, and readers that fail: named, bounded, and the next file is read."""

import bz2
import gzip
import io
import os
import random
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.samples import pdf, seeds, tarred, zipped
from isoflop.documents import Document
from isoflop.search.read import Refusal, read
from isoflop.search.sandbox import Reading, is_risky
from isoflop.search.walk import Found, walk

EVALDATA = Path(
    os.environ.get("ISOFLOP_EVALDATA", Path(__file__).parents[3] / "shared" / "evaldata")
)


def found(folder: Path, name: str, data: bytes) -> Found:
    path = folder / name
    path.write_bytes(data)
    return Found(name, str(path), len(data), 0)


def reason(results: list[Document | Refusal]) -> str:
    (only,) = results
    assert isinstance(only, Refusal), only
    return only.reason


def refused(folder: Path, name: str, data: bytes) -> str:
    with Reading() as reading:
        return reason(reading.read(found(folder, name, data)))


def test_the_worker_reads_what_is_read_in_process(tmp_path: Path) -> None:
    with Reading() as reading:
        for name, data in seeds().items():
            here = found(tmp_path, name, data)
            assert reading.read(here) == list(read(here.path, here.id))


def test_no_worker_is_started_for_plain_files(tmp_path: Path) -> None:
    with Reading() as reading:
        for name in ("a.md", "a.rst", "a.txt", "a.csv", "a.py", "a.jsonl"):
            reading.read(found(tmp_path, name, seeds()[name]))
        assert reading.worker is None
        reading.read(found(tmp_path, "a.pdf", seeds()["a.pdf"]))
        assert reading.worker is not None


def test_the_kind_inside_decides_where_a_file_without_suffix_is_read(tmp_path: Path) -> None:
    assert not is_risky(found(tmp_path, "LICENSE", b"words"))
    assert is_risky(found(tmp_path, "report", pdf(["words"])))


def test_a_large_file_whose_lines_are_parsed_goes_to_the_worker(tmp_path: Path) -> None:
    blank = b"\n" * (1 << 20)
    assert not is_risky(found(tmp_path, "a.md", blank))
    assert is_risky(found(tmp_path, "b.md", blank + b"\n"))
    assert not is_risky(found(tmp_path, "c.log", blank + b"\n"))


def test_sixty_megabytes_of_blank_lines_are_refused_within_the_limits(tmp_path: Path) -> None:
    with Reading(seconds=2, memory_bytes=300 << 20) as reading:
        said = reason(reading.read(found(tmp_path, "a.md", b"\n" * (60 << 20))))
    assert "memory" in said or "took longer" in said


def test_a_worker_that_dies_costs_one_file(tmp_path: Path) -> None:
    with Reading() as reading:
        first = found(tmp_path, "a.pdf", pdf(["one"]))
        assert isinstance(reading.read(first)[0], Document)
        assert reading.worker is not None
        reading.worker.process.kill()
        assert "crashed its reader (signal 9)" in reason(reading.read(first))
        assert isinstance(reading.read(first)[0], Document)


def test_a_reader_that_takes_too_long_is_stopped_and_the_next_file_is_read(tmp_path: Path) -> None:
    slow = b"<p>" + b"<table><tr><td>" * 20_000
    with Reading(seconds=0.05) as reading:
        reading.read(found(tmp_path, "warm.html", b"<p>warm"))
        said = reason(reading.read(found(tmp_path, "slow.html", slow)))
        assert "took longer than" in said
        assert isinstance(reading.read(found(tmp_path, "next.html", b"<p>next"))[0], Document)


def test_a_reader_that_takes_too_much_memory_is_refused_as_such(tmp_path: Path) -> None:
    big = b"[" + b"[]," * 3_000_000 + b"[]]"
    with Reading(memory_bytes=200 << 20) as reading:
        said = reason(reading.read(found(tmp_path, "big.json", big)))
        assert "memory" in said
        assert isinstance(reading.read(found(tmp_path, "a.json", b"[1]"))[0], Document)


def test_no_worker_is_left_behind(tmp_path: Path) -> None:
    with Reading() as reading:
        reading.read(found(tmp_path, "a.pdf", pdf(["one"])))
        assert reading.worker is not None
        process = reading.worker.process
    assert process.returncode is not None


def test_the_worker_does_not_start_the_command_line(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['x', str(1 << 30)]; import isoflop.search.sandbox; "
    code += "print(sorted(name for name in sys.modules if name.split('.')[0] in "
    code += "('click', 'numpy', 'onnxruntime', 'tantivy') or name.startswith('isoflop.cli')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert "times its size" in refused(tmp_path, "a.zip", zipped({"a.txt": b"0" * (100 << 20)}))
    assert "times its size" in refused(tmp_path, "a.docx", zipped({"w.xml": b"0" * (100 << 20)}))
    assert "times its size" in refused(tmp_path, "a.xlsx", zipped({"x.xml": b"0" * (100 << 20)}))


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    data = zipped({"a.txt": b"0" * (20 << 20)})
    size = (20 << 20).to_bytes(4, "little")
    said = refused(tmp_path, "a.zip", data.replace(size, (1000).to_bytes(4, "little")))
    assert "cannot be unpacked" in said


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_compressed_bomb_is_refused(tmp_path: Path, pack: object) -> None:
    data = pack(bytes(100 << 20))  # type: ignore[operator]  # both take bytes
    assert "would unpack to more than" in refused(tmp_path, "a.gz", data)


def test_a_tar_bomb_is_refused_for_its_total(tmp_path: Path) -> None:
    data = tarred({f"{number}.txt": bytes(20 << 20) for number in range(14)})
    with Reading() as reading:
        results = reading.read(found(tmp_path, "a.tar.gz", data))
    assert isinstance(results[-1], Refusal)
    assert "would unpack to more than 268 MB" in results[-1].reason


def test_bombs_in_bombs_share_one_allowance(tmp_path: Path) -> None:
    inner = zipped({"a.txt": os.urandom(150_000) + bytes(20 << 20)})  # swells 140 times
    data = zipped({f"{number}.zip": inner for number in range(14)})
    with Reading() as reading:
        results = reading.read(found(tmp_path, "a.zip", data))
    said = [one.reason for one in results if isinstance(one, Refusal)]
    assert sum("not text" in one for one in said) == 12  # unpacked, and then looked at
    assert "would unpack to more than 268 MB" in said[-1]


def test_an_archive_lies_in_one_other_archive_at_most(tmp_path: Path) -> None:
    data = zipped({"b.zip": zipped({"c.zip": zipped({"d.txt": "deep"})})})
    assert "too deep" in refused(tmp_path, "a.zip", data)


def test_names_in_archives_cannot_climb_out_or_hide(tmp_path: Path) -> None:
    names = [
        "../../etc/passwd.txt",
        "/root/a.txt",
        "C:\\x\\b.txt",
        "a/./b/../c.txt",
        "new\nline.txt",
    ]
    hidden = ["__MACOSX/a.txt", ".git/config.txt", "x/.hidden.txt"]
    with Reading() as reading:
        results = reading.read(found(tmp_path, "a.zip", zipped(dict.fromkeys(names + hidden, "x"))))
    assert [one.id for one in results] == [
        "a.zip/etc/passwd.txt", "a.zip/root/a.txt", "a.zip/x/b.txt", "a.zip/a/b/c.txt",
        "a.zip/new_line.txt",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_links_and_devices_in_archives_are_passed_over(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "link.txt"), (tarfile.CHRTYPE, "device.txt")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with Reading() as reading:
        assert reading.read(found(tmp_path, "a.tar", packed.getvalue())) == []
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as zip_archive:
            zip_archive.writestr(link, "/etc/passwd")
        assert reading.read(found(tmp_path, "a.zip", packed.getvalue())) == []


def test_two_members_of_one_name_have_two_ids(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.txt", "two")
    with Reading() as reading:
        results = reading.read(found(tmp_path, "x.zip", packed.getvalue()))
    assert [one.id for one in results] == ["x.zip/a.txt", "x.zip/2-a.txt"]


def test_a_member_behind_a_password_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": "secret"}))
    data[6] |= 1  # the flag of an encrypted member, in its header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(tmp_path, "a.zip", bytes(data))


def test_entities_in_office_files_are_not_expanded(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(seeds()["a.docx"])) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    laughs = "".join(
        f'<!ENTITY l{number} "{f"&l{number - 1};" * 10 if number else "ha"}">'
        for number in range(12)
    )
    body = bytes(members["word/document.xml"]).decode()  # type: ignore[arg-type]  # bytes were read
    head, _, rest = body.partition("?>")
    members["word/document.xml"] = f"{head}?><!DOCTYPE x [{laughs}]>" + rest.replace(
        "Findings", "&l11;"
    )
    began = time.monotonic()
    with Reading() as reading:
        results = reading.read(found(tmp_path, "a.docx", zipped(members)))
    assert time.monotonic() - began < 10
    assert all("hahaha" not in getattr(one, "text", "") for one in results)


def test_entities_in_books_do_not_read_files_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("TOP SECRET")
    with zipfile.ZipFile(io.BytesIO(seeds()["a.epub"])) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    package = bytes(members["OEBPS/book.opf"]).decode()  # type: ignore[arg-type]  # bytes were read
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{tmp_path}/secret.txt">]>'
    members["OEBPS/book.opf"] = entity + package.replace("A book", "&s;")
    with Reading() as reading:
        results = reading.read(found(tmp_path, "a.epub", zipped(members)))
    assert "SECRET" not in str(results)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    log = tmp_path / "huge.log"
    with log.open("wb") as file:
        file.truncate(2 << 30)  # sparse: it takes no room
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Reading() as reading:
        said = reason(reading.read(next(walk(log))))
    assert said.startswith("is 2,147 MB, over the limit of 67 MB")
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_that_is_gone_or_locked_is_refused_with_the_system_s_reason(tmp_path: Path) -> None:
    gone = found(tmp_path, "a.md", b"x")
    gone.path.unlink()
    with Reading() as reading:
        assert "No such file" in reason(reading.read(gone))
        lost = Found("b.pdf", str(tmp_path / "b.pdf"), 1, 0)
        assert "No such file" in reason(reading.read(lost))


def test_binary_data_under_a_text_s_name_is_refused(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(4096)
    for name in ("a.md", "a.csv", "a.txt", "a.json", "noise", "a.html"):
        assert "not text" in refused(tmp_path, name, noise)


def test_pictures_and_old_formats_are_refused_with_what_to_do(tmp_path: Path) -> None:
    assert "OCR" in refused(tmp_path, "a.jpg", b"\xff\xd8\xff\xe0")
    assert ".docx" in refused(tmp_path, "a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    assert "password" in refused(tmp_path, "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    assert ".eml" in refused(tmp_path, "a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def test_mutated_files_neither_crash_nor_hang_nor_swell() -> None:
    result = fuzz.run(files=60, seed=20261123)
    assert result["faults"] == []
    assert result["outcomes"].get("raised", 0) == 0
    assert result["slowest_seconds"] < 10
    assert result["largest_worker_bytes"] < 1 << 30


@pytest.mark.skipif(not EVALDATA.is_dir(), reason="the development data is not on this machine")
def test_odd_files_of_many_programs_are_read_or_refused_by_name() -> None:
    with Reading() as reading:
        results = [one for file in walk(EVALDATA / "formats") for one in reading.read(file)]
    said = {one.id: one.reason for one in results if isinstance(one, Refusal)}
    texts = {one.id: one.text for one in results if isinstance(one, Document)}
    assert set(said) == {
        "MEDRPT-2024-PAT-3847_medical_report_scan.pdf", "random.bin", "test.jpg",
        "test_files.zip/test.jpg", "test_outlook_msg.msg",
    }  # fmt: skip
    assert "OCR" in said["MEDRPT-2024-PAT-3847_medical_report_scan.pdf"]
    assert "佐藤太郎,30,東京" in texts["test_mskanji.csv"]
    assert "09060124-b5e7-4717-9d07-3c046eb" in texts["test.xls"]
    assert texts["test.xls"].split()[:9] == texts["test.xlsx"].split()[:9]
    assert "λ" in texts["equations.docx"]
    assert len(texts) == 25
