"""isoflop detect text: scores of texts, a verdict beside human texts, and a view by sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.bill import Bill, total
from isoflop.cli.detect.show import Shown, as_one, notes
from isoflop.cli.output import bill_line, note, print_json
from isoflop.cli.plan import show
from isoflop.errors import UsageError
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.detection.detectors import Scored
    from isoflop.measure.detection.perturb import Discrepancy, Perturbation
    from isoflop.measure.detection.reading import Text


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
    "--perturb",
    "perturbed_by",
    metavar="NAME",
    help="DetectGPT too, with copies made by resample or swap.",
)
@click.option(
    "--copies", type=click.IntRange(min=2), default=20, show_default=True, metavar="N",
    help="Of each text, for DetectGPT; each is one more reading.",
)  # fmt: skip
@show.plot
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
    perturbed_by: str | None,
    copies: int,
    plot: str | None,
    as_json: bool,
) -> None:
    """Score each TEXT, a UTF-8 file, by every detector from one reading of each model.

    White space and look-alike letters are normalised first, and what was changed is said. Scores
    are raw figures, of which no error rate is known, unless --human gives texts to compare with.
    """
    from isoflop.measure.detection import detectors, perturb, reading
    from isoflop.measure.detection.verdict import Calibration

    decides = detectors.find(by or detectors.DECIDES)
    made = None if perturbed_by is None else perturb.perturbation(perturbed_by)
    read = [reading.read_text(_file(text)) for text in texts]
    humans, left_out = _humans(human, read)
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
            _discrepancy(model, one, made, copies),
        )
        for text, one in zip(read, scored, strict=True)
    ]
    bill = total([bill, *(each.perturbed.bill for each in found if each.perturbed)])
    if as_json:
        print_json(as_one(model, reference, found, calibration, left_out, bill, human_bill))
    else:
        for each in found:
            each.show(by_sentence)
        notes(model, reference, found, calibration, left_out)
        note(f"bill: {bill_line(bill)}")
        if calibration is not None:
            note(f"bill of the human texts: {bill_line(human_bill)}")
    if plot:
        from isoflop.cli.detect.plots import sentences  # needs the extra `plot`

        note(f"plot: {sentences([(each.text.name, each.scored) for each in found], plot)}")


def _humans(folder: str | None, beside: list[Text]) -> tuple[list[tuple[Text, str]], list[str]]:
    """What people wrote, as far as it can matter to these texts, and what was left out."""
    from isoflop.measure.detection import reading

    if folder is None:
        return [], []
    longest = 2 * max(len(text.normal.text) for text in beside)  # as many tokens, surely
    return reading.read_humans(Path(folder), longest)


def _discrepancy(
    model: CausalModel, scored: Scored, made: Perturbation | None, copies: int
) -> Discrepancy | None:
    from isoflop.measure.detection.detectors import likelihood
    from isoflop.measure.detection.perturb import detect_gpt

    if made is None:
        return None
    return detect_gpt(model, scored.text, likelihood(scored) or 0.0, made, copies=copies)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise UsageError(f"{text}: no such file. Name a text file, or the command audit.")
    return Path(text)
