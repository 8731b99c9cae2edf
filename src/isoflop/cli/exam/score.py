"""isoflop exam score: recorded answers against the keys of an exam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.exam.show import (
    note_conventions,
    note_stated,
    score_json,
    score_table,
    stated_json,
)
from isoflop.cli.output import note, print_json, say
from isoflop.cli.plan import show
from isoflop.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from isoflop.measure.exams.outputs import Recording
    from isoflop.measure.exams.score import Policy

RULE = click.option("--rule", metavar="NAME", help="How answers are decided, if not as usual.")
UNPARSED = click.option(
    "--unparsed",
    metavar="POLICY",
    default="wrong",
    show_default=True,
    help="What an unreadable answer counts as: wrong, no, chance, omit or a credit such as 0.5.",
)
AS_PUBLISHED = click.option(
    "--as-published",
    is_flag=True,
    help="Keep contradictory keys, number repeated ids, leave out questions without answers.",
)


def told_apart(found: Sequence[tuple[Path, Sequence[Recording]]]) -> list[Recording]:
    """All recordings, by their models' names; those of one name by their folder's too."""
    count = Counter(one.model for _, recordings in found for one in recordings)
    return [
        one if count[one.model] == 1 else replace(one, model=f"{path.parent.name}/{one.model}")
        for path, recordings in found
        for one in recordings
    ]


def policy_of(written: str) -> Policy:
    """The policy for unreadable answers.

    Raises:
        UsageError: If there is none of that name; the message names the nearest.
    """
    from isoflop.measure.exams.score import POLICIES

    for known in POLICIES:
        if written == known:
            return known
    try:
        return float(written)
    except ValueError:
        raise UsageError(
            f"No policy called {written!r}.{did_you_mean(written, POLICIES)} "
            f"Known: {', '.join(POLICIES)} or a credit from 0 to 1."
        ) from None


@click.command("score")
@click.argument("exam")
@click.argument("outputs", nargs=-1, type=click.Path(path_type=Path))
@RULE
@UNPARSED
@click.option("--answers", type=click.Path(path_type=Path), help="File with the keys of EXAM.")
@AS_PUBLISHED
@click.option("--partial", is_flag=True, help="Score those whose prompts match.")
@click.option("--any-id", is_flag=True, help="Join by prompts alone, whatever the ids say.")
@show.plot
@click.option(
    "--calibration",
    metavar="FILE",
    help="Draw how often answers were right beside how sure they were.",
)
@options.as_json
def score_command(
    exam: str,
    outputs: tuple[Path, ...],
    rule: str | None,
    unparsed: str,
    answers: Path | None,
    as_published: bool,
    partial: bool,
    any_id: bool,
    plot: str | None,
    calibration: str | None,
    as_json: bool,
) -> None:
    """Score OUTPUTS, recorded answers, in EXAM: causality, or a file of questions with keys.

    An answer belongs to a question only if its recorded prompt asks it; a recording made for
    other questions is refused with the number of prompts that match. Without OUTPUTS, EXAM is a
    recording that holds its own keys.
    """
    from isoflop.measure.exams.library import exams_for
    from isoflop.measure.exams.recordings import recordings
    from isoflop.measure.exams.score import score
    from isoflop.measure.exams.stated import stated

    policy = policy_of(unparsed)
    recorded = told_apart([(path, recordings(path)) for path in outputs or (Path(exam),)])
    exams = exams_for(exam, recorded, answers, as_published=as_published)
    scores = [
        score(one, recording, rule=rule, policy=policy, partial=partial, any_id=any_id)
        for one, recording in zip(exams, recorded, strict=True)
    ]
    sure = [stated(one, each.contrasts) for one, each in zip(scores, exams, strict=True)]
    if as_json:
        rows = [
            score_json(one) | {"stated": stated_json(how)}
            for one, how in zip(scores, sure, strict=True)
        ]
        print_json({"exam": exams[0].name, "scores": rows})
    else:
        say(score_table(scores))
    note_conventions(exams[0], scores)
    note_stated([(one.model, how) for one, how in zip(scores, sure, strict=True)])
    if plot:
        from isoflop.cli.exam.forest import forest  # needs the extra `plot`

        note(f"plot: {forest(scores, plot)}")
    if calibration:
        from isoflop.cli.exam.reliability import reliability  # needs the extra `plot`

        known = {one.model: how for one, how in zip(scores, sure, strict=True) if how is not None}
        if not known:
            raise UsageError(
                "No answer's probability was recorded, so there is nothing to draw. Ask with a "
                "rule of likelihoods (--rule sum), or record log-probabilities."
            )
        note(f"calibration: {reliability(exams[0].name, known, calibration)}")
