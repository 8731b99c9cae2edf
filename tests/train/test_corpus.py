import gzip
import json
from pathlib import Path

import pytest

from isoflop.errors import IsoflopError, UsageError
from isoflop.train.corpus import Corpus, read_corpus
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
