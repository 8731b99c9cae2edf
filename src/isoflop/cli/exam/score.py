"""isoflop exam score: recorded answers against the keys of an exam."""

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.exam.show import note_conventions, score_json, score_table
from isoflop.cli.output import print_json, say

RULE = click.option("--rule", metavar="NAME", help="How answers are decided, if not as usual.")
UNPARSED = click.option(
    "--unparsed",
    "policy",
    type=click.Choice(("wrong", "no", "chance", "omit")),
    default="wrong",
    show_default=True,
    help="What an answer counts as that the rule cannot read.",
)


@click.command("score")
@click.argument("exam")
@click.argument("outputs", nargs=-1, type=click.Path(path_type=Path))
@RULE
@UNPARSED
@click.option("--answers", type=click.Path(path_type=Path), help="File with the keys of EXAM.")
@click.option("--partial", is_flag=True, help="Score those whose prompts match.")
@click.option("--any-id", is_flag=True, help="Join by prompts alone, whatever the ids say.")
@options.as_json
def score_command(
    exam: str,
    outputs: tuple[Path, ...],
    rule: str | None,
    policy: str,
    answers: Path | None,
    partial: bool,
    any_id: bool,
    as_json: bool,
) -> None:
    """Score OUTPUTS, recorded answers, in EXAM: causality, or a file of questions with keys.

    An answer belongs to a question only if its recorded prompt asks it; a recording made for
    other questions is refused with the number of prompts that match.
    """
    from isoflop.measure.exams.library import open_exam_for
    from isoflop.measure.exams.recordings import recordings
    from isoflop.measure.exams.score import POLICIES, score

    recorded = [recording for path in outputs for recording in recordings(path)]
    opened = open_exam_for(exam, recorded, answers)
    named = next(known for known in POLICIES if known == policy)
    scores = [
        score(opened, recording, rule=rule, policy=named, partial=partial, any_id=any_id)
        for recording in recorded
    ]
    if as_json:
        print_json({"exam": opened.name, "scores": [score_json(one) for one in scores]})
    else:
        say(score_table(scores))
    note_conventions(opened, scores)
