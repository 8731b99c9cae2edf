"""A kill at any moment, and a reader at any moment: the old state or the new, never between."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import kill
from isoflop.questions import WAYS
from isoflop.search.encode import Encoder
from isoflop.search.index import Index

# Runs the command line and kills it before the n-th call of a function. The point is chosen from
# outside: nothing in isoflop knows of it.
KILLED_BEFORE = """
import importlib, os, signal, sys
module, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner = importlib.import_module(module)
*classes, name = name.split(".")
for part in classes:
    owner = getattr(owner, part)
called, count = getattr(owner, name), 0
def killed(*arguments, **options):
    global count
    count += 1
    if count == times:
        os.kill(os.getpid(), signal.SIGKILL)
    return called(*arguments, **options)
setattr(owner, name, killed)
sys.argv[1:] = sys.argv[4:]
from isoflop.cli import main
main()
"""
BUILDING, UPDATING = False, True
STEPS = [
    (BUILDING, "isoflop.lock", "_myself", 1),  # the lock is held, nothing is there
    (BUILDING, "pathlib", "Path.rename", 1),  # the truth stands under another name
    (BUILDING, "isoflop.search.database", "transaction", 2),  # nothing read
    (UPDATING, "isoflop.search.database", "transaction", 4),  # read, not embedded
    (UPDATING, "isoflop.search.lexical", "Words.update", 1),  # words are about to be written
    (UPDATING, "isoflop.search.tiles", "amend", 1),  # words stand, vectors do not
    (UPDATING, "os", "fsync", 1),  # vectors half written
    (UPDATING, "isoflop.search.truth", "Truth.publish", 1),  # all is ready
    (UPDATING, "isoflop.search.truth", "Truth.bury", 1),  # published, the dead still there
    (UPDATING, "shutil", "rmtree", 2),  # buried, the old derived files still there
]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, minilm: Encoder) -> kill.Trial:
    """What the long run in benchmarks/kill.py does, without starting a process to finish."""

    def finish(folder: Path, into: Path) -> None:
        index = Index.open(folder, into=into)
        index._encoder = minilm
        index.update()
        index.close()

    folder = tmp_path_factory.mktemp("trial")
    return kill.Trial.prepare(folder, minilm, files=20, seed=7, finish=finish)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[2]}-{step[3]}")
def test_a_kill_before_any_step_costs_nothing(
    trial: kill.Trial, step: tuple[bool, str, str, int]
) -> None:
    updating, *call = step
    into, outcome = trial.begin(updating=updating), kill.Outcome()
    command = kill.command(trial.place, into)[3:]
    run = subprocess.run([sys.executable, "-c", KILLED_BEFORE, *map(str, call), *command])
    assert run.returncode == -signal.SIGKILL, "there was such a step"
    trial.judge(outcome, updating=updating)
    assert outcome.details == []


def test_kills_at_random_moments_cost_nothing(trial: kill.Trial) -> None:
    outcome = kill.rounds(trial, 3, seed=7)
    assert outcome.kills == 3
    assert outcome.details == []


def test_a_reader_sees_the_old_answer_or_the_new_while_another_process_writes(
    trial: kill.Trial, minilm: Encoder
) -> None:
    writer = trial.run(updating=True)
    reader = Index.open(trial.into)
    reader._encoder = minilm
    queries = [(query, way) for query in kill.QUERIES for way in WAYS]
    seen: list[list[tuple[str, float]]] = []
    while writer.poll() is None or len(seen) % len(queries):
        query, way = queries[len(seen) % len(queries)]
        seen.append([(hit.passage.id, hit.score) for hit in reader.search(query, by=way)])
    reader.close()
    assert writer.returncode == 0
    old, new = (trial.states[updating]["answers"] for updating in (BUILDING, UPDATING))
    published = next(n for n, answer in enumerate(seen) if answer != old[n % len(queries)])
    assert published > 0
    assert all(answer == new[n % len(queries)] for n, answer in enumerate(seen) if n >= published)
