"""From texts and a budget to a model: read, plan for this machine, train, and report."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.errors import DamagedCheckpoint, IsoflopError, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.tokenizer import CHAT, END, Tokenizer, train_tokenizer
from isoflop.lm.transformer import Configuration, Position
from isoflop.train import design
from isoflop.train.corpus import HELD_OUT, Corpus, read_corpus
from isoflop.train.distributed import Processes, SharedTraining, started
from isoflop.train.ledger import Ledger, told_of_the_disk
from isoflop.train.loss import HeldOut
from isoflop.train.memory import refuse_memory, told_of_memory, too_large
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Progress, Training
from isoflop.train.recipe import Recipe
from isoflop.train.report import PLAN, REPORT, SUMMARY, figures, finished, forecast_bill, write
from isoflop.train.shards import Shards, pack
from isoflop.train.trial import Dtype, Way, best_way

PASS_TOKENS = 4096  # of one forward pass: enough to fill matrix products, little memory


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks for; None where the plan chooses.

    Attributes:
        seconds: Budget of time, for the training loop.
        flops: Budget of FLOPs.
        dollars: Budget of money, at the price of this machine.
        tokens: To read, repetitions counted.
        parameters: Of the model.
        position: The position scheme.
        vocabulary: Tokens of the tokenizer.
        context: Tokens of a training sequence.
        batch: Sequences of one update.
        dtype: Of the computation.
        threads: Of the processor.
        seed: Of weights, order and dropout.
        held_out: Share of the documents to measure on.
        dropout: In training.
        align: "document" for records, so that each is read from its beginning.
        chat: Whether the tokenizer has a chat template.
        shape: Layers, width, heads and hidden width, as given; empty for the plan's.
        rates: Of learning.
    """

    seconds: float | None = None
    flops: float | None = None
    dollars: float | None = None
    tokens: float | None = None
    parameters: float | None = None
    position: Position = "rope"
    vocabulary: int | None = None
    context: int | None = None
    batch: int | None = None
    dtype: Dtype | None = None
    threads: int | None = None
    seed: int = 0
    held_out: float = HELD_OUT
    dropout: float = 0.0
    align: Literal["stream", "document"] = "stream"
    chat: bool = False
    shape: tuple[int, ...] = ()
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        budgets = [self.seconds, self.flops, self.dollars, self.tokens]
        if sum(value is not None for value in budgets) != 1:
            raise UsageError(
                "Give one budget: --minutes, --flops, --dollars or --tokens "
                "(with --params, if the size is given too)."
            )
        if any(value is not None and not 0 < value < math.inf for value in budgets):
            raise UsageError("A budget is a positive, finite amount.")
        if self.shape and len(self.shape) not in (3, 4):
            raise UsageError("--shape is LAYERS,WIDTH,HEADS or LAYERS,WIDTH,HEADS,HIDDEN.")


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be done, and what it will take.

    Attributes:
        recipe: Of the training.
        threads: It computes with.
        way: The trial it stands on.
        forecast: FLOPs, seconds, energy, money and carbon.
        corpus: Counts of documents, duplicates and bytes.
    """

    recipe: Recipe
    threads: int
    way: Way
    forecast: Bill
    corpus: dict[str, Any]


def train(
    paths: Sequence[Path],
    folder: Path,
    wish: Wish,
    *,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a model from scratch; the same call goes on where an earlier one was stopped.

    Args:
        paths: Texts, or anything else that can be read.
        folder: Of the run: data, checkpoints, ledger, and the model at the end.
        wish: Budget and options.
        progress: Called with a stage, what is done of it, and its total.
        tell: Called with a line on what was decided.

    Returns:
        The report, as report.json holds it.

    Raises:
        UsageError: If the budget or an option makes no sense, or the folder holds another run.
        IsoflopError: If nothing can be read, or memory will not do.
        TrainingFailed: If the loss is not a number.
        KeyboardInterrupt: After saving.
    """
    if done := finished(folder, _plain(wish, paths)):
        tell(f"{folder} is trained already; this is its report.")
        return done
    processes = started()
    if processes is None or processes.rank == 0:
        planned = _planned(paths, folder, wish, tell, processes)
    if processes is not None:
        processes.wait()
        if processes.rank:
            planned = _earlier(folder, wish, paths)
    torch.set_num_threads(planned.threads)
    tokenizer = Tokenizer.load(folder / "tokenizer")
    shards = Shards.load(folder / "data" / "train")
    data = (shards, Shards.load(folder / "data" / "held-out", verify=False), tokenizer, folder)
    training = (
        Training(planned.recipe, *data)
        if processes is None
        else SharedTraining(processes, planned.recipe, *data)
    )
    first = processes is None or processes.rank == 0
    if training.step and first:
        tell(f"Going on at step {training.step:,} of {planned.recipe.steps:,}.")
    with told_of_memory(lambda: too_large(planned.recipe)):
        training.run(progress)
    quality = training.evaluate()
    weights = training.optimizer.weights()
    if first:
        with told_of_the_disk(folder / "model", training.kept()):
            checkpoint.save(training.model, tokenizer, folder / "model", weights=weights)
    report = _report(planned, training, quality, _plain(wish, paths))
    training.ledger.add("report", step=training.step, **{k: report[k] for k in SUMMARY})
    if first:
        write(folder / REPORT, report)
    return report


def _planned(
    paths: Sequence[Path],
    folder: Path,
    wish: Wish,
    tell: Callable[[str], None],
    processes: Processes | None,
) -> Planned:
    """The plan of an earlier call, or a new one, written down."""
    if (folder / PLAN).is_file():
        return _earlier(folder, wish, paths)
    if wish.dollars is not None:
        _seconds(wish)  # refused before anything is read
    folder.mkdir(parents=True, exist_ok=True)
    tell("Reading the documents ...")
    corpus = read_corpus(paths, held_out=wish.held_out)
    count, held = corpus.documents
    tell(
        f"{count:,} documents to learn from, {held:,} held out, {corpus.text_bytes:,} bytes; "
        f"{corpus.exact_duplicates:,} exact and {corpus.near_duplicates:,} near duplicates left "
        f"out, {len(corpus.refusals):,} could not be read."
    )
    vocabulary = wish.vocabulary or _first_vocabulary(wish, corpus)
    tell(f"Training a tokenizer of {vocabulary:,} tokens ...")
    special = (END, *CHAT) if wish.chat or corpus.special else (END,)
    tokenizer = train_tokenizer(
        (document.text for document in corpus.training()), vocabulary, special=special
    )
    (folder / "tokenizer").mkdir(exist_ok=True)
    tokenizer.save(folder / "tokenizer")
    held_out = pack(corpus.held_out(), tokenizer, folder / "data" / "held-out")
    shards = pack(corpus.training(), tokenizer, folder / "data" / "train")
    planned = _decided(wish, shards, tokenizer, corpus, processes.world if processes else 1)
    c, r = planned.recipe.configuration, planned.recipe
    tell(
        f"{shards.tokens:,} tokens of {shards.bytes_per_token:.2f} bytes, {held_out.tokens:,} held "
        f"out. Model: {design.parameters_of(c):,} parameters, {c.layers} layers of width "
        f"{c.width}, position scheme {c.position}; {r.steps:,} steps of {r.batch} x {c.context} "
        f"tokens ({r.tokens / shards.tokens:.2g} epochs) in {r.dtype} on {planned.threads} threads."
    )
    values = {
        "wish": _plain(wish, paths),
        "recipe": asdict(r),
        "way": asdict(planned.way),
        "threads": planned.threads,
        "forecast": planned.forecast.as_dict(),
        "corpus": planned.corpus,
    }
    Ledger(folder).add("plan", **values)
    write(folder / PLAN, values)
    return planned


def _earlier(folder: Path, wish: Wish, paths: Sequence[Path]) -> Planned:
    try:
        values = json.loads((folder / PLAN).read_text())
        recipe, way = Recipe.read(values["recipe"]), Way(**values["way"])
        amounts = {name: values["forecast"][name] for name in ("flops", "seconds")}
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder / PLAN}: not a plan ({error}).") from error
    if values["wish"] != _plain(wish, paths):
        raise UsageError(
            f"{folder} holds a run with other options or data: {_difference(values['wish'], wish)} "
            "Name another folder (--out), or give the same options to go on."
        )
    forecast = forecast_bill(**amounts, tokens=recipe.tokens)
    return Planned(recipe, values["threads"], way, forecast, values["corpus"])


def _difference(before: dict[str, Any], wish: Wish) -> str:
    now = _plain(wish, [])
    changed = [key for key in now if key != "paths" and now[key] != before.get(key)]
    return f"{', '.join(changed) or 'the data'} changed."


def _first_vocabulary(wish: Wish, corpus: Corpus) -> int:
    """The vocabulary, before the tokenizer exists; from the size if given, else from a trial."""
    if wish.parameters is not None:
        return design.usual_vocabulary(wish.parameters)
    if wish.flops is None and wish.seconds is None and wish.dollars is None:
        return design.usual_vocabulary((wish.tokens or 0) / 20)  # Chinchilla's tokens a parameter
    flops = wish.flops or 0.0
    if wish.flops is None:
        probe = design.configuration(1e6, position=wish.position, vocabulary=1024, context=256)
        way = best_way(
            probe, PASS_TOKENS // 256, dtype=wish.dtype, threads=wish.threads, seconds=0.5
        )
        flops = way.flops_per_second * _seconds(wish)
    guess = design.size(flops, unique_tokens=corpus.text_bytes / 3)
    return design.usual_vocabulary(guess.parameters)


def _seconds(wish: Wish) -> float:
    if wish.seconds is not None:
        return wish.seconds
    rate = catalog.this_machine().dollars_per_second
    if not rate:
        raise UsageError(
            "A budget in dollars needs a price of this machine: set dollars_per_hour "
            "(ISOFLOP_DOLLARS_PER_HOUR, or isoflop.toml)."
        )
    return (wish.dollars or 0.0) / rate


def _decided(
    wish: Wish, shards: Shards, tokenizer: Tokenizer, corpus: Corpus, processes: int
) -> Planned:
    """Size, batch and way of computing for this data on this machine, or on so many like it."""
    counted = _counted_share(shards)
    parameters = wish.parameters
    for _ in range(4):  # the rate depends on the size, the size on the rate
        guess = parameters or 1e6
        c = _configuration(wish, tokenizer, guess)
        _refuse_short(shards, c.context)
        micro = max(1, min(PASS_TOKENS // c.context, wish.batch or PASS_TOKENS))
        flops_guess = wish.flops or 6 * guess * (wish.tokens or 20 * guess)
        batch = wish.batch or design.usual_batch(flops_guess, c.context)
        micro = math.gcd(micro, batch)
        draft = Recipe(c, 1, batch, micro, dtype=wish.dtype or "bfloat16")
        refuse_memory(draft)
        with told_of_memory(partial(too_large, draft)):
            way = best_way(
                c, micro, passes=max(1, batch // micro), dtype=wish.dtype, threads=wish.threads,
                counted=counted,
            )  # fmt: skip
        if wish.parameters is not None or wish.shape or wish.tokens is not None:
            break
        flops = wish.flops or processes * way.flops_per_second * _seconds(wish)
        found = design.size(
            flops,
            unique_tokens=shards.tokens,
            vocabulary=tokenizer.vocabulary,
            context=wish.context,
        ).parameters
        if parameters is not None and abs(math.log(found / parameters)) < 0.2:
            break
        parameters = found
    recipe = Recipe(c, 1, batch, micro, wish.seed, way.dtype, wish.align, wish.rates)
    if wish.tokens is not None:
        steps = wish.tokens / recipe.tokens
    elif wish.flops is not None:
        steps = wish.flops / recipe.flops
    else:
        steps = _seconds(wish) * processes * way.tokens_per_second / recipe.tokens
    recipe = replace(recipe, steps=max(1, round(steps)))
    refuse_memory(recipe)
    seconds = recipe.tokens / (processes * way.tokens_per_second)
    forecast = forecast_bill(recipe.flops, seconds, recipe.tokens)
    found_documents = {
        "documents": corpus.documents[0],
        "held_out_documents": corpus.documents[1],
        "text_bytes": corpus.text_bytes,
        "exact_duplicates": corpus.exact_duplicates,
        "near_duplicates": corpus.near_duplicates,
        "refused": [[refusal.id, refusal.reason] for refusal in corpus.refusals[:100]],
        "tokens": shards.tokens,
        "bytes_per_token": shards.bytes_per_token,
    }
    return Planned(recipe, way.threads, way, forecast, found_documents)


def _configuration(wish: Wish, tokenizer: Tokenizer, parameters: float) -> Configuration:
    context = wish.context or design.usual_context(parameters)
    if not wish.shape:
        return design.configuration(
            parameters,
            position=wish.position,
            vocabulary=tokenizer.vocabulary,
            context=context,
            dropout=wish.dropout,
        )
    layers, width, heads, *rest = wish.shape
    usual = 4 * width if wish.position != "rope" else round(8 / 3 * width / 16) * 16
    return Configuration(
        vocabulary=tokenizer.vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        hidden=rest[0] if rest else usual,
        context=context,
        position=wish.position,
        query_key_norm=wish.position == "rope",
        dropout=wish.dropout,
    )


def _counted_share(shards: Shards) -> float:
    if not shards.masked:
        return 1.0
    some = min(shards.tokens, 1 << 20)
    return float(shards.counts(0, some).mean())


def _refuse_short(shards: Shards, context: int) -> None:
    if shards.tokens <= context:
        raise IsoflopError(
            f"The text is {shards.tokens:,} tokens, shorter than one context of {context:,}. "
            "Give more text, or a shorter --context."
        )


def _report(
    planned: Planned, training: Training, quality: HeldOut, wish: dict[str, Any]
) -> dict[str, Any]:
    recipe, peak = planned.recipe, planned.way.matmul_flops_per_second
    return {
        "model": "model",
        "parameters": design.parameters_of(recipe.configuration),
        "configuration": asdict(recipe.configuration),
        "position": recipe.configuration.position,
        **figures(training, quality, planned.forecast, peak=peak, threads=planned.threads),
        "corpus": planned.corpus,
        "wish": wish,
    }


def _plain(wish: Wish, paths: Sequence[Path]) -> dict[str, Any]:
    """The wish as JSON gives it back, with the data it is about."""
    values = {**asdict(wish), "paths": [str(path) for path in paths]}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
