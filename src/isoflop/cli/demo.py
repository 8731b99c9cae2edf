"""isoflop demo: what it does, on bundled pages, measured while you watch."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

from isoflop import catalog
from isoflop.augment.ask import ask
from isoflop.bill import Bill
from isoflop.cli import options
from isoflop.cli.ask import answer_json, show
from isoflop.cli.output import Bar, amount, bill_line, print_json, table
from isoflop.measure.retrieval import Measured, cheapest_not_worse, contains, measure, questions
from isoflop.plan.retrieval import (
    Corpus,
    Speed,
    indexing_forecast,
    question_forecast,
    save_speed,
)
from isoflop.questions import WAYS, Question
from isoflop.search.index import Index
from isoflop.settings import cache_folder

STRIDE = 4  # of the answerable questions every so many are answered in full: the demo is short
EXAMPLE = "How many FLOPs does the training of GPT-3 take?"


@click.command()
@options.as_json
def demo(as_json: bool) -> None:
    """Index the bundled handbook, ask its questions by each way of ranking, and compare."""
    from isoflop.search.trial import measure_speed

    began = time.perf_counter()
    say = _quiet if as_json else click.echo
    package = resources.files("isoflop")
    with (
        resources.as_file(package.joinpath("handbook")) as handbook,
        resources.as_file(package.joinpath("measure", "handbook_questions.jsonl")) as file,
        tempfile.TemporaryDirectory(prefix="isoflop-demo-") as folder,
    ):
        say("isoflop: at equal compute, what works best?\n")
        say("First a trial of this machine on made-up text, for the forecasts ...")
        speed = measure_speed()
        save_speed(speed, cache_folder())
        index = Index.open(handbook, into=folder, encoder="minilm")
        shown = _Demo(index, handbook, questions(file), speed, say)
        report = {
            "indexing": shown.indexing(),
            "ways": shown.ways(),
            "unanswerable": shown.unanswerable(),
            "answer": shown.answer(),
        }
        index.close()
    seconds = time.perf_counter() - began
    if as_json:
        print_json({**report, "recommended": shown.recommended, "seconds": seconds})
        return
    say(f"\nAll of this took {seconds:.0f} s. Next, on your own files:\n")
    say('  isoflop ask "YOUR QUESTION" FOLDER    quotes that answer, or a plain no')
    say('  isoflop search "WORDS" --in FOLDER    ranked passages')
    say("  isoflop plan retrieval FOLDER         what it will cost, before it is spent")


@dataclass
class _Demo:
    """The parts of the demo, in the order they are shown."""

    index: Index
    handbook: Path
    asked: list[Question]
    speed: Speed
    say: Callable[[str], None]
    recommended: str = ""

    @property
    def corpus(self) -> Corpus:
        pages = self.handbook.glob("*.md")
        return Corpus(sum(len(page.read_text(encoding="utf-8")) for page in pages))

    def indexing(self) -> dict[str, object]:
        """Index the handbook; forecast beside measured."""
        machine, shape = catalog.this_machine(), catalog.architecture("minilm")
        forecast = indexing_forecast(machine, self.speed, shape, self.corpus)
        bar = Bar()
        update = self.index.update(progress=bar)
        bar.close()
        self.say(f"\nIndexed {update.added} pages of a handbook: {update.passages} passages.\n")
        rows = [_cells("forecast", forecast), _cells("measured", update.bill)]
        self.say(table(("paid once", "time", "FLOP", "energy", "CO2e"), rows))
        return {"forecast": forecast.as_dict(), "measured": update.bill.as_dict()}

    def ways(self) -> list[dict[str, object]]:
        """Ask every answerable question by each way of ranking, and compare."""
        answerable = [question for question in self.asked if question.answers]
        machine, shape = catalog.this_machine(), catalog.architecture("minilm")
        corpus = Corpus(self.corpus.characters, self.index.counts()["passages"])
        bar, ways, rows = Bar(), [], []
        for done, way in enumerate(WAYS, start=1):
            forecast = question_forecast(machine, self.speed, shape, corpus, way)
            ways.append((measure(self.index, answerable, way), forecast))
            bar("asking", done, len(WAYS))
            rows.append(_row(*ways[-1]))
        bar.close()
        self.say(
            f"\nAsked {len(answerable)} questions with known answers by each way of ranking."
            "\nRight: an accepted answer stands in the first passage (95 % interval)."
            "\nFigures are per question, measured and (forecast).\n"
        )
        self.say(table(("way", "right", "interval", "time", "FLOP", "energy"), rows))
        self._recommend([way for way, _ in ways])
        return [_way_json(way, forecast) for way, forecast in ways]

    def _recommend(self, ways: list[Measured]) -> None:
        cheapest = cheapest_not_worse(ways)
        best = max(ways, key=lambda way: way.accuracy)
        self.recommended = cheapest.way
        if cheapest is best:
            self.say(f"\nBest, and nothing cheaper is as good: {best.way}.")
            return
        self.say(
            f"\nBest: {best.way}. Cheapest that is not significantly worse: {cheapest.way}."
            f"\n({len(best.right)} questions cannot show a small difference;"
            f" {best.way} remains the better guess.)"
        )

    def unanswerable(self) -> dict[str, object]:
        """How often it abstains when it should, and answers when it should."""
        counts = {"abstained": 0, "unanswerable": 0, "answered": 0, "answerable": 0, "right": 0}
        answerable = [question for question in self.asked if question.answers]
        for question in [*answerable[::STRIDE], *(q for q in self.asked if not q.answers)]:
            answer = ask(question.text, self.index, model="extractive")
            if question.answers:
                counts["answerable"] += 1
                counts["answered"] += not answer.abstained
                counts["right"] += contains([c.quote for c in answer.citations], question.answers)
            else:
                counts["unanswerable"] += 1
                counts["abstained"] += answer.abstained
        self.say(
            "\nWithout a language model, `ask` quotes the sentences that answer: it answered "
            f"{counts['answered']} of {counts['answerable']},\n{counts['right']} of them with an "
            f"accepted answer in a quote, and said that there is no answer for\n"
            f"{counts['abstained']} of {counts['unanswerable']} that the handbook does not answer."
        )
        return {**counts}

    def answer(self) -> dict[str, object]:
        """One question, answered with citations."""
        self.say(f'\n$ isoflop ask "{EXAMPLE}"\n')
        answer = ask(EXAMPLE, self.index, model="extractive")
        if self.say is click.echo:
            show(answer)
        self.say(f"\nbill: {bill_line(answer.bill)}")
        return {"question": EXAMPLE, **answer_json(answer)}


def _quiet(text: str) -> None:
    pass


def _cells(name: str, bill: Bill) -> tuple[str, ...]:
    return (
        name,
        amount(bill.seconds, "s"),
        amount(bill.flops, "FLOP"),
        amount(bill.joules, "J"),
        amount(bill.grams_co2e, "g"),
    )


def _row(way: Measured, forecast: Bill) -> tuple[str, ...]:
    low, high = way.interval
    bill = way.bill_per_question
    return (
        way.way,
        f"{way.accuracy:.1%}",
        f"{low:.0%} to {high:.0%}",
        f"{amount(bill.seconds, 's')} ({amount(forecast.seconds, 's')})",
        f"{amount(bill.flops, 'FLOP')} ({amount(forecast.flops, 'FLOP')})",
        f"{amount(bill.joules, 'J')} ({amount(forecast.joules, 'J')})",
    )


def _way_json(way: Measured, forecast: Bill) -> dict[str, object]:
    return {
        "way": way.way,
        "questions": len(way.right),
        "accuracy": way.accuracy,
        "interval": way.interval,
        "measured": way.bill_per_question.as_dict(),
        "forecast": forecast.as_dict(),
    }
