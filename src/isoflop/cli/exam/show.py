"""How scores are printed: tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from isoflop.cli.output import DASH, note, table

if TYPE_CHECKING:
    from isoflop.measure.exams.exam import Exam
    from isoflop.measure.exams.score import Baselines, Score
    from isoflop.measure.exams.stated import Stated
    from isoflop.measure.statistics.clustered import Mean

HEAD = ("", "right", "accuracy", "95 %", "effective n", "unparsed")
WEIGHTED = ("weighted", "95 %")
COVERAGES = (0.25, 0.5, 0.75, 1.0)  # shares of the answers given, the surest first


def score_table(scores: Sequence[Score]) -> str:
    """Each score with its interval, then what answering without reading would score."""
    weighted = any(one.weighted for one in scores)
    head = (*HEAD[:4], *WEIGHTED, *HEAD[4:]) if weighted else HEAD
    rows = []
    for place, one in enumerate(scores):
        rows.append(_row(one, weighted))
        following = scores[place + 1] if place + 1 < len(scores) else None
        if following is None or following.baselines != one.baselines:
            rows += _baseline_rows(one, weighted)
    return table(head, rows)


def _row(one: Score, weighted: bool) -> tuple[str, ...]:
    right = sum(graded.credit or 0.0 for graded in one.scored)
    effective = one.accuracy.effective_questions
    return (
        one.model,
        f"{right:.6g}/{len(one.scored)}",
        *_figures(one.accuracy),
        *(_figures(one.weighted) if weighted else ()),
        DASH if effective is None else f"{effective:.0f}",
        str(one.unparsed),
    )


def _figures(mean: Mean | None) -> tuple[str, str]:
    if mean is None:
        return DASH, ""
    found = mean.interval
    return f"{found.value:.4f}", f"{found.low:.3f} to {found.high:.3f}"


def _baseline_rows(one: Score, weighted: bool) -> list[tuple[str, ...]]:
    first = "always the first as cause" if one.claims else f"always {_first_choice(one)}"
    names = (f"majority, {one.baselines.majority[0][:24]!r}", first, "chance")
    plain, heavy = _shares(one.baselines), _shares(one.weighted_baselines)
    return [
        (f"  {name}", "", value, "", *((other, "") if weighted else ()), "", "")
        for name, value, other in zip(names, plain, heavy, strict=True)
    ]


def _first_choice(one: Score) -> str:
    return "the first choice" if one.graded[0].question.choices else "'yes'"


def _shares(found: Baselines | None) -> tuple[str, str, str]:
    """Majority, first choice and chance; of free answers the last two are unknown."""
    if found is None:
        return DASH, DASH, DASH
    return _share(found.majority[1]), _share(found.first_option), _share(found.chance)


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def score_json(one: Score) -> dict[str, Any]:
    """A score for JSON."""
    return {
        "model": one.model,
        "rule": one.rule,
        "unparsed_counts_as": one.policy,
        "questions": len(one.graded),
        "scored": len(one.scored),
        "right": sum(graded.credit or 0.0 for graded in one.scored),
        "unparsed": one.unparsed,
        "joined_by": one.joined.by,
        "unmatched": one.joined.unmatched,
        "unanswered": one.joined.unanswered,
        "accuracy": _mean_json(one.accuracy),
        "weighted_accuracy": _mean_json(one.weighted),
        "baselines": _baselines_json(one.baselines),
        "weighted_baselines": _baselines_json(one.weighted_baselines),
    }


def _mean_json(mean: Mean | None) -> dict[str, Any] | None:
    if mean is None:
        return None
    return {
        **mean.interval.as_dict(),
        "clusters": mean.clusters,
        "effective_questions": mean.effective_questions,
        "design_effect": mean.design_effect,
    }


def _baselines_json(found: Baselines | None) -> dict[str, Any] | None:
    if found is None:
        return None
    answer, majority = found.majority
    return {
        "majority": {"answer": answer, "accuracy": majority},
        "first_option": found.first_option,
        "chance": found.chance,
    }


def stated_json(found: Stated | None) -> dict[str, Any] | None:
    """How sure answers were and what abstaining buys, for JSON; None if it was not recorded."""
    if found is None:
        return None
    bins, curve = found.reliability, found.abstention
    return {
        "answers": len(found.probabilities),
        "brier": bins.brier,
        "expected_calibration_error": bins.expected_calibration_error,
        "maximum_calibration_error": bins.maximum_calibration_error,
        "bins": [
            {"answers": int(n), "stated": said, "observed": was, "low": low, "high": high}
            for n, said, was, low, high in zip(
                *(column.tolist() for column in (bins.counts, bins.stated, bins.observed)),
                *bins.ends.tolist(),
                strict=True,
            )
        ],
        "abstention": {
            "area": curve.area,
            "least_area": curve.least_area,
            "wrong_at": {f"{share:g}": curve.risk_at(share) for share in COVERAGES},
        },
    }


def note_stated(found: Sequence[tuple[str, Stated | None]]) -> None:
    """What the recorded probabilities are worth, on stderr."""
    for model, one in found:
        if one is not None:
            bins, curve = one.reliability, one.abstention
            note(
                f"{model}: probabilities of {len(one.probabilities):,} of {one.answers:,} answers;"
                f" Brier {bins.brier:.3f}, expected calibration error "
                f"{bins.expected_calibration_error:.3f}; wrong "
                f"{curve.risk_at(1):.1%} of all and {curve.risk_at(0.5):.1%} of the surest half."
            )


def note_conventions(exam: Exam, scores: Sequence[Score]) -> None:
    """What the figures mean, on stderr."""
    for one in scores[:1]:
        clusters = one.accuracy.clusters
        kind = f"{clusters} clusters" if clusters < len(one.scored) else "independent questions"
        method = one.accuracy.interval.method.replace("wilson", "Wilson")
        note(
            f"\n{exam.name}: rule {one.rule}, joined by {one.joined.by}; an answer that cannot be "
            f"read counts as {one.policy}; 95 % intervals ({method}) for {kind}."
        )
    for one in scores:
        if one.joined.unmatched or one.joined.unanswered:
            note(
                f"{one.model}: {one.joined.unmatched} answers match no question, "
                f"{one.joined.unanswered} questions have no answer."
            )
    if exam.source:
        note(f"Source: {exam.source}. Licence: {exam.licence or 'not stated'}.")
