"""isoflop plan methods: its tables, JSON, plot, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

SMALL = ("--corpus", "1e5", "--model", "llama-3.1-8b", "--on", "1xh100-sxm")


def test_every_method_has_a_row_or_a_reason(plan: Any) -> None:
    told = plan("methods", *SMALL, "--questions", "1000/day")
    for name in ("closed book", "long context", "groups", "retrieval", "fine-tuning", "agent"):
        assert name in told.out
    assert "fine-tuning, full: cannot be, Nothing fits on" in told.out
    for word in ("bf16", "vllm", "batch 1", "causal", "PUE", "an hour", "idle hours"):
        assert word in told.err


def test_json_has_intervals_and_basis_for_each_figure(plan: Any) -> None:
    told = plan("methods", *SMALL, "--questions", "1000/day", "--json").values
    each = told["methods"]["retrieval"]["each"]
    assert set(each["seconds"]) == {"low", "value", "high", "basis"}
    assert each["seconds"]["low"] < each["seconds"]["value"] < each["seconds"]["high"]
    assert told["in_all_is"] == "a month"
    month = told["methods"]["retrieval"]["in_all"]["dollars"]["value"]
    assert month == pytest.approx(each["dollars"]["value"] * 1000 * 365.2425 / 12)


def test_break_evens_are_what_the_figures_say(plan: Any) -> None:
    told = plan("methods", *SMALL, "--json").values
    assert told["break_even"]
    for met in told["break_even"]:
        one, other = (told["methods"][met[name]] for name in ("from", "to"))
        totals = [
            m["once"]["dollars"]["value"] + met["questions"] * m["each"]["dollars"]["value"]
            for m in (one, other)
        ]
        assert totals[0] == pytest.approx(totals[1])
        assert other["once"]["dollars"]["value"] > one["once"]["dollars"]["value"]


def test_a_corpus_beyond_the_context_is_said_and_the_others_go_on(plan: Any) -> None:
    told = plan("methods", "--corpus", "5e6", *SMALL[2:], "--json").values
    assert "the model holds 131,072" in told["cannot"]["long context"]
    assert "retrieval" in told["methods"]


def test_the_plot_is_written(plan: Any, tmp_path: Path) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    plan("methods", *SMALL, "--plot", str(tmp_path / "methods.svg"))
    assert "retrieval" in (tmp_path / "methods.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say --corpus"),
        ((*SMALL[2:], "--corpus", "-5"), "more than zero"),
        ((*SMALL, "--questions", "1000/fortnight"), "no unit of time"),
        ((*SMALL, "--cache-hits", "2"), "cache_hits"),
        ((*SMALL, "--price", "0"), "--price 0"),
        ((*SMALL, "--pue", "0.2"), "1 or more"),
        (("--corpus", "1e5", "--model", "llama-9", "--on", "1xh100-sxm"), "llama-9"),
        (("--corpus", "1e5", "--model", "llama-3.1-8b", "--on", "1xt4"), "Take more chips"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    plan: Any, arguments: tuple[str, ...], message: str
) -> None:
    assert message in plan("methods", *arguments, code=2).err
