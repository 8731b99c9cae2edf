"""isoflop exam compare: paired comparisons of models on the same questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.exam.score import AS_PUBLISHED, RULE, UNPARSED, policy_of, told_apart
from isoflop.cli.exam.show import note_conventions, score_json, score_table
from isoflop.cli.output import DASH, note, print_json, say, table
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from isoflop.measure.exams.compare import Comparison
    from isoflop.measure.statistics.interval import Interval

HEAD = ("", "difference", "95 %", "bootstrap", "only first", "only second", "p", "Holm",
        "detectable")  # fmt: skip


@click.command("compare")
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--exam", metavar="EXAM", help="That they answer; a run's folder knows its own.")
@RULE
@UNPARSED
@click.option("--answers", type=click.Path(path_type=Path), help="File with the keys of EXAM.")
@AS_PUBLISHED
@click.option("--partial", is_flag=True, help="Score those whose prompts match.")
@click.option("--any-id", is_flag=True, help="Join by prompts alone, whatever the ids say.")
@options.as_json
def compare_command(
    outputs: tuple[Path, ...],
    exam: str | None,
    rule: str | None,
    unparsed: str,
    answers: Path | None,
    as_published: bool,
    partial: bool,
    any_id: bool,
    as_json: bool,
) -> None:
    """Compare OUTPUTS, recordings or folders of runs, every two on the questions both answered."""
    from isoflop.measure.exams.compare import compare
    from isoflop.measure.exams.library import exams_for
    from isoflop.measure.exams.recordings import recordings
    from isoflop.measure.exams.score import score

    policy = policy_of(unparsed)
    recorded = told_apart([(path, recordings(path)) for path in outputs])
    exams = exams_for(exam or _own(outputs), recorded, answers, as_published=as_published)
    scores = [
        score(one, recording, rule=rule, policy=policy, partial=partial, any_id=any_id)
        for one, recording in zip(exams, recorded, strict=True)
    ]
    found = compare(scores)
    if as_json:
        compared = [_json(one) for one in found]
        scored = [score_json(one) for one in scores]
        print_json({"exam": exams[0].name, "scores": scored, "comparisons": compared})
    else:
        say(score_table(scores) + "\n")
        say(table(HEAD, [_row(one) for one in found]))
    note_conventions(exams[0], scores)
    together = f"{len(found)} comparison{'s' if len(found) > 1 else ''}"
    note(
        "Differences are paired; their interval heeds clusters. p is McNemar's, exact; Holm "
        f"corrects it for {together}. A true difference below 'detectable' would mostly go unseen."
    )


def _own(outputs: tuple[Path, ...]) -> str:
    """The exam that all of the folders were run on."""
    from isoflop.run import read_about

    named = {str(read_about(path)["exam"]) for path in outputs if path.is_dir()}
    if len(named) == 1:
        return named.pop()
    known = f" The folders are of {', '.join(sorted(named))}." if named else ""
    raise UsageError(f"Say which exam they answer: --exam EXAM.{known}")


def _row(one: Comparison) -> tuple[str, ...]:
    return (
        f"{one.first} - {one.second}",
        f"{one.difference.value:+.4f}",
        _ends(one.difference),
        _ends(one.bootstrap),
        DASH if one.only_first is None else str(one.only_first),
        DASH if one.only_second is None else str(one.only_second),
        _p(one.mcnemar),
        _p(one.holm),
        DASH if one.detectable is None else f"{one.detectable:.3f}",
    )


def _ends(found: Interval) -> str:
    return f"{found.low:+.3f} to {found.high:+.3f}"


def _p(value: float | None) -> str:
    return DASH if value is None else f"{value:.2g}"


def _json(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "questions": one.questions,
        "only_first": one.only_first,
        "only_second": one.only_second,
        "difference": one.difference.as_dict(),
        "bootstrap": one.bootstrap.as_dict(),
        "weighted_difference": None if one.weighted is None else one.weighted.as_dict(),
        "mcnemar_p": one.mcnemar,
        "holm_p": one.holm,
        "minimum_detectable_difference": one.detectable,
    }
