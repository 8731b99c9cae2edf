"""isoflop compare: which way of answering is worth its cost, on one's own questions."""

import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.augment.method import METHODS
from isoflop.cli import options
from isoflop.cli.output import DASH, Bar, amount, dollars, note, print_json, say, table
from isoflop.errors import BudgetReached, UsageError
from isoflop.search.index import Index

if TYPE_CHECKING:
    from isoflop.measure.comparison.plan import Plan
    from isoflop.measure.comparison.report import Report
    from isoflop.run import Row

UNASKED = 0.10  # dollars that are spent without asking
AXES = {"flops": "FLOP", "seconds": "s", "joules": "J", "dollars": "$", "grams_co2e": "g"}


@click.command()
@click.argument("path", required=False)
@click.argument("questions", required=False, type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, metavar="NAME", help="Repeatable: extractive, "
              "isoflop:PATH, hf:PATH-or-repo, openai:NAME.  [default: extractive and, where torch "
              "is installed, isoflop:reading]")  # fmt: skip
@click.option("--methods", metavar="NAME,...", help=f"Of {', '.join(METHODS)}.  [default: all]")
@click.option("--budget", metavar="AMOUNT", help="'$2', '1e15 FLOP', '10 minutes' or '50 kJ'.")
@click.option("--make", type=click.IntRange(1), metavar="N", help="Make N questions from PATH.")
@click.option("--most", type=click.IntRange(1), metavar="N", help="Measure on at most N questions.")
@click.option("--tuning", type=click.IntRange(0), metavar="N",
              help="Questions to choose settings by, not to measure on.  [default: a fifth]",
              )  # fmt: skip
@click.option("--learn", type=click.Path(path_type=Path), metavar="FILE",
              help="Questions with answers that fine-tuning learns, else made from PATH.",
              )  # fmt: skip
@click.option("--metric", default="contains", show_default=True,
              metavar="contains|exact|f1|cited", help="What counts as right.")  # fmt: skip
@click.option("--wrong", type=click.FloatRange(0), default=0.0, show_default=True, metavar="X",
              help="What a wrong answer loses, where a right one gains 1 and none 0.")  # fmt: skip
@click.option("--axis", metavar="|".join(list(AXES)[:4]), help="Cost that the advice is about.")
@click.option("--for", "horizon", type=click.FloatRange(1), default=1000.0, show_default=True,
              metavar="N", help="Questions over which what is paid once is spread.")  # fmt: skip
@click.option("-k", type=click.IntRange(1), help="Passages of retrieval; chosen by default.")
@click.option("--rank", type=click.IntRange(1), metavar="N", help="Of LoRA.")
@click.option("--epochs", type=click.FloatRange(0.01), metavar="N", help="Of fine-tuning.")
@click.option("--full", is_flag=True, help="Ask every way every question: no race.")
@click.option("--seed", default=0, show_default=True, help="Of the order of questions.")
@click.option("--base-url", metavar="URL", help="Of an OpenAI-compatible server.")
@click.option("--at-once", type=click.IntRange(1, 64), default=4, show_default=True,
              help="Questions under way at a server.")  # fmt: skip
@click.option("--architecture", metavar="NAME", help="Of the served model, where the catalog does "
              "not know its name: a row of it, or a config.json.")  # fmt: skip
@click.option("--context", type=click.IntRange(1), metavar="N",
              help="Tokens that the served model reads.  [default: by its architecture]",
              )  # fmt: skip
@click.option("--tokenizer", metavar="FILE",
              help="Of the served model: its counts of tokens are checked by it.",
              )  # fmt: skip
@click.option("--forecast", "only_forecast", is_flag=True, help="Say what it will take, and stop.")
@click.option("--run", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the run; the same command goes on in it.")  # fmt: skip
@click.option("--show", type=click.Path(path_type=Path), metavar="RUN", help="Show a run again.")
@click.option("--diff", nargs=2, type=click.Path(path_type=Path), metavar="RUN RUN",
              help="What changed from one run to another.")  # fmt: skip
@options.into
@options.encoder
@options.as_json
def compare(
    path: str | None,
    questions: Path | None,
    show: Path | None,
    diff: tuple[Path, Path] | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Measure every way of answering QUESTIONS from the documents in PATH, and what each costs.

    QUESTIONS is JSON lines with text and answers, CSV or SQuAD; without it, --make N makes some.
    First comes the forecast; over the budget nothing starts. Then every way is asked the same
    questions, beaten ones stop early, and the report advises the cheapest that is not worse.
    """
    if diff is not None:
        _differ(*diff, as_json=as_json)
    elif show is not None:
        from isoflop.measure.comparison.report import read

        _shown(read(show), as_json=as_json)
    elif path is None:
        raise UsageError("Name the documents: isoflop compare PATH QUESTIONS, or --show RUN.")
    else:
        _run(path, questions, as_json=as_json, **chosen)


def _run(path: str, questions: Path | None, *, as_json: bool, **chosen: Any) -> None:
    from isoflop.measure.comparison import compare as carry_out

    make, learn = chosen.pop("make"), chosen.pop("learn")
    asked = _asked(questions, make)
    into, encoder = chosen.pop("into"), chosen.pop("encoder")
    only_forecast = chosen.pop("only_forecast")
    settings = {name: chosen.pop(name) for name in ("k", "rank", "epochs")}
    methods = chosen.pop("methods")
    index = Index.open(path, into=into, encoder=encoder)
    update = options.current(index, fixed=False, wait=600.0)
    bar = Bar()
    try:
        report = carry_out(
            index,
            asked,
            models=chosen.pop("models") or default_models(),
            methods=[name.strip() for name in methods.split(",")] if methods else (),
            options={name: value for name, value in settings.items() if value is not None},
            learned=_learned(learn),
            race=not chosen.pop("full"),
            indexing=update.bill if update is not None and update.embedded else None,
            from_report=not only_forecast,
            begin=_before(as_json=as_json, stop=only_forecast, budget=chosen["budget"]),
            progress=bar,
            tell=note,
            **chosen,
        )
    except _OnlyForecast:
        return
    finally:
        bar.close()
    _shown(report, as_json=as_json)
    note(f"report: {report.folder / 'report.html'}")
    if report.values["ended"]:
        raise BudgetReached(report.values["ended"])


class _OnlyForecast(Exception):
    """The forecast was shown, and no more was wanted."""


def _asked(questions: Path | None, make: int | None) -> Path | int:
    if (questions is None) == (make is None):
        raise UsageError("Name a file of questions, or make some from the documents: --make 100.")
    if questions is not None:
        return questions
    assert make is not None
    return make


def _learned(file: Path | None) -> Any:
    if file is None:
        return ()
    from isoflop.measure.comparison.questions import read

    found = read(file)
    return tuple(q for q in found.questions if q.id not in found.unscored)


def default_models() -> tuple[str, ...]:
    """Those that come with isoflop, as far as they run here."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        note("Without torch only extractive answers: pip install 'isoflop[train]' adds a model.")
        return ("extractive",)
    return ("extractive", "isoflop:reading")


def _before(
    *, as_json: bool, stop: bool, budget: str | None
) -> Callable[["Plan", Mapping[str, "Row"]], None]:
    """Shows the forecast before anything is spent, and asks where it may be much."""

    def begin(plan: "Plan", found: Mapping[str, "Row"]) -> None:
        """The forecast, on stderr where the result comes after it; then leave to go on."""
        if stop and as_json:
            print_json({"forecast": dict(found), "questions": len(plan.measured)})
        elif not as_json or not stop:
            (say if stop else note)(forecast_table(plan, found))
        if stop:
            raise _OnlyForecast
        _agree(plan, found, budget)

    return begin


def forecast_table(plan: "Plan", found: Mapping[str, "Row"]) -> str:
    """Every way with what it takes once, its index included, and for a question, low to high."""
    head = ("forecast", "once", "", "a question", "low", "high", "", f"{len(plan.measured)} in all")
    units = ("way", "FLOP", "time", "FLOP", "", "", "time", "FLOP")
    rows = [units, *(_forecast_row(plan, found[way.name], way.name) for way in plan.ways)]
    lines = [table(head, rows)]
    lines += [f"{name}: {'; '.join(f['notes'])}" for name, f in found.items() if f["notes"]]
    lines += [f"{each.name}: not possible, {each.reason}" for each in plan.left]
    return "\n".join(lines)


def _forecast_row(plan: "Plan", forecast: "Row", name: str) -> tuple[str, ...]:
    from isoflop.measure.comparison.running import expected

    before, once, each = forecast["before"], forecast["once"]["middle"], forecast["each"]
    flops, seconds = (_plus(before[name], once[name]) for name in ("flops", "seconds"))
    whole = expected(forecast, len(plan.measured))
    return (
        name,
        amount(flops, "") if flops != 0 else "",
        amount(seconds, "s") if seconds != 0 else "",
        amount(each["middle"]["flops"], ""),
        amount(each["low"]["flops"], ""),
        amount(each["high"]["flops"], ""),
        amount(each["middle"]["seconds"], "s"),
        amount(whole.flops, "") if whole.flops is not None else dollars(whole.dollars),
    )


def _agree(plan: "Plan", found: Mapping[str, "Row"], budget: str | None) -> None:
    """Nothing is spent unasked: a budget, a small amount, or a yes at the terminal."""
    from isoflop.lm.address import is_this_machine
    from isoflop.measure.comparison.running import expected

    paid = [way for way in plan.ways if way.at_once > 1 or way.model.startswith("openai:")]
    addresses = [
        getattr(getattr(way.does, "answerer", None), "model", None) for way in paid
    ]  # fmt: skip
    if budget is not None or all(
        is_this_machine(getattr(model, "base_url", "") or "") for model in addresses
    ):
        return
    costs = [expected(found[way.name], len(plan.measured), "high").dollars for way in paid]
    known = [cost for cost in costs if cost is not None]
    if len(known) == len(costs) and sum(known) <= UNASKED:
        return
    price = f"up to {dollars(sum(known))}" if len(known) == len(costs) else "an unknown amount"
    if not sys.stdin.isatty():
        raise UsageError(f"This may spend {price}. Say how much it may: --budget '$2'.")
    if not click.confirm(f"This may spend {price}. Go on?", err=True):
        raise click.Abort


def _shown(report: "Report", *, as_json: bool) -> None:
    if as_json:
        print_json(report.values)
        return
    say(result_table(report))
    for line in lines_below(report):
        say(line)


def result_table(report: "Report") -> str:
    """Accuracy, support and cost of every way, the most accurate first."""
    axis = report.values["axis"]
    head = ("way", "right", "interval", "abstained", "supported", "once", "a question", "time", "")
    ways = sorted(
        report.ways, key=lambda way: -(way["accuracy"] or {"value": -1.0})["value"]
    )  # fmt: skip
    return table(head, [_result_row(way, axis, report.values["best"]) for way in ways])


def _result_row(way: "Row", axis: str, best: str | None) -> tuple[str, ...]:
    found, measured = way["accuracy"], way["measured"]
    once = _plus(measured["before"][axis], measured["once"][axis])
    marks = [way["status"]] if way["status"] != "measured" else []
    marks += ["best"] if way["name"] == best else []
    marks += ["frontier"] if axis in way["frontier"] else []
    return (
        way["name"],
        f"{found['value']:.1%}" if found else DASH,
        f"{found['low']:.0%} to {found['high']:.0%}" if found else DASH,
        _share(way["abstained"]),
        _share(way["supported"]),
        _amount(once, axis) if once != 0 else "",
        _amount(measured["each"][axis], axis),
        amount(measured["each"]["seconds"], "s"),
        ", ".join(marks),
    )


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.0%}"


def _amount(value: float | None, axis: str) -> str:
    return dollars(value) if axis == "dollars" else amount(value, AXES[axis])


def lines_below(report: "Report") -> list[str]:
    """The advice, what racing saved, what was made, what was not tested."""
    values = report.values
    lines = [""]
    if values["recommendation"]:
        lines.append(f"Recommended: {values['recommendation']['sentence']}")
    elif values["best"]:
        lines.append("Nothing is recommended: no way does better than never to answer.")
    count = values["questions"]["scored"]
    if values["recommendation"] and count < 200:
        noun = "question" if count == 1 else "questions"
        lines.append(f"({count} {noun} cannot show a small difference.)")
    if values["race"]["on"] and values["race"]["saved"] > 0:
        race = values["race"]
        lines.append(f"Racing saved {race['saved']:.0%} of the calls.")
        lines.append(textwrap.fill(f"({race['guarantee']}.)", width=100))
    lines += values["questions"].get("notes", [])
    lines += [
        f"Made questions ({leak['form']}, {leak['questions']}): {leak['overlap']:.0%} of their "
        "words stand in the sentence they ask for; of people's questions 65 %."
        for leak in values["questions"]["leak"]
    ]
    lines += [
        f"{pair['one']} and {pair['other']} agree: F1 {pair['f1']:.0%}"
        for pair in values["agreement"]
    ]
    lines += [f"Not tested: {each['name']}: {each['reason']}" for each in values["untested"]]
    return lines


def _differ(first: Path, second: Path, *, as_json: bool) -> None:
    from isoflop.measure.comparison import differ
    from isoflop.measure.comparison.report import read

    found = differ.changes(read(first), read(second))
    if as_json:
        print_json(found)
        return
    say(table(*differ.table(found)))
    for line in differ.lines(found):
        say(line)
