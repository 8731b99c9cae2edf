"""isoflop detect text: scores of texts, a verdict beside human texts, and a view by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.bill import Bill
from isoflop.cli.output import DASH, bill_line, note, print_json, say, table
from isoflop.errors import UsageError
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.detection.detectors import Scored
    from isoflop.measure.detection.perturb import Discrepancy
    from isoflop.measure.detection.reading import Text
    from isoflop.measure.detection.verdict import Calibration, Verdict

SHOWN = 60  # characters of a sentence
STANDS_OUT = 3  # sentences marked as most and as least predictable


@click.command("text")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--model", "name", default=PROSE, show_default=True, metavar="NAME",
    help="isoflop:PATH or hf:PATH-or-repo: whose predictions are compared with the text.",
)  # fmt: skip
@click.option(
    "--reference", "reference_name", metavar="NAME",
    help="A second model of the same tokens, for Fast-DetectGPT and Binoculars.",
)  # fmt: skip
@click.option(
    "--human", metavar="FOLDER",
    help="Texts that people wrote; sub-folders are groups. Without them there is no verdict.",
)  # fmt: skip
@click.option("--by", metavar="DETECTOR", help="Which decides.  [default: fast-detect-gpt]")
@click.option(
    "--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Human texts called machine-like at most.",
)  # fmt: skip
@click.option(
    "--least-tokens", type=click.IntRange(min=1), default=50, show_default=True, metavar="N",
    help="Shorter texts get no verdict.",
)  # fmt: skip
@click.option("--sentences", "by_sentence", is_flag=True, help="Show every sentence.")
@click.option(
    "--perturb", metavar="NAME", help="DetectGPT too, with copies made by resample or swap."
)
@click.option(
    "--copies", type=click.IntRange(min=2), default=20, show_default=True, metavar="N",
    help="Of each text, for DetectGPT; each is one more reading.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def text_command(
    texts: tuple[str, ...],
    name: str,
    reference_name: str | None,
    human: str | None,
    by: str | None,
    level: float,
    least_tokens: int,
    by_sentence: bool,
    perturb: str | None,
    copies: int,
    as_json: bool,
) -> None:
    """Score each TEXT, a UTF-8 file, by every detector from one reading of each model.

    White space and look-alike letters are normalised first, and what was changed is said. Scores
    are raw figures, of which no error rate is known, unless --human gives texts to compare with.
    """
    from isoflop.measure.detection import detectors, reading
    from isoflop.measure.detection import perturb as detect_gpt
    from isoflop.measure.detection.verdict import Calibration

    decides = detectors.find(by or detectors.DECIDES)
    made = None if perturb is None else detect_gpt.perturbation(perturb)
    read = [reading.read_text(_file(text)) for text in texts]
    humans: list[tuple[Text, str]] = []
    left_out: list[str] = []
    if human is not None:
        longest = 2 * max(len(text.normal.text) for text in read)  # as many tokens, surely
        humans, left_out = reading.read_humans(Path(human), longest)
    model: CausalModel = open_model(name, needs=["logits"])
    reference: CausalModel | None = (
        None if reference_name is None else open_model(reference_name, needs=["logits"])
    )
    scored, bill = reading.score_texts(model, read, reference)
    calibration, human_bill = None, Bill()
    if human is not None:
        known, human_bill = reading.score_humans(model, humans, reference)
        calibration = Calibration(known, decides, level, least_tokens)
    found = [
        Shown(
            text,
            one,
            None if calibration is None else calibration.judge(one),
            None
            if made is None
            else detect_gpt.detect_gpt(
                model, one.text, detectors.likelihood(one) or 0.0, made, copies=copies
            ),
        )
        for text, one in zip(read, scored, strict=True)
    ]
    for each in found:
        bill = bill + (each.perturbed.bill if each.perturbed else Bill())
    if as_json:
        print_json(_json(model, reference, found, calibration, left_out, bill, human_bill))
        return
    for each in found:
        each.show(by_sentence)
    _notes(model, reference, found, calibration, left_out)
    note(f"bill: {bill_line(bill)}")
    if calibration is not None:
        note(f"bill of the human texts: {bill_line(human_bill)}")


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise UsageError(f"{text}: no such file. Name a text file, or the command audit.")
    return Path(text)


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


def _json(
    model: CausalModel,
    reference: CausalModel | None,
    found: Sequence[Shown],
    calibration: Calibration | None,
    left_out: Sequence[str],
    bill: Bill,
    human_bill: Bill,
) -> dict[str, object]:
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


def _notes(
    model: CausalModel,
    reference: CausalModel | None,
    found: Sequence[Shown],
    calibration: Calibration | None,
    left_out: Sequence[str],
) -> None:
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
