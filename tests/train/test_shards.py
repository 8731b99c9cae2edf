import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import DamagedCheckpoint, IsoflopError, NewerCheckpoint, UsageError
from isoflop.lm.tokenizer import CHAT, END, train_tokenizer
from isoflop.train.records import Segment, TrainingDocument, conversation_segments
from isoflop.train.shards import Shards, pack

TOKENIZER = train_tokenizer(["the harbour of the town, and the bakery of the town"], 280)


def documents(*texts: str) -> list[TrainingDocument]:
    return [TrainingDocument(str(i), (Segment(text),)) for i, text in enumerate(texts)]


def test_documents_come_back_from_the_shards(tmp_path: Path) -> None:
    texts = ["the harbour", "é of the town", "", "x" * 50]
    shards = pack(documents(*texts), TOKENIZER, tmp_path / "shards", shard_tokens=7)
    loaded = Shards.load(tmp_path / "shards")
    for start, stop, text in zip(shards.starts, shards.starts[1:], texts, strict=False):
        ids = loaded.read(int(start), int(stop - start)).tolist()
        assert ids[0] == TOKENIZER.end
        assert TOKENIZER.decode(ids[1:]) == text
    assert loaded.text_bytes == sum(len(text.encode()) for text in texts)
    assert loaded.documents == 4
    assert len(list((tmp_path / "shards").glob("*.bin"))) == -(-loaded.tokens // 7) + 1
    assert not loaded.masked
    assert not list((tmp_path / "shards").glob("*.mask"))


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(0, 100), st.integers(0, 100))
def test_reading_goes_around_the_end_of_the_stream(
    tmp_path_factory: pytest.TempPathFactory, shard_tokens: int, start: int, count: int
) -> None:
    folder = tmp_path_factory.mktemp("shards") / "s"
    shards = pack(documents("the harbour", "town"), TOKENIZER, folder, shard_tokens=shard_tokens)
    stream = [
        t for text in ("the harbour", "town") for t in (TOKENIZER.end, *TOKENIZER.encode(text))
    ]
    expected = [stream[(start + i) % len(stream)] for i in range(count)]
    assert shards.read(start, count).tolist() == expected


def test_the_mask_says_which_targets_count_and_the_end_belongs_to_the_document_before(
    tmp_path: Path,
) -> None:
    records = [
        TrainingDocument("a", (Segment("who", False), Segment("he"))),
        TrainingDocument("b", (Segment("town"), Segment("why", False))),
        TrainingDocument("c", (Segment("of", False),)),
    ]
    shards = pack(records, TOKENIZER, tmp_path / "shards", shard_tokens=3)
    lengths = [len(TOKENIZER.encode(text)) for text in ("who", "he", "town", "why", "of")]
    expected = [False] + [False] * lengths[0] + [True] * lengths[1]
    expected += [True] + [True] * lengths[2] + [False] * (lengths[3] + 1 + lengths[4])
    assert Shards.load(tmp_path / "shards").counts(0, shards.tokens).tolist() == expected


def test_the_index_tells_what_the_files_are(tmp_path: Path) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    index = json.loads((tmp_path / "shards" / "index.json").read_text())
    assert (index["version"], index["dtype"]) == (1, "uint16")
    assert index["text_bytes"] == 11
    assert index["bytes_per_token"] == 11 / len(TOKENIZER.encode("the harbour"))
    assert index["tokenizer_sha256"] == hashlib.sha256(TOKENIZER.to_json().encode()).hexdigest()
    assert {file["name"] for file in index["files"]} == {"00000.bin", "documents.bin"}
    ids = np.fromfile(tmp_path / "shards" / "00000.bin", "<u2").tolist()
    assert ids == [TOKENIZER.end, *TOKENIZER.encode("the harbour")]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    path = tmp_path / "shards" / "00000.bin"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=r"00000\.bin is damaged"):
        Shards.load(tmp_path / "shards")


def test_a_file_cut_short_is_found_without_reading_it(tmp_path: Path) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    path = tmp_path / "shards" / "00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedCheckpoint, match=r"00000\.bin is damaged: \d+ bytes, where"):
        Shards.load(tmp_path / "shards", verify=False)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    (tmp_path / "shards" / "documents.bin").unlink()
    with pytest.raises(DamagedCheckpoint, match=r"documents\.bin is absent"):
        Shards.load(tmp_path / "shards")


def test_shards_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    path = tmp_path / "shards" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(NewerCheckpoint, match=r"index\.json is of version 2.*reads up to 1"):
        Shards.load(tmp_path / "shards")


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 1}', '{"version": 1, "files": 3}'])
def test_a_damaged_index_is_named(tmp_path: Path, damage: str) -> None:
    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    (tmp_path / "shards" / "index.json").write_text(damage)
    with pytest.raises(DamagedCheckpoint, match=r"index\.json is damaged"):
        Shards.load(tmp_path / "shards")


def test_shards_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no token shards at .*absent"):
        Shards.load(tmp_path / "absent")


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        pack(documents("the harbour"), TOKENIZER, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


FULL = """
import resource, signal, sys
from pathlib import Path
from isoflop.lm.tokenizer import train_tokenizer
from isoflop.train.records import Segment, TrainingDocument, TrainingDocument
from isoflop.train.shards import pack
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
documents = [TrainingDocument("a", (Segment("the harbour " * 10_000),))]
pack(documents, train_tokenizer(["x"], 257), Path(sys.argv[1]))
"""


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    done = subprocess.run([sys.executable, "-c", FULL, folder], capture_output=True, text=True)
    assert f"Token shards could not be written to {folder}: File too large." in done.stderr
    assert not list(tmp_path.iterdir())


def test_special_tokens_are_made_by_segments_that_say_so_and_by_no_others(tmp_path: Path) -> None:
    chatty = train_tokenizer(["the town"], 300, special=(END, *CHAT))
    segments = conversation_segments(
        [
            {"role": "user", "content": "<|user|>"},
            {"role": "assistant", "content": "town"},
            {"role": "user", "content": "the"},
        ]
    )
    shards = pack([TrainingDocument("a", tuple(segments))], chatty, tmp_path / "shards")
    ids = shards.read(0, shards.tokens).tolist()
    user, assistant = chatty.special("<|user|>"), chatty.special("<|assistant|>")
    the, town, typed = map(chatty.encode, ("the", "town", "<|user|>"))
    assert user not in typed
    assert ids == [
        chatty.end, user, *typed, chatty.end, assistant, *town, chatty.end, user, *the,
    ]  # fmt: skip
    counted = [id for id, counts in zip(ids, shards.counts(0, len(ids)), strict=True) if counts]
    assert counted == [*town, chatty.end]
    assert shards.text_bytes == len(b"<|user|>townthe")


def test_a_conversation_needs_a_tokenizer_with_its_tokens(tmp_path: Path) -> None:
    document = TrainingDocument("a", (Segment("<|user|>", False, special=True), Segment("hello")))
    with pytest.raises(UsageError, match=r"no special token <\|user\|>"):
        pack([document], TOKENIZER, tmp_path / "shards")


def test_an_interrupted_packing_leaves_the_shards_of_before(tmp_path: Path) -> None:
    def broken() -> object:
        yield from documents("town" * 10)
        raise KeyboardInterrupt

    pack(documents("the harbour"), TOKENIZER, tmp_path / "shards")
    with pytest.raises(KeyboardInterrupt):
        pack(broken(), TOKENIZER, tmp_path / "shards")  # type: ignore[arg-type]
    assert Shards.load(tmp_path / "shards").text_bytes == 11
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_nothing_to_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsoflopError, match="no document"):
        pack([], TOKENIZER, tmp_path / "shards")
    assert not list(tmp_path.iterdir())
