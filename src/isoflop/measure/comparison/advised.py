"""What a run advised, ready to answer: `isoflop ask --as RUN`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from isoflop.augment.answerer import Told
from isoflop.augment.method import Material
from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.ways import Way, learnable, ways_of
from isoflop.questions import Answer, Question
from isoflop.run import Row, read_about, read_rows
from isoflop.search.index import Index


class Advised:
    """The recommended way of a run, with what it prepared and the settings it chose.

    Attributes:
        index: Of the documents that were compared on.
        way: What answers.
        sentence: Why it was recommended.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_url: str | None = None,
        update: Callable[[Index], object] = lambda index: None,
    ) -> None:
        """Open it; nothing that was prepared is paid for again.

        Args:
            folder: Of the run.
            base_url: Of an OpenAI-compatible server.
            update: Brings the index up to date, before any passage is taken from it.

        Raises:
            DamagedRun: If the folder holds no report.
            UsageError: If the run advises nothing, or its way cannot be opened any more.
        """
        report = reporting.read(folder)
        advice = report.recommendation
        if advice is None:
            why = (
                "no way does better than never to answer"
                if report.values["best"]
                else "no way was measured on questions with answers"
            )
            raise UsageError(f"{folder} recommends nothing: {why}. Name a model with --model.")
        about = read_about(folder)
        self.index = Index.open(*about["documents"], into=about["index"])
        update(self.index)
        self.sentence: str = advice["sentence"]
        passages = tuple(self.index.passages())
        material = Material(
            self.index, passages, folder, wrong=about.get("wrong", 0.0),
            made=learnable(passages, (), ()),  # as tuning wants some, though it is done
            options={**about["options"], **advice["settings"]},
        )  # fmt: skip
        ways, left = ways_of(
            [advice["model"]], [advice["method"]], material,
            base_url=base_url or about.get("base_url"),
            told=Told(*(about.get(name) for name in ("architecture", "context", "tokenizer"))),
            ready=lambda answerer: answerer,  # one answer needs no forecast, so no trial
        )  # fmt: skip
        if not ways:
            raise UsageError(f"{advice['way']} cannot be used any more: {left[0].reason}.")
        self.way: Way = ways[0]
        self._rows: Mapping[str, Row] = {row["key"]: row for row in read_rows(folder)}
        self.way.does.prepare(self._pay, lambda stage, done, total: None)

    def _pay(self, key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        """What the run holds; what it does not hold is made again, and not recorded."""
        held = self._rows.get(f"prepare/{self.way.name}/{key}")
        return call()[0] if held is None else held

    def answer(self, question: str) -> Answer:
        """The way's answer, with its bill."""
        return self.way.does.answer(Question("asked", question))
