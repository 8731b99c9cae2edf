"""What the tests of several processes run: `torchrun ... processes.py FOLDER STEPS UNTIL [DIE]`."""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from isoflop.errors import TrainingFailed
from isoflop.lm.tokenizer import Tokenizer
from isoflop.lm.transformer import Configuration
from isoflop.train.distributed import SharedTraining, started, told_of_the_dead
from isoflop.train.pretrain import Training
from isoflop.train.recipe import Recipe
from isoflop.train.shards import Shards


def main(folder: Path, run: str, until: int, dies: int | None) -> None:
    """Train until a step, save, and write each loss."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as `Training.run` finishes its step first
    torch.set_num_threads(1)
    c = Configuration(400, 32, 2, 2, 1, 96, 32, "rope", query_key_norm=True)
    recipe = Recipe(c, steps=20, batch=8, micro_batch=4)
    data = (
        Shards.load(folder / "train"), Shards.load(folder / "held-out"),
        Tokenizer.load(folder / "tokenizer"), folder / run,
    )  # fmt: skip
    (folder / run).mkdir(exist_ok=True)
    processes = started()
    training = SharedTraining(processes, recipe, *data) if processes else Training(recipe, *data)
    rank = processes.rank if processes else 0
    losses, rows = [], []
    try:
        with told_of_the_dead(folder / run, processes):
            while training.step < until:
                if dies is not None and training.step == dies and rank == 1:
                    os._exit(9)
                rows += training.batches[training.step][0].tolist()
                losses.append(training.update()[0])
            training.save()
            quality = training.evaluate()
    except TrainingFailed as error:
        (folder / f"{run}-{rank}.error").write_text(str(error))
        raise SystemExit(1) from error
    result = {"losses": losses, "rows": rows, "bits_per_byte": quality.bits_per_byte}
    (folder / f"{run}-{rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]),
        int(sys.argv[4]) if len(sys.argv) > 4 else None,
    )  # fmt: skip
