"""The whole chain on worlds whose facts have known bits: documents to advice.

A tiny model learns another world, and then the facts of this one; the same cases, larger, are in
benchmarks/known_truth.py. One in which the facts fit, one in which 2 bits a parameter cannot hold
them. Each question is in words in which its fact was not learned.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.known_truth import BAR, Case, Tiny, one

BASE = Tiny(width=32, steps=400, people=10, wordings=9)
WITHIN = Case(2, "fine-tuning", True, BASE, 7, {"epochs": 28}, most=20)
BEYOND = Case(32, "lora", False, BASE, 1, {"epochs": 3, "times": 4.0, "rank": 1}, most=16)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both find the model that they begin with."""
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("known-truth")


def test_facts_that_fit_are_learned_and_pay_after_as_many_questions_as_forecast(
    folder: Path,
) -> None:
    found = one(folder / "within", WITHIN)
    assert found["bits"] < found["capacity_bits"] / 100
    right = {way: interval["value"] for way, interval in found["accuracy"].items()}
    assert right["closed book"] <= 0.1  # before it learned them
    assert right["tuned"] >= 0.6
    assert not _is_worse(found["behind"]["tuned"])
    assert found["advised"] == "fine-tuning"
    questions = found["break_even_questions"]
    assert questions["measured"] > 0
    assert 1 / BAR <= questions["measured"] / questions["forecast"] <= BAR


def test_where_facts_do_not_fit_retrieval_is_advised_and_tuning_is_shown_to_be_worse(
    folder: Path,
) -> None:
    found = one(folder / "beyond", BEYOND)
    assert found["bits"] > found["capacity_bits"]
    assert found["advised"] == "retrieval"
    assert _is_worse(found["behind"]["tuned"])


def _is_worse(behind: dict[str, Any] | None) -> bool:
    """Whether the best way is ahead by more than chance; None is the best's own."""
    return behind is not None and behind["low"] > 0
