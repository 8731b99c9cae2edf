import gzip
import json
from pathlib import Path

import pytest

from isoflop.errors import IsoflopError, UsageError
from isoflop.train.corpus import PART_CHARACTERS, Corpus, read_corpus
from isoflop.train.records import Segment


def lines(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def texts(corpus: Corpus) -> list[str]:
    return [document.text for document in (*corpus.training(), *corpus.held_out())]


def many(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(f"Note {number} says {number * 17} things.")
    return folder


def test_files_of_a_folder_become_documents(documents: Path) -> None:
    corpus = read_corpus([documents])
    assert corpus.documents == (2, 1)
    assert sum("ferries" in text for text in texts(corpus)) == 1
    assert corpus.text_bytes == sum(len(text.encode()) for text in texts(corpus))


@pytest.mark.parametrize(
    ("record", "segments"),
    [
        ({"text": "a b"}, [("a b", True)]),
        ({"prompt": "a", "completion": "b"}, [("a", False), ("b", True)]),
        ({"segments": [["a", 0], ["b", 1]]}, [("a", False), ("b", True)]),
        (
            {"question": "Who?", "answers": ["Oakley", "He"]},
            [("Question: Who?\nAnswer:", False), (" Oakley", True)],
        ),
        (
            {"question": "Who?", "answers": ["Oakley"], "context": "C."},
            [("C.\n\nQuestion: Who?\nAnswer:", False), (" Oakley", True)],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                ]
            },
            [
                ("<|user|>", False, True),
                ("a", False),
                ("<|endoftext|>", False, True),
                ("<|assistant|>", False, True),
                ("b", True),
            ],
        ),
    ],
)
def test_each_form_of_record_says_what_counts(
    tmp_path: Path, record: object, segments: list[tuple[str, bool] | tuple[str, bool, bool]]
) -> None:
    corpus = read_corpus([lines(tmp_path / "a.jsonl", record)], held_out=0)
    (document,) = corpus.training()
    assert list(document.segments) == [Segment(*segment) for segment in segments]


def test_records_may_be_packed_by_gzip(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write('{"text": "one"}\n\n{"text": "two"}\n')
    assert sorted(texts(read_corpus([tmp_path / "a.jsonl.gz"]))) == ["one", "two"]


@pytest.mark.parametrize("line", ["{", "[1]", '{"title": "x"}', '{"prompt": "x"}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(IsoflopError, match=r"a\.jsonl, line 2: "):
        read_corpus([tmp_path / "a.jsonl"])


def test_what_is_held_out_does_not_depend_on_the_order_or_on_other_documents(
    tmp_path: Path,
) -> None:
    first = read_corpus([many(tmp_path / "a", 200)], near=None)
    held_out = {document.text for document in first.held_out()}
    assert 3 <= len(held_out) <= 20
    second = read_corpus([many(tmp_path / "b", 400), tmp_path / "a"], near=None)
    assert second.exact_duplicates == 200
    again = {document.text for document in second.held_out()}
    assert again & {document.text for document in first.training()} == set()
    assert held_out < again


def test_a_single_document_is_held_out_from_a_paragraph_on(tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number} has words." for number in range(100))
    (tmp_path / "a.txt").write_text(text)
    corpus = read_corpus([tmp_path / "a.txt"])
    (training,), (held_out,) = corpus.training(), corpus.held_out()
    assert training.text + held_out.text == text
    assert held_out.text.startswith("Paragraph 95 ")


def test_nothing_is_held_out_if_nothing_is_to_be(tmp_path: Path) -> None:
    assert read_corpus([many(tmp_path / "a", 3)], held_out=0, near=None).documents == (3, 0)


def test_binary_data_is_named_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(IsoflopError, match=r"no text .*\n  a\.bin: is not text \(binary data\)"):
        read_corpus([tmp_path])


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(IsoflopError, match=r"a\.txt: is empty"):
        read_corpus([tmp_path])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsoflopError, match="no text to train on in"):
        read_corpus([tmp_path])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        read_corpus([tmp_path / "absent"])


def test_one_unreadable_file_does_not_stop_the_others(documents: Path) -> None:
    (documents / "a.bin").write_bytes(bytes(range(256)) * 4)
    corpus = read_corpus([documents])
    assert [refusal.id for refusal in corpus.refusals] == ["a.bin"]
    assert sum(corpus.documents) == 3


def test_a_text_over_the_limit_is_read_in_parts_that_make_the_whole(tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number} has words." for number in range(320_000))
    assert len(text) > 2 * PART_CHARACTERS
    (tmp_path / "a.txt").write_text(text)
    parts = list(read_corpus([tmp_path], held_out=0, near=None, most_bytes=1000).training())
    assert [part.id for part in parts] == ["a.txt#1", "a.txt#2", "a.txt#3"]
    assert "".join(part.text for part in parts) == text
    assert all(part.text.startswith("Paragraph") for part in parts)
    assert all(len(part.text) < 1.26 * PART_CHARACTERS for part in parts)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(bytes(range(256)) * 8, "not text"), (b"caf\xe9 " * 400, "no UTF-8 from its part 1 on")],
)
def test_large_data_that_is_no_text_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(IsoflopError, match=rf"a\.txt: is {reason}"):
        read_corpus([tmp_path], most_bytes=1000)


def test_a_conversation_says_which_special_tokens_it_needs(tmp_path: Path) -> None:
    record = {"messages": [{"role": "user", "content": "a"}]}
    assert read_corpus([lines(tmp_path / "a.jsonl", record)], held_out=0).special == {"<|user|>"}
    assert read_corpus([lines(tmp_path / "b.jsonl", {"text": "a"})], held_out=0).special == set()


@pytest.mark.parametrize("text", ["one line of words " * 50, "x" * 500, "é\n" * 300])
def test_a_text_without_paragraphs_is_divided_all_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    corpus = read_corpus([tmp_path / "a.txt"])
    (training,), (held_out,) = corpus.training(), corpus.held_out()
    assert training.text + held_out.text == text
    assert 0.02 <= len(held_out.text) / len(text) <= 0.08


def test_an_only_record_cannot_be_held_out_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"prompt": "a", "completion": "b"})
    with pytest.raises(IsoflopError, match="only document and cannot be divided"):
        read_corpus([path])


def test_a_lone_surrogate_in_a_record_becomes_a_replacement_character(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"text": "a\ud800b"}' + "\n")
    (document,) = read_corpus([tmp_path / "a.jsonl"], held_out=0).training()
    assert document.text == "a\ufffdb"


def test_records_that_are_not_utf8_or_a_broken_archive_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 99)[:-12])
    for name in ("a.jsonl", "b.jsonl.gz"):
        with pytest.raises(IsoflopError, match=rf"{name} is not JSON lines in UTF-8"):
            read_corpus([tmp_path / name])
