"""isoflop exam: scores that can be trusted."""

import click

from isoflop.cli.lazy import LazyGroup

EXAMS = {
    "make": ("isoflop.cli.exam.make:make_command", "An exam from one's own documents."),
    "run": ("isoflop.cli.exam.run:run_command", "Ask a model; forecast before, bill after."),
    "score": ("isoflop.cli.exam.score:score_command", "Score recorded answers, joined by prompt."),
    "compare": (
        "isoflop.cli.exam.compare:compare_command",
        "Whether one model is really better: paired, with what could have been seen.",
    ),
}


@click.group(cls=LazyGroup, table=EXAMS)
def exam() -> None:
    """Ask, score and compare; every score with baselines and an interval."""
