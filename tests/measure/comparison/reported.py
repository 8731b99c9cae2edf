"""Reports of runs whose answers are written down beforehand, made as those of real ones are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.plan import Plan
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.report import Report
from isoflop.measure.comparison.scoring import Rule
from isoflop.measure.comparison.ways import Left, Way
from isoflop.questions import Question
from tests.measure.comparison.scripted import Scripted, carried, numbered, run_in

SEEN = {
    "date": "2026-11-29",
    "documents": ["notes"],
    "passages": 12,
    "models": ["scripted"],
    "machine": {"name": "avx2-core", "count": 2, "grid": "world 2023", "watts": 12.5},
}


def answering(right: int, of: int = 40, **rest: object) -> Scripted:
    """Says yes to the first so many questions, and no to the others."""
    texts = {f"q{n}": "yes" if n < right else "no" for n in range(of)}
    return Scripted(texts, {}, **rest)  # type: ignore[arg-type]  # fields of a script


def reported(
    methods: Mapping[tuple[str, str], Scripted],
    folder: Path,
    *,
    questions: Sequence[Question] | None = None,
    unscored: bool = False,
    made: bool = False,
    left: Sequence[Left] = (),
    race: bool = False,
    wrong: float = 0.0,
) -> Report:
    """The report of a run, written into its folder.

    Args:
        methods: By the names of the method and the model.
        folder: Of the run.
        questions: Forty that are answered by yes, if none are given.
        unscored: Whether no answer is known.
        made: Whether the questions were made from the documents.
        left: What does not go together.
        race: Whether beaten ways stop.
        wrong: What a wrong answer loses.
    """
    asked = tuple(questions or numbered(40))
    ids = frozenset(q.id for q in asked) if unscored else frozenset()
    leak = ({"form": "cloze", "questions": 40, "overlap": 0.93, "guessed": None},) if made else ()
    plan = Plan(
        QuestionSet("forty.jsonl", asked, ids, made, leak),
        asked,
        tuple(Way(f"{m} {model}", m, model, does) for (m, model), does in methods.items()),
        tuple(left),
        rule=Rule(wrong=wrong),
        race=race,
    )
    with run_in(folder) as run:
        outcome = carried(plan, run)
        report = reporting.build(plan, run.rows, outcome, folder, SEEN)
        report.write()
    return report


def usual(folder: Path) -> Report:
    """Of five ways with two models, of which one costs dollars and another much at the start."""
    local = {"flops": (1e6, 1e6), "seconds": (1e-3, 1e-3)}
    served = {"dollars": (1e-6, 1e-6), "seconds": (2e-3, 1e-3)}
    return reported(
        {
            ("closed-book", "small"): answering(6, price=local, prompt=4),
            ("retrieval", "small"): answering(30, price=local, prompt=60, once=500),
            ("exhaustive", "small"): answering(33, price=local, prompt=9000),
            ("fine-tuned", "small"): answering(31, price=local, prompt=6, once=90_000),
            ("retrieval", "openai:large"): answering(35, price=served, prompt=80),
        },
        folder,
        left=[Left("fine-tuned openai:large", "fine-tuned", "openai:large", "it is served")],
    )
