"""How often the check of citations errs on real text; the how-to page repeats these numbers."""

import json
import random
import re
from pathlib import Path

import pytest

from isoflop.augment.citations import check
from isoflop.augment.sentences import sentences
from isoflop.documents import Passage
from isoflop.questions import Hit


def supported(text: str, passage: str) -> bool:
    hit = Hit(Passage("page", 0, len(passage), passage), 1.0, "bm25")
    return all(citation.supported for citation in check(text, [hit]).citations)


def claims(passage: str) -> list[str]:
    """Its sentences of at least six words, without their full stops."""
    found = [passage[start:stop].rstrip(". ") for start, stop in sentences(passage)]
    return [claim for claim in found if len(claim.split()) >= 6]


@pytest.mark.slow
def test_the_check_keeps_what_a_passage_says_and_marks_what_another_says(evaldata: Path) -> None:
    articles = json.loads((evaldata / "xquad" / "xquad.en.json").read_text())["data"]
    pages = [[paragraph["context"] for paragraph in a["paragraphs"]] for a in articles]
    seeded = random.Random(0)
    own: list[bool] = []
    other: list[bool] = []
    neighbour: list[bool] = []
    changed: list[bool] = []
    for article in pages:
        for page in article:
            strange = seeded.choice(seeded.choice([a for a in pages if a is not article]))
            near = seeded.choice([p for p in article if p is not page])
            for claim in claims(page):
                own.append(supported(f"{claim} [1].", page))
                other.append(supported(f"{claim} [1].", strange))
                neighbour.append(supported(f"{claim} [1].", near))
                number = re.search(r"\d+", claim)
                if number:
                    wrong = str(int(number[0]) + seeded.randint(1, 9))
                    claim = claim[: number.start()] + wrong + claim[number.end() :]
                    changed.append(not supported(f"{claim} [1].", page))
    assert len(own) > 1100
    assert all(own)
    assert sum(other) / len(other) < 0.005
    assert sum(neighbour) / len(neighbour) < 0.035
    assert sum(changed) / len(changed) > 0.90
