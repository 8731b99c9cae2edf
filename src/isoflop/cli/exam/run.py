"""isoflop exam run: ask a model, with a forecast before and the bill after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.exam.score import AS_PUBLISHED, RULE, UNPARSED, policy_of
from isoflop.cli.exam.show import note_conventions, score_json, score_table
from isoflop.cli.output import Bar, bill_line, note, print_json, say
from isoflop.cli.spending import agree, price_of_tokens
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from isoflop.bill import Bill
    from isoflop.lm.causal import CausalModel
    from isoflop.measure.exams.exam import Exam
    from isoflop.measure.exams.running import Asked, Price


@click.command("run")
@click.argument("exam")
@click.option("--model", required=True, metavar="NAME", help="openai:NAME, hf:PATH, isoflop:PATH.")
@click.option("--base-url", metavar="URL", help="Of an OpenAI-compatible server.")
@click.option("--into", type=click.Path(path_type=Path), help="Folder that keeps the answers.")
@RULE
@UNPARSED
@click.option("--answers", type=click.Path(path_type=Path), help="File with the keys of EXAM.")
@AS_PUBLISHED
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    help="Ask causality in the words of this published file of prompts.",
)
@click.option("--most-tokens", type=click.IntRange(min=1), help="Of one answer.")
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Questions under way at a server.",
)
@click.option("--budget", type=click.FloatRange(min=0), metavar="DOLLARS", help="Stop before it.")
@options.as_json
def run_command(
    exam: str,
    model: str,
    base_url: str | None,
    into: Path | None,
    rule: str | None,
    unparsed: str,
    answers: Path | None,
    as_published: bool,
    prompts: Path | None,
    most_tokens: int | None,
    at_once: int,
    budget: float | None,
    as_json: bool,
) -> None:
    """Ask MODEL the questions of EXAM: causality, causality-choice, or a file.

    Answers are kept as they come; a run that was stopped goes on without asking again. Rules that
    weigh likelihoods (sum, per-character, per-byte, pmi, pair-contrast) need a model that gives
    them.
    """
    from isoflop.measure.exams import rules, running
    from isoflop.measure.exams.recordings import recordings
    from isoflop.measure.exams.run_folder import answered_in
    from isoflop.measure.exams.score import score

    policy = policy_of(unparsed)
    opened = _opened(exam, answers, prompts, as_published=as_published)
    rule = rules.known(rule or opened.rule)
    folder = into or Path(f"{Path(exam).stem}-{model.replace(':', '-').replace('/', '-')}")
    asked = _asked(exam, opened, model, base_url, rule, most_tokens, at_once)
    expected = running.forecast(asked, answered_in(folder))
    note(f"forecast, at most: {bill_line(expected)}")
    agree(expected, budget, getattr(asked.model, "base_url", None))
    bar = Bar()
    try:
        bill = running.run(
            asked, folder, budget=budget, progress=lambda done, of: bar("asking", done, of)
        )
    finally:
        bar.close()
        if hasattr(asked.model, "close"):
            asked.model.close()
    scored = score(opened, recordings(folder)[0], rule=rule, policy=policy)
    if as_json:
        print_json(
            {
                "exam": opened.name,
                "folder": str(folder),
                "scores": [score_json(scored)],
                "forecast": expected.as_dict(),
                "bill": bill.as_dict(),
            }
        )
    else:
        say(score_table([scored]))
    note_conventions(opened, [scored])
    note(f"answers: {folder}")
    note(f"bill: {bill_line(bill)}")


def _opened(name: str, answers: Path | None, prompts: Path | None, *, as_published: bool) -> Exam:
    from isoflop.measure.exams import causality
    from isoflop.measure.exams.library import open_exam

    if prompts is None:
        return open_exam(name, answers, as_published=as_published)
    if name != "causality":
        raise UsageError("--prompts are other words for the causality exam; name that.")
    return causality.keyed(causality.prompts_in(prompts))


def _asked(
    name: str,
    exam: Exam,
    model: str,
    base_url: str | None,
    rule: str,
    most_tokens: int | None,
    at_once: int,
) -> Asked:
    from isoflop.lm.open import open_model
    from isoflop.measure.exams import rules
    from isoflop.measure.exams.running import Asked

    served = model.startswith("openai:")
    writes = rule in rules.READS_TEXT or (rule == rules.CONTRAST and served)
    need = "generate" if writes else "score_continuation"
    opened = open_model(model, needs=[need], base_url=base_url)
    price = price_of_tokens(opened) if served else _price_of_machine(opened)
    return Asked(exam, name, opened, rule, price, most_tokens, at_once if served else 1)


def _price_of_machine(model: CausalModel) -> Price:
    """FLOPs of a forward pass over every token, and this machine's energy and price."""
    from isoflop import catalog
    from isoflop.bill import Bill
    from isoflop.plan.price import run_bill

    machine = catalog.this_machine()

    def price(usage: Bill) -> Bill:
        """FLOPs of what was read and written; time was measured."""
        read, wrote = usage.prompt_tokens, usage.output_tokens
        flops = None if read is None or wrote is None else 2 * model.parameters * (read + wrote)
        if usage.seconds is None:
            unknown = Bill.forecast(joules=None, dollars=None, grams_co2e=None)
            return usage + Bill.forecast(flops=flops) + unknown
        return run_bill(
            machine,
            seconds=usage.seconds,
            flops=flops,
            prompt_tokens=read,
            output_tokens=wrote,
        )

    return price
