"""isoflop world writes what it says, and refuses what cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from isoflop.cli.world import world
from isoflop.errors import UsageError
from isoflop.worlds import World, reading_records


def run(*arguments: object) -> str:
    done = CliRunner().invoke(world, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_world_is_written_as_documents_facts_and_questions(tmp_path: Path) -> None:
    told = json.loads(
        run("--out", tmp_path, "--seed", 2, "--people", 20, "--questions", 15, "--json")
    )
    made = World(2, people=20)
    assert told["bits"] == made.bits()
    assert told["files"]["documents"] == len(made) == len(list(tmp_path.glob("documents/*/*.md")))
    assert len(rows(tmp_path / "facts.jsonl")) == told["facts"]
    for question in rows(tmp_path / "questions.jsonl"):
        for where in question["evidence"]:  # type: ignore[attr-defined]
            text = (tmp_path / "documents" / where["document"]).read_text()
            assert text[where["start"] : where["stop"]].endswith(".")


def test_only_the_kinds_asked_for_are_written(tmp_path: Path) -> None:
    run("--out", tmp_path, "--people", 20, "--questions", 6, "--kinds", "count, fact")
    kinds = [question["kind"] for question in rows(tmp_path / "questions.jsonl")]
    assert kinds == ["count", "fact"] * 3


def test_reading_records_and_an_exam_are_written(tmp_path: Path) -> None:
    run("--out", tmp_path, "--seed", 4, "--reading", 5, "--exam", 3, "--split", "test")
    assert rows(tmp_path / "reading.jsonl") == list(reading_records(4, 5, split="test"))
    assert all(str(item["prompt"]).endswith("\nAnswer:") for item in rows(tmp_path / "exam.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kinds", "fcat"), "Did you mean fact"),
        (("--reading", "3", "--people", "4"), "Drop one"),
        (("--people", "999999999", "--questions", "0"), "from 2 to 339,738,624"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run("--out", tmp_path, *arguments)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="no folder can be made there"):
        run("--out", tmp_path / "file" / "world")
