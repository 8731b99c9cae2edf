"""From a model and texts, or questions and answers, to a model or an adapter that learned them."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from isoflop.bill import Bill
from isoflop.errors import DamagedCheckpoint, UsageError
from isoflop.lm import checkpoint
from isoflop.lm.adapters import merge
from isoflop.train.batches import IGNORED, Batches
from isoflop.train.corpus import HELD_OUT, Corpus, read_corpus
from isoflop.train.ledger import Ledger, told_of_the_disk
from isoflop.train.loss import HeldOut, evaluate
from isoflop.train.memory import told_of_memory
from isoflop.train.optimize import Rates
from isoflop.train.pretrain import Progress, Training
from isoflop.train.recipe import Tuning
from isoflop.train.report import PLAN, REPORT, SUMMARY, figures, finished, forecast_bill, write
from isoflop.train.shards import Shards, pack
from isoflop.train.subject import Subject
from isoflop.train.trial import Dtype, Way, computing_with, matmul_peak, pass_seconds

EPOCHS = 3.0
PASS_TOKENS = 4096  # of one forward pass
# Updates in an epoch, where there are rows for so many: a few hundred examples still make steps.
UPDATES_AN_EPOCH = 16
# Rates at a width of 4,096, less for wider models: 2e-4 for factors as in Dettmers et al. 2023,
# arXiv:2305.14314, appendix B, and a tenth of it for all weights, as Schulman et al. 2025, LoRA
# Without Regret, found. Of our own models, a fifth of the rates they were trained with (assumed).
LORA_RATE, FULL_RATE, WIDTH = 2e-4, 2e-5, 4096
OWN_SHARE = 0.2
ALPHA = 32.0  # with alpha / rank the best rate hardly depends on the rank (the same report)


@dataclass(frozen=True, slots=True)
class TuneWish:
    """What the user asks for; None where there is a usual choice.

    Attributes:
        rank: Of low-rank factors; None to change all weights.
        alpha: They are scaled by alpha / rank.
        epochs: Budget: times each document is read; 3 where no budget is given.
        seconds: Budget of time, for the training loop.
        flops: Budget of FLOPs.
        tokens: Budget: to read, repetitions counted.
        context: Tokens of a row; by default the base's, or less where there is less text.
        batch: Rows of one update.
        dtype: Of the computation.
        threads: Of the processor.
        seed: Of factors, order and dropout.
        held_out: Share of the documents to measure on; 0 to measure on those that are learned.
        times: The usual learning rates times this.
        merge: Whether to write the base with the factors merged into it, too.
    """

    rank: int | None = None
    alpha: float = ALPHA
    epochs: float | None = None
    seconds: float | None = None
    flops: float | None = None
    tokens: float | None = None
    context: int | None = None
    batch: int | None = None
    dtype: Dtype = "float32"
    threads: int | None = None
    seed: int = 0
    held_out: float = HELD_OUT
    times: float = 1.0
    merge: bool = False

    def __post_init__(self) -> None:
        budgets = [self.epochs, self.seconds, self.flops, self.tokens]
        if sum(value is not None for value in budgets) > 1:
            raise UsageError("Give one budget: --epochs, --minutes, --flops or --tokens.")
        amounts = [*budgets, self.alpha, self.times]
        if any(value is not None and not 0 < value < math.inf for value in amounts):
            raise UsageError("A budget, --alpha and --rate are positive, finite numbers.")
        if self.rank is not None and self.rank < 1:
            raise UsageError(f"--lora {self.rank}: a rank is at least 1.")
        if self.merge and self.rank is None:
            raise UsageError("--merge is for adapters (--lora RANK); all weights are one model.")


@dataclass(frozen=True, slots=True)
class Decided:
    """What will be done, and what it will take.

    Attributes:
        tuning: The recipe.
        way: The trial it stands on.
        forecast: FLOPs, seconds, energy, money and carbon.
        before: What the base makes of the held-out documents.
        corpus: Counts of documents, duplicates and bytes.
    """

    tuning: Tuning
    way: Way
    forecast: Bill
    before: HeldOut
    corpus: dict[str, Any]


def finetune(
    base: str,
    paths: Sequence[Path],
    folder: Path,
    wish: TuneWish,
    *,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Teach a model; the same call goes on where an earlier one was stopped.

    Args:
        base: `isoflop:PATH` or `hf:PATH-or-repo`.
        paths: Texts, or records with prompts and answers, of which only the answers are learned.
        folder: Of the run: data, checkpoints, ledger, and `adapter` or `model` at the end.
        wish: Budget and options.
        progress: Called with a stage, what is done of it, and its total.
        tell: Called with a line on what was decided.

    Returns:
        The report, as report.json holds it.

    Raises:
        UsageError: If an option makes no sense, or the folder holds another run.
        IsoflopError: If the base or the data cannot be read, or memory will not do.
        TrainingFailed: If the loss is not a number.
        KeyboardInterrupt: After saving.
    """
    asked = _plain(base, wish, paths)
    if done := finished(folder, asked):
        tell(f"{folder} is done already; this is its report.")
        return done
    tell(f"Loading {base} ...")
    subject = Subject.open(base, wish.dtype)
    found = _earlier(folder, asked) if (folder / PLAN).is_file() else None
    decided = found or _decided(subject, paths, folder, wish, asked, tell)
    tuning = decided.tuning
    torch.set_num_threads(decided.way.threads)
    learner = subject.learner(tuning)
    shards, held_out = _shards(folder)
    training = Training(tuning, shards, held_out, None, folder, learner=learner)
    if training.step:
        tell(f"Going on at step {training.step:,} of {tuning.steps:,}.")
    with told_of_memory(lambda: subject.too_large(tuning)):
        training.run(progress)
    quality = training.evaluate()
    with told_of_the_disk(folder, training.kept()):
        made = _keep(subject, training, folder, wish)
    report = {"model": made, "base": base, **_report(subject, training, decided, quality, wish)}
    report["wish"] = asked
    training.ledger.add("report", step=training.step, **{k: report[k] for k in SUMMARY})
    write(folder / REPORT, report)
    return report


def _report(
    subject: Subject, training: Training, decided: Decided, quality: HeldOut, wish: TuneWish
) -> dict[str, Any]:
    """What it was worth and took."""
    return {
        "method": "lora" if wish.rank else "full",
        "rank": wish.rank,
        "parameters": subject.parameters,
        "trained_parameters": sum(p.numel() for p in training.learner.trained.parameters()),
        "before": {**asdict(decided.before), "perplexity": decided.before.perplexity},
        "measured_on": "held out" if wish.held_out else "training",
        **figures(
            training, quality, decided.forecast,
            peak=decided.way.matmul_flops_per_second, threads=decided.way.threads,
        ),
        "corpus": decided.corpus,
    }  # fmt: skip


def _keep(subject: Subject, training: Training, folder: Path, wish: TuneWish) -> str:
    """Write what was learned; the name of its folder."""
    masters = training.optimizer.weights()
    if wish.rank is None:
        subject.save(folder / "model", masters)
        return "model"
    factors = subject.factors
    assert factors is not None
    adapter = factors.adapter(subject.home, masters)
    fresh = folder / "adapter.part"
    adapter.write(fresh)
    checkpoint.replace_folder(fresh, folder / "adapter")
    if wish.merge:
        factors.detach()
        merge(subject.model.model, adapter)
        subject.save(folder / "model")
    return "adapter"


def _shards(folder: Path) -> tuple[Shards, Shards]:
    """What to learn, and what to measure on: the same where nothing was held out."""
    shards = Shards.load(folder / "data" / "train")
    held_out = folder / "data" / "held-out"
    return shards, Shards.load(held_out, verify=False) if held_out.exists() else shards


def _earlier(folder: Path, asked: dict[str, Any]) -> Decided:
    """The plan of an earlier call."""
    try:
        values = json.loads((folder / PLAN).read_text())
        tuning = Tuning.read(values["recipe"])
        forecast = values["forecast"]
        bill = forecast_bill(forecast["flops"], forecast["seconds"], tuning.tokens)
        decided = Decided(
            tuning, Way(**values["way"]), bill, HeldOut(**values["before"]), values["corpus"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder / PLAN}: not a plan ({error}).") from error
    if values["wish"] != asked:
        changed = [key for key in asked if asked[key] != values["wish"].get(key)]
        raise UsageError(
            f"{folder} holds a run with other options: {', '.join(changed)} changed. Name another "
            "folder (--out), or give the same options to go on."
        )
    return decided


def _decided(
    subject: Subject,
    paths: Sequence[Path],
    folder: Path,
    wish: TuneWish,
    asked: dict[str, Any],
    tell: Callable[[str], None],
) -> Decided:
    """Read, measure the base, try the machine, and write down what will be done."""
    tell("Reading the documents ...")
    corpus = read_corpus(paths, held_out=wish.held_out)
    folder.mkdir(parents=True, exist_ok=True)
    shards = pack(map(subject.begun, corpus.training()), subject.encoder, folder / "data" / "train")
    held_out = shards
    if corpus.documents[1]:
        held = folder / "data" / "held-out"
        held_out = pack(map(subject.begun, corpus.held_out()), subject.encoder, held)
    drafted = _drafted(subject, shards, wish)
    subject.refuse_memory(drafted)
    learner = subject.learner(drafted)
    batches = _batches(drafted, shards)
    with told_of_memory(lambda: subject.too_large(drafted)):
        before = evaluate(
            learner.network, held_out, learner.measure,
            batch=drafted.micro_batch, context=drafted.context,
        )  # fmt: skip
        way = _tried(learner, drafted, batches, wish)
    counted = _counted(batches)
    each = learner.flops(drafted.batch * drafted.context, counted)
    tuning = replace(drafted, steps=_steps(drafted, batches, wish, way, each))
    flops = None if each is None else tuning.steps * each
    forecast = forecast_bill(flops, tuning.tokens / way.tokens_per_second, tuning.tokens)
    decided = Decided(tuning, way, forecast, before, _described(corpus, shards))
    trained = sum(p.numel() for p in learner.trained.parameters())
    tell(
        f"{corpus.documents[0]:,} documents to learn from, {corpus.documents[1]:,} held out, "
        f"{shards.tokens:,} tokens; {trained:,} of {subject.parameters:,} parameters learn "
        f"({'rank ' + str(wish.rank) if wish.rank else 'all'}); {tuning.steps:,} steps of "
        f"{tuning.batch} x {tuning.context} tokens in {tuning.dtype} on {way.threads} threads."
    )
    values = {
        "wish": asked,
        "recipe": asdict(tuning),
        "way": asdict(way),
        "forecast": forecast.as_dict(),
        "before": asdict(before),
        "corpus": decided.corpus,
    }
    Ledger(folder).add("plan", **values)
    write(folder / PLAN, values)
    return decided


def _drafted(subject: Subject, shards: Shards, wish: TuneWish) -> Tuning:
    """The recipe but for the number of its steps."""
    holds = subject.holds
    if wish.context is not None and subject.bounded and wish.context > holds:
        raise UsageError(
            f"--context {wish.context:,}: {subject.name} holds {holds:,} tokens. Take fewer."
        )
    context = wish.context or min(subject.context, max(1, shards.tokens - 1))
    tuning = Tuning(
        subject.name, context, 1, 1, 1, wish.rank, wish.alpha, wish.seed, wish.dtype,
        "document" if shards.masked else "stream",
        _rates(subject, wish),
    )  # fmt: skip
    rows = _batches(tuning, shards).rows_of(0)
    most = max(1, PASS_TOKENS // context)
    batch = wish.batch or max(1, min(most, rows // UPDATES_AN_EPOCH))
    return replace(tuning, batch=batch, micro_batch=math.gcd(batch, most))


def _rates(subject: Subject, wish: TuneWish) -> Rates:
    """Learning rates that rise for a twentieth of the steps and then fall to nothing."""
    narrower = math.sqrt(WIDTH / subject.width) if subject.width else 1.0
    if wish.rank is None and subject.own:
        usual = Rates()
        matrices, tables = OWN_SHARE * usual.matrices, OWN_SHARE * usual.tables
    else:
        matrices = tables = (LORA_RATE if wish.rank else FULL_RATE) * narrower
    return Rates(
        matrices * wish.times, tables * wish.times, tables * wish.times,
        weight_decay=0.0, warmup=0.05, decay=1.0,
    )  # fmt: skip


def _batches(tuning: Tuning, shards: Shards) -> Batches:
    return Batches(
        shards, batch=tuning.batch, context=tuning.context, seed=tuning.seed, align=tuning.align
    )


def _counted(batches: Batches, most: int = 64) -> int:
    """Tokens of an update that count, the mean of the first few."""
    some = [int((batches[step][1] != IGNORED).sum()) for step in range(most)]
    return max(1, round(sum(some) / len(some)))


def _tried(learner: Any, tuning: Tuning, batches: Batches, wish: TuneWish) -> Way:
    """The faster number of threads for a pass and an update, on the first rows; nothing changes."""
    inputs, targets = (each[: tuning.micro_batch] for each in batches[0])
    passes = tuning.batch // tuning.micro_batch
    numbers = (wish.threads,) if wish.threads else tuple(sorted({1, torch.get_num_threads()}))
    learner.network.train()
    ways = []
    for number in numbers:
        with computing_with(number), torch.random.fork_rng():
            taken = pass_seconds(
                learner.network, learner.trained, tuning.rates, inputs, targets, passes,
                1 / len(numbers),
            )  # fmt: skip
        rate = inputs.numel() / taken
        each = learner.flops(inputs.numel(), int((targets != IGNORED).sum())) or math.nan
        peak = matmul_peak(tuning.dtype, number)
        ways.append(Way(tuning.dtype, number, rate, rate * each / inputs.numel(), peak))
    return max(ways, key=lambda way: way.tokens_per_second)


def _steps(tuning: Tuning, batches: Batches, wish: TuneWish, way: Way, each: float | None) -> int:
    """Updates that the budget pays."""
    if wish.flops is not None:
        if each is None:
            raise UsageError(
                f"The FLOPs of {tuning.base} are not known. Give --epochs, --minutes or --tokens."
            )
        steps = wish.flops / each
    elif wish.seconds is not None:
        steps = wish.seconds * way.tokens_per_second / (tuning.batch * tuning.context)
    elif wish.tokens is not None:
        steps = wish.tokens / (tuning.batch * tuning.context)
    else:
        steps = (wish.epochs or EPOCHS) * batches.rows_of(0) / tuning.batch
    return max(1, round(steps))


def _described(corpus: Corpus, shards: Shards) -> dict[str, Any]:
    return {
        "documents": corpus.documents[0],
        "held_out_documents": corpus.documents[1],
        "text_bytes": corpus.text_bytes,
        "exact_duplicates": corpus.exact_duplicates,
        "near_duplicates": corpus.near_duplicates,
        "refused": [[refusal.id, refusal.reason] for refusal in corpus.refusals[:100]],
        "tokens": shards.tokens,
        "bytes_per_token": shards.bytes_per_token,
        "answers_only": shards.masked,
    }


def _plain(base: str, wish: TuneWish, paths: Sequence[Path]) -> dict[str, Any]:
    """The wish as JSON gives it back, with the base and the data it is about."""
    values = {"base": base, **asdict(wish), "paths": [str(path) for path in paths]}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
