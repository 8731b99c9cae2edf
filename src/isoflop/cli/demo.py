"""isoflop demo: which way of answering is worth its cost, measured while you watch."""

import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.augment.ask import ask
from isoflop.cli import options
from isoflop.cli.ask import answer_json, show
from isoflop.cli.compare import default_models, forecast_table, lines_below, result_table
from isoflop.cli.output import Bar, bill_line, print_json
from isoflop.measure.comparison import compare
from isoflop.plan.retrieval import save_speed
from isoflop.search.index import Index
from isoflop.settings import cache_folder

if TYPE_CHECKING:
    from isoflop.measure.comparison.report import Report
    from isoflop.questions import Question

EXAMPLE = "How many FLOPs does the training of GPT-3 take?"
# Few questions: the demo is to be short. They show large differences only, and it says so.
QUESTIONS, TUNING, PEOPLE = 40, 10, 8
# Of the handbook, whose words the small model does not know, the ways it is honest to show.
HANDBOOK_METHODS = ("closed-book", "long-context", "retrieval")
WORLD_METHODS = (
    "closed-book", "long-context", "structured-prompting", "parallel-windows", "retrieval",
    "fine-tuning",
)  # fmt: skip


@click.command()
@click.option("--questions", type=click.IntRange(2), default=QUESTIONS, show_default=True)
@options.as_json
def demo(questions: int, as_json: bool) -> None:
    """Compare ways of answering on two small sets of documents, offline.

    A bundled handbook, and a world invented on the spot: forecast, measure, frontier, advice.
    """
    from isoflop.search.trial import measure_speed

    began = time.perf_counter()
    say: Callable[[str], None] = _quiet if as_json else click.echo
    say("isoflop: at equal compute, what works best?\n")
    say("First a trial of this machine on made-up text, for the forecasts ...")
    save_speed(measure_speed(), cache_folder())
    models = default_models()
    with tempfile.TemporaryDirectory(prefix="isoflop-demo-") as name:
        folder = Path(name)
        shown = {
            "handbook": _handbook(folder / "handbook", models, questions, say),
            "world": _world(folder / "world", models, questions, say),
            "answer": _answer(folder / "handbook" / "index", say, as_json=as_json),
        }
    seconds = time.perf_counter() - began
    if as_json:
        print_json({**shown, "seconds": seconds})
        return
    say(f"\nAll of this took {seconds:.0f} s. Next, on your own files:\n")
    say('  isoflop ask "YOUR QUESTION" FOLDER         quotes that answer, or a plain no')
    say("  isoflop compare FOLDER QUESTIONS.jsonl     this comparison, on your questions")
    say("  isoflop compare FOLDER --make 100          or on questions made from the documents")


def _handbook(folder: Path, models: tuple[str, ...], most: int, say: Callable[[str], None]) -> Any:
    """The bundled pages, with questions whose answers are known."""
    from isoflop.measure.comparison.questions import read

    package = resources.files("isoflop")
    with (
        resources.as_file(package.joinpath("handbook")) as pages,
        resources.as_file(package.joinpath("measure", "handbook_questions.jsonl")) as file,
    ):
        say("\nA handbook of 20 pages, and questions about it:\n")
        index = Index.open(pages, into=folder / "index", encoder="minilm")
        asked = read(file).questions
        return _compared(index, asked, models, HANDBOOK_METHODS, folder, most, say)


def _world(folder: Path, models: tuple[str, ...], most: int, say: Callable[[str], None]) -> Any:
    """Invented people, towns and firms: nothing that a model could have read before."""
    from isoflop.questions import Question
    from isoflop.worlds import World

    world = World(1, people=PEOPLE, split="test")
    for document in world.documents():
        path = folder / "documents" / document.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8")
    say(f"\nA world invented for this: {len(world)} people, towns and firms.\n")
    index = Index.open(folder / "documents", into=folder / "index", encoder="minilm")
    asked = list(world.questions(most + TUNING, kinds=("fact", "fact", "unanswerable")))
    learned = [
        Question(f"learned-{n}", text, answers=(fact.value,))
        for n, (fact, text) in enumerate(world.asked())
    ]
    return _compared(index, asked, models, WORLD_METHODS, folder, most, say, learned=learned)


def _compared(
    index: Index,
    asked: "list[Any] | tuple[Any, ...]",
    models: tuple[str, ...],
    methods: tuple[str, ...],
    folder: Path,
    most: int,
    say: Callable[[str], None],
    *,
    learned: "list[Question] | tuple[()]" = (),
) -> dict[str, Any]:
    bar = Bar()
    update = index.update(progress=bar)

    def begin(plan: Any, found: Mapping[str, Any]) -> None:
        say(forecast_table(plan, found) + "\n")

    report: Report = compare(
        index, asked, models=models, methods=methods, folder=folder / "run", most=most,
        tuning=TUNING, options={"k": 3, "epochs": 10.0}, learned=learned, indexing=update.bill,
        begin=begin, progress=bar, tell=say,
    )  # fmt: skip
    bar.close()
    index.close()
    say("\n" + result_table(report))
    say("\n".join(line for line in lines_below(report) if not line.startswith("Not tested")))
    return report.values


def _answer(index: Path, say: Callable[[str], None], *, as_json: bool) -> dict[str, object]:
    """One question, answered with citations."""
    say(f'\n$ isoflop ask "{EXAMPLE}"\n')
    answer = ask(EXAMPLE, Index.open(index), model="extractive")
    if not as_json:
        show(answer)
    say(f"\nbill: {bill_line(answer.bill)}")
    return {"question": EXAMPLE, **answer_json(answer)}


def _quiet(text: str) -> None:
    pass
