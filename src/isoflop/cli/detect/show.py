"""How scored texts are printed: a table of detectors, sentences that stand out, a verdict, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from isoflop.bill import Bill
from isoflop.cli.output import DASH, note, say, table

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.detection.detectors import Scored
    from isoflop.measure.detection.perturb import Discrepancy
    from isoflop.measure.detection.reading import Text
    from isoflop.measure.detection.verdict import Calibration, Verdict

SHOWN = 60  # characters of a sentence
STANDS_OUT = 3  # sentences marked as most and as least predictable


class Shown:
    """A text with all that is said of it."""

    def __init__(
        self, text: Text, scored: Scored, verdict: Verdict | None, perturbed: Discrepancy | None
    ) -> None:
        self.text, self.scored, self.verdict, self.perturbed = text, scored, verdict, perturbed

    @property
    def warning(self) -> str:
        """Why there is no verdict; empty where there is one."""
        if self.verdict is None:
            return (
                "raw scores, no verdict: nothing is known of how human texts like this one score. "
                "Give some with --human FOLDER"
            )
        return "" if self.verdict.outcome else f"raw scores, no verdict: {self.verdict.reason}"

    def show(self, by_sentence: bool) -> None:
        """Print it."""
        from isoflop.measure.detection.detectors import DETECTORS, scores

        changes = ", ".join(f"{n:,} {kind}" for kind, n in self.text.normal.changes.items())
        say(
            f"{self.text.name}: {len(self.scored.stream):,} tokens, {len(self.scored.parts):,} "
            f"sentences; normalised: {changes or 'nothing'}"
        )
        if not self.text.whole:
            say(f"  only its first {len(self.text.normal.text):,} characters were read")
        p = self.verdict.p if self.verdict else {}
        rows = [
            (
                name,
                DASH if score is None else f"{score:.4f}",
                "high" if DETECTORS[name].sign > 0 else "low",
                f"{p[name]:.4f}" if name in p else DASH,
            )
            for name, score in scores(self.scored).items()
        ]
        if self.perturbed is not None:
            value = self.perturbed.value
            rows.append(("detectgpt", DASH if value is None else f"{value:.4f}", "high", DASH))
        say(table(("detector", "score", "machine is", "p of human"), rows))
        if self.verdict is not None and self.verdict.outcome:
            v = self.verdict
            say(f"verdict: {v.outcome}, {v.reason} (first {v.tokens} tokens, {v.humans} texts)")
        else:
            say(self.warning + ".")
        self.show_sentences(by_sentence)
        say("")

    def show_sentences(self, every: bool) -> None:
        """A line for each, or for those that stand out: the most and the least predictable."""
        perplexities = self.scored.perplexities
        known = [at for at, value in enumerate(perplexities) if value is not None]
        ordered = sorted(known, key=lambda at: perplexities[at] or 0.0)
        low, high = ordered[:STANDS_OUT], ordered[-STANDS_OUT:]
        if len(ordered) <= 2 * STANDS_OUT:
            every, low, high = True, ordered[:1], ordered[-1:]
        rows = []
        for at in range(len(perplexities)) if every else sorted({*low, *high}):
            (start, stop), part = self.scored.parts[at]
            value = perplexities[at]
            mark = "most predictable" if at in low else "least predictable" if at in high else ""
            said = self.scored.text[start:stop].strip()
            rows.append(
                (
                    f"{at + 1}",
                    said if len(said) <= SHOWN else said[: SHOWN - 3] + "...",
                    mark,
                    f"{part.stop - part.start}",
                    DASH if value is None else f"{value:,.1f}",
                )
            )
        if rows:
            say(table(("", "sentence", "stands out", "tokens", "perplexity"), rows, left=3))

    def as_dict(self) -> dict[str, object]:
        """For JSON; scores that are no finite numbers are null or a string."""
        from isoflop.measure.detection.detectors import DETECTORS, scores

        v = self.verdict
        return {
            "text": self.text.name,
            "whole": self.text.whole,
            "tokens": len(self.scored.stream),
            "normalised": self.text.normal.changes,
            "scores": {name: _plain(score) for name, score in scores(self.scored).items()}
            | ({"detectgpt": self.perturbed.value} if self.perturbed else {}),
            "machine_is": {
                name: "high" if detector.sign > 0 else "low" for name, detector in DETECTORS.items()
            },
            "verdict": None if v is None else v.outcome,
            "reason": self.warning or (v.reason if v else ""),
            "p": v.p if v else {},
            "compared_tokens": v.tokens if v else None,
            "compared_humans": v.humans if v else None,
            "sentences": [
                {
                    "start": start,
                    "stop": stop,
                    "tokens": part.stop - part.start,
                    "perplexity": value,
                }
                for ((start, stop), part), value in zip(
                    self.scored.parts, self.scored.perplexities, strict=True
                )
            ],
        }


def _plain(score: float | None) -> float | str | None:
    return score if score is None or abs(score) != float("inf") else str(score)


def as_one(
    model: CausalModel,
    reference: CausalModel | None,
    found: Sequence[Shown],
    calibration: Calibration | None,
    left_out: Sequence[str],
    bill: Bill,
    human_bill: Bill,
) -> dict[str, object]:
    """All texts in one object, for JSON."""
    groups = [] if calibration is None else calibration.groups()
    return {
        "model": model.name,
        "reference": None if reference is None else reference.name,
        "decides": None if calibration is None else calibration.by.name,
        "level": None if calibration is None else calibration.level,
        "texts": [each.as_dict() for each in found],
        "groups": [
            {"group": g.name, "texts": g.texts, "flagged": g.flagged, "rate": g.rate.as_dict()}
            for g in groups
        ],
        "left_out": list(left_out),
        "forward_passes_per_text": 1,
        "bill": bill.as_dict(),
        "bill_of_human_texts": human_bill.as_dict(),
    }


def notes(
    model: CausalModel,
    reference: CausalModel | None,
    found: Sequence[Shown],
    calibration: Calibration | None,
    left_out: Sequence[str],
) -> None:
    """What the figures rest on: texts left out, false positives by group, passes."""
    for line in left_out:
        note(f"left out: {line}")
    if calibration is not None:
        groups = calibration.groups()
        if groups:
            rows = [
                (g.name or "(no group)", f"{g.texts}", f"{g.flagged}", f"{g.rate.value:.1%}",
                 f"{g.rate.low:.1%} to {g.rate.high:.1%}")
                for g in groups
            ]  # fmt: skip
            head = ("false positives by group", "texts", "flagged", "rate", "95 % interval")
            say(table(head, rows))
        judged = sum(each.verdict is not None and bool(each.verdict.outcome) for each in found)
        note(
            f"{calibration.by.name} decides, at a level of {calibration.level:g}, and only for "
            "texts like the human ones given; p is averaged over such sets. It says how unlike "
            "them a text is, not who wrote it."
            + (f" Of {judged} texts by people, {judged * calibration.level:.3g} would be flagged "
               "by chance." if judged > 1 else "")
        )  # fmt: skip
    beside = "" if reference is None else f" and one of {reference.name}"
    note(f"one pass of {model.name}{beside} over each text, for all detectors together")
