"""isoflop compare as a person meets it: forecast, race, report, budget, and ask --as."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from isoflop import compare
from isoflop.measure.comparison.advised import Advised
from isoflop.questions import Question
from isoflop.search.index import Index
from isoflop.worlds import World
from tests.cli.test_commands import in_json, isoflop

PLUGIN = '''"""A method in one file: whatever is asked, the first passage is the answer."""

from isoflop.augment.method import Forecast, Range
from isoflop.bill import Bill
from isoflop.questions import Answer


class FirstPassage:
    def __init__(self, answerer, material):
        self.first = material.passages[0]

    def forecast(self, questions):
        return Forecast(Range.exact(Bill()), Range.exact(Bill.forecast(flops=0.0)))

    def prepare(self, pay, progress):
        return {}

    def worst(self, question):
        return Bill()

    def answer(self, question):
        return Answer(self.first.text, (), (), False, Bill.measured(seconds=0.0, flops=0.0))
'''
ASKED = [
    {"id": "dredged", "text": "When was the harbour dredged?", "answers": ["1932"]},
    {"id": "firm", "text": "Which firm dredged the harbour?", "answers": ["Oakley"]},
    {"id": "opens", "text": "When does the bakery open?", "answers": ["six"]},
    {"id": "arches", "text": "How many arches has the bridge?", "answers": ["five"]},
    {"id": "mongolia", "text": "What is the capital of Mongolia?", "answers": []},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ASKED))
    return file


def run(documents: Path, questions: Path, folder: Path, *more: str) -> dict[str, object]:
    return in_json("compare", documents, questions, "--model", "extractive", "--run", folder, *more)


def test_compare_measures_advises_and_shows_again(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    report = in_json(
        "compare", documents, questions, "--model", "extractive", "--run", tmp_path / "run"
    )
    ways = {way["name"]: way for way in report["ways"]}
    assert set(ways) == {"retrieval extractive", "exhaustive extractive"}
    for way in ways.values():
        assert way["questions"] == 5
        assert way["accuracy"]["value"] >= 0.8
        assert way["supported"] == 1.0
        assert way["measured"]["each"]["flops"] > 0
        assert way["measured"]["each"]["bases"]["seconds"] == "measured"
    assert report["recommendation"]["way"] in ways
    reasons = {each["name"]: each["reason"] for each in report["untested"]}
    assert reasons["closed-book extractive"] == "needs a language model"
    again = in_json("compare", "--show", tmp_path / "run")
    assert {k: v for k, v in again.items() if k != "schema_version"} == {
        k: v for k, v in report.items() if k != "schema_version"
    }


def test_the_same_call_again_is_answered_from_the_run(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    first = run(documents, questions, tmp_path / "run")
    lines = (tmp_path / "run" / "paid.jsonl").read_bytes()
    assert run(documents, questions, tmp_path / "run") == first
    assert (tmp_path / "run" / "paid.jsonl").read_bytes() == lines


def test_ask_answers_as_a_run_advised(documents: Path, questions: Path, tmp_path: Path) -> None:
    run(documents, questions, tmp_path / "run", "--methods", "retrieval")
    answer = in_json("ask", "When was the harbour dredged?", "--as", tmp_path / "run")
    assert answer["way"] == "retrieval extractive"
    assert "1932" in answer["text"]
    assert answer["citations"]


@pytest.mark.parametrize(
    "more",
    [["--model", "extractive"], ["-k", "8"], ["--where", "source:*.md"], ["--by", "bm25"], ["."]],
)
def test_what_a_run_decides_is_refused_beside_it(tmp_path: Path, more: list[str]) -> None:
    told = isoflop("ask", "When?", *more, "--as", tmp_path, code=2)
    name = more[0] if len(more) > 1 else "PATH"
    assert f"leave out {name}, or leave out --as" in told.stderr


def test_ask_as_a_run_makes_no_trial_of_the_speed(tmp_path: Path) -> None:
    world = World(5, people=6, towns=2, firms=2, gaps=0.0)
    for document in world.documents():
        (tmp_path / "town" / document.id).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "town" / document.id).write_text(document.text)
    index = Index.open(tmp_path / "town")
    index.update()
    rows = list(world.asked())[:6]
    questions = [Question(f"q{n}", text, (), (f.value,)) for n, (f, text) in enumerate(rows)]
    compare(index, questions, models=["isoflop:reading"], methods=["retrieval"],
            options={"k": 1, "by": "bm25"}, folder=tmp_path / "run", race=False)  # fmt: skip
    advised = Advised(tmp_path / "run")
    assert advised.way.does.answerer.speed is None  # type: ignore[attr-defined]  # every method has it
    right = [advised.answer(q.text).text == q.answers[0] for q in questions]
    assert sum(right) >= 3
    answer = advised.answer(questions[0].text)
    assert answer.bill.basis_of("seconds") == "measured"


def test_two_runs_are_compared_way_by_way(documents: Path, questions: Path, tmp_path: Path) -> None:
    run(documents, questions, tmp_path / "one", "--methods", "retrieval")
    run(documents, questions, tmp_path / "two", "--methods", "retrieval", "-k", "1")
    told = isoflop("compare", "--diff", tmp_path / "one", tmp_path / "two")
    assert "retrieval extractive" in told.stdout
    values = in_json("compare", "--diff", tmp_path / "one", tmp_path / "two")
    assert values["ways"]


def test_over_the_budget_nothing_starts(documents: Path, questions: Path, tmp_path: Path) -> None:
    told = isoflop(
        "compare", documents, questions, "--model", "extractive", "--run", tmp_path / "run",
        "--budget", "1e6 FLOP", code=3,
    )  # fmt: skip
    assert "nothing was started" in told.stderr
    kept = (tmp_path / "run" / "paid.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in kept] == ["forecast"]


def test_a_dollar_budget_without_a_price_is_refused(documents: Path, questions: Path) -> None:
    told = isoflop(
        "compare", documents, questions, "--model", "extractive", "--budget", "$2", code=2
    )
    assert "is not known" in told.stderr


def test_the_forecast_alone_spends_nothing(documents: Path, questions: Path) -> None:
    told = in_json("compare", documents, questions, "--model", "extractive", "--forecast")
    assert told["questions"] == 5
    each = told["forecast"]["retrieval extractive"]["each"]
    assert each["low"]["flops"] <= each["middle"]["flops"] <= each["high"]["flops"]


def test_the_forecast_of_a_finished_run_is_shown_again(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    report = run(documents, questions, tmp_path / "run", "--methods", "retrieval")
    lines = (tmp_path / "run" / "paid.jsonl").read_bytes()
    told = run(documents, questions, tmp_path / "run", "--methods", "retrieval", "--forecast")
    assert "ways" not in told
    said = report["ways"][0]["forecast"]["each"]  # type: ignore[index]  # JSON
    assert told["forecast"]["retrieval extractive"]["each"] == said  # type: ignore[index]  # JSON
    assert (tmp_path / "run" / "paid.jsonl").read_bytes() == lines


def test_questions_can_be_made_from_the_documents(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "town.md").write_text(
        "The town hall of Wexcombe was built by the mason Edwin Marlow in the year 1844.\n\n"
        "The ferry to Sandholm leaves the northern quay at seven in the morning every day.\n"
    )
    report = in_json("compare", folder, "--make", "4", "--model", "extractive")
    assert report["questions"]["made"] is True
    assert report["questions"]["leak"]


def test_no_questions_no_documents_and_unknown_names_are_refused(
    documents: Path, questions: Path
) -> None:
    for arguments, says in (
        (("compare",), "Name the documents"),
        (("compare", documents), "--make 100"),
        (("compare", documents, questions, "--model", "extracted"), "Did you mean extractive?"),
        (("compare", documents, questions, "--model", "extractive", "--methods", "retreival"),
         "Did you mean retrieval or"),
        (("compare", documents, questions, "--model", "extractive", "--budget", "2 apples"),
         "is no budget"),
        (("compare", documents, questions, "--model", "extractive", "--methods", "closed-book"),
         "needs a language model"),
    ):  # fmt: skip
        assert says in isoflop(*arguments, code=2).stderr


def test_another_run_in_the_same_folder_is_refused(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    run(documents, questions, tmp_path / "run", "--methods", "retrieval")
    told = isoflop(
        "compare", documents, questions, "--model", "extractive", "--methods", "exhaustive",
        "--run", tmp_path / "run", code=2,
    )  # fmt: skip
    assert "holds another run" in told.stderr


def test_a_plug_in_adds_a_method_in_one_file(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    place = tmp_path / "site"
    about = place / "first_passage-1.0.dist-info"
    about.mkdir(parents=True)
    (place / "first_passage.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: first-passage\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[isoflop.method]\nfirst-passage = first_passage:FirstPassage\n"
    )
    report = in_json(
        "compare", documents, questions, "--model", "extractive", "--methods",
        "first-passage,retrieval", PYTHONPATH=f"{place}:{':'.join(sys.path)}",
    )  # fmt: skip
    way = next(way for way in report["ways"] if way["method"] == "first-passage")
    assert way["questions"] == 5
    assert way["supported"] == 0.0


def test_the_library_call_gives_rows_and_a_chart(
    documents: Path, questions: Path, tmp_path: Path
) -> None:
    code = (
        "import isoflop, sys, json\n"
        "index = isoflop.Index.open(sys.argv[1])\n"
        "index.update()\n"
        "report = isoflop.compare(index, sys.argv[2], models=['extractive'], folder=sys.argv[3])\n"
        "print(json.dumps([report.table(), report.frontier().to_dict()]))\n"
    )
    command = [sys.executable, "-c", code, str(documents), str(questions), str(tmp_path / "run")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, chart = json.loads(told.stdout)
    assert {row["way"] for row in rows} == {"retrieval extractive", "exhaustive extractive"}
    assert chart["layer"]
    assert Index.open(documents).exists
