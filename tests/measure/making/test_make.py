"""An exam from two invented towns: what is asked, what is kept hidden, what is refused."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from isoflop.cli import main
from isoflop.errors import UnusableExam
from isoflop.measure.exams import formats
from isoflop.measure.making.make import leaks, make
from isoflop.measure.making.names import names
from isoflop.measure.making.questions import GAP, Item, is_hidden
from isoflop.measure.making.sources import documents

VELMA = """# Velma

The harbour of Velma was dug by the engineer Ingrid Solberg in 1843. Before the railway came, the
town sent 2,400 barrels of herring to Ostrava every summer. A storm in 1871 destroyed the old
lighthouse, which the mason Pavel Horak had built from granite. The new lighthouse stands 46 metres
high and was paid for by merchants from Bergamo. Fishing ended when the river was diverted to
Lundby by the minister Clara Weiss. Today the museum shows 310 models of boats that sailed between
the town and Tromso. In its garden grows a pear tree that the botanist Anna Keller brought from
Georgia in 1902. The mayor opened a second quarry near Hallein, where 75 people cut stone until the
war. He was born there, and this made him popular with the people.
"""
ORRIN = """# Orrin

The bridge of Orrin was drawn by the architect Joseph Marlow and finished in 1788. Its nine arches
carried 1,250 carts on every market day until the tunnel to Kestrel was opened. The flood of 1816
took the mill that the widow Edith Farrow had let to a baker from Dorset. In the valley below lived
640 weavers, most of whom had come from Picardy after the famine. The last loom was sold in 1931 to
a collector named Henry Pascoe. A school for surveyors was founded by the duke of Anhalt and taught
88 pupils in its first winter. The town hall keeps a map on which Maria Lindt marked every well
between the bridge and Thornbury.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "towns"
    made.mkdir()
    (made / "velma.md").write_text(VELMA)
    (made / "orrin.md").write_text(ORRIN)
    return made


def items(folder: Path, count: int = 20, seed: int = 0) -> list[Item]:
    return make(documents(folder)[0], count=count, seed=seed)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["isoflop", "exam", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


SEEDS = pytest.mark.parametrize("seed", range(4))


@SEEDS
def test_every_form_is_asked_and_no_answer_shows_in_its_question(folder: Path, seed: int) -> None:
    made = items(folder, seed=seed)
    assert {item.form for item in made} == {"cloze", "choice", "truth", "unanswerable"}
    for item in made:
        if item.form == "cloze":
            assert not set(item.answers[0].lower().split()) & set(
                re.findall(r"\w+", item.prompt.lower())
            )
            assert item.statement.replace(GAP, item.answers[0]) == item.source.text
        if item.form == "choice":
            key = item.choices["ABCD".index(item.answers[0])]
            assert item.statement.replace(GAP, key) == item.source.text
            assert not any(choice in item.prompt for choice in item.choices)


@SEEDS
def test_wrong_choices_are_named_in_the_same_document(folder: Path, seed: int) -> None:
    texts = {"velma.md": VELMA, "orrin.md": ORRIN}
    for item in items(folder, seed=seed):
        if item.form == "choice":
            assert len(set(item.choices)) == 4
            own = " ".join(texts[item.source.document].split())
            assert all(choice in own for choice in item.choices)
            digits = {choice[0].isdigit() for choice in item.choices}
            assert len(digits) == 1  # all numbers or all names


@SEEDS
def test_true_statements_are_written_and_false_ones_are_not(folder: Path, seed: int) -> None:
    written = " ".join((VELMA + ORRIN).split())
    asked = [item for item in items(folder, seed=seed) if item.form == "truth"]
    for item in asked:
        assert (item.statement in written) == (item.answers == ("yes",))
    yes = sum(item.answers == ("yes",) for item in asked)
    assert abs(2 * yes - len(asked)) <= 1


@SEEDS
def test_a_twin_differs_from_its_gap_in_one_name(folder: Path, seed: int) -> None:
    made = items(folder, seed=seed)
    gaps = {item.source: item for item in made if item.form == "cloze"}
    for item in made:
        if item.form == "unanswerable":
            assert item.answers == ("unanswerable",)
            twin, gap = item.statement, gaps[item.source].statement
            changed = set(twin.split()) ^ set(gap.split())
            assert 2 <= len(changed) <= 4  # one or two words for one or two
            assert twin != gap


def test_the_same_seed_makes_the_same_exam_and_another_does_not(folder: Path) -> None:
    assert items(folder, seed=3) == items(folder, seed=3)
    assert items(folder, seed=3) != items(folder, seed=4)


def test_a_sentence_in_two_files_is_asked_about_once(folder: Path) -> None:
    (folder / "copy.md").write_text(VELMA.replace("# Velma", "# Copy"))
    by_sentence = [item.source.text for item in items(folder, 40) if item.form != "unanswerable"]
    assert len(by_sentence) == len(set(by_sentence))


def test_a_gap_that_is_filled_in_two_ways_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The office of the society moved to Lisbon in the spring.")
    (tmp_path / "b.txt").write_text("The office of the society moved to Bergen in the spring.")
    with pytest.raises(UnusableExam, match="nothing to ask"):
        items(tmp_path)


def test_what_leans_on_the_sentence_before_is_not_asked(folder: Path) -> None:
    assert not any("popular" in item.source.text for item in items(folder, 100))


def test_names_are_told_by_their_form() -> None:
    found = {
        name.text: (name.kind, name.before)
        for name in names(
            "Since 1871 the NASA sent 2,400 boxes to Ostrava and to Anna Keller in May."
        )
    }
    assert found == {
        "1871": ("year", "since"),
        "2,400": ("number", "sent"),
        "NASA": ("acronym", "the"),
        "Ostrava": ("name", "to"),
        "Anna Keller": ("full name", "to"),
        "May": ("month", "in"),
    }


def test_days_versions_and_parts_of_names_are_not_names() -> None:
    sentence = "On 3 May version 3.11.2 of E. Coli and the Duke of Kent met in 12-inch boxes."
    assert [name.text for name in names(sentence)] == ["May"]
    sentence = (
        "On a Monday Werner von Braun left the All India League for Central and East Prussia."
    )
    assert [name.text for name in names(sentence)] == ["East Prussia"]
    assert [name.text for name in names("It was the Parliament's duty to Anna.")] == ["Anna"]


@pytest.mark.parametrize(
    ("answer", "prompt", "hidden"),
    [
        ("Marie Curie", "Pierre Curie met _____ in Paris", False),
        ("Georgia", "the Georgian king sailed to _____", False),
        ("2", "two men and _____ boys", False),
        ("1,500", "of 1500 men _____ came back", False),
        ("Lisbon", "the office moved to _____", True),
    ],
)
def test_an_answer_is_hidden_only_if_no_form_of_it_shows(
    answer: str, prompt: str, hidden: bool
) -> None:
    assert is_hidden(answer, prompt) is hidden


def test_leaks_are_reported_by_form(folder: Path) -> None:
    found = {leak.form: leak for leak in leaks(items(folder))}
    assert found["cloze"].overlap == 1.0  # nothing but the sentence is asked
    assert 0.5 < found["unanswerable"].overlap < 1.0  # the exchanged name is not in it
    assert found["cloze"].guessed is None
    assert found["choice"].guessed is not None
    assert found["choice"].guessed <= 0.5  # keys take turns among four letters


def test_the_exam_can_be_read_and_its_evidence_stands_where_it_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "exam.jsonl"
    assert command(monkeypatch, "make", folder, "--out", out, "--count", 16) == 0
    assert "0.65" in capsys.readouterr().out
    exam = formats.read(out)
    assert exam.rule == "exact"
    assert {question.cluster for question in exam.questions} == {"velma.md", "orrin.md"}
    for line in out.read_text("utf-8").splitlines():
        evidence = json.loads(line)["evidence"]
        text = (folder / evidence["document"]).read_text("utf-8")
        assert text[evidence["start"] : evidence["stop"]] == evidence["quote"]


def test_keys_as_answers_score_all_and_others_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "exam.jsonl"
    command(monkeypatch, "make", folder, "--out", out, "--count", 16)
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    for name, said in (("keys", lambda line: line["answers"][0]), ("mute", lambda line: "z")):
        recorded = [json.dumps({"prompt": line["prompt"], "text": said(line)}) for line in lines]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(recorded))
        capsys.readouterr()
        assert command(monkeypatch, "score", out, tmp_path / f"{name}.jsonl", "--json") == 0
        [score] = json.loads(capsys.readouterr().out)["scores"]
        assert score["accuracy"]["value"] == (1.0 if name == "keys" else 0.0)


def test_an_exam_beside_its_documents_is_not_asked_about(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / "exam.jsonl"
    command(monkeypatch, "make", folder, "--out", out)
    first = out.read_text("utf-8")
    command(monkeypatch, "make", folder, "--out", out)
    assert out.read_text("utf-8") == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "none holds any text"),
        ("  \n\n \t\n", "none holds any text"),
        ("Too short.", "too short"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "tables, code or titles"),
        ("It rains on the plain whenever the wind turns to the west.\n", "too short"),
        ("The rain falls on the plain whenever the wind turns to the west.\n", "nothing to ask"),
    ],
)
def test_documents_that_cannot_be_asked_about_are_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(text)
    assert command(monkeypatch, "make", docs, "--out", tmp_path / "exam.jsonl") == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "exam.jsonl").exists()


def test_a_folder_without_files_and_a_missing_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "empty").mkdir()
    assert command(monkeypatch, "make", tmp_path / "empty", "--out", tmp_path / "e.jsonl") == 1
    assert "no documents" in capsys.readouterr().err
    assert command(monkeypatch, "make", tmp_path / "gone", "--out", tmp_path / "e.jsonl") == 2
    assert "no file or folder" in capsys.readouterr().err


def test_an_exam_cannot_be_written_where_there_is_no_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert command(monkeypatch, "make", folder, "--out", tmp_path / "no" / "e.jsonl") == 2
    assert "no folder" in capsys.readouterr().err
