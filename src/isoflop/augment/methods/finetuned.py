"""Fine-tuning: documents and questions about them are learned once; then nothing is read.

`lora` changes low-rank factors, `fine-tuning` all weights, and both answer closed book from then
on. `retrieval-fine-tuning` learns to answer from passages that were found, and goes on finding
them. How many steps are made is decided by counting tokens, before anything runs.

Source:
    Hu et al. 2021, LoRA, arXiv:2106.09685; Ovadia et al. 2023, Fine-Tuning or Retrieval?,
    arXiv:2312.05934; Zhang et al. 2024, RAFT, arXiv:2403.10131.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from isoflop import catalog, run
from isoflop.augment.answerer import Answerer, Speed
from isoflop.augment.method import CannotUse, Forecast, Material, Pay, Range, Row
from isoflop.augment.methods.closed_book import ClosedBook
from isoflop.augment.methods.forecasting import SAMPLE, UNKNOWN, widened, written_to
from isoflop.augment.methods.learning import (
    Exercise,
    Progress,
    Steps,
    Watch,
    factors,
    of_time,
    planned,
    training_flops,
)
from isoflop.augment.methods.retrieval import Retrieval
from isoflop.bill import Bill, total
from isoflop.documents import Passage
from isoflop.errors import DamagedRun, UnusableExam
from isoflop.meter import measured
from isoflop.plan.price import run_bill
from isoflop.questions import Answer, Question

if TYPE_CHECKING:
    from isoflop.train.finetune import TuneWish

RANK = 8
# All weights of a model of our own, on a world of 122 facts: of 27 questions 11 were right after
# 400 steps at the usual rates, 24 at five times and 22 after 190 steps at four times those.
BY_HEART = 4.0
MOST_LEARNED = 10_000  # questions
MOST_SEEN = 20  # that a tuned model is asked to see how much it writes
USUAL_CONTEXT = 1024  # tokens of a row, for models that hold more
# So many times the forecast is set aside of time; more is asked for when it has passed.
SET_ASIDE = 2.0


class FineTuning:
    """All weights learn; afterwards the model answers closed book."""

    low_rank = False

    def __init__(self, answerer: Answerer, material: Material) -> None:
        _refuse(answerer, material)
        self.answerer, self.material = answerer, material
        self.rank: int | None = None
        if self.low_rank:
            self.rank = int(material.options.get("rank") or RANK)
            _, most = factors(answerer.model, self.rank)
            if not 1 <= self.rank <= most:
                raise CannotUse(
                    f"rank={self.rank}: factors of this model have ranks of 1 to {most}"
                )
        self._after: ClosedBook | Retrieval | None = None
        self.written: float | None = None  # tokens of an answer, once some were seen

    def answering(self, answerer: Answerer) -> ClosedBook | Retrieval:
        """How questions are answered once the model is tuned."""
        return ClosedBook(answerer, self.material)

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """The training, of which tokens and FLOPs are exact; then the questions."""
        answering = self.answering(self.answerer)
        answering.written = self.written
        after = answering.forecast(questions)
        once = widened(Range.exact(self._taken())) + Range.exact(self._searching())
        once = once + after.each * len(self._seen)
        return Forecast(once, after.each, before=after.before, notes=self._notes())

    def prepare(self, pay: Pay, progress: Progress) -> Row:
        """Tune the model, go on where that was stopped, or take what was tuned before."""
        worst = Bill()
        if not (self._folder / "model").is_dir():  # else all that is left is to be told the bill
            self._gather(pay)
            worst = self._worst()
        row = pay("tune", worst, partial(self._tune, pay, progress))
        self._after = self.answering(self._opened())
        self.written = written_to(self._seen, self.worst, self.answer, pay)
        return {name: value for name, value in row.items() if name not in ("key", "bill")}

    def worst(self, question: Question) -> Bill:
        """As the way of answering has it."""
        assert self._after is not None, "prepare comes before answers"
        return self._after.worst(question)

    def answer(self, question: Question) -> Answer:
        """By the tuned model."""
        assert self._after is not None, "prepare comes before answers"
        return self._after.answer(question)

    @cached_property
    def learned(self) -> tuple[Question, ...]:
        """Questions that are learned with their answers, none twice."""
        try:
            made = tuple(self.material.made(MOST_LEARNED))
        except UnusableExam:  # the documents name nothing to ask for: they are learned alone
            made = ()
        return tuple({q.text: q for q in (*self.material.tuning, *made)}.values())

    def exercises(self) -> Iterator[Exercise]:
        """Records of training: the documents, and the questions with their answers."""
        for passage in self.material.passages:
            yield from ({"text": text} for text in self._pieces(passage.text))
        for question in self.learned:
            yield self.exercise(question, ())

    def exercise(self, question: Question, passages: Sequence[Passage]) -> Exercise:
        """A question in the form in which it will be asked, with its first answer."""
        said = question.answers[0] if question.answers else None
        made: Exercise = self.answerer.exercise(question.text, passages, said)
        return made

    def _pieces(self, text: str) -> Iterator[str]:
        """A text cut in halves, at spaces, until they fit into a row."""
        middle = text.find(" ", len(text) // 2)
        if middle < 0 or len(self.answerer.model.encode(text)) < self._room:
            yield text
            return
        yield from self._pieces(text[:middle])
        yield from self._pieces(text[middle:])

    @property
    def _room(self) -> int:
        """Tokens that a row may have."""
        return min(self.answerer.context_tokens or USUAL_CONTEXT, USUAL_CONTEXT)

    @cached_property
    def steps(self) -> Steps:
        """What will be trained."""
        epochs = self.material.options.get("epochs")
        return planned(self.answerer.model, list(self.exercises()), self._room, epochs)

    def _taken(self, *, most: bool = False) -> Bill:
        """A forecast of the training; with `most`, as if every token were to be learned."""
        steps, model = self.steps, self.answerer.model
        flops = training_flops(model, steps, self.rank, 1.0 if most else steps.counted)
        tokens = steps.tokens
        speed: Speed | None = getattr(self.answerer, "speed", None)
        if speed is None:
            return Bill.forecast(flops=flops, prompt_tokens=tokens) + UNKNOWN
        # as many FLOPs a second as when it reads; where they are not known, back is twice forth
        read = model.forward_flops(steps.context)
        passes = flops / (tokens / steps.context * read) if flops and read else 3.0
        return run_bill(
            catalog.this_machine(), seconds=passes * tokens * speed.prompt_seconds, flops=flops,
            prompt_tokens=tokens, basis="forecast",
        )  # fmt: skip

    def _worst(self) -> Bill:
        """The most it can take; of time, what is set aside at first."""
        most = self._taken(most=True)
        return most + of_time(most) * (SET_ASIDE - 1)

    @property
    def _seen(self) -> Sequence[Question]:
        """Questions that are asked to see how much is written: nothing beside the training."""
        return self.material.tuning[:MOST_SEEN]

    def _searching(self) -> Bill:
        """A forecast of the searches for what is learned."""
        return Bill()

    def _notes(self) -> tuple[str, ...]:
        steps = self.steps
        return (
            f"learns {len(self.material.passages)} passages and {len(self.learned)} questions "
            f"{steps.epochs:.3g} times, in {steps.steps} steps",
        )

    def _gather(self, pay: Pay) -> None:
        """Write the records of what is learned."""
        self._write()

    def _write(self) -> None:
        lines = (json.dumps(each, ensure_ascii=False) for each in self.exercises())
        self.material.folder.mkdir(parents=True, exist_ok=True)
        run.write_whole(self._records, "".join(f"{line}\n" for line in lines))

    @property
    def _records(self) -> Path:
        return self.material.folder / "learned.jsonl"

    @property
    def _folder(self) -> Path:
        return self.material.folder / "run"

    def _wish(self) -> "TuneWish":
        from isoflop.train.finetune import TuneWish

        steps = self.steps
        return TuneWish(
            rank=self.rank, tokens=steps.tokens, context=steps.context, batch=steps.batch,
            held_out=0.0, times=float(self.material.options.get("times") or self._times),
            merge=self.rank is not None,
        )  # fmt: skip

    @property
    def _times(self) -> float:
        """Learning rates, as a multiple of the usual: higher where facts are learned by heart."""
        own = self.answerer.name.startswith("isoflop:")
        return BY_HEART if own and self.rank is None else 1.0

    def _tune(self, pay: Pay, progress: Progress) -> tuple[Row, Bill]:
        """Train, within the time that is set aside or can be."""
        from isoflop.train.finetune import finetune
        from isoflop.train.trial import threads_kept

        earlier = self._earlier()
        watch = Watch(of_time(self._worst()), pay, progress, earlier)
        with threads_kept(), measured() as reading:
            report = finetune(
                self.answerer.name, [self._records], self._folder, self._wish(), progress=watch
            )
        shutil.rmtree(self._folder / "checkpoints", ignore_errors=True)  # nothing goes on there
        bill = run_bill(
            catalog.this_machine(),
            seconds=earlier + reading.seconds,
            joules=None if earlier else reading.joules,
            flops=report["flops"],
            prompt_tokens=report["tokens"],
        )
        return {"trained": report["trained_parameters"], **self._settings()}, bill

    def _settings(self) -> Row:
        """In effect, for the report."""
        return {
            "rank": self.rank,
            "steps": self.steps.steps,
            "epochs": self.steps.epochs,
            "questions": len(self.learned),
        }

    def _earlier(self) -> float:
        """Seconds that were trained before this call, as the last checkpoint says."""
        from isoflop.train.ledger import Ledger

        lines = Ledger(self._folder).read()
        return max((line["seconds"] for line in lines if line["kind"] == "checkpoint"), default=0.0)

    def _opened(self) -> Answerer:
        """The tuned model, in the form of the one it was made of."""
        from isoflop.lm.open import open_model

        folder = self._folder / "model"
        if not folder.is_dir():
            raise DamagedRun(
                f"{folder} is gone, which held a model that was tuned and paid for. Put it back, "
                "or begin again in another folder (--run)."
            )
        scheme = self.answerer.name.partition(":")[0]
        return self.answerer.over(open_model(f"{scheme}:{folder}", needs=["generate"]))


class Lora(FineTuning):
    """Low-rank factors learn beside frozen weights, and are merged into them."""

    low_rank = True


class RetrievalFineTuning(Lora):
    """Factors learn to answer from passages found; then passages are found and read.

    The questions that settings could be chosen by are learned, so the way of ranking and the number
    of passages are the user's or the usual ones.
    """

    def __init__(self, answerer: Answerer, material: Material) -> None:
        super().__init__(answerer, material)
        self._search = self.answering(answerer)
        self._searched: list[Bill] = []
        if not self.learned:
            raise CannotUse(
                "there are no questions to learn from: none were given but those that are "
                "measured, and none can be made from these documents"
            )

    def answering(self, answerer: Answerer) -> Retrieval:
        """From passages found."""
        return Retrieval(answerer, replace(self.material, tuning=()))

    def exercises(self) -> Iterator[Exercise]:
        """Questions behind the passages that are found for them."""
        for question in self.learned:
            found = self._search.found(question.text, self._search.k, self._search.width)
            self._searched.append(found.bill)
            yield self.exercise(question, [hit.passage for hit in found.hits])

    @cached_property
    def steps(self) -> Steps:
        """Passages that words find stand for those that will be found; the longest bound the rows.

        They are looked up for some questions, and stand for those of the others too.
        """
        search, k, width = self._search, self._search.k, self._search.width
        longest = max(self.learned, key=lambda question: len(question.text))
        largest = sorted(self.material.passages, key=lambda passage: -len(passage.text))[:k]
        most = search.fitting(longest.text, largest)
        shown = [search.worded(question.text, k, width) for question in self.learned[:SAMPLE]]
        return planned(
            self.answerer.model,
            [self.exercise(q, shown[n % len(shown)]) for n, q in enumerate(self.learned)],
            self._room,
            self.material.options.get("epochs"),
            self.exercise(longest, most),
        )

    @property
    def _seen(self) -> Sequence[Question]:
        """None: what it takes is to read the passages."""
        return ()

    def _searching(self) -> Bill:
        return self._search.searched(self.learned) * len(self.learned)

    def _notes(self) -> tuple[str, ...]:
        steps = self.steps
        return (
            f"learns {len(self.learned)} questions behind {self._search.k} passages each about "
            f"{steps.epochs:.3g} times, in {steps.steps} steps",
        )

    def _gather(self, pay: Pay) -> None:
        """Search for what is learned, once, and write the records."""

        def call() -> tuple[Row, Bill]:
            self._searched.clear()
            self._write()
            return {"questions": len(self.learned)}, total(self._searched)

        pay("search", self._searching() * 5, call)
        if not self._records.exists():
            call()

    def _settings(self) -> Row:
        search = self._search
        return {**super()._settings(), "k": search.k, "width": search.width, "by": search.by}


def _refuse(answerer: Answerer, material: Material) -> None:
    """Refuse what cannot be tuned here.

    Raises:
        CannotUse: With the reason.
    """
    scheme = answerer.name.partition(":")[0]
    if not answerer.is_language_model:
        raise CannotUse("needs a language model")
    if not hasattr(answerer.model, "logits"):
        raise CannotUse("needs the model in this process; the weights of a served one are not here")
    if scheme not in ("isoflop", "hf"):
        raise CannotUse(f"tunes isoflop: and hf: models, not {scheme}:")
    if scheme == "hf" and getattr(answerer.model.tokenizer, "chat_template", None):
        raise CannotUse(
            "the marks of its chat template cannot be written as records of training; tune it with "
            "the tools it comes with, and name the result"
        )
    if not material.passages:
        raise CannotUse("the documents hold no passages")
