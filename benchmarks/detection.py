"""How well detectors find a model's own samples among pages it never saw, by length.

    python -m benchmarks.detection [--texts N]
    python -m benchmarks.detection --recordings F  # published result files below the folder F

The machine's texts are drawn from the shipped prose model at temperature 1 without filters, each
after the first 24 tokens of a human text, which are not scored as part of it. The human texts are
the continuations themselves: cuts of alice29 and lcet10 of the Canterbury corpus, which the model
was not trained on. All are normalised, then cut to 50, 100, 200 and 400 tokens. Nothing is tuned:
every detector with the sign its source gives it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from benchmarks.data import evaldata
from benchmarks.markdown import table
from isoflop.lm.generate import Request, generate
from isoflop.lm.open import PROSE
from isoflop.lm.own import OwnModel
from isoflop.lm.sample import Sampling
from isoflop.measure.detection.audit import audit
from isoflop.measure.detection.detectors import DETECTORS, Scored
from isoflop.measure.detection.normalise import normalised
from isoflop.measure.detection.reading import of_text, score_texts
from isoflop.measure.detection.sets import read_sets
from isoflop.measure.detection.surface import surface
from isoflop.measure.statistics.auroc import auroc

BOOKS = ("alice29.txt", "lcet10.txt")
LENGTHS = (50, 100, 200, 400)
PROMPT, SPARE, SEED = 24, 60, 20261125  # spare tokens: white space that normalisation takes away
TEXTS = 60


def main() -> None:
    """Sample, score, save and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--texts", type=int, default=TEXTS, metavar="N")
    asked.add_argument("--recordings", type=Path, metavar="F")
    given = asked.parse_args()
    if given.recordings is not None:
        recordings(given.recordings)
        return
    count = given.texts
    torch.set_num_threads(1)
    started = time.process_time()
    model = OwnModel(PROSE.partition(":")[2])
    human, own = texts(model, count)
    scored, bill = score_texts(model, [of_text("text", each) for each in (*human, *own)])
    kinds = np.arange(2 * count) >= count
    shortest = min(len(each.stream) for each in scored)
    rows = [at_length(scored, kinds, length) for length in LENGTHS if length <= shortest]
    result = {
        "name": "detection",
        "machine": machine.describe(("isoflop", "torch", "tokenizers", "numpy")),
        "model": {"name": PROSE, "parameters": model.parameters},
        "texts of each kind": count,
        "processor seconds": time.process_time() - started,
        "scoring": bill.as_dict(),
        "lengths": rows,
    }
    (machine.RESULTS / "detection.json").write_text(json.dumps(result, indent=1) + "\n")
    show(rows)


def recordings(folder: Path) -> None:
    """Every detector's scores again, beside the AUROC that its file states."""
    found = [audit(each) for each in read_sets(folder) if each.recorded]
    rows = [row for each in found for row in each.rows]
    apart = [abs(row.area.value - row.published) for row in rows if row.published is not None]
    said = [" ".join(row.flags) for row in rows]
    below = sum("not above the surface floor" in flags for flags in said)
    still = sum("nor after normalisation" in flags for flags in said)
    scores = sum(each.scores.size for one in found for each in one.set.recorded)
    print(
        f"{len(rows)} recordings of {scores:,} scores in {len(found)} sets; {len(apart)} state an "
        f"AUROC, at most {max(apart):.1e} from ours; {below} are not above the surface floor, "
        f"{still} of them not after normalisation either"
    )


def texts(model: OwnModel, count: int) -> tuple[list[str], list[str]]:
    """Human texts and the model's, normalised, in pairs that share the text before them."""
    each = PROMPT + LENGTHS[-1] + SPARE
    prompts: list[list[int]] = []
    human: list[str] = []
    for at, book in enumerate(BOOKS):
        wanted = (count + at) // len(BOOKS)
        text = normalised((evaldata() / "text" / book).read_text(errors="replace")).text
        ids = model.encode(text)[2000:]  # behind title pages and licences
        step = len(ids) // wanted
        for start in range(0, wanted * step, step):
            cut = ids[start : start + each]
            prompts.append(cut[:PROMPT])
            human.append(normalised(model.decode(cut[PROMPT:])).text)
    request = Request(LENGTHS[-1] + SPARE, Sampling(temperature=1.0, seed=SEED), ignore_end=True)
    written = generate(model, [[model.beginning, *prompt] for prompt in prompts], request)
    return human, [normalised(each.text).text for each in written]


def at_length(scored: list[Scored], kinds: np.ndarray, length: int) -> dict[str, Any]:
    """AUROC of each detector and of the surface, all texts cut to so many tokens."""
    cut = [each.first(length) for each in scored]
    shown = [_beginning(each, length) for each in scored]
    half = len(scored) // 2
    floor = surface(shown, kinds, [*range(half), *range(half)])
    areas: dict[str, Any] = {}
    for name, detector in DETECTORS.items():
        values = [detector.machine(each) for each in cut]
        known = np.array([value is not None for value in values])
        if min(known[kinds].sum(), known[~kinds].sum()) < 2:
            areas[name] = None
            continue
        found = auroc(kinds[known], [value for value in values if value is not None])
        areas[name] = {**found.as_dict(), "without a score": int((~known).sum())}
    return {
        "tokens": length,
        "surface floor": floor.floor,
        "surface, strongest": floor.features[0].name,
        "surface, all together": floor.combined.as_dict(),
        "detectors": areas,
    }


def _beginning(scored: Scored, tokens: int) -> str:
    size = int(scored.stream.byte_lengths[:tokens].sum())
    return scored.text.encode()[:size].decode(errors="ignore")


def show(rows: list[dict[str, Any]]) -> None:
    """One column for each length."""
    lines = [["surface floor", *(f"{row['surface floor']:.3f}" for row in rows)]]
    for name in DETECTORS:
        cells = [row["detectors"][name] for row in rows]
        lines.append(
            [name, *("-" if c is None else f"{c['value']:.3f} ({c['low']:.3f} to {c['high']:.3f})"
                     for c in cells)]
        )  # fmt: skip
    print(table(["AUROC", *(f"{row['tokens']} tokens" for row in rows)], lines))


if __name__ == "__main__":
    main()
