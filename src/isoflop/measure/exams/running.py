"""Asking a model the questions of an exam: forecast, run, bill."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from isoflop.bill import Bill, total
from isoflop.errors import BudgetReached, UnusableExam
from isoflop.lm.model import Message, Scored
from isoflop.measure.exams import asking, rules, run_folder
from isoflop.measure.exams.exam import Exam, is_yes_no
from isoflop.measure.exams.rows import Row
from isoflop.questions import Question
from isoflop.run import Run, bill_of

Kind = Literal["text", "likelihoods", "alternatives"]
Price = Callable[[Bill], Bill]  # from tokens and seconds to dollars, joules and carbon
Progress = Callable[[int, int], None]

# Of English text, for a forecast: OpenAI help centre, "What are tokens and how to count them".
CHARACTERS_PER_TOKEN = 4.0
ALTERNATIVES = 5  # as many as the published recordings have


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asks, of whom, and how it is paid.

    Attributes:
        exam: Its questions.
        name: As the user named the exam.
        model: A `Model`, a `Scorer` or both.
        rule: By which the answers will be decided.
        most_tokens: Of one answer; by the question when None.
        price: Turns tokens and seconds into a whole bill.
        at_once: Questions under way at the same time.
    """

    exam: Exam
    name: str
    model: Any
    rule: str
    price: Price
    most_tokens: int | None = None
    at_once: int = 1

    @property
    def kind(self) -> Kind:
        """What the rule needs of the model."""
        if self.rule in rules.READS_TEXT:
            return "text"
        if self.rule == rules.CONTRAST and hasattr(self.model, "complete"):  # an endpoint
            return "alternatives"
        return "likelihoods"

    def output_tokens(self, question: Question) -> int:
        """The most it may write for a question."""
        if self.kind != "text":
            return 1
        return self.most_tokens or asking.most_tokens(question)


def forecast(asked: Asked, answered: Sequence[str] = ()) -> Bill:
    """What the questions that are left will take at most, before anything is asked.

    Tokens of prompts are counted by the model's own tokenizer where it runs here, else four
    characters make one. Answers are assumed to be as long as they may be. Seconds are unknown.
    """
    done = set(answered)
    return total(
        _one(asked, question) for question in asked.exam.questions if question.id not in done
    )


def _one(asked: Asked, question: Question) -> Bill:
    """A forecast for one question."""
    weighed = len(asking.continuations(question)) if asked.kind == "likelihoods" else 1
    text = asking.prompt(question)
    encode = getattr(asked.model, "encode", None)
    tokens = len(encode(text)) if encode else len(text) / CHARACTERS_PER_TOKEN
    usage = Bill.forecast(
        prompt_tokens=weighed * tokens, output_tokens=asked.output_tokens(question), seconds=None
    )
    priced = asked.price(usage)
    bases = tuple("forecast" if basis == "measured" else basis for basis in priced.bases)
    return replace(priced, bases=bases)


def run(
    asked: Asked,
    folder: Path,
    *,
    budget: float | None = None,
    progress: Progress = lambda done, total: None,
) -> Bill:
    """Ask what was not yet answered in a folder; every answer is kept there as it comes.

    Args:
        asked: What, of whom.
        folder: Of this run; a run that was stopped goes on where it was.
        budget: Dollars that this call may spend; None for no bound.
        progress: Told how many of how many questions are answered.

    Returns:
        The bill of this call.

    Raises:
        BudgetReached: When the next answer could pass the budget; what was answered is kept.
        UsageError: If the folder holds another run.
        IsoflopError: As the model raises; what was answered is kept.
    """
    settings = {"most_tokens": asked.most_tokens}
    header = run_folder.about(
        asked.exam, asked.name, asked.model.name, asked.kind, asked.rule, settings
    )
    with run_folder.opened(folder, header) as kept:
        left = [q for q in asked.exam.questions if q.id not in kept.rows]
        return _Run(asked, kept, budget, progress).through(left)


class _Run:
    """Questions under way, and what they have cost."""

    def __init__(
        self,
        asked: Asked,
        kept: Run,
        budget: float | None,
        progress: Progress,
    ) -> None:
        self.asked, self.kept, self.budget, self.progress = asked, kept, budget, progress
        self.bill = Bill()
        self.pending: dict[Future[Row], float] = {}  # with the dollars each may take

    def through(self, questions: Sequence[Question]) -> Bill:
        """Ask them all, so many at once, and keep each answer as it comes; what they cost."""
        with ThreadPoolExecutor(self.asked.at_once) as pool:
            try:
                for question in questions:
                    self._afford(question)
                    reserved = _one(self.asked, question).dollars or 0.0
                    self.pending[pool.submit(answer, self.asked, question)] = reserved
                    if len(self.pending) >= self.asked.at_once:
                        self._keep(FIRST_COMPLETED)
            finally:  # what is under way is paid for, whatever stopped us
                while self.pending:
                    self._keep(FIRST_COMPLETED)
        return self.bill

    def _afford(self, question: Question) -> None:
        if self.budget is None:
            return
        next_one = _one(self.asked, question).dollars
        spent = self.bill.dollars
        if next_one is None or spent is None:
            raise BudgetReached("The price of an answer is unknown, so no budget can be kept.")
        if spent + sum(self.pending.values()) + next_one > self.budget:
            raise BudgetReached(
                f"The budget of ${self.budget:g} is reached: ${spent:.4f} spent, "
                f"{len(self.kept.rows)} of {len(self.asked.exam.questions)} questions answered "
                f"and kept in {self.kept.folder}. The same command goes on from there."
            )

    def _keep(self, until: str) -> None:
        done, _ = wait(self.pending, return_when=until)
        failed: BaseException | None = None
        for future in done:
            del self.pending[future]
            failed = future.exception() or failed
            if future.exception() is None:
                row = future.result()
                self.kept.add(row)
                self.bill = self.bill + bill_of(row)
        self.progress(len(self.kept.rows), len(self.asked.exam.questions))
        if failed is not None:
            raise failed


def answer(asked: Asked, question: Question) -> Row:
    """Ask one question.

    Returns:
        A line of the recording: id, prompt, and the text, the likelihoods or the alternatives.
    """
    if asked.kind == "likelihoods":
        return _weighed(asked, question)
    text = asking.prompt(question)
    options = {"alternatives": ALTERNATIVES} if asked.kind == "alternatives" else {}
    said = asked.model.generate(
        [Message("user", text)], most_tokens=asked.output_tokens(question), **options
    )
    row = {"id": question.id, "prompt": text, "text": said.text, "finish": said.finish_reason}
    if said.scored is not None and said.scored.alternatives is not None:
        row["top"] = [dict(place) for place in said.scored.alternatives]
    return {**row, "bill": asked.price(said.bill).as_dict()}


def _weighed(asked: Asked, question: Question) -> Row:
    """The log-likelihood of each choice after the question."""
    text = asking.asked(question) + asking.CUE
    texts = asking.continuations(question)
    if not texts:
        raise UnusableExam(
            f"Question {question.id!r} has no choices, so there are none to weigh by likelihood."
        )
    found = [asked.model.score_continuation(text, one) for one in texts]
    row: Row = {"id": question.id, "prompt": text, "likelihoods": [_known(one) for one in found]}
    if asked.rule == "pmi" and not is_yes_no(question):
        alone = [asked.model.score_continuation(asking.PREMISE, one) for one in texts]
        row["unconditional"] = [_known(one) for one in alone]
        found += alone
    return {**row, "bill": asked.price(total(one.bill for one in found)).as_dict()}


def _known(scored: Scored) -> float:
    value = scored.log_probability
    if value is None:
        raise UnusableExam(
            "The model gave no log-probability for a choice. Choose a rule that reads text, such "
            "as 'letter'."
        )
    return value
