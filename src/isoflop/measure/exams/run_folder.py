"""A run of an exam: what identifies it, and its answers; see `isoflop.run`."""

from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path

from isoflop import run
from isoflop.measure.exams.exam import Exam
from isoflop.measure.exams.rows import Row
from isoflop.run import Run

OUTPUTS = "outputs.jsonl"


def about(exam: Exam, name: str, model: str, kind: str, rule: str, settings: Row) -> Row:
    """What identifies a run: nothing that differs may go into the same folder."""
    digest = blake2b(digest_size=16)
    for question in exam.questions:
        digest.update("\0".join((question.id, question.text, *question.choices)).encode())
    return {
        "exam": name,
        "questions": len(exam.questions),
        "questions_hash": digest.hexdigest(),
        "model": model,
        "asked_for": kind,
        "rule": rule,
        **settings,
    }


def opened(folder: Path, header: Row) -> AbstractContextManager[Run]:
    """The folder of a run, its lines by the id of their question; see `isoflop.run.opened`."""
    return run.opened(folder, header, lines=OUTPUTS, key="id")


def answered_in(folder: Path) -> list[str]:
    """Ids of the questions that a folder holds answers to; none if there is no folder."""
    return [str(row["id"]) for row in run.read_rows(folder, OUTPUTS)]
