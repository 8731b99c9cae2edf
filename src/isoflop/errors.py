"""Errors a user can act on: what happened, where, what to do next.

IsoflopError
├── UsageError           a wrong option, an empty query, an unknown name           exit code 2
│   └── Unaskable        a text that this model cannot be asked; others can be     exit code 2
├── BudgetReached        the budget stopped it; what was done is saved             exit code 3
├── CheckFailed          a check that was asked for was not met                    exit code 4
├── Missing              a key, a model or an extra is not there                   exit code 5
│   ├── MissingPackage
│   └── MissingWeights
├── Unreadable           one document cannot be read; the others go on             exit code 1
├── DamagedIndex         a derived file is broken; it is rebuilt from the truth    exit code 1
├── NewerIndex           the index was written by a newer isoflop                  exit code 1
├── DamagedCheckpoint    a checkpoint or a shard is broken; an earlier one is used   exit code 1
├── NewerCheckpoint      a checkpoint was written by a newer isoflop               exit code 1
├── TrainingFailed       the loss is not a number, or a process died; saved        exit code 1
├── IndexBusy            another process is writing this index                     exit code 1
├── DamagedRun           a folder of a run is not one, or its lines are broken     exit code 1
├── UnusableExam         an exam, or answers recorded for it, that give no score   exit code 1
└── EndpointError        a served model refused, failed or did not answer          exit code 1
    ├── TooLongThere     it cannot read so much at once; less can be asked         exit code 1
    ├── NothingWritten   it was asked and wrote nothing; it may write another time exit code 1
    └── CannotScore      it gives no log-probabilities of a text, or no real ones  exit code 1
"""

import difflib
from collections.abc import Iterable
from typing import Any


class IsoflopError(Exception):
    """Anything the command line prints without a traceback."""

    exit_code = 1


class UsageError(IsoflopError):
    """The call itself is wrong."""

    exit_code = 2


class Unaskable(UsageError):
    """A text that a model cannot be asked, being too long or holding its marks; others can be."""


class BudgetReached(IsoflopError):
    """The budget stopped the work; the partial result is saved."""

    exit_code = 3


class CheckFailed(IsoflopError):
    """A check that the user asked for was not met."""

    exit_code = 4


class Missing(IsoflopError):
    """A key, a model or an extra is not there."""

    exit_code = 5


class MissingPackage(Missing):
    """A Python package of an extra is not installed."""


class MissingWeights(Missing):
    """Model files were found nowhere, or not with the pinned hash."""


class Unreadable(IsoflopError):
    """A document cannot be read; the message is the reason, without the path."""


class DamagedIndex(IsoflopError):
    """A derived file of the index is broken and must be rebuilt."""


class NewerIndex(IsoflopError):
    """The index was written by a newer version of isoflop."""


class DamagedCheckpoint(IsoflopError):
    """A checkpoint or a file of training data is broken or half written."""


class NewerCheckpoint(IsoflopError):
    """A checkpoint was written by a newer version of isoflop."""


class TrainingFailed(IsoflopError):
    """Training stopped and cannot go on by itself; the last good state is saved."""


class IndexBusy(IsoflopError):
    """Another process is writing this index."""


class DamagedRun(IsoflopError):
    """A folder of a run is not one, or lines in it cannot be read."""


class UnusableExam(IsoflopError):
    """An exam or recorded answers that cannot give a number to be trusted."""


class EndpointError(IsoflopError):
    """A served model refused, failed or did not answer."""


class TooLongThere(EndpointError):
    """A text is longer than a served model can read at once."""


class NothingWritten(EndpointError):
    """A model was asked and wrote nothing that can be shown.

    Attributes:
        bill: What asking it took, as a `Bill`; None if that is not known.
    """

    bill: Any = None


class CannotScore(EndpointError):
    """A served model gives no log-probabilities of a text, or no real ones."""


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """A hint that names the nearest known names, or an empty string.

    Args:
        name: What the user wrote.
        known: Every accepted name.
        most: How many names the hint may list.
    """
    near = difflib.get_close_matches(name, list(known), n=most, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""
