"""Exams by name or path."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from isoflop.errors import UsageError, did_you_mean
from isoflop.measure.exams import causality, formats
from isoflop.measure.exams.asking import spellings
from isoflop.measure.exams.exam import Exam
from isoflop.measure.exams.outputs import Recording

BUILT_IN = ("causality", "causality-choice")
GROUP = "isoflop.exam"  # entry points: a function without arguments that returns an Exam


def open_exam(name: str, answers: Path | None = None, *, as_published: bool = False) -> Exam:
    """The exam of that name, or in the file or folder of that path.

    Raises:
        UsageError: If there is neither.
        UnusableExam: If it cannot be read or scored.
    """
    if name == "causality":
        return causality.exam()
    if name == "causality-choice":
        return causality.exam("choice")
    plugins = entry_points(group=GROUP)
    if name in plugins.names:
        made: Exam = plugins[name].load()()
        return made
    path = Path(name)
    if path.exists():
        return formats.read(path, answers, as_published=as_published)
    known = (*BUILT_IN, *sorted(plugins.names))
    raise UsageError(
        f"No exam called {name!r}, and no such file.{did_you_mean(name, known)} "
        f"Built in: {', '.join(known)}. Or name a file of questions with answers."
    )


def exams_for(
    name: str,
    recorded: Sequence[Recording],
    answers: Path | None = None,
    *,
    as_published: bool = False,
) -> list[Exam]:
    """The exam for each recording: the same for all, but causality in the words of each.

    Raises:
        UsageError: If there is no such exam.
        UnusableExam: If it cannot be read or scored.
    """
    if name == "causality":
        return [_causality(recording) for recording in recorded]
    return [open_exam(name, answers, as_published=as_published)] * len(recorded)


def _causality(recording: Recording) -> Exam:
    outputs = recording.outputs
    for form in causality.FORMS:
        own = causality.exam(form)
        texts = {text for question in own.questions for text in spellings(question)}
        if outputs[0].prompt in texts:
            return own
    return causality.keyed((output.id, output.prompt or "") for output in outputs)
