"""Compare ways of augmenting a model at equal questions, and what each costs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoflop.bill import Bill
    from isoflop.measure.comparison.report import Report
    from isoflop.questions import Question
    from isoflop.search.index import Index

MODELS = ("extractive", "isoflop:reading")


def compare(
    index: "Index",
    questions: "Sequence[Question] | str | Path | int",
    *,
    models: Sequence[str] = MODELS,
    methods: Sequence[str] = (),
    budget: str | None = None,
    folder: str | Path | None = None,
    metric: str = "contains",
    wrong: float = 0.0,
    axis: str | None = None,
    horizon: float = 1000,
    most: int | None = None,
    tuning: int | None = None,
    learned: "Sequence[Question]" = (),
    options: Mapping[str, Any] | None = None,
    race: bool = True,
    seed: int = 0,
    base_url: str | None = None,
    at_once: int = 4,
    architecture: str | None = None,
    context: int | None = None,
    tokenizer: str | None = None,
    indexing: "Bill | None" = None,
    from_report: bool = True,
    begin: Callable[[Any, Mapping[str, Any]], None] = lambda plan, forecasts: None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    tell: Callable[[str], None] = lambda text: None,
) -> "Report":
    """Forecast, run and measure every method with every model on the same questions.

    Args:
        index: Of the documents, up to date.
        questions: With accepted answers; or a file of them (JSON lines, CSV, SQuAD); or how many
            to make from the documents.
        models: Names such as "extractive", "isoflop:PATH", "hf:PATH-or-repo", "openai:NAME".
        methods: Some of `isoflop.augment.method.METHODS`; all when empty.
        budget: Such as "$2", "1e15 FLOP", "10 minutes" or "50 kJ"; none by default.
        folder: Of the run, continued if it holds this one; a new one in the cache by default.
        metric: "contains", "exact", "f1" or "cited".
        wrong: What a wrong answer loses, where a right one gains 1 and none 0.
        axis: Figure by which ways cost more or less; the budget's, else FLOPs, or dollars where a
            served model's FLOPs are not known.
        horizon: Questions over which what is paid once is spread.
        most: Questions to measure on at most.
        tuning: Questions to choose settings by; a fifth by default.
        learned: Questions with answers that fine-tuning learns; else made from the documents.
        options: Of methods: k, by, width, rank, epochs.
        race: Whether beaten ways stop early.
        seed: Of the order of questions.
        base_url: Of an OpenAI-compatible server.
        at_once: Questions under way at a server.
        architecture: Of the model on a server, where the catalog does not know its name: one of
            the catalog's architectures or the path of a config.json. By it FLOPs are counted.
        context: Tokens of prompt and answer that the server allows; those of the architecture by
            default.
        tokenizer: The served model's tokenizer.json, by which the server's counts are checked.
        indexing: What making the index took.
        from_report: Whether a comparison that went through before is answered by its report at
            once; else `begin` is told its forecast before that is read from the run.
        begin: Told the plan and the forecasts before anything is spent.
        progress: Told the stage, what is done and what there is to do.
        tell: Told in a line what happens on the way.

    Returns:
        The report, which also lies in the folder. When the budget ended the run, `ended` says so.

    Raises:
        BudgetReached: If the forecast is over the budget: nothing was started.
        UsageError: If a name is unknown, an option makes no sense, or the folder holds another run.
    """
    from isoflop.measure.comparison.comparing import Wish, carried_out

    wish = Wish(
        models=tuple(models), methods=tuple(methods), budget=budget, metric=metric, wrong=wrong,
        axis=axis, horizon=horizon, most=most, tuning=tuning, options=dict(options or {}),
        race=race, seed=seed, base_url=base_url, at_once=at_once,
        architecture=architecture, context=context, tokenizer=tokenizer,
    )  # fmt: skip
    return carried_out(
        index, questions, wish, None if folder is None else Path(folder), learned=learned,
        indexing=indexing, from_report=from_report, begin=begin, progress=progress, tell=tell,
    )  # fmt: skip
